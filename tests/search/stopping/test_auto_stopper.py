import math
import random

import pytest
from contracts.stopper import StopperContract, play

from dhmpi.search.stopping.auto_stopper import AutoStopper

STEPS = range(1, 28)


class TestContract(StopperContract):
    @pytest.fixture
    def make(self):
        return make


def make(min_steps=None, max_steps=None):
    return AutoStopper(0.35, min_steps, max_steps)


def kept(curves, best):
    """Return in how many of 20 orders the best of 20 configurations goes to its end."""
    orders = [random.Random(seed).sample(range(20), 20) for seed in range(20)]
    return sum(play(make(max_steps=27), curves, order)[best] is None for order in orders)


def test_late_bloomers_are_kept():
    """The better a configuration, the slower it is: the worst in the beginning is the best in the end."""

    def slow(id, step):
        return math.exp(-step / (10 - 0.45 * id))

    def late(id, step):
        return 1 / (1 + math.exp(step - 15 + 0.7 * id))

    for shape in (slow, late):
        ends = [0.05 + 0.025 * id for id in range(20)]
        curves = [[end + (1 - end) * shape(id, step) for step in STEPS] for id, end in enumerate(ends)]
        assert min(curves, key=lambda curve: curve[-1]) is curves[0]
        assert curves[0][4] > max(curve[4] for curve in curves[2:])
        assert kept(curves, 0) >= 16


def test_one_late_bloomer_among_others_is_kept():
    ends = [0.1 + 0.025 * id for id in range(20)]
    curves = [[end + (1 - end) * math.exp(-step / (1 + id % 4)) for step in STEPS] for id, end in enumerate(ends)]
    curves[0] = [0.05 + 0.95 * math.exp(-step / 9) for step in STEPS]
    assert kept(curves, 0) >= 14


def test_most_steps_are_saved_where_curves_behave_well():
    rng = random.Random(1)
    qualities = [rng.random() for _ in range(300)]
    curves = [[each + 0.5 * step**-0.7 + rng.gauss(0, 0.01) for step in STEPS] for each in qualities]
    stopped = play(make(max_steps=27), curves)
    assert sum(step or 27 for step in stopped.values()) < 0.25 * 300 * 27
    done = [qualities[id] for id, step in stopped.items() if step is None]
    assert min(done) <= sorted(qualities)[1]
