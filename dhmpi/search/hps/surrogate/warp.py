"""Warps of objectives, which make them easier to model."""

import math

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Matrix

# Distances from the best above which differences count by their ratio, in units of the median; infinity: nowhere.
RELATIVE_TURNS = (np.inf, 1.0, 0.1)
# Ratios to it are no larger than floats can be, since objectives are scaled to at most 1.
SMALLEST_TURN = 1e-150
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
        turn = max(relative_turn * (float(np.median(above)) or float(above.mean()) or 1.0), SMALLEST_TURN)
        values = np.log1p(above / turn)
        density = -float(np.log(above + turn).sum())
    std = float(values.std())
    if std < 1e-300:
        return np.zeros_like(values), density
    return (values - values.mean()) / std, density - len(values) * float(np.log(std))


def unwarped(warped: Matrix, objectives: Matrix, relative_turn: float) -> Matrix:
    """Return the objectives that warped numbers stand for: the inverse of `warp` after `tidy`.

    Args:
        warped: Any shape.
        objectives: What had been warped, shape (num,), NaN for failures.
        relative_turn: As it was for `warp`.
    """
    if np.isnan(objectives).all():
        return np.zeros_like(warped)
    values = tidy(objectives)
    scale = float(np.nanmax(np.abs(objectives))) or 1.0
    turn = math.inf
    logs = values
    if np.isfinite(relative_turn):
        above = values - values.min()
        turn = max(relative_turn * (float(np.median(above)) or float(above.mean()) or 1.0), SMALLEST_TURN)
        logs = np.log1p(above / turn)
    std = float(logs.std())
    straight = warped * (std if std >= 1e-300 else 0.0) + logs.mean()
    if np.isfinite(turn):
        straight = values.min() + turn * np.expm1(np.minimum(straight, 300.0))
    found: Matrix = scale * straight
    return found
