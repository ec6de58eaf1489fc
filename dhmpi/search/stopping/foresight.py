"""Regression of objectives on values at a rung, as evaluations that have ended show them."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

NORMAL = NormalDist()
# Weight of the belief that values tell nothing, against that of one evaluation.
DOUBT = 1.0


class Final(NamedTuple):
    """Value of an evaluation at a rung, and its objective in the end."""

    value: float
    objective: float


class Foresight:
    """A regression of objectives on values at a rung, of ranks alone: scales and outliers do not matter.

    Ranks become normal scores (Blom), so that a straight line and normal residuals fit.

    Args:
        finals: At least three of them.
    """

    def __init__(self, finals: Sequence[Final]) -> None:
        self._values = sorted(final.value for final in finals)
        objectives = sorted(final.objective for final in finals)
        self._num = len(finals)
        pairs = [(self._score(_rank(self._values, v)), self._score(_rank(objectives, f))) for v, f in finals]
        self._spread = sum(x * x for x, _ in pairs)
        self._slope = sum(x * y for x, y in pairs) / (self._spread + DOUBT)
        squares = sum((y - self._slope * x) ** 2 for x, y in pairs)
        self._freedom = self._num - 2 + DOUBT
        self._variance = (squares + DOUBT) / self._freedom
        self._best = self._score(1.0)

    def chance(self, value: float) -> float:
        """Return the probability that an evaluation becomes the best, relative to a new one's, by its value there."""
        score = self._score(_place(self._values, value))
        variance = self._variance * (1 + 1 / self._num + score * score / (self._spread + DOUBT))
        deviation = (self._best - self._slope * score) / math.sqrt(variance)
        return NORMAL.cdf(_normal(deviation, self._freedom)) * (self._num + 1)

    def _score(self, rank: float) -> float:
        """Return the normal score of a rank from 1; halves are between two of them, or outside."""
        return NORMAL.inv_cdf((rank - 0.375) / (self._num + 0.25))


def _rank(ordered: Sequence[float], value: float) -> float:
    """Return the rank of a number that is in a sequence, from 1; equal ones share the mean of theirs."""
    return (bisect_left(ordered, value) + bisect_right(ordered, value) + 1) / 2


def _place(ordered: Sequence[float], value: float) -> float:
    """Return the rank that a number would have in a sequence, between those of its neighbours."""
    below, above = bisect_left(ordered, value), bisect_right(ordered, value)
    if above > below:
        return (below + above + 1) / 2
    if below in (0, len(ordered)):
        return below + 0.5
    left, right = ordered[below - 1], ordered[below]
    return below + ((value - left) / (right - left) if math.isfinite(right) else 0.5)


def _normal(deviation: float, freedom: float) -> float:
    """Return the quantile of the normal distribution that corresponds to one of Student's t.

    Source: D. L. Wallace, Bounds on normal approximations to Student's and the chi-square distributions, Annals of
    Mathematical Statistics 30, 1959.
    """
    size = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(deviation * deviation / freedom))
    return math.copysign(size, deviation)
