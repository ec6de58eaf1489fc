"""Rungs that the steps of reports belong to: what a search learns is what was reported last at each."""

import math

# Each rung is so many times as far as the one below.
RATIO = 1.2
# No value is worth more; squares of larger ones are no floats.
LARGEST = 1e150


def finite(value: float) -> bool:
    """Return whether a value says something, and can be computed with."""
    return abs(value) < LARGEST


def teaches(step: float, value: float) -> bool:
    """Return whether a search learns from a report."""
    return step > 0 and finite(value)


def rung(step: float) -> int:
    """Return the number of the rung that a step above 0 belongs to; it may be negative."""
    return math.floor(math.log(step) / math.log(RATIO) + 1e-9)
