import math

import numpy as np
import pytest

from dhmpi.support.forecast import Forecast, RungValues
from dhmpi.support.step_rungs import rung

STEPS = range(1, 28)


def course(curve, until=STEPS[-1]):
    """Return the course of an evaluation, which is DONE if it comes to the last step."""
    values = {rung(step): curve(step) for step in STEPS if step <= until}
    return RungValues(values, curve(until) if until == STEPS[-1] else None)


def end(forecast, partial):
    height, value = next(reversed(partial.values.items()))
    return forecast.ends(np.array([height]), np.array([value])).objectives.item()


def falling(quality, speed=5.0):
    return lambda step: quality + (1 - quality) * math.exp(-step / speed)


def test_what_has_just_begun_is_foretold_by_those_that_have_ended():
    forecast = Forecast([course(falling(quality / 20)) for quality in range(10)])
    for quality in (0.05, 0.22, 0.4):
        for until in (1, 4, 15):
            assert end(forecast, course(falling(quality), until)) == pytest.approx(falling(quality)(27), abs=0.03)


def test_those_that_were_stopped_are_foretold_by_those_that_got_farther_even_if_these_were_stopped():
    """Only two have ended, and both are good: the bad ones are known from their beginnings alone."""
    ended = [course(falling(quality)) for quality in (0.05, 0.1)]
    stopped = [course(falling(quality / 10), until=20 - 2 * quality) for quality in range(2, 9)]
    forecast = Forecast([*ended, *stopped])
    found = [end(forecast, each) for each in stopped]
    assert found == sorted(found)
    assert end(forecast, stopped[-1]) == pytest.approx(falling(0.8)(27), abs=0.12)


def test_while_none_has_ended_all_are_compared_as_if_they_had_come_as_far():
    forecast = Forecast([course(falling(0.1), 9), course(falling(0.2), 9), course(falling(0.15), 2)])
    assert end(forecast, course(falling(0.1), 9)) == falling(0.1)(9)
    assert end(forecast, course(falling(0.15), 2)) == pytest.approx(falling(0.15)(9), abs=0.02)


def test_one_that_diverged_in_the_end_does_not_spoil_it():
    courses = [course(falling(quality / 40)) for quality in range(30)]
    diverged = courses[7]._replace(objective=1e100)
    with_it, without = Forecast([*courses[:7], diverged, *courses[8:]]), Forecast(courses)
    partial = course(falling(0.3), 5)
    assert end(with_it, partial) == pytest.approx(end(without, partial), abs=0.05)


def test_nothing_is_changed_of_what_nobody_got_beyond():
    assert end(Forecast([]), course(falling(0.3), 5)) == falling(0.3)(5)


@pytest.mark.parametrize("scale", [1e-140, 1.0, 1e140])
def test_scales_do_not_matter(scale):
    def scaled(quality):
        return lambda step: scale * falling(quality)(step)

    forecast = Forecast([course(scaled(quality / 20)) for quality in range(10)])
    assert end(forecast, course(scaled(0.22), 4)) == pytest.approx(scaled(0.22)(27), rel=0.1)
