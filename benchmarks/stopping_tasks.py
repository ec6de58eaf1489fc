"""Learning curves for benchmarks/stopping.py: real ones of lcdb, recorded ones, and synthetic families."""

import math
import random
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import record_curves

from dhmpi.evaluation import Evaluation, Point
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.space.problem import HpProblem

NUM_EPOCHS = record_curves.NUM_EPOCHS
NOISE = 0.01
# Recorded curves between which that of another point is.
NUM_NEAREST = 5


class Curve(NamedTuple):
    """Learning curve of one configuration.

    Attributes:
        steps: Where it reports.
        values: What it reports, to be small; the last is NaN if it diverges there.
        costs: What it costs to come to each step from the one before.
        final: What it is worth after a full training, without noise; infinite if it diverges.
    """

    steps: list[float]
    values: list[float]
    costs: list[float]
    final: float


class Arms(NamedTuple):
    """Configurations of which one is to be found.

    Attributes:
        curves: Theirs.
        tolerance: By how much the best may be missed.
    """

    curves: list[Curve]
    tolerance: float = 0.0


@cache
def lcdb(path: Path) -> dict[str, Arms]:
    """Return the data sets of lcdb with an odd number that have at least 15 learners.

    Learners are arms, steps are training sizes, each of which is trained from the beginning; values are error rates on
    validation data, averaged over the splits. The best is missed by nothing within two standard errors of its average.

    Args:
        path: `database-accuracy.csv` of the sources of lcdb 0.1.0.
    """
    import pandas as pd

    rows = pd.read_csv(path)
    rows = rows[rows.openmlid % 2 == 1]
    keys = ["openmlid", "learner", "size_train"]
    columns = {"value": ("score_valid", "mean"), "error": ("score_valid", "sem"), "cost": ("traintime", "mean")}
    means = rows.groupby(keys).agg(**columns).reset_index().dropna(subset=["value"])
    found = {}
    for number, of_set in means.groupby("openmlid"):
        if of_set.learner.nunique() < 15:
            continue
        learners = [learner.sort_values("size_train") for _, learner in of_set.groupby("learner")]
        curves = [
            Curve(
                [float(size) for size in each.size_train],
                [float(1 - value) for value in each.value],
                [float(cost) for cost in each.cost],
                float(1 - each.value.iloc[-1]),
            )
            for each in learners
        ]
        best = min(range(len(curves)), key=lambda index: curves[index].final)
        error = float(learners[best].error.iloc[-1])
        found[str(number)] = Arms(curves, 2 * error if math.isfinite(error) else 0.0)
    return found


class Family:
    """Space of a search, whose every point has a learning curve.

    Args:
        name: One of `FAMILIES`.
        num: Number of points of a random search; recorded families have so many at most.
        seed: Of the order of points, the noise and the durations.
    """

    def __init__(self, name: str, num: int, seed: int) -> None:
        self._shape = SHAPES.get(name)
        self._recorded = None if self._shape else record_curves.load(name)
        self.problem = record_curves.problem_of(name) if self._recorded else synthetic_problem()
        if self._recorded:
            self._encoding = Encoding(self.problem.dimensions)
            self._rows = self._encoding.encode(self._recorded.points)
        self._rng = random.Random(f"{name} {seed}")
        self.points = self._recorded.points if self._recorded else RandomSearch(self.problem, seed=seed).ask(num)
        self.points = self._rng.sample(self.points, min(num, len(self.points)))

    def curve(self, point: Point) -> Curve:
        """Return the learning curve of a point: of recorded ones, between those of the nearest points."""
        pace = self._rng.lognormvariate(0.0, 0.4)  # configurations take unequally long
        if self._shape:
            return self._noisy(self._shape(*point.values()), pace)
        row = self._between(point)
        values = [float(value) for value in row if math.isfinite(value)]
        final = values[-1] if len(values) == NUM_EPOCHS else math.inf
        return costing([*values, math.nan] if len(values) < NUM_EPOCHS else values, final, pace)

    def _noisy(self, values: list[float], pace: float) -> Curve:
        observed = [value + self._rng.gauss(0, NOISE) for value in values]
        if self._rng.random() < 0.1:  # diverges
            return costing([*observed[: self._rng.randrange(1, 6)], math.nan], math.inf, pace)
        return costing(observed, values[-1], pace)

    def _between(self, point: Point) -> Matrix:
        """Return the values of a point, shape (num_epochs,): of the nearest ones by the inverse square distance.

        At a recorded point they are its own, and what diverges does so around it, too (Shepard 1968).
        """
        curves = self._recorded.objectives
        distances = ((self._rows - self._encoding.encode([point])) ** 2).sum(axis=1)
        nearest = np.argsort(distances, kind="stable")[:NUM_NEAREST]
        if distances[nearest[0]] == 0 or np.isnan(curves[nearest[0]]).any():
            found: Matrix = curves[nearest[0]].astype(float)
            return found
        nearest = nearest[~np.isnan(curves[nearest]).any(axis=1)]
        return np.average(curves[nearest].astype(float), axis=0, weights=1 / distances[nearest])


class RandomOrder:
    """Random search among the points of a family, none of them twice.

    Args:
        family: The family.
        seed: That of the family.
    """

    def __init__(self, family: Family, seed: int) -> None:
        self._points = list(family.points)

    def ask(self, num: int) -> list[Point]:
        """Return up to `num` points."""
        taken, self._points = self._points[:num], self._points[num:]
        return taken

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Learn nothing."""


def costing(values: list[float], final: float, pace: float) -> Curve:
    """Return a curve of epochs, each of which takes a given time."""
    return Curve([float(epoch) for epoch in range(1, len(values) + 1)], values, [pace] * len(values), final)


def synthetic_problem() -> HpProblem:
    """Return the problem of synthetic families: how good a configuration will be, and how fast."""
    problem = HpProblem()
    problem.add_dim("quality", (0.0, 1.0))
    problem.add_dim("speed", (0.0, 1.0))
    return problem


def _exponential(end: float, time: float) -> list[float]:
    return [end + (1 - end) * math.exp(-epoch / time) for epoch in range(1, NUM_EPOCHS + 1)]


def smooth(quality: float, speed: float) -> list[float]:
    """Return a power law: who leads soon leads in the end."""
    end, exponent = 0.05 + 0.6 * quality**1.5, 0.4 + 0.8 * speed
    return [end + (1 - end) * 0.7 * epoch**-exponent for epoch in range(1, NUM_EPOCHS + 1)]


def saturating(quality: float, speed: float) -> list[float]:
    """Return an exponential whose speed has nothing to do with its end: the first epochs tell little."""
    return _exponential(0.05 + 0.6 * quality**1.5, 1 + 5 * speed)


def crossing(quality: float, speed: float) -> list[float]:
    """Return an exponential that is the slower, the better its end: curves cross."""
    return _exponential(0.05 + 0.6 * quality**1.5, 2 + 12 * (1 - quality) * (0.3 + 0.7 * speed))


SHAPES: dict[str, Callable[[float, float], list[float]]] = {
    "smooth": smooth,
    "saturating": saturating,
    "crossing": crossing,
}
FAMILIES = (*SHAPES, "digits", "fashion")


def bloomers(name: str, seed: int) -> Arms:
    """Return twenty configurations of which the best starts slowest.

    Args:
        name: One of `BLOOMERS`.
        seed: Of their order, the noise and the speeds.
    """
    rng = random.Random(f"{name} {seed}")
    curves = []
    for index in range(20):
        end = 0.05 + 0.025 * index
        if name == "slow":  # the better, the slower
            values = _exponential(end, 10 - 0.45 * index)
        elif name == "late":  # the better, the later it begins to learn at all
            values = [end + (1 - end) / (1 + math.exp(epoch - 15 + 0.7 * index)) for epoch in range(1, NUM_EPOCHS + 1)]
        else:  # the best is slow, the others are fast
            values = _exponential(end, 9.0 if index == 0 else rng.uniform(1, 4))
        curves.append(costing([value + rng.gauss(0, NOISE) for value in values], values[-1], rng.uniform(0.8, 1.2)))
    return Arms(rng.sample(curves, len(curves)))


BLOOMERS = ("slow", "late", "single")
