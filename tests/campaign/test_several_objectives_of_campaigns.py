"""Campaigns of problems that declare objectives, from the command line to the file."""

import json

import pytest

from dhmpi import results
from dhmpi.cli import main
from dhmpi.evaluation import State

PROBLEM = """\
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0), 0.5)
Problem.add_objective("accuracy", maximise=True)
Problem.add_objective("latency")


def run(point, context):
    context.report(1, 0.25)
    if context.id == 3:
        return {"accuracy": 0.5}
    return {"accuracy": point["x"], "latency": point["x"] ** 2, "more": "m"}
"""


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.py").write_text(PROBLEM)
    single = PROBLEM.replace('Problem.add_objective("latency")\n', "").replace("id == 3", "id < 0")
    (tmp_path / "one.py").write_text(single)


@pytest.mark.parametrize("isolation", ["process", "inline"])
@pytest.mark.parametrize("search", ["ga", "hps-random"])
def test_several_are_found_and_one_that_lacks_one_has_failed(search, isolation, capsys):
    assert main([search, "--problem", "two.py", "--max-evals", "30", "--isolation", isolation]) == 0
    shown = capsys.readouterr()
    assert "Pareto set: 29 evaluations; hypervolume 0." in shown.out
    assert "best accuracy 0." in shown.out
    found = results.read("results.h5")
    failed = found.evaluations[3]
    assert failed.state is State.FAILED
    assert failed.error.startswith("the returned dict must have the key 'latency', got ['accuracy']; return {'acc")
    done = [each for each in found.evaluations if each.state is State.DONE]
    assert len(done) == 29
    for each in done:
        assert each.objectives == (-each.point["x"], each.point["x"] ** 2)
        assert each.extra == {"latency": each.point["x"] ** 2, "more": "m"}
    assert set(found.reports.value.tolist()) == {-0.25}


def test_a_campaign_goes_on_with_the_same_objectives_alone(capsys):
    assert main(["ga", "--problem", "two.py", "--max-evals", "25", "--quiet"]) == 0
    assert main(["ga", "--problem", "two.py", "--max-evals", "40", "--quiet", "--resume"]) == 0
    assert main(["check", "results.h5"]) == 0
    assert "the same: ga proposes all 40 points again" in capsys.readouterr().out
    assert main(["ga", "--problem", "one.py", "--max-evals", "50", "--quiet", "--resume"]) == 2
    said = "objectives must be accuracy (large), latency (small) as in the file, got accuracy (large)"
    assert said in capsys.readouterr().err


def test_a_single_one_is_typed_and_seen_as_it_was_returned(capsys):
    words = ["ambs", "--problem", "one.py", "--max-evals", "60", "--target", "0.9", "--learner", "RF"]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert "the target has been reached" in shown.out
    best = results.read("results.h5").best
    assert best.objective == -best.point["x"] <= -0.9
    assert f"best accuracy {best.point['x']:.10g}" in shown.out
    assert main(["best", "results.h5", "--top", "1", "--json"]) == 0
    [first] = json.loads(capsys.readouterr().out)
    assert (first["objective"], first["accuracy"]) == (best.objective, best.point["x"])


def test_other_learners_refuse_several(capsys):
    assert main(["ambs", "--problem", "two.py", "--max-evals", "3", "--learner", "RF"]) == 2
    said = "--learner must be auto where there are several objectives, got RF; leave it out"
    assert said in capsys.readouterr().err


def test_ambs_takes_one_objective_from_earlier_campaigns(capsys):
    assert main(["ga", "--problem", "two.py", "--max-evals", "3", "--quiet"]) == 0
    words = ["--warm-start", "results.h5", "--output", "more.h5"]
    assert main(["ambs", "--problem", "two.py", "--max-evals", "3", *words]) == 2
    assert "--warm-start must go with one objective in ambs, got 2; leave it out, or use ga" in capsys.readouterr().err


def test_a_program_cannot_return_several(capsys):
    assert main(["ga", "--problem", "two.py", "--run", "exec:true", "--max-evals", "3"]) == 2
    said = "run must be a Python function where there are several objectives (accuracy, latency), got a program"
    assert said in capsys.readouterr().err


def test_the_set_is_printed(capsys):
    assert main(["hps-random", "--problem", "two.py", "--max-evals", "6", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["best", "results.h5", "--pareto"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["evaluation", "accuracy", "latency", "x"]
    assert lines[-1].startswith("5 evaluations; hypervolume ")
    assert main(["best", "results.h5", "--pareto", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 5
    assert main(["best", "results.h5", "--pareto", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_of_one_objective_there_is_no_set(capsys):
    assert main(["hps-random", "--problem", "one.py", "--max-evals", "3", "--quiet"]) == 0
    assert main(["best", "results.h5", "--pareto"]) == 2
    assert "--pareto must be of several objectives, got 'accuracy' alone; use --top" in capsys.readouterr().err


def test_a_check_tells_the_range_of_each(capsys):
    main(["check", "--problem", "two.py", "-n", "3"])
    out = capsys.readouterr().out
    assert "ok     accuracy     from 0." in out
    assert "larger is better" in out
    assert "ok     latency      from 0." in out
    assert "wrong  evaluations  1 of 4 are FAILED: the returned dict must have the key 'latency'" in out


def test_earlier_campaigns_must_have_looked_for_the_same(tmp_path, capsys):
    (tmp_path / "other.py").write_text(PROBLEM.replace('"accuracy"', '"recall"'))
    assert main(["hps-random", "--problem", "one.py", "--max-evals", "30", "--quiet", "--output", "one.h5"]) == 0
    assert main(["export", "--csv", "one.h5", "--output", "one.csv"]) == 0
    best = max(each.point["x"] for each in results.read("one.h5").evaluations)
    for number, source in enumerate(("one.h5", "one.csv")):
        words = ["ga", "--problem", "two.py", "--max-evals", "2", "--warm-start", source, "--output", f"{number}.h5"]
        capsys.readouterr()
        assert main(words) == 0
        told = capsys.readouterr().err
        assert f"warm start: 30 of 30 results in {source} fit, best {best:.6g}" in told
        assert "no dimensions any more" not in told
    assert main(["ga", "--problem", "other.py", "--max-evals", "9", "--warm-start", "one.h5", "--overwrite"]) == 2
    said = "must name results of the objective recall, larger is better, got accuracy, larger is better in one.h5"
    assert said in capsys.readouterr().err
