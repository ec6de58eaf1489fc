import os
import signal
import time
from pathlib import Path

import pytest

from dhmpi import results
from dhmpi.benchmark import HpProblem
from dhmpi.campaign.loop import GATHER_WAIT, MODEL_WAIT, Campaign
from dhmpi.control.budget import Budget, Limits
from dhmpi.control.progress import Progress
from dhmpi.control.signals import StopRequest
from dhmpi.evaluation import State, Worker
from dhmpi.evaluator import Evaluator
from dhmpi.evaluator.pool import SerialEvaluator
from dhmpi.execution.executor import Setup
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.results import Metadata, ResultsStore
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.search import Search
from dhmpi.support.loader import load_run


def problem():
    made = HpProblem()
    made.add_dim("x", (0, 9), 5)
    made.add_dim("y", (0.0, 1.0), 0.5)
    return made


def finite():
    made = HpProblem()
    made.add_dim("x", (0, 4))
    return made


class FakeEvaluator(Evaluator):
    """Ends what was submitted at the next gather, as the script says: a state for each submission, else DONE."""

    def __init__(self, num_workers=3, script=()):
        super().__init__()
        self._num_workers, self._script, self._tasks = num_workers, list(script), []
        self.most_pending = 0

    num_workers = property(lambda self: self._num_workers)

    def _submit(self, task):
        self._tasks.append(task)
        self.most_pending = max(self.most_pending, self.num_pending)

    def _gather(self, timeout):
        tasks, self._tasks = self._tasks, []
        return [self._end(task) for task in tasks]

    def _end(self, task):
        state = self._script.pop(0) if self._script else State.DONE
        pending, now = self._pending.pop(task.id), time.time()
        value = float(task.point["x"]) if state is State.DONE else None
        return pending._replace(state=state, objective=value, started=now, ended=now, rank=1)

    def _cancel(self, timeout):
        return self._give_up(self._pending, State.CANCELLED)


def campaign(
    tmp_path,
    search,
    evaluator,
    eval_limit=20,
    deadline=None,
    stop=None,
    store=None,
    retries=2,
    drain_seconds=0.0,
    max_failures=None,
):
    if store is None:
        metadata = Metadata(search=search.name, problem="test", space=search.space.specs(), seed=search.seed)
        store = ResultsStore.create(tmp_path / "results.h5", metadata)
    store.begin_run(evaluator.num_workers, [], "test")
    progress = Progress(evaluator.num_workers, Limits(eval_limit, deadline), None, quiet=True)
    stop = stop or StopRequest()
    limits = Limits(eval_limit, deadline, drain_seconds, max_failures, retries)
    budget = Budget(limits, store.evaluations, lambda: stop.signal_name, getattr(evaluator, "_clock", time.monotonic))
    made = Campaign(search, evaluator, store, budget, stop, progress)
    made.budget = budget
    return made, store


def resume(tmp_path, search, evaluator, **limits):
    metadata = Metadata(search=search.name, problem="test", space=search.space.specs())
    store = ResultsStore.resume(tmp_path / "results.h5", metadata)
    search.resume(store.metadata.seed, store.evaluations)
    return campaign(tmp_path, search, evaluator, store=store, **limits)


@pytest.mark.parametrize("num_workers", [1, 3, 50])
def test_the_budget_is_exact(tmp_path, num_workers):
    evaluator = FakeEvaluator(num_workers)
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator)
    assert made.run() == "20 evaluations are complete"
    assert made.is_complete
    assert [each.id for each in store.evaluations] == list(range(20))
    assert {each.state for each in store.evaluations} == {State.DONE}
    assert evaluator.most_pending == min(num_workers, 20)


def test_failures_count_and_the_lost_are_evaluated_again(tmp_path):
    script = [State.LOST, State.FAILED, State.TIMEOUT, State.CANCELLED, State.LOST]
    made, store = campaign(tmp_path, RandomSearch(problem()), FakeEvaluator(script=script))
    made.run()
    assert len(store.evaluations) == 20
    assert store.counts[State.DONE] == 18
    assert store.counts[State.FAILED] == store.counts[State.TIMEOUT] == 1


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_what_ends_its_workers_fails_at_last(tmp_path, retries):
    evaluator = FakeEvaluator(num_workers=1, script=[State.LOST] * (retries + 1))
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator, retries=retries)
    made.run()
    assert len(store.evaluations) == 20
    assert store.counts[State.FAILED] == 1
    assert store.evaluations[0].error.startswith(f"lost {retries + 1} time")


def test_who_evaluates_is_in_the_file_while_it_runs(tmp_path):
    class Placed(FakeEvaluator):
        def _submit(self, task):
            super()._submit(task)
            return Worker(task.id % 3, "nid7")

        def _gather(self, timeout):
            seen.append([each for each in results.read(tmp_path / "results.h5").evaluations if each.state == "RUNNING"])
            return super()._gather(timeout)

    seen = []
    campaign(tmp_path, RandomSearch(problem()), Placed(), eval_limit=6)[0].run()
    assert [(each.id, each.rank, each.host, each.started == each.submitted) for each in seen[0]] == [
        (id, id % 3, "nid7", True) for id in range(3)
    ]
    assert len(seen[1]) == 3


def test_what_never_began_kept_no_worker_busy(tmp_path):
    class Refusing(FakeEvaluator):
        def _gather(self, timeout):
            tasks, self._tasks = self._tasks, []
            return self._give_up([task.id for task in tasks], State.FAILED, "refused")

    made, store = campaign(tmp_path, RandomSearch(problem()), Refusing())
    made.run()
    assert store.counts[State.FAILED] == 20
    assert made.budget.busy == 0.0


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT])
def test_a_campaign_in_which_nothing_is_done_is_given_up(tmp_path, state):
    evaluator = FakeEvaluator(num_workers=4, script=[state] * 400)
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator, eval_limit=400)
    assert made.run().startswith("at least one evaluation must be DONE, got 100 failures")
    assert store.counts[state] == len(store.evaluations) == 100
    assert made.budget.failures.are_all
    assert not made.is_complete


@pytest.mark.parametrize(("limit", "num"), [(1, 1), (7, 7), (0, 20), (None, 20)])
def test_a_number_of_failures_can_be_given(tmp_path, limit, num):
    evaluator = FakeEvaluator(num_workers=1, script=[State.FAILED] * 20)
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator, max_failures=limit)
    made.run()
    assert store.counts[State.FAILED] == num
    assert made.budget.failures.are_all
    assert not made.is_complete


def test_a_problem_that_fails_almost_everywhere_gets_through(tmp_path):
    script = [State.FAILED] * 99 + [State.DONE] + [State.FAILED] * 200
    made, store = campaign(tmp_path, RandomSearch(problem()), FakeEvaluator(script=script), eval_limit=300)
    assert made.run() == "300 evaluations are complete"
    assert store.counts[State.DONE] == 1
    assert made.is_complete


class Slow(FakeEvaluator):
    """Evaluates the first point until there is nothing else that runs."""

    def _gather(self, timeout):
        first, others = [each for each in self._tasks if each.id == 0], [each for each in self._tasks if each.id]
        now, self._tasks = (others or first), (first if others else [])
        return [self._end(task) for task in now]


@pytest.mark.parametrize(("outcome", "num"), [(State.DONE, 150), (State.FAILED, 101)])
def test_what_takes_longer_than_the_failures_is_waited_for(tmp_path, outcome, num):
    evaluator = Slow(num_workers=2, script=[State.FAILED] * 100 + [outcome] + [State.FAILED] * 200)
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator, eval_limit=150)
    made.run()
    assert len(store.evaluations) == num
    assert made.is_complete == (outcome is State.DONE)


def test_workers_are_kept_busy_while_something_takes_far_longer_than_the_failures(tmp_path, monkeypatch):
    evaluator = Slow(num_workers=3, script=[State.FAILED] * 149)
    monkeypatch.setattr(
        evaluator, "longest_running_seconds", lambda: 3600.0 * any(id == 0 for id in evaluator._pending)
    )
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator, eval_limit=150)
    made.run()
    assert store.evaluations[0].state is State.DONE
    assert store.counts[State.FAILED] == 149


def test_a_resumed_campaign_may_fail_as_often_again(tmp_path):
    evaluator = FakeEvaluator(num_workers=1, script=[State.FAILED] * 20)
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator, max_failures=4)
    store.close(made.run())
    evaluator = FakeEvaluator(num_workers=1, script=[State.FAILED] * 3)
    made, store = resume(tmp_path, RandomSearch(problem()), evaluator, max_failures=4)
    assert made.run() == "20 evaluations are complete"
    assert store.counts[State.FAILED] == 7
    store.close("", made.is_complete)
    evaluator = FakeEvaluator(num_workers=1, script=[State.FAILED] * 20)
    made, store = resume(tmp_path, RandomSearch(problem()), evaluator, eval_limit=40, max_failures=4)
    assert made.run() == "40 evaluations are complete"


def test_an_exhausted_space_ends_it(tmp_path):
    made, store = campaign(tmp_path, RandomSearch(finite()), FakeEvaluator())
    assert made.run() == "every point of the space has been evaluated"
    assert made.is_complete
    assert sorted(each.point["x"] for each in store.evaluations) == [0, 1, 2, 3, 4]


def test_the_last_points_of_a_space_may_be_lost_and_come_again(tmp_path):
    script = [State.DONE, State.DONE, State.DONE, State.LOST, State.LOST, State.LOST]
    made, store = campaign(tmp_path, RandomSearch(finite()), FakeEvaluator(script=script))
    made.run()
    assert store.counts[State.DONE] == 5


def test_the_best_is_the_smallest(tmp_path):
    made, store = campaign(tmp_path, RandomSearch(problem()), FakeEvaluator(script=[State.FAILED]))
    made.run()
    assert made.budget.best.objective == min(each.objective for each in store.evaluations if each.objective is not None)


def test_the_time_may_be_over(tmp_path):
    made, store = campaign(
        tmp_path, RandomSearch(problem()), FakeEvaluator(), eval_limit=None, deadline=time.monotonic() + 0.3
    )
    assert made.run() == "the time is over"
    assert not made.is_complete
    assert store.counts[State.DONE] > 5


def test_resuming_completes_exactly(tmp_path):
    first, store = campaign(tmp_path, RandomSearch(problem()), FakeEvaluator(script=[State.FAILED]), eval_limit=7)
    first.run()
    store.close("enough")
    second, store = resume(tmp_path, RandomSearch(problem()), FakeEvaluator(5), eval_limit=20)
    second.run()
    store.close("complete", complete=True)
    whole, there = results.read(tmp_path / "results.h5"), tmp_path / "whole"
    there.mkdir()
    made, unbroken = campaign(there, RandomSearch(problem()), FakeEvaluator())
    made.run()
    assert [each.point for each in whole.evaluations] == [each.point for each in unbroken.evaluations]
    assert len(whole.metadata.runs) == 2


def test_what_was_running_is_submitted_again(tmp_path):
    class Killed(BaseException):
        pass

    class Dying(FakeEvaluator):
        def _gather(self, timeout):
            if len(self.seen) > 6:
                raise Killed
            found = super()._gather(timeout)
            self.seen += found
            return found

    evaluator = Dying()
    evaluator.seen = []
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator)
    with pytest.raises(Killed):
        made.run()
    store.commit()
    store.abandon()  # as the end of the process does, which this test survives
    made, store = resume(tmp_path, RandomSearch(problem()), FakeEvaluator())
    assert [each.state for each in store.evaluations[-3:]] == [State.RUNNING] * 3
    again = [each.point for each in store.evaluations[-3:]]
    made.run()
    assert [each.point for each in store.evaluations[9:12]] == again
    assert store.counts[State.DONE] == 20


def test_a_resumed_campaign_that_is_complete_does_nothing(tmp_path):
    made, store = campaign(tmp_path, RandomSearch(problem()), FakeEvaluator())
    made.run()
    store.close("complete", complete=True)
    evaluator = FakeEvaluator()
    made, store = resume(tmp_path, RandomSearch(problem()), evaluator)
    assert made.run() == "20 evaluations are complete"
    assert evaluator.most_pending == 0


def test_results_are_safe_before_the_search_learns_of_them(tmp_path):
    seen = []

    class Watching(RandomSearch):
        def _learn(self, evaluations):
            stored = {each.id: each.state for each in results.read(tmp_path / "results.h5").evaluations}
            seen.extend(stored.get(each.id) for each in evaluations)

    made, _ = campaign(tmp_path, Watching(problem()), FakeEvaluator())
    made.run()
    assert seen == [State.DONE] * 20


class Impatient(RandomSearch):
    """Sends a signal while it proposes its fifth point."""

    signum = signal.SIGTERM

    def _propose(self):
        if len(self._seen) == 4:
            os.kill(os.getpid(), self.signum)
            time.sleep(30)  # which the signal ends
        return super()._propose()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_even_a_long_computation(tmp_path, signum):
    search = Impatient(problem())
    search.signum = signum
    with StopRequest() as stop:
        made, store = campaign(tmp_path, search, FakeEvaluator(1), stop=stop)
        begun = time.monotonic()
        assert made.run() == f"stopped by {signum.name}"
    assert time.monotonic() - begun < 25
    assert store.counts[State.DONE] == 4
    store.close("stopped")
    made, store = resume(tmp_path, RandomSearch(problem()), FakeEvaluator())
    made.run()
    assert store.counts[State.DONE] == 20


def test_a_signal_while_what_was_running_is_submitted_again_loses_nothing(tmp_path):
    script = [State.DONE, State.DONE, State.CANCELLED, State.CANCELLED]
    search = Impatient(problem())
    with StopRequest() as stop:
        made, store = campaign(tmp_path, search, FakeEvaluator(4, script), stop=stop)
        assert made.run() == "stopped by SIGTERM"
    assert store.counts[State.CANCELLED] == 2
    store.close("stopped")
    made, store = resume(tmp_path, RandomSearch(problem()), FakeEvaluator())
    made.run()
    assert store.counts[State.DONE] == 20


def test_a_signal_interrupts_user_code_in_this_process(tmp_path):
    def run(point):
        if point["x"] == 5:
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(30)
        return 1.0

    evaluator = SerialEvaluator(InlineExecutor(Setup(run, None, str(tmp_path)), load_run))
    evaluator.start()
    with StopRequest(evaluator.interrupt) as stop:
        made, store = campaign(tmp_path, RandomSearch(problem()), evaluator, stop=stop)
        assert made.run() == "stopped by SIGUSR1"
    evaluator.shutdown()
    assert store.evaluations[0].state is State.CANCELLED


class Lazy(Search):
    """Proposes a point only when nothing is pending."""

    name = "lazy"

    def _propose(self):
        if self._pending:
            return None
        return {"x": len(self._seen) % 10, "y": len(self._seen) / 100}


def test_a_search_may_wait_for_results(tmp_path):
    evaluator = FakeEvaluator()
    made, store = campaign(tmp_path, Lazy(problem()), evaluator)
    made.run()
    assert len(store.evaluations) == 20
    assert evaluator.most_pending == 1


def test_where_rank_0_spent_its_time_is_measured(tmp_path):
    made, _ = campaign(tmp_path, RandomSearch(problem()), FakeEvaluator())
    made.run()
    assert set(made.seconds) == {"ask", "tell", "store"}
    assert all(seconds > 0 for seconds in made.seconds.values())
    assert 0 < made.busy_share <= 1.01


def test_the_file_is_in_its_place_from_the_beginning(tmp_path):
    _, store = campaign(tmp_path, RandomSearch(problem()), FakeEvaluator())
    assert Path(store.path).exists()


class Clocked(FakeEvaluator):
    """Every evaluation takes so long on a fake clock, which stands still otherwise."""

    def __init__(self, clock, durations, num_workers=3):
        super().__init__(num_workers)
        self._clock, self._durations, self._ends = clock, iter(durations), {}

    def _submit(self, task):
        super()._submit(task)
        self._ends[task.id] = self._clock.now + next(self._durations)

    def _gather(self, timeout):
        if not self._tasks:
            self._clock.now += timeout
            return []
        first = min(self._tasks, key=lambda task: self._ends[task.id])
        self._clock.now = max(self._clock.now, self._ends[first.id])
        self._tasks.remove(first)
        submitted = self._pending[first.id].submitted
        return [self._end(first)._replace(started=submitted, ended=self._clock.now)]

    def submit(self, evaluation, config=None):
        running = super().submit(evaluation, config)._replace(submitted=self._clock.now)
        self._pending[evaluation.id] = running
        return running


@pytest.fixture
def clock():
    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    made = Clock()
    return made


def test_nothing_begins_that_would_not_end_in_time(tmp_path, clock):
    """Ten seconds each, three workers, 45 seconds: four rounds, and five seconds that nobody gets."""
    evaluator = Clocked(clock, [10.0] * 100)
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator, eval_limit=None, deadline=1045.0)
    assert made.run() == "the time is over for evaluations that take 10 s"
    assert not made.is_complete
    assert store.counts[State.DONE] == len(store.evaluations) == 12
    assert clock.now == 1040.0
    assert (made.budget.lost.idle, made.budget.lost.cancelled) == (0.0, 0.0)


def test_workers_that_end_early_wait_for_the_others(tmp_path, clock):
    evaluator = Clocked(clock, [10.0, 20.0, 28.0] + [1.0] * 100)
    made, store = campaign(
        tmp_path, RandomSearch(problem()), evaluator, eval_limit=None, deadline=1029.0, drain_seconds=20.0
    )
    made.run()
    assert store.counts[State.DONE] == 3
    assert clock.now == 1028.0
    assert made.budget.lost.idle == pytest.approx(18.0 + 8.0)  # none is thought to take less than 20 s


def test_what_takes_longer_than_expected_is_cancelled_and_comes_again(tmp_path, clock):
    evaluator = Clocked(clock, [10.0, 10.0, 10.0, 10.0, 10.0, 60.0])
    made, store = campaign(tmp_path, RandomSearch(problem()), evaluator, eval_limit=None, deadline=1030.0)
    # The long one ends after the deadline on this clock; until then the evaluator waits.
    evaluator._gather = lambda timeout, gather=evaluator._gather: (
        gather(timeout) if len(evaluator._tasks) > 1 else setattr(clock, "now", clock.now + timeout) or []
    )
    assert made.run() == "the time is over"
    assert store.counts[State.DONE] == 5
    assert store.counts[State.CANCELLED] == 1
    cancelled = store.evaluations[-1]
    assert made.budget.lost.cancelled == pytest.approx(cancelled.ended - cancelled.submitted)
    store.close("the time is over")
    made, store = resume(tmp_path, RandomSearch(problem()), FakeEvaluator(), eval_limit=6)
    made.run()
    assert [each.state for each in store.evaluations] == [State.DONE] * 6
    assert store.evaluations[-1].point == cancelled.point


def test_what_is_known_of_earlier_runs_counts(tmp_path, clock):
    made, store = campaign(tmp_path, RandomSearch(problem()), Clocked(clock, [10.0] * 9), eval_limit=3)
    made.run()
    store.close("enough")
    evaluator = Clocked(clock, [10.0] * 9)
    made, store = resume(tmp_path, RandomSearch(problem()), evaluator, eval_limit=20, deadline=clock.now + 9.0)
    assert made.run() == "the time is over for evaluations that take 10 s"
    assert evaluator.most_pending == 0


def test_time_is_lost_at_the_end_of_a_budget_too(tmp_path, clock):
    evaluator = Clocked(clock, [1.0, 2.0, 10.0, 1.0])
    made, _ = campaign(tmp_path, RandomSearch(problem()), evaluator, eval_limit=4)
    made.run()
    assert clock.now == 1010.0
    assert made.budget.lost.idle == 8.0 + 8.0


def test_workers_that_are_not_ready_are_not_lost(tmp_path, clock):
    class Slow(Clocked):
        num_idle = property(lambda self: 0 if self._clock.now < 1050 else self._num_workers - self.num_pending)

    evaluator = Slow(clock, [1.0] * 3)
    made, _ = campaign(tmp_path, RandomSearch(problem()), evaluator, eval_limit=3)
    made.run()
    assert made.budget.lost.idle == 0.0


class WaitingSearch(RandomSearch):
    """Has no point before so many looks at its model."""

    learns = True
    looks = 0

    def _is_ready(self, timeout):
        self.timeouts.append(timeout)
        self.looks -= 1
        return self.looks < 0


def waiting(looks):
    search = WaitingSearch(problem())
    search.ask(1)
    search.looks, search.timeouts = looks, []
    return search


@pytest.mark.parametrize("looks", [1, 5])
def test_while_a_model_is_not_ready_the_campaign_goes_on(tmp_path, looks):
    """Nothing runs, and yet the space has not come to its end; the wait is the search's, not a busy loop."""
    search = waiting(looks)
    made, store = campaign(tmp_path, search, FakeEvaluator(1), eval_limit=3)
    assert made.run() == "3 evaluations are complete"
    assert search.timeouts[:looks] == [GATHER_WAIT] * looks
    assert len(store.evaluations) == 3


def test_results_are_taken_in_while_a_model_is_not_ready(tmp_path):
    class OneWorks(FakeEvaluator):
        def _gather(self, timeout):
            waits.append(timeout)
            return super()._gather(timeout) if len(waits) > 4 else []

    waits, search = [], waiting(0)
    made, _ = campaign(tmp_path, search, OneWorks(2), eval_limit=4)
    search.looks = 1

    def ready(timeout):
        search.looks += 1
        return search.looks == 2 or len(waits) > 6

    search._is_ready = ready
    assert made.run() == "4 evaluations are complete"
    assert MODEL_WAIT in waits  # with one evaluation running, results are looked for often


def test_a_signal_ends_a_campaign_that_waits_for_a_model(tmp_path):
    search, stop = waiting(10**9), StopRequest()
    made, _ = campaign(tmp_path, search, FakeEvaluator(1), stop=stop)
    search._is_ready = lambda timeout: signal.raise_signal(signal.SIGUSR1) or False
    with stop:
        assert made.run() == "stopped by SIGUSR1"


def test_a_search_that_learns_has_no_more_pending_than_workers(tmp_path):
    class Greedy(FakeEvaluator):
        num_idle = property(lambda self: 64 - self.num_pending)  # takes short evaluations in batches

    evaluator = Greedy(3)
    campaign(tmp_path, waiting(0), evaluator)[0].run()
    assert evaluator.most_pending == 3
    other = Greedy(3)
    (tmp_path / "other").mkdir()
    campaign(tmp_path / "other", RandomSearch(problem()), other)[0].run()
    assert other.most_pending == 20
