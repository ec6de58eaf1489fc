import numpy as np
import pytest
from contracts.executors import Inline, Later

from dhmpi.evaluation import Evaluation, State
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.refits import Refits, first_results


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def refits(executor=None, clock=None, limit=None, workers=None, known=10, most=16):
    made = Refits(Background(executor or Later(), clock or Clock()), 10, most, limit, 0.05)
    made.num_workers = workers
    for _ in range(known):
        made.told()
    return made


def lasting(seconds):
    return Evaluation(0, {}, 1.0, State.DONE, 0.0, 0.0, seconds)


@pytest.mark.parametrize(
    ("dimensions", "max_evals", "num"),
    [
        (1, None, 10),
        (30, None, 30),
        (300, None, 33),
        (30, 500, 30),
        (30, 45, 15),
        (30, 30, 10),
        (30, 5, 10),
        (5, 500, 10),
    ],
)
def test_the_first_design_is_no_more_than_a_third_of_a_campaign(dimensions, max_evals, num):
    assert first_results(dimensions, max_evals) == num


def test_a_model_is_due_after_a_tenth_more_results_within_a_limit():
    made = refits(known=0)
    dues = [num for num in range(1, 400) if made.told() and made.due]
    assert dues[:14] == [*range(10, 21), 22, 24, 26]
    gaps = np.diff(dues)
    assert max(gaps) == 16
    assert all(gap <= max(1, due / 10) for gap, due in zip(gaps, dues, strict=False))


def test_it_can_be_due_sooner():
    made = refits(known=100)
    while made.told():
        pass
    made.hasten()
    assert made.told()
    early = refits(known=5)
    early.hasten()
    early.told()
    assert not early.due


@pytest.mark.parametrize("workers", [None, 1])
def test_without_anybody_to_lose_time_the_model_that_is_due_is_waited_for(workers):
    made = refits(Inline(), workers=workers)
    made.begin(lambda: "model")
    made.fitted = 10
    assert made.wait(None, is_needed=False)
    assert made.take(10) == "model"
    later = refits(workers=workers)
    later.begin(lambda: "model")
    assert not later.wait(0.0, is_needed=False)


@pytest.mark.parametrize(
    ("workers", "known", "fitted", "is_needed"),
    [
        (8, 10, 0, False),  # the first model
        (10_000, 10, 0, False),
        (8, 30, 21, False),  # more results than workers
        (2, 200, 179, False),  # more than a tenth
        (8, 30, 29, True),  # no candidate is left
    ],
)
def test_a_model_that_is_too_old_is_waited_for(workers, known, fitted, is_needed):
    clock = Clock()
    made = refits(clock=clock, workers=workers, known=known)
    made.fitted = fitted
    made.begin(lambda: "model")
    for _ in range(3):
        assert not made.wait(0.0, is_needed)
        clock.now += 100.0


@pytest.mark.parametrize(
    ("workers", "seconds", "patience"),
    [(8, None, 0.05), (8, 0.0, 0.05), (8, 60.0, 0.6), (64, 0.1, 0.025), (10_000, 60.0, 0.6), (1000, 1.0, 0.01)],
)
def test_a_model_that_is_not_far_ahead_is_waited_for_as_long_as_that_costs_little(workers, seconds, patience):
    clock = Clock()
    made = refits(clock=clock, workers=workers, known=100)
    if seconds is not None:
        made.durations.add(lasting(seconds))
    made.fitted = 98
    made.begin(lambda: "model")
    assert not made.wait(0.0, is_needed=False)
    clock.now += 0.99 * patience
    assert not made.wait(0.0, is_needed=False)
    clock.now += 0.02 * patience
    assert made.wait(0.0, is_needed=False)
    assert made.wait(0.0, is_needed=False)  # and not again for the same model


def test_a_limit_holds_for_each_point():
    clock = Clock()
    made = refits(clock=clock, limit=0.5, workers=8)
    made.begin(lambda: "model")
    assert not made.wait(0.0, is_needed=True)
    clock.now += 0.5
    assert made.wait(0.0, is_needed=True)
    made.proposed()
    assert not made.wait(0.0, is_needed=True)


def test_the_wait_is_measured_and_ends_with_the_job():
    class Stalling(Later):
        def submit(self, function, /, *args, **kwargs):
            future = super().submit(function, *args, **kwargs)

            def exception(timeout=None):
                clock.now += 3.0
                future.set_result("model")

            future.exception = exception
            return future

    clock = Clock()
    made = refits(Stalling(), clock)
    made.begin(lambda: None)
    assert made.wait(None, is_needed=True)
    assert made.waited == 3.0
    assert made.take(10) == "model"
    assert (made.fitted, made.num_made) == (10, 1)
