import math

import pytest

from dhmpi.support.step_rungs import RATIO, finite, rung, teaches


def test_rungs_are_so_many_times_as_far_each_time():
    assert [rung(RATIO**height) for height in (-3, 0, 1, 40)] == [-3, 0, 1, 40]
    assert rung(5e-324) < rung(1e-300) < rung(1e300)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e200])
def test_what_cannot_be_computed_with_is_told(value):
    assert not finite(value)
    assert finite(1e100)


def test_nothing_is_learned_before_the_first_step():
    assert [teaches(step, 1.0) for step in (-1.0, 0.0, 0.5)] == [False, False, True]
