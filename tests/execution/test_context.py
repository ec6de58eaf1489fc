"""The context of an evaluation: what it reports, and what it is told."""

import math
import time

import numpy as np
import pytest

from dhmpi.evaluation import State
from dhmpi.execution import context as context_module
from dhmpi.execution.context import BURST, Channel, Context, Feedback, Link, Notice, StopEvaluation, current
from dhmpi.execution.notice_board import NoticeBoard
from dhmpi.execution.runner import Runner, Task
from dhmpi.support.place import GroupPart, Place


class Wire(Channel):
    """A channel that keeps what is sent, and answers as it is told."""

    def __init__(self, stop_at=math.inf, save_at=math.inf, answers=True):
        self.sent, self.stop_at, self.save_at, self.answers = [], stop_at, save_at, answers

    def send(self, reports):
        self.sent.append(list(reports))

    @property
    def reports(self):
        return [report for group in self.sent for report in group]

    def notice(self, id):
        last = max((report.step for report in self.reports), default=-1)
        return Notice(id, len(self.reports) if self.answers else 0, last >= self.stop_at, last >= self.save_at)


TASK, ANSWERED = Task(7, {}, 1), Feedback(has_answers=True)


def context_of(wire=None, feedback=ANSWERED, task=TASK, files="files", size=1):
    return Context(task, None, files, Place(size=size), wire, feedback)


def evaluated(run, wire, feedback=ANSWERED, task=TASK, files="files"):
    return Runner(run, None, str(files), link=Link(wire, feedback))(task)


def epochs(point, context):
    for epoch in range(1, 100):
        context.report(epoch, 1 / epoch)
    return 0.0


def test_what_is_told_to_stop_stops_at_the_report_that_has_decided_it():
    wire = Wire(stop_at=5)
    outcome = evaluated(epochs, wire)
    assert (outcome.state, outcome.objective, outcome.error) == (State.STOPPED, None, "")
    assert [report.step for report in wire.reports] == [1, 2, 3, 4, 5]


def test_an_except_exception_does_not_catch_it():
    def cautious(point, context):
        for epoch in range(1, 100):
            try:
                context.report(epoch, 0.5)
            except Exception:
                return -1.0
        return 0.0

    assert evaluated(cautious, Wire(stop_at=5)).state is State.STOPPED


@pytest.mark.parametrize("ending", ["return 1.0", "raise", "raise RuntimeError('disk full')"])
def test_what_catches_it_to_save_something_is_stopped_all_the_same(ending):
    scope = {"StopEvaluation": StopEvaluation}
    exec(
        "def run(point, context):\n    try:\n        context.report(1, 0.5)\n    except StopEvaluation:\n"
        f"        {ending}\n    return 2.0\n",
        scope,
    )
    outcome = evaluated(scope["run"], Wire(stop_at=1))
    assert outcome.state is State.STOPPED
    assert ("disk full" in outcome.warning) == ("disk" in ending)


def test_loops_may_ask_instead():
    def asking(point, context):
        for epoch in range(1, 100):
            if context.should_stop:
                return epoch
            try:
                context.report(epoch, 0.5)
            except StopEvaluation:
                continue
        return 0.0

    assert evaluated(asking, Wire(stop_at=3)).state is State.STOPPED


def test_one_that_was_never_told_must_not_end_itself_in_that_way():
    def impatient(point):
        raise StopEvaluation

    outcome = evaluated(impatient, Wire())
    assert outcome.state is State.FAILED
    assert "must not raise StopEvaluation" in outcome.error


def test_without_answers_nothing_is_waited_for(monkeypatch):
    monkeypatch.setattr(context_module, "ANSWER_WAIT", 60.0)
    begun = time.monotonic()
    assert evaluated(epochs, Wire(answers=False), Feedback()).state is State.DONE
    assert time.monotonic() - begun < 30


def test_an_answer_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(context_module, "ANSWER_WAIT", 0.01)
    wire = Wire(answers=False)
    context_of(wire).report(1, 0.5)
    assert len(wire.reports) == 1


def test_the_time_for_saving_comes_before_the_end(tmp_path):
    def saving(point, context):
        for epoch in range(1, 100):
            context.report(epoch, 1 / epoch)
            if context.should_checkpoint:
                (context.directory / "epoch").write_text(str(epoch))
        return 0.0

    wire = Wire(save_at=4)
    outcome = evaluated(saving, wire, files=tmp_path)
    assert outcome.state is State.PAUSED
    assert [report.step for report in wire.reports] == [1, 2, 3, 4, 5]
    assert (tmp_path / "evaluation-000007" / "epoch").read_text() == "4"
    again = context_of(task=Task(7, {}, 1, is_again=True, step=5.0), files=str(tmp_path)).resumed
    assert (again.step, again.directory) == (5.0, tmp_path / "evaluation-000007")


def test_what_does_not_save_goes_on_to_its_end():
    assert evaluated(epochs, Wire(save_at=4)).state is State.DONE


def test_a_directory_that_has_been_removed_is_new_whatever_is_asked_first(tmp_path):
    again = context_of(task=Task(7, {}, 1, is_again=True, step=5.0), files=str(tmp_path))
    assert again.directory.is_dir()
    assert again.resumed is None


def test_only_what_has_left_something_is_resumed(tmp_path):
    assert context_of(files=str(tmp_path)).resumed is None
    assert context_of(task=Task(7, {}, 1, is_again=True), files=str(tmp_path)).resumed is None
    (tmp_path / "evaluation-000007").mkdir()
    assert context_of(files=str(tmp_path)).resumed is None  # a campaign that has been overwritten
    assert context_of(task=Task(7, {}, 1, is_again=True), files=str(tmp_path)).resumed.step is None


def test_what_comes_too_often_goes_with_a_later_report():
    wire = Wire()
    context = context_of(wire, Feedback())
    for step in range(1000):
        context.report(step, 0.5)
    assert BURST <= len(wire.sent) <= BURST + 20
    assert len(wire.reports) < 1000
    context.flush()
    assert [report.step for report in wire.reports] == list(range(1000))
    assert not context.kept


def test_very_many_evaluations_share_the_rate():
    wire = Wire()
    context = context_of(wire, Feedback(), size=100_000)
    for step in range(100):
        context.report(step, 0.5)
    assert len(wire.sent) == BURST


def test_what_is_left_goes_before_the_outcome():
    wire = Wire()

    def quick(point, context):
        for step in range(50):
            context.report(step, 0.5)
        return 1.0

    outcome = evaluated(quick, wire, Feedback())
    assert (outcome.objective, len(wire.reports), outcome.reports) == (1.0, 50, ())


@pytest.mark.parametrize(("step", "value"), [(math.nan, 1.0), (math.inf, 1.0), ("x", 1.0), (1, "x"), (None, 1.0)])
def test_what_is_no_number_is_refused(step, value):
    with pytest.raises((ValueError, TypeError)):
        context_of(Wire()).report(step, value)


def test_values_need_not_be_finite():
    wire = Wire()
    context_of(wire).report(1, math.nan)
    assert math.isnan(wire.reports[0].value)


def test_of_a_group_the_leaders_reports_count():
    wire = Wire()
    context_of(wire, task=Task(7, {}, 1, GroupPart(1, 2, 1, 2, ()))).report(1, 0.5)
    assert not wire.sent


def test_libraries_find_the_context_of_what_runs():
    seen = []

    def run(point):
        seen.append(current())
        current().report(1, 0.5)
        return 1.0

    wire = Wire()
    assert current() is None
    assert evaluated(run, wire).state is State.DONE
    assert current() is None
    assert (seen[0].id, len(wire.reports)) == (7, 1)


def test_a_board_shows_the_latest_notice_to_whom_it_is_meant_for():
    board = NoticeBoard()
    assert board.notice(0) == Notice(0)
    board.put(Notice(5, 3, True, False))
    assert board.notice(5) == Notice(5, 3, True, False)
    assert board.notice(4) == Notice(4)
    board.close()
    board.close()


def test_what_is_held_back_is_thinned_evenly(monkeypatch):
    monkeypatch.setattr(context_module, "MOST_TOGETHER", 10)
    wire = Wire()
    context = context_of(wire, Feedback())
    monkeypatch.setattr(context, "_may_send", lambda: False)
    for step in range(1, 1001):
        context.report(step, 0.0)
        assert len(context.kept) <= 10
    steps = [report.step for report in context.kept]
    assert (steps[0], steps[-1]) == (1, 1000)
    gaps = np.diff(steps)
    assert gaps.max() <= 3 * gaps[:-1].min()
    context.flush()
    context.report(1001, 0.0)
    context.report(1002, 0.0)
    assert [report.step for report in context.kept] == [1001, 1002]


def test_reports_that_go_with_the_result_are_limited():
    context = context_of(None)
    for step in range(1, 30_001):
        context.report(step, 0.0)
    assert 5000 <= len(context.kept) <= 10_000
    assert context.kept[-1].step == 30_000
