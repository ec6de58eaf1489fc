"""Early stopping as users meet it: whole campaigns, wherever evaluations run."""

from collections import Counter

import pytest

from dhmpi import results
from dhmpi.cli import main
from dhmpi.evaluation import State
from dhmpi.results.report_log import MOST_ROWS

PROBLEM = """
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 9.0), 5.0)
"""
TRAINING = """
def run(point, context):
    for step in range(1, 10):
        context.report(step, point["x"] + 1 / step)
    return float(point["x"])
"""
PROGRAM = """#!/bin/sh
for step in 1 2 3 4 5 6; do
    echo "DH-REPORT: $step $1"
    sleep 0.1
done
echo "DH-OUTPUT: $1"
"""
PLACES = {
    "inline": ["--isolation", "inline"],
    "process": [],
    "threadPool": ["--evaluator", "threadPool", "--num-workers", "2"],
    "processPool": ["--evaluator", "processPool", "--num-workers", "2"],
    "subprocess": ["--evaluator", "subprocess", "--num-workers", "2"],
}
ASHA = ["--stopper", "asha:reduction=2,min-steps=1"]


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def search(training, *words, status=0, name="training.py"):
    """Run a campaign of a run function, and return its results."""
    with open(name, "w") as file:
        file.write(PROBLEM + training)
    assert main(["hps-random", "--problem", name, "--quiet", *words]) == status
    return results.read("results.h5")


def states(found):
    return Counter(each.state for each in found.evaluations)


def only(found):
    [evaluation] = found.evaluations
    return evaluation


@pytest.mark.parametrize("place", PLACES)
def test_what_is_bad_is_stopped_wherever_it_runs(place, capsys):
    num = 8 if place == "subprocess" else 16
    found = search(TRAINING, *PLACES[place], *ASHA, "--max-evals", str(num))
    check(found, num, lambda each: each.point["x"] + 1 / each.step, last=9)
    capsys.readouterr()
    assert main(["best", "results.h5"]) == 0
    assert f"evaluation {found.best.id}" in capsys.readouterr().out


def check(found, num, value, last):
    assert len(found.evaluations) == num
    assert set(states(found)) == {State.DONE, State.STOPPED}
    assert found.metadata.complete
    for each in found.evaluations:
        if each.state is State.STOPPED:
            assert each.step < last
            assert each.objective == pytest.approx(value(each))
        else:
            assert each.step == last
            assert each.objective == each.point["x"]
    assert found.best.state is State.DONE
    assert found.best.objective == min(each.objective for each in found.evaluations if each.state is State.DONE)


def test_programs_are_stopped_by_a_signal(tmp_path):
    program = tmp_path / "train.sh"
    program.write_text(PROGRAM)
    program.chmod(0o700)
    words = ["--run", "exec:./train.sh {x}", "--evaluator", "subprocess", "--num-workers", "2", *ASHA]
    found = search("", *words, "--max-evals", "8")
    check(found, 8, lambda each: each.point["x"], last=6)


SWALLOWS = """
def run(point, context):
    for step in range(1, 100):
        try:
            context.report(step, step)
        except Exception:
            (context.directory / "swallowed").touch()
    return 0.0
"""
SAVES = """
def run(point, context):
    step = 0
    try:
        while step < 100:
            step += 1
            context.report(step, step)
    except BaseException as error:
        (context.directory / "saved").write_text(f"{step} {type(error).__name__}")
        return -1.0
    return 0.0
"""
LOOPS = """
import time

def run(point, context):
    step = 0
    while not context.should_stop:
        step += 1
        try:
            context.report(step, step)
        except BaseException:
            pass
    return -1.0
"""
RAISES = """
import dhmpi

def run(point, context):
    for step in range(1, 100):
        try:
            dhmpi.current_context().report(step, step)
        except dhmpi.StopEvaluation as stop:
            raise RuntimeError("it was interrupted") from stop
"""


@pytest.mark.parametrize("place", ["inline", "process", "threadPool"])
@pytest.mark.parametrize("training", [SWALLOWS, SAVES, LOOPS, RAISES], ids=["swallows", "saves", "loops", "raises"])
def test_user_code_may_end_in_its_own_way(tmp_path, training, place):
    words = [*PLACES[place], "--max-steps-total", "5", "--max-evals", "1"]
    evaluation = only(search(training, *words, status=1))
    assert evaluation.state is State.STOPPED
    assert evaluation.error == ""
    assert evaluation.objective == evaluation.step == 5
    files = tmp_path / "results.h5.files" / "evaluation-000000"
    assert not (files / "swallowed").exists()
    if training is SAVES:
        assert (files / "saved").read_text() == "5 StopEvaluation"
