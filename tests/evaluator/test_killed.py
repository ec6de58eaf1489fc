import signal
import sys

import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import HandDrivenEvaluator, killed
from dhmpi.evaluator.killed import MOMENT, KilledEvaluations
from dhmpi.evaluator.pool import process_pool
from dhmpi.execution.executor import Setup
from dhmpi.execution.supervisor import exit_message
from dhmpi.support.environment import END_SIGNALS


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def failed(signum, id=0, tail=""):
    return Evaluation(id, {}, None, State.FAILED, error=exit_message(-signum) + tail)


@pytest.mark.parametrize("signum", [*END_SIGNALS, signal.SIGKILL])
@pytest.mark.parametrize("tail", ["", "\n--- last output ---\nepoch 3"])
def test_the_end_makes_them_cancelled(signum, tail):
    kept = KilledEvaluations(Clock())
    assert kept.sift([failed(signum, 1, tail)]) == []
    assert len(kept) == 1
    done = Evaluation(3, {}, 1.0, State.DONE)
    found = kept.cancel([failed(signum, 2, tail), done])
    assert [(each.id, each.state) for each in found] == [(1, State.CANCELLED), (2, State.CANCELLED), (3, State.DONE)]
    assert len(kept) == 0


@pytest.mark.parametrize("signum", [*END_SIGNALS, signal.SIGKILL])
def test_without_an_end_there_is_a_verdict_after_a_moment(signum):
    clock = Clock()
    kept = KilledEvaluations(clock)
    assert kept.sift([failed(signum)]) == []
    clock.now += MOMENT - 0.1
    assert kept.sift([]) == []
    assert kept.seconds_left == pytest.approx(0.1)
    clock.now += 0.2
    [judged] = kept.sift([])
    assert judged.state is (State.FAILED if signum == signal.SIGKILL else State.LOST)
    assert judged.error.startswith("the process was killed by signal")
    assert kept.sift([]) == []


@pytest.mark.parametrize("signum", [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGBUS, signal.SIGILL])
def test_crashes_are_failures_at_once(signum):
    assert KilledEvaluations().sift([failed(signum)]) == [failed(signum)]


def test_other_failures_are_left_alone():
    raised = Evaluation(0, {}, None, State.FAILED, error="Traceback: the process was killed by signal 15 (SIGTERM)")
    other = Evaluation(1, {}, None, State.TIMEOUT, error="ran longer than 3 s")
    assert KilledEvaluations().sift([raised, other]) == [raised, other]


def die(point):
    import os
    import time

    os.kill(os.getpid(), point["signal"])
    time.sleep(60)


@pytest.fixture
def pool(monkeypatch, tmp_path):
    monkeypatch.setattr(killed, "MOMENT", 0.3)
    made = process_pool(Setup(die, files=str(tmp_path / "files")), 2)
    made.start()
    yield made
    made.shutdown()


@pytest.mark.parametrize(("signum", "state"), [(signal.SIGTERM, State.LOST), (signal.SIGKILL, State.FAILED)])
def test_an_evaluator_is_not_done_before_the_verdict(pool, signum, state):
    pool.submit(Evaluation(0, {"signal": int(signum)}))
    found = []
    while not found:
        assert pool.num_pending == 1
        found = pool.gather(0.05)
    assert [each.state for each in found] == [state]
    assert pool.num_pending == 0


def test_what_is_cancelled_meanwhile_is_no_failure(pool, monkeypatch):
    monkeypatch.setattr(killed, "MOMENT", 60.0)
    pool.submit(Evaluation(0, {"signal": int(signal.SIGKILL)}))
    while not pool._killed:
        pool.gather(0.05)
    assert [each.state for each in pool.cancel(5.0)] == [State.CANCELLED]


def test_what_always_ends_its_process_is_begun_again_by_hand_but_not_for_ever(pool):
    point = {"signal": int(signal.SIGTERM)}
    by_hand = HandDrivenEvaluator(pool)
    by_hand.add_eval(point)
    assert list(by_hand.await_evals([point], 60.0)) == [(point, sys.float_info.max)]
