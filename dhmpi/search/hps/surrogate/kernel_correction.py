"""Kernel correction of a model's predictions by the points that have come since it was fitted."""

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.search.hps.surrogate.learner import Posterior

# What a point weighs at its own place; a model weighs 1.
WEIGHT = 10.0
# Standard deviation of its neighbourhood per square root of the number of columns.
REACH = 0.05
CHUNK = 256


class KernelCorrection:
    """Kernel correction: predictions near new points are drawn to their values, standard deviations to 0.

    A weighted mean, the model being one observation: at a distance d, a point weighs 10 exp(-d^2 / 2 reach^2), and the
    variance is divided by the sum of the weights. All sums, so that values can be exchanged.

    Args:
        watched: Rows of the candidates, shape (num, num_columns).
    """

    def __init__(self, watched: Matrix) -> None:
        self._watched = watched
        self._squares = (watched**2).sum(axis=1)
        self._weights = np.ones(len(watched))
        self._sums = np.zeros(len(watched))

    def add(self, rows: Matrix, values: Matrix) -> None:
        """Take in points, shape (num, num_columns), with values, shape (num,)."""
        for start in range(0, len(rows), CHUNK):
            kernel = self._kernel(rows[start : start + CHUNK])
            self._weights += kernel.sum(axis=1)
            self._sums += kernel @ values[start : start + CHUNK]

    def replace(self, rows: Matrix, old: Matrix, new: Matrix) -> None:
        """Exchange the values, shape (num,), of points that have been added."""
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            self._sums += self._kernel(rows[part]) @ (new[part] - old[part])

    def corrected(self, posterior: Posterior) -> Posterior:
        """Return the predictions of the model, corrected by the points."""
        mean = (posterior.mean + self._sums) / self._weights
        return Posterior(mean, posterior.std / np.sqrt(self._weights))

    def _kernel(self, rows: Matrix) -> Matrix:
        """Return the weight of each row at each candidate, shape (num_candidates, num_rows)."""
        distances = self._squares[:, None] + (rows**2).sum(axis=1) - 2 * self._watched @ rows.T
        kernel: Matrix = WEIGHT * np.exp(distances / (-2 * REACH**2 * rows.shape[1]))
        return kernel
