import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.campaign.replay import first_difference
from dhmpi.campaign.warm_start import MOST_KEPT, gather
from dhmpi.cli import main
from dhmpi.errors import OptionError, ResultsError
from dhmpi.evaluation import DESIGN, EARLIER, Observation
from dhmpi.results import read
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.ga import GA
from dhmpi.search.hps.random import RandomSearch


def old_problem():
    problem = HpProblem()
    problem.add_dim("rate", (0.0, 1.0))
    problem.add_dim("y", (0.0, 1.0))
    problem.add_dim("gone", [1, 2])
    return problem


def new_problem():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 0.5), formerly="rate")
    problem.add_dim("y", (0.0, 1.0))
    problem.add_dim("new", ["a", "b"], "b")
    return problem


def old_run(point):
    return (point["rate"] - 0.3) ** 2 + (point["y"] - 0.6) ** 2


def new_run(point):
    return (point["x"] - 0.32) ** 2 + (point["y"] - 0.62) ** 2 + 10 + (point["new"] == "b")


@pytest.fixture
def old(tmp_path):
    path = str(tmp_path / "old.h5")
    RandomSearch(old_problem(), old_run, "serial", max_evals=40, output=path, quiet=True, isolation="inline").main()
    return path


def campaign(kind, path, old, max_evals=6, **more):
    options = {"max_evals": max_evals, "output": str(path), "quiet": True, "isolation": "inline", **more}
    return kind(new_problem(), new_run, "serial", warm_start=old, **options).main()


def test_what_fits_is_told_and_what_does_not(old):
    knowledge, lines = gather(AMBS(new_problem()), [old])
    [source] = knowledge.sources
    fitting = [each for each in read(old).evaluations if each.point["rate"] <= 0.5]
    assert source["used"] == len(knowledge.observations) == len(fitting)
    assert source["left_out"] == {"x is not from 0 to 0.5": 40 - len(fitting)}
    best = min(each.objective for each in fitting)
    assert lines == [
        f"warm start: {len(fitting)} of 40 results in {old} fit, best {best:.6g}",
        f"  {40 - len(fitting)} left out: x is not from 0 to 0.5",
        "  x was rate",
        "  not there, and assumed: new=b",
        "  no dimensions any more: gone",
    ]
    assert all(each.point["new"] == "b" for each in knowledge.observations)


def test_where_nothing_fits_it_is_said_why(tmp_path):
    path = tmp_path / "old.csv"
    path.write_text("x,objective\n0.25,1\n0.75,1\n")
    with pytest.raises(OptionError, match=r"some fit .*old.csv with none of 2: .*without a default"):
        gather(AMBS(new_problem()), [str(path)])


def test_of_very_many_the_best_and_others_are_kept(tmp_path):
    path = tmp_path / "old.csv"
    rows = [f"{number / 20_000},0.5,{number}" for number in range(5000)]
    path.write_text("\n".join(["x,y,objective", *rows]))
    knowledge, _ = gather(AMBS(new_problem()), [str(path)])
    objectives = [each.objective for each in knowledge.observations]
    assert len(objectives) == MOST_KEPT
    assert objectives[: MOST_KEPT // 2] == list(range(MOST_KEPT // 2))
    assert max(objectives) > 4900


@pytest.mark.parametrize("kind", [AMBS, GA])
def test_a_campaign_begins_with_the_best_points(kind, old, tmp_path):
    found = campaign(kind, tmp_path / "new.h5", old)
    assert len(found.evaluations) == 6
    knowledge, _ = gather(AMBS(new_problem()), [old])
    best = min(knowledge.observations, key=lambda each: each.objective)
    assert (found.evaluations[0].point, found.evaluations[0].origin.model) == (best.point, EARLIER)
    stored = read(tmp_path / "new.h5").knowledge
    assert stored == knowledge
    assert all(isinstance(each, Observation) for each in stored.observations)


@pytest.mark.parametrize("kind", [AMBS, GA])
def test_it_goes_on_and_can_be_checked_when_the_source_is_gone(kind, old, tmp_path):
    path = tmp_path / "new.h5"
    whole = campaign(kind, tmp_path / "whole.h5", old, max_evals=9)
    campaign(kind, path, old, max_evals=5)
    (tmp_path / "old.h5").unlink()
    found = campaign(kind, path, old, max_evals=9, resume=True)
    assert [each.point for each in found.evaluations] == [each.point for each in whole.evaluations]
    assert read(path).knowledge == whole.knowledge
    assert first_difference(read(path)) is None


def test_one_that_began_without_goes_on_without(old, tmp_path, caplog):
    path = tmp_path / "new.h5"
    campaign(AMBS, path, None, max_evals=3)
    found = campaign(AMBS, path, old, max_evals=6, resume=True)
    assert not found.knowledge.observations
    assert "counts when a campaign begins" in caplog.text


@pytest.mark.parametrize(
    ("kind", "problem", "sentence"),
    [
        (AMBS, old_problem, "search must be 'hps-random' as in the file, got 'ambs'"),
        (GA, old_problem, "search must be 'hps-random' as in the file, got 'ga'"),
    ],
)
def test_what_cannot_be_resumed_can_be_known(kind, problem, sentence, old):
    search = kind(problem(), new_run, "serial", output=old, resume=True, quiet=True)
    with pytest.raises(ResultsError, match=sentence) as caught:
        search.main()
    assert "begin another file with warm_start and this one" in str(caught.value)


def test_a_campaign_in_a_space_that_has_changed_can_be_known(old, tmp_path):
    path = tmp_path / "new.h5"
    campaign(GA, path, old, max_evals=2)
    search = GA(old_problem(), new_run, "serial", output=str(path), resume=True, quiet=True)
    with pytest.raises(ResultsError, match=r"dimension 'x' is in the file.*begin another file with warm_start"):
        search.main()


def test_a_search_that_does_not_learn_gets_no_such_advice(old):
    search = RandomSearch(new_problem(), new_run, "serial", output=old, resume=True, quiet=True)
    with pytest.raises(ResultsError, match="dimension 'rate' is in the file") as caught:
        search.main()
    assert "warm_start" not in str(caught.value)


def test_other_learners_refuse_it(old, tmp_path):
    with pytest.raises(OptionError, match="warm_start must go with the learner auto, got RF"):
        campaign(AMBS, tmp_path / "new.h5", old, learner="RF")
    assert not (tmp_path / "new.h5").exists()


def test_a_command_line_takes_several_files(old, tmp_path, capfd):
    (tmp_path / "mine.csv").write_text("x,y,objective\n0.25,0.5,1\n0.75,0.5,2\n")
    (tmp_path / "problem.py").write_text(
        "from dhmpi.benchmark import HpProblem\n"
        "Problem = HpProblem()\n"
        "Problem.add_dim('x', (0.0, 0.5), formerly='rate')\n"
        "Problem.add_dim('y', (0.0, 1.0))\n"
        "def run(point):\n    return point['x'] + point['y']\n"
    )
    words = ["ambs", "--problem", str(tmp_path / "problem.py"), "--max-evals", "5", "--isolation", "inline"]
    words += ["--output", str(tmp_path / "new.h5")]
    assert main([*words, "--warm-start", old, str(tmp_path / "mine.csv")]) == 0
    told = capfd.readouterr().err
    assert f"results in {old} fit, best" in told
    assert f"warm start: 1 of 2 results in {tmp_path / 'mine.csv'} fit, best 1\n" in told
    assert {each.source for each in read(tmp_path / "new.h5").knowledge.observations} == {0, 1}
    assert main([*words, "--overwrite", "--warm-start", str(tmp_path / "none.h5")]) == 2
    assert "--warm-start must name files that can be read" in capfd.readouterr().err


# --- the model


def test_fewer_evaluations_are_needed_than_without(old, tmp_path):
    knowing = campaign(AMBS, tmp_path / "warm.h5", old, max_evals=8)
    without = campaign(AMBS, tmp_path / "cold.h5", None, max_evals=8)
    assert knowing.best.objective < without.best.objective


def test_source_points_are_no_results(old, tmp_path):
    found = campaign(AMBS, tmp_path / "new.h5", old, max_evals=5)
    assert [each.id for each in found.evaluations] == list(range(5))
    assert [each.origin.known for each in found.evaluations] == list(range(5))


def test_many_workers_begin_with_good_points_and_others_in_turns(old):
    search = AMBS(new_problem(), seed=3)
    knowledge, _ = gather(search, [old])
    search.prime(knowledge.observations)
    first = search.proposals(12)
    models = [each.origin.model for each in first]
    assert models[:3] == [EARLIER] * 3
    assert (models[3:].count(EARLIER), models[3:].count(DESIGN)) == (4, 5)
    known = [each.point for each in knowledge.observations]
    assert all((each.point in known) == (each.origin.model == EARLIER) for each in first)
    again = AMBS(new_problem(), seed=3)
    again.prime(knowledge.observations)
    assert [again.repeat(each.origin) for each in first] == [each.point for each in first]
