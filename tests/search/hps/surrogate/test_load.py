import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.search.hps.surrogate.load import PACES, Load


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def lasting(seconds):
    return Evaluation(0, {}, 1.0, State.DONE, 0.0, 0.0, seconds)


def made(load, clock, slowness, num=200):
    """Let proposals take as long as on a machine that is so much slower."""
    for _ in range(num):
        load.choose(0)
        with load.measured():
            clock.now += slowness * load.pace.seconds * load.pace.batch


@pytest.mark.parametrize(
    ("num_pending", "seconds", "name"),
    [
        (32, 60.0, "gp-thorough"),
        (1000, 60.0, "gp"),
        (2000, 30.0, "gp-brief"),
        (4000, 30.0, "gp-quick"),
        (1000, 1.0, "gp-batch-8"),
        (2500, 1.0, "gp-batch-32"),
        (1000, 0.001, "gp-batch-32"),
    ],
)
def test_the_pace_follows_the_demand(num_pending, seconds, name):
    load = Load(1.0, Clock())
    load.told(lasting(seconds))
    load.choose(num_pending)
    assert load.pace.name == name


def test_where_durations_are_unknown_there_is_no_hurry():
    load = Load(1.0, Clock())
    load.told(Evaluation(0, {}, 1.0, State.DONE))
    load.choose(10_000)
    assert load.pace is PACES[0]


def test_a_slow_machine_keeps_to_the_budget():
    clock = Clock()
    load = Load(0.05, clock)
    made(load, clock, 1.0)
    assert load.pace is PACES[0]
    made(load, clock, 5.0)
    assert load.pace.name == "gp-brief"
    assert load.pace.seconds * 5 <= 0.05


def test_the_pace_becomes_better_again():
    clock = Clock()
    load = Load(0.05, clock)
    made(load, clock, 50.0)
    assert load.pace is PACES[-1]
    made(load, clock, 1.0)
    assert load.pace is PACES[0]


def test_durations_are_those_of_late():
    load = Load(1.0, Clock())
    for seconds in [0.001] * 100 + [60.0] * 200:
        load.told(lasting(seconds))
    load.choose(32)
    assert load.pace is PACES[0]


def test_half_of_the_budget_may_go_into_polishing():
    clock = Clock()
    load = Load(0.05, clock)
    with load.measured():
        clock.now += 0.02
        assert load.is_time_left()
        clock.now += 0.01
        assert not load.is_time_left()
