import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.search.hps.surrogate.load_controller import MODES, Durations, LoadController


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def lasting(seconds):
    return Evaluation(0, {}, 1.0, State.DONE, 0.0, 0.0, seconds)


def made_load(budget, clock, evaluations=()):
    durations = Durations()
    for each in evaluations:
        durations.add(each)
    return LoadController(budget, clock, durations)


def made(load, clock, slowness, num=200):
    """Let proposals take as long as on a machine that is so much slower."""
    for _ in range(num):
        load.choose(2)
        with load.measured():
            clock.now += slowness * load.mode.seconds * load.mode.batch


@pytest.mark.parametrize(
    ("num_workers", "seconds", "name"),
    [
        (32, 60.0, "gp-thorough"),
        (1000, 60.0, "gp"),
        (2000, 30.0, "gp-brief"),
        (4000, 30.0, "gp-quick"),
        (1000, 1.0, "gp-batch-8"),
        (2500, 1.0, "gp-batch-32"),
        (1000, 0.001, "gp-batch-32"),
        (8, 0.001, "gp"),
        (8, 0.1, "gp"),
        (32, 0.0, "gp-brief"),
    ],
)
def test_the_pace_follows_the_demand(num_workers, seconds, name):
    load = made_load(1.0, Clock(), [lasting(seconds)])
    load.choose(num_workers)
    assert load.mode.name == name


def test_where_durations_are_unknown_there_is_no_hurry():
    load = made_load(1.0, Clock(), [Evaluation(0, {}, 1.0, State.DONE)])
    load.choose(10_000)
    assert load.mode is MODES[0]


def test_a_slow_machine_keeps_to_the_budget():
    clock = Clock()
    load = made_load(0.05, clock)
    made(load, clock, 1.0)
    assert load.mode is MODES[0]
    made(load, clock, 5.0)
    assert load.mode.name == "gp-brief"
    assert load.mode.seconds * 5 <= 0.05


def test_the_pace_becomes_better_again():
    clock = Clock()
    load = made_load(0.05, clock)
    made(load, clock, 50.0)
    assert load.mode is MODES[-1]
    made(load, clock, 1.0)
    assert load.mode is MODES[0]


def test_durations_are_those_of_late():
    load = made_load(1.0, Clock(), [lasting(seconds) for seconds in [0.001] * 100 + [60.0] * 200])
    load.choose(32)
    assert load.mode is MODES[0]


def test_half_of_the_budget_may_go_into_polishing():
    clock = Clock()
    load = made_load(0.05, clock)
    load.choose(8)
    with load.measured():
        clock.now += 0.02
        assert load.is_time_left()
        clock.now += 0.01
        assert not load.is_time_left()
    assert load.num_polished == 1


def test_without_workers_who_would_wait_no_clock_decides():
    clock = Clock()
    load = made_load(0.05, clock, [lasting(0.001)])
    for _ in range(100):
        load.choose(None)
        with load.measured():
            clock.now += 10.0
            assert load.is_time_left()
    load.choose(None)
    assert load.mode is MODES[0]


def test_what_was_done_can_be_done_again():
    load = made_load(0.05, Clock())
    load.repeat("gp", 2)
    with load.measured():
        assert [load.is_time_left() for _ in range(4)] == [True, True, False, False]
    assert load.mode.name == "gp"
