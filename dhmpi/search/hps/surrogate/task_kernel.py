"""Covariance between tasks: how far the results of earlier campaigns are trusted in this one.

Task 0 is the campaign, each other one a source. Both parts of a process's covariance have a correlation of their own
between the campaign and a source, a coregionalisation of rank one (Bonilla et al. 2008); the campaign's objective has a
scale and an offset of its own besides. All of it is learned with the other hyperparameters.
"""

from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Indices, Matrix

# What the parameters are expected to be, and how far from that: sources are probably of use.
CORRELATION, SCALE = (1.0, 1.0), (0.0, 0.7)
CORRELATION_BOUNDS, SCALE_BOUNDS = (-2.5, 2.5), (-2.5, 2.5)
# Variance of the offset, in squares of the campaign's standardised objective.
OFFSET = 4.0


class TaskParameters(NamedTuple):
    """Hyperparameters of tasks.

    Attributes:
        matern: Correlation with each source of the Matern part, -1 to 1, shape (num_sources,).
        trend: That of the quadratic part.
        scale: Standard deviation of the campaign's objective, where that of the sources is 1.
    """

    matern: Matrix
    trend: Matrix
    scale: float

    @classmethod
    def from_logs(cls, logs: Matrix) -> "TaskParameters":
        """Make them from what is optimised, shape (2 num_sources + 1,): inverse hyperbolic tangents and a logarithm."""
        matern, trend = np.split(np.tanh(logs[:-1]), 2)
        return cls(matern, trend, float(np.exp(logs[-1])))


class Shares(NamedTuple):
    """Factors of the parts of a covariance, and what is added to it; they are broadcast.

    Attributes:
        matern: Factor of the Matern part.
        trend: Factor of the quadratic part.
        offset: What is added.
    """

    matern: Matrix | float
    trend: Matrix | float
    offset: Matrix | float

    @property
    def column(self) -> "Shares":
        """Shares of the transposed covariance."""
        return Shares(*(np.reshape(each, (-1, 1)) for each in self))


def task_prior(num_sources: int) -> Matrix:
    """Return what is expected of the parameters and how far they may be from that, shape (num, 2); none without one."""
    return np.array([CORRELATION] * (2 * num_sources) + [SCALE] * (num_sources > 0))


def task_bounds(num_sources: int) -> list[tuple[float, float]]:
    """Return the bounds of the parameters."""
    return [CORRELATION_BOUNDS] * (2 * num_sources) + [SCALE_BOUNDS]


class TaskKernel:
    """Covariances between points of several tasks.

    Args:
        tasks: The task of each point, shape (num,).
    """

    def __init__(self, tasks: Indices) -> None:
        self._tasks, self._is_own = tasks, tasks == 0
        self._is_same = tasks[:, None] == tasks
        self._both_own = self._is_own[:, None] & self._is_own

    def among(self, parameters: TaskParameters) -> Shares:
        """Return the shares of the covariance of the points among each other, shape (num, num) each."""
        scale = self._scales(parameters)
        scales = scale[:, None] * scale
        loads = (self._loads(each) for each in parameters[:2])
        matern, trend = (np.where(self._is_same, 1.0, each[:, None] * each) * scales for each in loads)
        return Shares(matern, trend, np.where(self._both_own, OFFSET, 0.0))

    def across(self, parameters: TaskParameters) -> Shares:
        """Return the shares of the covariance of a point of the campaign with each of the points, shape (num,) each."""
        scales = self._scales(parameters) * parameters.scale
        matern, trend = (self._loads(each) * scales for each in parameters[:2])
        return Shares(matern, trend, np.where(self._is_own, OFFSET, 0.0))

    def gradient(self, parameters: TaskParameters, outer: Matrix, matern: Matrix, trend: Matrix) -> Matrix:
        """Return the gradient of the negative log likelihood by the parameters, as they are optimised.

        Args:
            parameters: The parameters.
            outer: Outer product of the weights less the inverse of the covariance, shape (num, num).
            matern: The Matern part without its shares, shape (num, num).
            trend: The quadratic part without its shares.
        """
        scale = self._scales(parameters)
        scaled = outer * (scale[:, None] * scale)
        found = []
        for correlations, part in zip(parameters[:2], (matern, trend), strict=True):
            product, loads = scaled * part, self._loads(correlations)
            for source, correlation in enumerate(correlations.tolist(), start=1):
                ours = self._tasks == source
                slope = float((product[ours][:, ~ours] @ loads[~ours]).sum())
                found.append(-slope * (1 - correlation**2))
        shares = self.among(parameters)
        whole = outer * (shares.matern * matern + shares.trend * trend)
        return np.array([*found, -float(whole[self._is_own].sum())])

    def _loads(self, correlations: Matrix) -> Matrix:
        """Return the correlation of each point with one of the campaign, shape (num,)."""
        loads: Matrix = np.concatenate([[1.0], correlations])[self._tasks]
        return loads

    def _scales(self, parameters: TaskParameters) -> Matrix:
        return np.where(self._is_own, parameters.scale, 1.0)


def campaign_shares(parameters: TaskParameters) -> Shares:
    """Return the shares of the covariance of points of the campaign."""
    variance = parameters.scale**2
    return Shares(variance, variance, OFFSET)
