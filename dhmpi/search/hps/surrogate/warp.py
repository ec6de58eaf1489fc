"""Scales on which objectives are easier to model."""

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Matrix

# Distances from the best above which differences count by their ratio, in units of the median; infinity: nowhere.
BENDS = (np.inf, 1.0, 0.1)
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


def warp(values: Matrix, bend: float) -> tuple[Matrix, float]:
    """Return standardised values, shape (num,), and the log of how much denser than the given ones they are.

    Args:
        values: Shape (num,).
        bend: Where the scale turns from linear to logarithmic; one of `BENDS`.
    """
    density = 0.0
    if np.isfinite(bend):
        above = values - values.min()
        turn = bend * (float(np.median(above)) or float(above.mean()) or 1.0)
        values = np.log1p(above / turn)
        density = -float(np.log(above + turn).sum())
    deviation = float(values.std())
    if deviation < 1e-300:
        return np.zeros_like(values), density
    return (values - values.mean()) / deviation, density - len(values) * float(np.log(deviation))
