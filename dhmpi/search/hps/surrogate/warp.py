"""Warps of objectives, which make them easier to model."""

import math
from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Matrix

# Distances from the best above which differences count by their ratio, in units of the median; infinity: nowhere.
RELATIVE_TURNS = (np.inf, 1.0, 0.1)
# Ratios to it are no larger than floats can be, since objectives are scaled to at most 1.
SMALLEST_TURN = 1e-150
# Values that differ by less are the same.
SMALLEST_STD = 1e-300
# Its exponential is no infinity, also when it is multiplied.
LARGEST_LOG = 300.0
# No model is better for knowing how much farther off an outlier is, in distances of the best from the median.
FARTHEST = 1e3


def tidy(objectives: Matrix) -> Matrix:
    """Return objectives, shape (num,), without failures and outliers, and without numbers that overflow.

    Args:
        objectives: NaN for failures, which count as the worst of the others.
    """
    if np.isnan(objectives).all():
        return np.zeros_like(objectives)
    worst = float(np.nanmax(objectives))
    filled = np.where(np.isnan(objectives), worst, objectives)
    filled = filled / (float(np.abs(filled).max()) or 1.0)
    best, median = float(filled.min()), float(np.median(filled))
    return np.minimum(filled, median + FARTHEST * (median - best)) if median > best else filled


def warped_variances(objectives: Matrix, spreads: Matrix, warped: Matrix) -> Matrix | float:
    """Return the variances of warped objectives that may be wrong, shape (num,); 0 if none may.

    Args:
        objectives: As they were, shape (num,), NaN for failures.
        spreads: Their standard deviations, shape (num,).
        warped: The same, warped, shape (num,).
    """
    if not spreads.any():
        return 0.0
    order = np.argsort(objectives, kind="stable")  # NaN comes last
    order = order[: np.count_nonzero(~np.isnan(objectives))]
    known, values = objectives[order], warped[order]
    above = np.interp(objectives + spreads, known, values) - warped
    below = warped - np.interp(objectives - spreads, known, values)
    variances: Matrix = np.where(spreads > 0, np.maximum(above, below) ** 2, 0.0)
    return variances


def warp(values: Matrix, relative_turn: float) -> tuple[Matrix, float]:
    """Return warped and standardised values, shape (num,), and the log of the density (the Jacobian) of the warp.

    Args:
        values: Shape (num,).
        relative_turn: Where the scale turns from linear to logarithmic; one of `RELATIVE_TURNS`.
    """
    density = 0.0
    if np.isfinite(relative_turn):
        above = values - values.min()
        turn = _turn(above, relative_turn)
        values = np.log1p(above / turn)
        density = -float(np.log(above + turn).sum())
    std = float(values.std())
    if std < SMALLEST_STD:
        return np.zeros_like(values), density
    return (values - values.mean()) / std, density - len(values) * float(np.log(std))


class Unwarp(NamedTuple):
    """Inverse of `warp` after `tidy`: objectives that warped numbers stand for.

    Attributes:
        unit: What `tidy` has divided objectives by.
        low: The lowest of them, in units.
        turn: Where the scale turns from linear to logarithmic, in units; infinity: nowhere.
        mean: Mean of what was standardised.
        std: Standard deviation of the same.
    """

    unit: float
    low: float
    turn: float
    mean: float
    std: float

    @classmethod
    def of(cls, objectives: Matrix, relative_turn: float) -> "Unwarp":
        """Return the inverse for objectives that had been warped.

        Args:
            objectives: Shape (num,), NaN for failures.
            relative_turn: As it was for `warp`.
        """
        if np.isnan(objectives).all():
            return cls(1.0, 0.0, math.inf, 0.0, 0.0)
        values = tidy(objectives)
        unit, low, turn = float(np.nanmax(np.abs(objectives))) or 1.0, float(values.min()), math.inf
        if np.isfinite(relative_turn):
            turn = _turn(values - low, relative_turn)
            values = np.log1p((values - low) / turn)
        std = float(values.std())
        return cls(unit, low, turn, float(values.mean()), std if std >= SMALLEST_STD else 0.0)

    def __call__(self, warped: Matrix) -> Matrix:
        """Return the objectives, of the same shape."""
        straight = warped * self.std + self.mean
        if math.isfinite(self.turn):
            straight = self.low + self.turn * np.expm1(np.minimum(straight, LARGEST_LOG))
        found: Matrix = self.unit * straight
        return found

    def slope(self, warped: float) -> float:
        """Return by how much the objective grows with the warped number."""
        if not math.isfinite(self.turn):
            return self.unit * self.std
        straight = min(warped * self.std + self.mean, LARGEST_LOG)
        return self.unit * self.turn * math.exp(straight) * self.std


def _turn(above: Matrix, relative_turn: float) -> float:
    """Return where the scale turns, for the distances of values from the lowest one."""
    return max(relative_turn * (float(np.median(above)) or float(above.mean()) or 1.0), SMALLEST_TURN)
