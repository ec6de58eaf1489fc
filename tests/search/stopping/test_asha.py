import pytest
from contracts.stopper import StopperContract, curve, run

from dhmpi.search.stopping.asha import Asha


class TestContract(StopperContract):
    @pytest.fixture
    def make(self):
        return make


def make(min_steps=None, max_steps=None):
    return Asha(3.0, min_steps, max_steps)


def at_first_rung(stopper, values):
    said = []
    for id, value in enumerate(values):
        stopper.begin(id)
        said.append(stopper.report(id, 1, value))
    return said


def test_the_best_third_goes_on():
    assert at_first_rung(make(1, 27), [5, 6, 4, 7, 4.5, 3.5, 1, 2, 9]) == [
        False,  # fewer than three
        False,
        False,  # the best of three
        True,
        True,  # 4 is the best of five
        False,  # the second best of six is 4
        False,
        False,
        True,  # the third best of nine is 3.5
    ]


def test_rungs_are_powers_of_the_reduction():
    stopper = make(2, 60)
    for id in range(3):
        run(stopper, id, curve(0.1 * id, 60))
    stopper.begin(9)
    steps = [step for step in range(1, 60) if not stopper.report(9, step, -1.0)]
    assert len(steps) == 59
    assert sorted(stopper._running[9].reports) == [0, 1, 2, 3]  # 2, 6, 18, 54
    assert make(None, 81)._ladder.height(1) == 0


def test_reduction_need_not_be_an_integer():
    assert at_first_rung(Asha(1.5, 1, 27), [1, 2, 3, 4]) == [False, True, True, True]
