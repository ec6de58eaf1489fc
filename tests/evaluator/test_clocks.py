"""Wall clocks are set, and those of hosts differ; how long something took is not measured by them."""

import time

import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator.threads import ThreadEvaluator
from dhmpi.execution.executor import Setup
from dhmpi.results import Metadata, ResultsStore


def slow(point):
    time.sleep(0.2)
    return 1.0


class WallClock:
    """A clock that is set by `jump` seconds whenever it is read."""

    def __init__(self, jump):
        self._now, self._jump = 1_000_000.0, jump

    def __call__(self):
        self._now += self._jump
        return self._now


@pytest.fixture
def evaluator(tmp_path):
    made = ThreadEvaluator(Setup(slow, files=str(tmp_path / "files")), 1)
    made.start()
    yield made
    made.shutdown()


@pytest.fixture(params=[-3600.0, 3600.0])
def jumping(request, monkeypatch):
    monkeypatch.setattr(time, "time", WallClock(request.param))


def test_durations_do_not_jump(jumping, evaluator):
    evaluator.submit(Evaluation(0, {"x": 1}))
    time.sleep(0.05)
    assert 0.05 <= evaluator.running_seconds() < 20
    found = []
    while not found:
        found = evaluator.gather(1.0)
    assert 0.2 <= found[0].duration < 20
    assert evaluator.running_seconds() == 0


def test_what_is_given_up_has_not_run_for_a_negative_time(jumping, evaluator):
    evaluator.submit(Evaluation(0, {"x": 1}))
    [cancelled] = evaluator.cancel(1.0)
    assert cancelled.state is State.CANCELLED
    assert 0 <= cancelled.ended - cancelled.submitted < 20


def test_runs_do_not_jump(jumping, tmp_path):
    store = ResultsStore.create(tmp_path / "results.h5", Metadata("s", "p", {}))
    store.begin_run(1, ["here"], "1 rank")
    store.end_run("it is over")
    [run] = store.metadata.runs
    assert 0 <= run["ended"] - run["started"] < 20
    store.close("it is over")
