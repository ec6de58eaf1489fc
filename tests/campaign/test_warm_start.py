import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.campaign.replay import first_difference
from dhmpi.campaign.warm_start import MOST_KEPT, gather
from dhmpi.errors import OptionError
from dhmpi.evaluation import EARLIER, Observation
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


def campaign(kind, path, old, max_evals=12, **more):
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
    assert len(found.evaluations) == 12
    knowledge, _ = gather(AMBS(new_problem()), [old])
    best = min(knowledge.observations, key=lambda each: each.objective)
    assert (found.evaluations[0].point, found.evaluations[0].origin.model) == (best.point, EARLIER)
    stored = read(tmp_path / "new.h5").knowledge
    assert stored == knowledge
    assert all(isinstance(each, Observation) for each in stored.observations)


@pytest.mark.parametrize("kind", [AMBS, GA])
def test_it_goes_on_and_can_be_checked_when_the_source_is_gone(kind, old, tmp_path):
    path = tmp_path / "new.h5"
    whole = campaign(kind, tmp_path / "whole.h5", old, max_evals=20)
    campaign(kind, path, old, max_evals=9)
    (tmp_path / "old.h5").unlink()
    found = campaign(kind, path, old, max_evals=20, resume=True)
    assert [each.point for each in found.evaluations] == [each.point for each in whole.evaluations]
    assert read(path).knowledge == whole.knowledge
    assert first_difference(read(path)) is None


def test_one_that_began_without_goes_on_without(old, tmp_path, caplog):
    path = tmp_path / "new.h5"
    campaign(AMBS, path, None, max_evals=3)
    found = campaign(AMBS, path, old, max_evals=6, resume=True)
    assert not found.knowledge.observations
    assert "counts when a campaign begins" in caplog.text
