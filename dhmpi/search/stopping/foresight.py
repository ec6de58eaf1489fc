"""Regression of objectives on values at a rung, as evaluations that have ended show them."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

NORMAL = NormalDist()
# Weight of the belief that values tell nothing, against that of one evaluation.
DOUBT = 1.5
# Degrees of freedom that this belief is worth beside its weight.
BELIEF = 2.0
# Width of a neighbourhood, in standard deviations of the values, for one evaluation; it shrinks as there are more.
WIDTH = 0.8
# Chances are computed at so many values, and interpolated.
NUM_NODES = 16


class Final(NamedTuple):
    """Value of an evaluation at a rung, and its objective in the end."""

    value: float
    objective: float


class NormalScores(NamedTuple):
    """Normal scores of both; they depend on ranks alone."""

    value: float
    objective: float


class Foresight:
    """A local regression of objectives on values at a rung, of ranks alone: scales and outliers do not matter.

    Ranks become normal scores (Blom). What an evaluation will be is told by those that had about the same value: by a
    line through them, and by how much they differ. So curves that cross are seen, wherever they do. Where there are
    few of them, it is thought to be like any other.

    Args:
        finals: What is learned from.

    Attributes:
        num_finals: How many these are.
    """

    def __init__(self, finals: Sequence[Final]) -> None:
        self.num_finals = len(finals)
        self._values = sorted(final.value for final in finals)
        objectives = sorted(final.objective for final in finals)
        self._scores = [
            NormalScores(self._score(_rank(self._values, value)), self._score(_rank(objectives, objective)))
            for value, objective in finals
        ]
        self._best = self._score(1.0)
        self._width = WIDTH * self.num_finals**-0.2
        self._lowest, highest = self._score(0.5), self._score(self.num_finals + 0.5)
        self._spacing = (highest - self._lowest) / (NUM_NODES - 1)
        self._chances = [self._chance(self._lowest + node * self._spacing) for node in range(NUM_NODES)]

    def chance(self, value: float) -> float:
        """Return the probability that an evaluation becomes the best, relative to a new one's, by its value there."""
        position = (self._score(_place(self._values, value)) - self._lowest) / self._spacing
        node = min(max(int(position), 0), NUM_NODES - 2)
        left, right = self._chances[node : node + 2]
        return left + (right - left) * (position - node)

    def _chance(self, score: float) -> float:
        """Return that of a normal score."""
        weights = [math.exp(-(((score - each.value) / self._width) ** 2) / 2) for each in self._scores]
        near = list(zip(weights, self._scores, strict=True))
        total = sum(weights) + DOUBT
        centre = sum(weight * each.value for weight, each in near) / (total - DOUBT + math.ulp(0.0))
        mean = sum(weight * each.objective for weight, each in near) / total
        spread = sum(weight * (each.value - centre) ** 2 for weight, each in near) + DOUBT * self._width**2
        slope = sum(weight * (each.value - centre) * (each.objective - mean) for weight, each in near) / spread
        squares = sum(weight * (each.objective - mean - slope * (each.value - centre)) ** 2 for weight, each in near)
        variance = (squares + DOUBT) / total * (1 + (total - DOUBT) / total**2)
        deviation = (self._best - mean - slope * (score - centre)) / math.sqrt(variance)
        return NORMAL.cdf(_normal(deviation, total + BELIEF)) * (self.num_finals + 1)

    def _score(self, rank: float) -> float:
        """Return the normal score of a rank from 1; halves are between two of them, or outside."""
        return NORMAL.inv_cdf((rank - 0.375) / (self.num_finals + 0.25))


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
