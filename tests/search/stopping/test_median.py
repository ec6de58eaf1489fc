import math

import pytest
from contracts.stopper import StopperContract, run

from dhmpi.search.stopping.median import MedianStopper


class TestContract(StopperContract):
    @pytest.fixture
    def make(self):
        return make


def make(min_steps=None, max_steps=None):
    return MedianStopper(5, min_steps, max_steps)


def test_the_best_value_is_compared_with_the_median_of_running_averages():
    stopper = MedianStopper(3, 2, 100)
    for id, values in enumerate([[8.0, 2.0], [9.0, 5.0], [10.0, 8.0]]):  # averages at step 2: 5, 7, 9
        assert run(stopper, id, values) is None
    assert run(stopper, 3, [7.0, 20.0]) is None  # its best is no worse than the median, 7; its average is 13.5
    assert run(stopper, 4, [20.0, 8.0]) is None  # the median of 5, 7, 9, 13.5 is 8
    assert run(stopper, 5, [9.1, 9.2]) == 2  # that of 5, 7, 9, 13.5, 14 is 9


def test_too_few_others_stop_nobody():
    stopper = MedianStopper(4, 1, 100)
    assert [run(stopper, id, [float(id)] * 20) for id in range(6)] == [None, None, None, None, 1, 1]


@pytest.mark.parametrize("huge", [-1.7e308, 1.7e308])
def test_what_is_hardly_a_number_is_compared_too(huge):
    """A sum of several such values, or of one and of what is worse than all others, may be no number."""
    stopper = MedianStopper(2, 1, 100)
    values = [[huge, huge, math.nan], [huge, math.nan, huge], [math.nan, huge, huge], [0.0, 0.0, 0.0], [huge] * 3] * 3
    for id, each in enumerate(values):
        run(stopper, id, each)
    averages = [each.ordered for each in stopper._averages.values()]
    assert not any(math.isnan(each[place]) for each in averages for place in range(len(each)))
    assert run(stopper, 99, [-math.inf, math.inf, math.nan]) == 1
    assert run(MedianStopper(2, 1, 100), 0, [huge, math.nan]) is None


def test_the_median_of_huge_values_is_one_of_them():
    stopper = MedianStopper(2, 1, 100)
    for id in range(2):
        assert run(stopper, id, [-1.7e308] * 2) is None
    assert run(stopper, 2, [-1.6e308] * 2) == 1
    assert run(stopper, 3, [-1.7e308] * 2) is None
