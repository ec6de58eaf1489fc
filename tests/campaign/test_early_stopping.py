"""Early stopping as users meet it: whole campaigns, wherever evaluations run."""

import math
import re
import time
from collections import Counter

import numpy as np
import pytest

from dhmpi import results
from dhmpi.cli import main
from dhmpi.evaluation import State
from dhmpi.evaluator import threads
from dhmpi.execution import child, process_executor
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
    evaluation = only(search(training, *words))
    assert evaluation.state is State.STOPPED
    assert evaluation.error == ""
    assert evaluation.objective == evaluation.step == 5
    files = tmp_path / "results.h5.files" / "evaluation-000000"
    assert not (files / "swallowed").exists()
    if training is SAVES:
        assert (files / "saved").read_text() == "5 StopEvaluation"


IGNORES = """
import time

def run(point, context):
    context.report(1, 1.0)
    for step in range(2, 1000):
        try:
            context.report(step, 2.0)
        except BaseException:
            pass
        time.sleep(0.01)
    return 0.0
"""


@pytest.mark.parametrize("place", ["process", "threadPool", "subprocess"])
def test_what_ignores_that_it_is_to_stop_is_ended_after_a_while(place, monkeypatch):
    for module in (child, process_executor, threads):
        monkeypatch.setattr(module, "STOP_GRACE", 0.5)
    begun = time.monotonic()
    evaluation = only(search(IGNORES, *PLACES[place], "--max-steps-total", "2", "--max-evals", "1"))
    assert time.monotonic() - begun < 8
    assert (evaluation.state, evaluation.objective, evaluation.error) == (State.STOPPED, 2.0, "")


FAILS = """
import os, time

def run(point, context):
    for step in range(1, 4):
        context.report(step, float(step))
    how = ["raise", "hang", "exit", "kill"][context.id]
    if how == "raise":
        raise RuntimeError("bad luck")
    if how == "hang":
        time.sleep(60)
    os._exit(3) if how == "exit" else os.kill(os.getpid(), 11)
"""


@pytest.mark.parametrize("place", ["process", "subprocess"])
def test_what_failures_have_reported_is_kept(place):
    found = search(FAILS, *PLACES[place], "--max-evals", "4", "--eval-timeout-minutes", "0.02", status=1)
    assert [each.state for each in found.evaluations] == ["FAILED", "TIMEOUT", "FAILED", "FAILED"]
    for each in found.evaluations:
        assert each.step == 3
        assert each.objective is None
        assert found.reports.of(each.id).value.tolist() == [1, 2, 3]


NOTHING = """
def run(point, context):
    for step in range(1, 10):
        context.report(step, float("nan") if point["x"] > 3 else point["x"])
    return point["x"]
"""


@pytest.mark.parametrize("stopper", ["asha:reduction=2,min-steps=1", "median", "auto"])
def test_reports_that_are_no_numbers_are_kept_and_stop_no_campaign(stopper):
    words = ["--isolation", "inline", "--stopper", stopper, "--max-steps", "9", "--max-evals", "20"]
    found = search(NOTHING, *words)
    assert len(found.evaluations) == 20
    assert found.metadata.complete
    assert np.isnan(found.reports.value).any()
    assert found.best.objective == min(each.point["x"] for each in found.evaluations if each.state is State.DONE)
    for each in found.evaluations:
        if each.state is State.STOPPED:
            assert math.isfinite(each.objective)
        if each.state is State.FAILED:
            assert each.error == "it diverged: the last value that it reported was no finite number"
            assert each.point["x"] > 3


FLOOD = """
import time

def run(point, context):
    others = context.directory.parent / "others"

    def num_ended():
        return others.stat().st_size if others.exists() else 0

    if context.id:
        time.sleep(0.01)
        context.report(1, 1.0)
        with open(others, "a") as file:
            file.write(".")
        return 0.0
    step, end = 0, time.monotonic() + 30
    while step < 100_000 or (num_ended() < 26 and time.monotonic() < end):
        step += 1
        context.report(step, 1 / step)
    return 0.0
"""


@pytest.mark.parametrize("stopper", [[], ASHA], ids=["none", "asha"])
def test_a_flood_of_reports_is_held_back(stopper):
    found = search(FLOOD, *PLACES["processPool"], *stopper, "--max-evals", "30")
    flood, *others = found.evaluations
    assert len(others) == 29
    rows = found.reports.of(flood.id)
    assert 100 < len(rows.step) <= MOST_ROWS
    assert rows.step[0] == 1
    assert rows.step[-1] == flood.step
    if not stopper:
        assert flood.step >= 100_000
        assert sum(each.ended < flood.ended for each in others) >= 25  # it has kept nobody else from running


@pytest.mark.parametrize("evaluator", ["futures:executor=concurrent.futures.ThreadPoolExecutor", "balsam"])
@pytest.mark.parametrize("words", [["--stopper", "asha"], ["--max-steps-total", "9"]], ids=" ".join)
def test_where_nobody_can_be_told_nobody_is_to_be_stopped(evaluator, words, capsys, tmp_path):
    (tmp_path / "training.py").write_text(PROBLEM + TRAINING)
    assert main(["hps-random", "--problem", "training.py", "--evaluator", evaluator, *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    sentence = rf"error: {words[0]} must be left out with .*, which cannot tell evaluations to stop, got {words[1]}$"
    assert re.search(sentence, line)
    assert not (tmp_path / "results.h5").exists()


@pytest.mark.parametrize("place", ["inline", "processPool"])
def test_a_campaign_ends_with_its_steps(place):
    found = search(TRAINING, *PLACES[place], "--max-steps-total", "60")
    assert re.fullmatch(r"\d+ steps have been taken, of 60", found.metadata.runs[0]["why"])
    assert found.metadata.complete
    assert states(found).keys() == {State.DONE, State.STOPPED} or place == "inline"
    steps = sum(each.step for each in found.evaluations)
    assert 60 <= steps <= 62  # what runs at the same time takes one more
    assert found.metadata.statistics["steps"] == steps


def test_a_campaign_ends_with_what_is_good_enough():
    found = search(TRAINING, "--isolation", "inline", *ASHA, "--target", "0.5", "--max-evals", "1000")
    *others, last = sorted(found.evaluations, key=lambda each: each.order)
    assert last.state is State.DONE
    assert last.objective <= 0.5 < min(each.objective for each in others if each.state is State.DONE)
    assert found.metadata.complete
    assert found.metadata.runs[-1]["why"] == "the target has been reached"


def test_a_campaign_ends_when_nothing_better_comes():
    found = search(TRAINING, "--isolation", "inline", *ASHA, "--patience", "5", "--max-evals", "1000")
    assert max(found.evaluations, key=lambda each: each.order).order == found.best.order + 5
    assert found.metadata.complete


@pytest.mark.parametrize("stopper", ["asha:reduction=2,min-steps=1", "median:min-others=2", "auto"])
def test_a_campaign_that_goes_on_decides_as_if_it_had_never_ended(stopper, tmp_path):
    words = ["--isolation", "inline", "--stopper", stopper, "--max-steps", "9"]
    whole = search(TRAINING, *words, "--max-evals", "30")
    (tmp_path / "results.h5").unlink()
    for num in (7, 15, 30):
        parts = search(TRAINING, *words, "--max-evals", str(num), *(["--resume"] if num > 7 else []))
    assert [(each.point, each.state, each.step, each.objective) for each in parts.evaluations] == [
        (each.point, each.state, each.step, each.objective) for each in whole.evaluations
    ]
    assert State.STOPPED in states(whole)


LATE_THREAD = """
import threading
import time


def run(point, context):
    def go_on():
        for step in range(3, 40):
            context.report(step, point["x"])
            time.sleep(0.005)

    context.report(1, point["x"])
    threading.Thread(target=go_on, daemon=True).start()
    return float(point["x"])
"""
MANY_THREADS = """
import threading


def run(point, context):
    def report():
        for step in range(2000):
            context.report(step, point["x"])

    threads = [threading.Thread(target=report) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return float(point["x"])
"""
FAST = """
def run(point, context):
    for step in range(1, 28):
        context.report(step, point["x"] + 1 / step)
    return float(point["x"])
"""


@pytest.mark.parametrize("training", [LATE_THREAD, MANY_THREADS])
@pytest.mark.parametrize("place", ["process", "processPool"])
def test_threads_that_report_cost_nothing(training, place):
    found = search(training, *PLACES[place], "--max-evals", "8")
    assert states(found) == {State.DONE: 8}


@pytest.mark.parametrize("place", ["inline", "process", "threadPool"])
def test_what_has_come_to_the_last_step_is_done(place):
    """Reports come together when they come fast: an earlier one would have stopped it, but it has not waited."""
    found = search(FAST, *PLACES[place], *ASHA, "--max-steps", "27", "--max-evals", "30")
    assert not any(each.state is State.STOPPED and each.step == 27 for each in found.evaluations)
    assert states(found)[State.STOPPED]
