"""A Gaussian process with a quadratic trend, for the few hundred points around the best one."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri

from dhmpi.search.hps.surrogate.background import checkpoint
from dhmpi.search.hps.surrogate.encoding import Indices, Matrix
from dhmpi.search.hps.surrogate.learner import Posterior
from dhmpi.search.hps.surrogate.task_kernel import (
    Shares,
    TaskKernel,
    TaskParameters,
    campaign_shares,
    task_bounds,
    task_prior,
)

SQRT5 = 5**0.5
SMALLEST_VARIANCE = 1e-14
# What log-parameters are expected to be, and how far from that: length scales as wide as the region, a tenth of the
# variance noise (what is finer than the points are dense looks like noise, too), any quadratic trend.
LENGTH, AMPLITUDE, NOISE, TREND = (0.0, 1.0), (0.0, 1.5), (np.log(0.1), 1.5), (np.log(0.1), 3.0)
LENGTH_BOUNDS, AMPLITUDE_BOUNDS, NOISE_BOUNDS, TREND_BOUNDS = (-5.3, 3.4), (-7.0, 5.0), (-18.4, 0.0), (-25.0, 8.0)
NUGGET = 1e-8
NUM_COMMON = 3  # hyperparameters after the length scales: amplitude, noise, trend


class Parameters(NamedTuple):
    """Hyperparameters.

    Attributes:
        lengths: Length scale of each dimension, shape (num_dimensions,).
        amplitude: Variance of the Matern part.
        noise: Variance of the noise.
        trend: Variance of the quadratic part.
        tasks: Those of several tasks; None if there is one.
    """

    lengths: Matrix
    amplitude: float
    noise: float
    trend: float
    tasks: TaskParameters | None = None

    @classmethod
    def from_logs(cls, logs: Matrix, num_sources: int = 0) -> "Parameters":
        """Make them from their logarithms, shape (num_dimensions + 3,), and perhaps those of tasks behind."""
        end = len(logs) - len(task_prior(num_sources))
        num_dimensions = end - NUM_COMMON
        amplitude, noise, trend = np.exp(logs[num_dimensions:end]).tolist()
        tasks = TaskParameters.from_logs(logs[end:]) if num_sources else None
        return cls(np.exp(logs[:num_dimensions]), amplitude, noise, trend, tasks)


class TrendGP:
    """The posterior of a process whose covariance is a Matern 5/2 and a quadratic polynomial.

    The polynomial lets it follow a bowl in any direction exactly, however much longer than wide; the Matern part takes
    whatever is left, and the noise what is finer than that.

    Args:
        rows: Coordinates of the points, shape (num, num_columns), scaled to the region of interest.
        values: Their standardised objectives, shape (num,).
        owners: Which dimension each column belongs to, shape (num_columns,).
        parameters: The hyperparameters.
        more_noise: Variance of noise that single values have besides, shape (num,), or 0.
        tasks: The task of each point, shape (num,); None if there is one. What is predicted is task 0.
    """

    def __init__(
        self,
        rows: Matrix,
        values: Matrix,
        owners: Indices,
        parameters: Parameters,
        more_noise: Matrix | float = 0.0,
        tasks: Indices | None = None,
    ) -> None:
        self._rows, self._parameters = rows, parameters
        self._lengths = parameters.lengths[owners]
        self._reach = float(len(parameters.lengths))  # of the polynomial, squared
        self._own = self._shares = among = None
        if tasks is not None and parameters.tasks is not None:
            kernel = TaskKernel(tasks)
            self._own, self._shares = campaign_shares(parameters.tasks), kernel.across(parameters.tasks)
            among = kernel.among(parameters.tasks)
        covariance = self._covariance(rows, rows, among)
        self._factor = _factor(covariance, parameters.noise + more_noise)
        self._weights = cho_solve((self._factor, True), values, check_finite=False)

    def with_pending(self, rows: Matrix) -> "TrendGP":
        """Return the process with pending points, shape (num, num_columns): the kriging believer.

        At the values that it predicts there, they leave the mean and shrink the variance (Ginsbourger et al. 2010).
        """
        extended = TrendGP.__new__(TrendGP)
        extended.__dict__.update(self.__dict__)
        shares = None if self._shares is None else self._shares.column
        known = self._covariance(self._rows, rows, shares)
        across = solve_triangular(self._factor, known, lower=True, check_finite=False)
        alone = self._covariance(rows, rows, self._own)
        own = _factor(alone - across.T @ across, self._parameters.noise, float(np.trace(alone)) / len(rows))
        num, more = len(self._rows), len(rows)
        extended._rows = np.concatenate([self._rows, rows])
        if self._shares is not None and self._own is not None:
            pairs = zip(self._shares, self._own, strict=True)
            extended._shares = Shares(*(np.append(old, np.full(more, new)) for old, new in pairs))
        extended._factor = np.zeros((num + more, num + more))
        extended._factor[:num, :num], extended._factor[num:, :num] = self._factor, across.T
        extended._factor[num:, num:] = own
        extended._weights = np.concatenate([self._weights, np.zeros(more)])
        return extended

    def predict(self, rows: Matrix) -> Posterior:
        """Return the predictions at rows, shape (num, num_columns)."""
        across = self._covariance(rows, self._rows, self._shares)
        explained = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        variance = self._variance(rows) - (explained**2).sum(axis=0)
        return Posterior(across @ self._weights, np.sqrt(np.maximum(variance, SMALLEST_VARIANCE)))

    def choose(self, rows: Matrix, kappas: Matrix, lowered: Matrix | float = 0.0) -> list[int]:
        """Choose rows by their lower confidence bounds, each as if the ones before were pending.

        Args:
            rows: Candidates, shape (num, num_columns).
            kappas: Weight of the standard deviation for each choice, shape (num_choices,).
            lowered: By how much the bounds are lowered besides, shape (num,).
        """
        across = self._covariance(rows, self._rows, self._shares)
        explained = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        mean = across @ self._weights - lowered
        variance = self._variance(rows) - (explained**2).sum(axis=0)
        chosen: list[int] = []
        for kappa in kappas.tolist():
            bounds = mean - kappa * np.sqrt(np.maximum(variance, SMALLEST_VARIANCE))
            bounds[chosen] = np.inf
            index = int(bounds.argmin())
            common = (
                self._covariance(rows, rows[index : index + 1], self._own)[:, 0] - explained.T @ explained[:, index]
            )
            # One more row of the Cholesky factor, by which all variances shrink.
            uncertain = float(variance[index]) + self._parameters.noise
            step = common / np.sqrt(max(uncertain, SMALLEST_VARIANCE))
            explained = np.concatenate([explained, step[None]])
            variance = variance - step**2
            chosen.append(index)
        return chosen

    def slope(self, row: Matrix) -> tuple[float, float, Matrix, Matrix]:
        """Return the mean and the standard deviation at a row, shape (num_columns,), and their gradients."""
        amplitude, trend = self._parameters.amplitude, self._parameters.trend
        offsets = (row - self._rows) / self._lengths
        distance = SQRT5 * np.sqrt((offsets**2).sum(axis=1))
        decay = np.exp(-distance)
        product = 1 + self._rows @ row / self._reach
        across = amplitude * (1 + distance + distance**2 / 3) * decay
        turn = -(5 / 3) * amplitude * ((1 + distance) * decay)[:, None] * offsets / self._lengths
        polynomial = trend * product**2
        polynomial_turn = (2 * trend / self._reach) * product[:, None] * self._rows
        own = 1 + row @ row / self._reach
        alone, alone_turn = amplitude + trend * float(own) ** 2, 4 * trend * own * row / self._reach
        if self._shares is not None and self._own is not None:
            matern, quadratic, offset = self._shares
            across, turn = across * matern + offset, turn * np.reshape(matern, (-1, 1))
            polynomial, polynomial_turn = polynomial * quadratic, polynomial_turn * np.reshape(quadratic, (-1, 1))
            alone, alone_turn = float(self._own.matern) * alone + float(self._own.offset), self._own.matern * alone_turn
        across, turn = across + polynomial, turn + polynomial_turn
        known = cho_solve((self._factor, True), across, check_finite=False)
        variance = max(alone - float(across @ known), SMALLEST_VARIANCE)
        std = float(np.sqrt(variance))
        variance_turn = alone_turn - 2 * known @ turn
        return float(across @ self._weights), std, self._weights @ turn, variance_turn / (2 * std)

    def _covariance(self, left: Matrix, right: Matrix, shares: Shares | None) -> Matrix:
        matern = self._parameters.amplitude * _matern(left / self._lengths, right / self._lengths)
        polynomial = self._parameters.trend * (1 + left @ right.T / self._reach) ** 2
        total: Matrix = (
            matern + polynomial
            if shares is None
            else shares.matern * matern + shares.trend * polynomial + shares.offset
        )
        return total

    def _variance(self, rows: Matrix) -> Matrix:
        trend = self._parameters.trend * (1 + (rows**2).sum(axis=1) / self._reach) ** 2
        variance: Matrix = self._parameters.amplitude + trend
        return variance if self._own is None else self._own.matern * variance + self._own.offset


class TrainingSet(NamedTuple):
    """Training set of a process; see `TrendGP`.

    Attributes:
        rows: Shape (num, num_columns).
        values: Shape (num,).
        owners: Which dimension each column belongs to, shape (num_columns,).
        more_noise: Variance of noise that single values have besides, shape (num,), or 0.
        tasks: The task of each point, shape (num,); None if there is one.
    """

    rows: Matrix
    values: Matrix
    owners: Indices
    more_noise: Matrix | float = 0.0
    tasks: Indices | None = None

    @property
    def num_dimensions(self) -> int:
        """Number of dimensions that have columns."""
        return int(self.owners[-1]) + 1

    @property
    def num_sources(self) -> int:
        """Number of tasks besides the campaign."""
        return 0 if self.tasks is None else int(self.tasks.max())

    def of(self, chosen: npt.NDArray[np.bool_]) -> "TrainingSet":
        """Return a part of it."""
        noise = self.more_noise[chosen] if isinstance(self.more_noise, np.ndarray) else self.more_noise
        tasks = None if self.tasks is None else self.tasks[chosen]
        return TrainingSet(self.rows[chosen], self.values[chosen], self.owners, noise, tasks)


def fit(training: TrainingSet, start: Matrix | None = None, num_steps: int = 30) -> tuple[Matrix, float]:
    """Find the most probable hyperparameters, by L-BFGS on the log posterior (Rasmussen and Williams 2006, 5.9).

    Args:
        training: What it is fitted to.
        start: Logarithms to start from; by default, what is expected.
        num_steps: How many steps are made at most.

    Returns:
        The logarithms, shape (num_dimensions + 3,) or with those of tasks behind, and the negative log posterior.
    """
    from scipy.optimize import minimize  # slow to import, and needed only with the first model

    prior = _prior(training)
    limits = [LENGTH_BOUNDS] * training.num_dimensions + [AMPLITUDE_BOUNDS, NOISE_BOUNDS, TREND_BOUNDS]
    limits += task_bounds(training.num_sources) if training.num_sources else []
    begin = prior[:, 0] if start is None else start
    steps = {"maxiter": num_steps}
    found = minimize(_Fit(training, prior), begin, jac=True, method="L-BFGS-B", bounds=limits, options=steps)
    return found.x, float(found.fun)


def log_likelihood(training: TrainingSet, logs: Matrix) -> float:
    """Return the log likelihood of values, but for a constant for each."""
    return -_Fit(training, np.stack([logs, np.ones_like(logs)], axis=1))(logs)[0]


def _prior(training: TrainingSet) -> Matrix:
    """Return what is expected of the logarithms and how far they may be from that, shape (num, 2)."""
    prior = np.array([LENGTH] * training.num_dimensions + [AMPLITUDE, NOISE, TREND])
    return np.concatenate([prior, task_prior(training.num_sources)]) if training.num_sources else prior


class _Fit:
    """The negative log posterior of hyperparameters, and its gradient."""

    def __init__(self, training: TrainingSet, prior: Matrix) -> None:
        rows, owners, num_dimensions = training.rows, training.owners, training.num_dimensions
        self._values, self._more_noise, self._prior = training.values, training.more_noise, prior
        self._kernel = None if training.tasks is None else TaskKernel(training.tasks)
        num = len(rows)
        self._squares = np.empty((num_dimensions, num * num))
        for dimension in range(num_dimensions):
            own = rows[:, owners == dimension]
            self._squares[dimension] = _squared_distances(own, own).ravel()
        self._polynomial = (1 + rows @ rows.T / num_dimensions) ** 2

    def __call__(self, logs: Matrix) -> tuple[float, Matrix]:
        checkpoint()
        num_dimensions = len(self._squares)
        end = num_dimensions + NUM_COMMON
        inverse_squares = np.exp(-2 * logs[:num_dimensions])
        amplitude, noise, trend = np.exp(logs[num_dimensions:end]).tolist()
        num = len(self._values)
        squared = (inverse_squares @ self._squares).reshape(num, num)
        distance = SQRT5 * np.sqrt(squared)
        decay = np.exp(-distance)
        matern = (1 + distance + (5 / 3) * squared) * decay
        total, shares = amplitude * matern + trend * self._polynomial, None
        if self._kernel is not None:
            tasks = TaskParameters.from_logs(logs[end:])
            shares = self._kernel.among(tasks)
            total = shares.matern * (amplitude * matern) + shares.trend * (trend * self._polynomial) + shares.offset
        try:
            factor = _factor(total, noise + self._more_noise)
        except LinAlgError:
            return 1e10, np.zeros_like(logs)  # L-BFGS steps back
        weights = cho_solve((factor, True), self._values, check_finite=False)
        lower, _ = dpotri(factor, lower=1)
        inverse = np.tril(lower) + np.tril(lower, -1).T
        outer = np.outer(weights, weights) - inverse
        deviations = (logs - self._prior[:, 0]) / self._prior[:, 1]
        likelihood = 0.5 * float(self._values @ weights) + float(np.log(np.diag(factor)).sum())
        gradient = np.empty_like(logs)
        of_matern, of_trend = outer, outer
        if self._kernel is not None and shares is not None:
            gradient[end:] = self._kernel.gradient(tasks, outer, amplitude * matern, trend * self._polynomial)
            of_matern, of_trend = outer * shares.matern, outer * shares.trend
        slope = (of_matern * ((5 / 3) * amplitude * (1 + distance) * decay)).ravel()
        gradient[:num_dimensions] = -0.5 * (self._squares @ slope) * inverse_squares
        gradient[num_dimensions] = -0.5 * float((of_matern * matern).sum()) * amplitude
        gradient[num_dimensions + 1] = -0.5 * float(np.trace(outer)) * noise
        gradient[num_dimensions + 2] = -0.5 * float((of_trend * self._polynomial).sum()) * trend
        return likelihood + 0.5 * float(deviations @ deviations), gradient + deviations / self._prior[:, 1]


def _squared_distances(left: Matrix, right: Matrix) -> Matrix:
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    nonnegative: Matrix = np.maximum(squares, 0)
    return nonnegative


def _matern(left: Matrix, right: Matrix) -> Matrix:
    distance = SQRT5 * np.sqrt(_squared_distances(left, right))
    matern: Matrix = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return matern


def _factor(covariance: Matrix, noise: Matrix | float, rounded: float = 0.0) -> Matrix:
    """Return the lower Cholesky factor of a covariance with noise; it needs more of it where points coincide.

    Args:
        covariance: Shape (num, num); it is changed.
        noise: What is added to the diagonal, shape (num,) or a number, at least.
        rounded: Size of the variances whose rounding errors the covariance holds; by default, its own.
    """
    diagonal = np.diag_indices_from(covariance)
    scale = float(np.trace(covariance)) / len(covariance)
    covariance[diagonal] += noise + NUGGET + 1e-2 * NUGGET * scale
    for more in (0.0, 1e-8, 1e-6, 1e-4, 1e-2, 1.0):
        covariance[diagonal] += more * max(scale, rounded)
        try:
            factor: Matrix = cholesky(covariance, lower=True, check_finite=False)
            return factor
        except LinAlgError:
            continue
    raise LinAlgError("covariance must be positive definite, got one that is not; use fewer or other points")
