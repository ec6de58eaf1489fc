import time
from collections import deque

import pytest

from dhmpi.errors import EvaluatorError, InputError
from dhmpi.evaluation import Evaluation, Objective, Report, State
from dhmpi.evaluator import Evaluator, HandDrivenEvaluator
from dhmpi.evaluator.cache import canonical_key
from dhmpi.execution.runner import Outcome


class Manual(Evaluator):
    """Ends evaluations when the test says so; the objective is x."""

    def __init__(self, num_workers=2):
        super().__init__()
        self.running, self.outcomes, self.submitted, self.waits = {}, deque(), [], []
        self.num_started, self.is_shut_down, self._num_workers = 0, False, num_workers

    num_workers = property(lambda self: self._num_workers)

    def start(self):
        self.num_started += 1

    def _submit(self, task):
        self.running[task.id] = task
        self.submitted.append(task.point)

    def end(self, x, state=State.DONE):
        """End the first evaluation of x that runs."""
        id = next(id for id, task in self.running.items() if task.point["x"] == x)
        del self.running[id]
        self.outcomes.append(Outcome(id, state, float(x) if state is State.DONE else None, 1.0, 2.0))

    def _gather(self, timeout):
        self.waits.append(timeout)
        if not self.outcomes and timeout:
            time.sleep(min(timeout, 0.02))
        ended = [self._conclude(outcome, 0, "host") for outcome in self.outcomes]
        self.outcomes.clear()
        return ended

    def _cancel(self, timeout):
        return self._gather(0.0) + self._give_up(self._pending, State.CANCELLED)

    def shutdown(self):
        self.is_shut_down = True


class Prompt(Manual):
    """Ends everything at once."""

    def _submit(self, task):
        self.outcomes.append(Outcome(task.id, State.DONE, float(task.point["x"]), 1.0, 2.0))


def by_hand(evaluator, cache_key=canonical_key):
    return HandDrivenEvaluator(evaluator, cache_key)


def points(*values):
    return [{"x": value} for value in values]


def finished(hand):
    return list(hand.get_finished_evals())


def test_the_first_request_starts_the_evaluator():
    evaluator = Manual()
    with by_hand(evaluator) as hand:
        assert evaluator.num_started == 0
        hand.add_eval({"x": 1})
        hand.add_eval({"x": 2})
        assert (evaluator.num_started, evaluator.is_shut_down) == (1, False)
    assert evaluator.is_shut_down


def test_requests_wait_for_idle_workers():
    evaluator = Manual()
    hand = by_hand(evaluator)
    hand.add_eval_batch(points(1, 2, 3, 4))
    assert evaluator.submitted == points(1, 2)
    evaluator.end(2)
    assert finished(hand) == [({"x": 2}, 2.0)]
    assert evaluator.submitted == points(1, 2, 3)


def test_each_request_is_answered_once():
    evaluator = Manual()
    hand = by_hand(evaluator)
    hand.add_eval_batch(points(1, 1.0, 2))
    hand.add_eval({"x": 1})
    assert evaluator.submitted == points(1, 2)
    evaluator.end(1)
    assert finished(hand) == [({"x": 1}, 1.0)] * 3
    assert finished(hand) == []
    hand.add_eval({"x": 1})
    assert finished(hand) == [({"x": 1}, 1.0)]
    assert evaluator.submitted == points(1, 2)


def test_without_a_cache_everything_is_evaluated():
    evaluator = Manual()
    hand = by_hand(evaluator, cache_key=None)
    hand.add_eval_batch(points(1, 1, 1))
    assert evaluator.submitted == points(1, 1)
    evaluator.end(1)
    assert finished(hand) == [({"x": 1}, 1.0)]
    assert evaluator.submitted == points(1, 1, 1)
    evaluator.end(1)
    evaluator.end(1)
    assert list(hand.await_evals(points(1, 1))) == [({"x": 1}, 1.0)] * 2
    assert finished(hand) == []


def test_what_is_known_overtakes_what_waits_for_a_worker():
    evaluator = Manual(num_workers=1)
    hand = by_hand(evaluator)
    hand.add_eval({"x": 1})
    evaluator.end(1)
    finished(hand)
    hand.add_eval_batch(points(2, 3, 1))
    assert finished(hand) == [({"x": 1}, 1.0)]


def test_a_point_belongs_to_its_request():
    evaluator = Manual()
    hand = by_hand(evaluator)
    point = {"x": 1}
    hand.add_eval(point)
    point["x"] = 2
    evaluator.end(1)
    assert finished(hand) == [({"x": 1}, 1.0)]
    assert evaluator.submitted == points(1)


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT])
def test_a_failure_has_a_value(state):
    evaluator = Manual()
    hand = by_hand(evaluator)
    hand.FAIL_RETURN_VALUE = 99.0
    hand.add_eval({"x": 1})
    evaluator.end(1, state)
    assert finished(hand) == [({"x": 1}, 99.0)]


def test_what_was_lost_is_submitted_again():
    evaluator = Manual()
    hand = by_hand(evaluator)
    hand.add_eval_batch(points(1, 1))
    evaluator.end(1, State.LOST)
    assert finished(hand) == []
    evaluator.end(1)
    assert finished(hand) == [({"x": 1}, 1.0)] * 2


def test_whoever_stops_reading_finds_the_rest_later():
    hand = by_hand(Prompt(num_workers=3))
    hand.add_eval_batch(points(1, 2, 3))
    assert next(hand.get_finished_evals()) == ({"x": 1}, 1.0)
    assert finished(hand) == [({"x": 2}, 2.0), ({"x": 3}, 3.0)]


def test_two_readers_share_the_answers():
    hand = by_hand(Prompt(num_workers=3))
    hand.add_eval_batch(points(1, 2, 3))
    one = hand.get_finished_evals()
    next(one)
    assert list(hand.await_evals(points(3, 2))) == [({"x": 3}, 3.0), ({"x": 2}, 2.0)]
    assert list(one) == []


def test_a_poll_waits_only_if_it_has_no_answer():
    evaluator = Prompt(num_workers=2)
    hand = by_hand(evaluator)
    hand.add_eval_batch(points(1, 2))
    next(hand.get_finished_evals())
    next(hand.get_finished_evals())
    assert evaluator.waits == [0.01, 0.0]


class TestAwait:
    def test_nothing_is_there_at_once(self):
        evaluator = Manual()
        hand = by_hand(evaluator)
        assert list(hand.await_evals([])) == []
        assert evaluator.waits == []

    def test_it_waits_for_all_and_keeps_the_order(self):
        hand = by_hand(Prompt(num_workers=1))
        hand.add_eval_batch(points(1, 2, 3, 4))
        assert list(hand.await_evals(points(3, 1, 3.0))) == [({"x": 3}, 3.0), ({"x": 1}, 1.0), ({"x": 3}, 3.0)]
        assert sorted(value for _, value in hand.await_evals(points(2, 4))) == [2.0, 4.0]

    def test_what_has_been_read_can_be_awaited(self):
        hand = by_hand(Prompt())
        hand.add_eval({"x": 1})
        assert len(finished(hand)) == 1
        assert list(hand.await_evals(points(1))) == [({"x": 1}, 1.0)]
        assert finished(hand) == []

    def test_what_has_never_been_requested_is_a_key_error(self):
        hand = by_hand(Prompt())
        hand.add_eval({"x": 1})
        with pytest.raises(KeyError, match=r"a point must have been requested with add_eval, got \{'x': True\}"):
            list(hand.await_evals([{"x": 1}, {"x": True}]))
        assert finished(hand) == [({"x": 1}, 1.0)]

    @pytest.mark.parametrize("timeout", [0, 0.05])
    def test_its_time_may_end(self, timeout):
        evaluator = Manual()
        hand = by_hand(evaluator)
        hand.add_eval_batch(points(1, 2))
        evaluator.end(1)
        text = f"all 2 evaluations must end within {timeout:g} s, got 1 unfinished"
        with pytest.raises(TimeoutError, match=f"^{text}$"):
            list(hand.await_evals(points(1, 2), timeout))
        assert finished(hand) == [({"x": 1}, 1.0)]
        evaluator.end(2)
        assert list(hand.await_evals(points(1, 2), timeout)) == [({"x": 1}, 1.0), ({"x": 2}, 2.0)]

    def test_what_is_cancelled_cannot_be_awaited(self):
        evaluator = Manual()
        hand = by_hand(evaluator)
        hand.add_eval({"x": 1})
        evaluator.cancel(1.0)
        with pytest.raises(EvaluatorError, match="must not be cancelled"):
            list(hand.await_evals(points(1)))


@pytest.mark.parametrize("point", [None, "x", 3, [("x", 1)]])
def test_a_point_is_a_dict(point):
    with pytest.raises(InputError, match="a point must be a dict of values by name, got "):
        by_hand(Manual()).add_eval(point)


def test_time_grows_with_the_number_of_requests_and_no_faster():
    """Each request costs as much as another, however many are open or known; a loop over all of them would show."""

    def seconds(num):
        begun = time.process_time()
        hand = by_hand(Prompt(num_workers=8))
        for number in range(num):
            hand.add_eval({"x": number})
        found = []
        while len(found) < num:
            found += hand.get_finished_evals()
        assert len(list(hand.await_evals(points(*range(num))))) == num
        return time.process_time() - begun

    assert seconds(10_000) < 5 * 20 * min(seconds(500) for _ in range(3))


def test_of_several_objectives_those_that_are_done_have_all_and_no_others():
    evaluator = Manual(num_workers=2)
    evaluator.maximises, evaluator.objectives = True, (Objective("a", True), Objective("b"))
    for id in range(2):
        evaluator.submit(Evaluation(id, {"x": id}))
    evaluator._take_reports([Report(1, 1.0, 0.75, 0.0)])
    for id, state in enumerate((State.DONE, State.STOPPED)):
        evaluator.outcomes.append(Outcome(id, state, None, 1.0, 2.0, extra={"a": 0.5, "b": 3} if id == 0 else {"b": 3}))
    done, stopped = evaluator.gather(0.0)
    assert (done.objective, done.objectives, done.extra) == (-0.5, (-0.5, 3.0), {"b": 3})
    assert (stopped.state, stopped.objective, stopped.objectives) == (State.STOPPED, -0.75, ())
