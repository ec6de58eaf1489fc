"""Forecast of objectives from what evaluations have reported: where those that got farther came from there."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# Weight of the belief that at a rung all change alike, against that of one evaluation.
DOUBT = 1.0
# Share of the changes at either end that count as no more than the next one, if there are enough of them.
TAIL, ENOUGH = 0.05, 8


class RungValues(NamedTuple):
    """Values of an evaluation at rungs.

    Attributes:
        values: What it reported last at each rung that it came to, by the number of the rung.
        objective: Its objective if it is DONE; None if it runs, or was stopped.
    """

    values: dict[int, float]
    objective: float | None = None


class ChangeLine(NamedTuple):
    """Regression line at a rung: by how much an evaluation will change until the end, from its value there.

    Attributes:
        mean: Mean value of those that it is made from.
        change: Mean of their changes.
        slope: By how much more an evaluation changes whose value is larger by one.
        lowest: Smallest of their changes.
        highest: Largest of their changes.
        spread: Standard deviation of what becomes of them, around the line.
    """

    mean: float
    change: float
    slope: float
    lowest: float
    highest: float
    spread: float

    @classmethod
    def through(cls, values: Matrix, ends: Matrix, spreads: Matrix) -> "ChangeLine":
        """Return the line through evaluations.

        Args:
            values: What they had, shape (num,).
            ends: What became of them, or will probably, shape (num,).
            spreads: Standard deviations of these, shape (num,).
        """
        changes = ends - values
        if len(changes) >= ENOUGH:
            changes = np.clip(changes, *np.quantile(changes, (TAIL, 1 - TAIL)))
        mean, change = float(values.mean()), float(changes.mean())
        spread = float(((values - mean) ** 2).mean()) * (len(values) + DOUBT)
        slope = float(((values - mean) * (changes - change)).sum()) / spread if spread > 0 else 0.0
        residuals = changes - change - slope * (values - mean)
        variance = (float((residuals**2).sum()) + DOUBT * float(changes.var())) / max(len(values) - 1, 1)
        spread_of_ends = math.sqrt(variance + float((spreads**2).mean()))
        return cls(mean, change, slope, float(changes.min()), float(changes.max()), spread_of_ends)

    def __call__(self, values: Matrix) -> Matrix:
        """Return what will become of evaluations with values, shape (num,)."""
        changes = np.clip(self.change + self.slope * (values - self.mean), self.lowest, self.highest)
        foretold: Matrix = values + changes
        return foretold


class Foretold(NamedTuple):
    """Objectives of evaluations, of which some are foretold.

    Attributes:
        objectives: The objectives, shape (num,).
        spreads: By how much they may be wrong, as standard deviations, shape (num,); 0 for those that are known.
    """

    objectives: Matrix
    spreads: Matrix


class Forecast:
    """Forecast of the objectives of evaluations that have not been trained to their end.

    From the highest rung down: what an evaluation will change by is learned from those that got farther, of which it is
    known, or foretold already, what became of them. Of those that got farthest, it is thought that nothing changes; so
    while none has ended, all are compared as if they had come as far as these.

    Args:
        courses: What is learned from; values and objectives are finite.
    """

    def __init__(self, courses: Sequence[RungValues]) -> None:
        self._lines: dict[int, ChangeLine] = {}
        ends = {index: (each.objective, 0.0) for index, each in enumerate(courses) if each.objective is not None}
        at: dict[int, list[int]] = {}
        for index, course in enumerate(courses):
            for height in course.values:
                at.setdefault(height, []).append(index)
        for height in sorted(at, reverse=True):
            farther = [index for index in at[height] if index in ends]
            if farther:
                values = np.array([courses[index].values[height] for index in farther])
                self._lines[height] = ChangeLine.through(values, *np.array([ends[index] for index in farther]).T)
            others = [index for index in at[height] if index not in ends]
            values = np.array([courses[index].values[height] for index in others])
            found = self.ends(np.full(len(others), height), values)
            ends |= zip(others, zip(*(column.tolist() for column in found), strict=True), strict=True)

    def ends(self, heights: Indices, values: Matrix) -> Foretold:
        """Return the objectives that evaluations will probably have.

        Args:
            heights: Numbers of the highest rungs that they came to, shape (num,).
            values: What they reported there, shape (num,).
        """
        found = Foretold(values.copy(), np.zeros(len(values)))
        for height in set(heights.tolist()) & self._lines.keys():
            at, line = heights == height, self._lines[height]
            found.objectives[at], found.spreads[at] = line(values[at]), line.spread
        return found
