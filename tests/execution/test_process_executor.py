import time

import pytest

from dhmpi.evaluation import State
from dhmpi.execution.process_executor import Begin, ExitVerdict
from dhmpi.execution.runner import Outcome, Task
from dhmpi.execution.supervisor import Ending

TASK = Task(3, {"x": 1}, 7)


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_clock_that_is_set_meanwhile_changes_no_duration(monkeypatch, jump):
    begin, now = Begin.now(), time.time()
    monkeypatch.setattr(time, "time", lambda: now + jump)
    outcome = ExitVerdict(State.TIMEOUT, "late", begin.reading + 2.5).outcome(TASK, begin)
    assert outcome.ended - outcome.started == pytest.approx(2.5)


def test_nothing_ends_before_it_has_begun():
    assert Begin(1000.0, 5.0).time_of(4.0) == 1000.0


def test_a_process_that_ends_by_itself_has_failed():
    verdict = ExitVerdict.of(Ending(3, 9.0))
    error = "the process ended with exit status 3 before the run function returned"
    assert verdict.outcome(TASK, Begin(1000.0, 5.0)) == Outcome(3, State.FAILED, None, 1000.0, 1004.0, error)
