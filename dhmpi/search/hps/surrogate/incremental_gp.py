"""A Gaussian process that takes in points by enlarging the inverse of its Cholesky factor.

The inverse, since products of matrices let other threads go on; scipy's triangular solvers keep the interpreter.
"""

from collections.abc import Callable

import numpy as np
import skopt.space
from scipy.optimize import minimize
from skopt.utils import cook_estimator

from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.search.hps.surrogate.kernel_correction import KernelCorrection
from dhmpi.search.hps.surrogate.learner import Learner, Places, Posterior

# Points per second of the ask budget: taking one in costs some microseconds per point that is in already.
POINTS_PER_SECOND = 12_000
FEWEST, MOST = 64, 2000
# Least variance of what is taken in: candidates may be nearer to each other than rounding can tell apart.
JITTER = 1e-6
# How far from their bounds parameters stay.
INSIDE = 1e-3


class IncrementalGP(Learner):
    """A Gaussian process whose kernel is scikit-optimize's.

    Half of the points that the ask budget allows are what it is fitted to; the others are taken in exactly as they come
    (Rasmussen & Williams 2006, algorithm 2.1, row by row); and what comes after these
    corrects its predictions (`KernelCorrection`).

    Args:
        num_columns: Length of a row.
        seed: What its random choices depend on.
        ask_budget: What an ask may take [s].
    """

    num_candidates = 2048

    def __init__(self, num_columns: int, seed: int, ask_budget: float) -> None:
        self._capacity = int(np.clip(POINTS_PER_SECOND * ask_budget, FEWEST, MOST))
        self.max_rows = self._capacity // 2
        # The kernel follows from the space, which takes 3 ms for each column: so of one, and then with more lengths.
        unit = skopt.space.Space([(0.0, 1.0)])
        # No restarts: they come to the same likelihood in seven times the time.
        self._model = cook_estimator("GP", space=unit, random_state=seed, n_restarts_optimizer=0)
        [bounds] = self._model.kernel.k2.length_scale_bounds
        self._model.set_params(
            optimizer=_most_probable,
            kernel__k2__length_scale=np.ones(num_columns),
            kernel__k2__length_scale_bounds=[bounds] * num_columns,
        )

    def fit(self, rows: Matrix, values: Matrix) -> None:
        """Fit the kernel to the points; see `Learner`."""
        self._model.fit(rows, values)
        self._kernel, self._noise = self._model.kernel_, float(self._model.noise_ or 0.0) + JITTER
        self._shift, self._unit = float(self._model.y_train_mean_), float(self._model.y_train_std_)
        num = len(rows)
        self._rows = np.empty((self._capacity, rows.shape[1]))
        self._targets = np.empty(self._capacity)
        self._inverse = np.zeros((self._capacity, self._capacity))
        self._rows[:num], self._targets[:num] = rows, (values - self._shift) / self._unit
        self._inverse[:num, :num] = np.linalg.inv(self._model.L_)
        self._num = num
        self._position: dict[bytes, int] = {}

    def predict(self, places: Places) -> Posterior:
        """Return the predictions by what was fitted and taken in exactly; see `Learner`."""
        rows = places.astype(np.float64)
        half = self._solve(self._kernel(self._rows[: self._num], rows))
        return self._posterior(half.T @ self._solve(self._targets[: self._num]), self._variance(rows, half))

    def watch(self, places: Places) -> None:
        """Predict at the candidates; see `Learner`."""
        self._watched = places.astype(np.float64)
        self._half = np.empty((self._capacity, len(places)))
        half = self._half[: self._num] = self._solve(self._kernel(self._rows[: self._num], self._watched))
        self._variances = self._variance(self._watched, half)
        self._correction = KernelCorrection(self._watched)
        self._predict_means()

    @property
    def posterior(self) -> Posterior:
        """The predictions at the candidates."""
        return self._correction.corrected(self._posterior(self._means, self._variances))

    def add(self, places: Places, values: Matrix) -> None:
        """Take in points; see `Learner`."""
        rows = places.astype(np.float64)
        room = min(len(rows), self._capacity - self._num)
        if room and not self._enlarge(rows[:room], (values[:room] - self._shift) / self._unit):
            room = 0
        self._correction.add(rows[room:], values[room:])

    def replace(self, places: Places, lies: Matrix, values: Matrix) -> None:
        """Replace lies by results; see `Learner`."""
        rows = places.astype(np.float64)
        positions = np.array([self._position.get(row.tobytes(), -1) for row in rows])
        exact = positions >= 0
        self._correction.replace(rows[~exact], lies[~exact], values[~exact])
        if exact.any():
            self._targets[positions[exact]] = (values[exact] - self._shift) / self._unit
            self._predict_means()

    def _enlarge(self, rows: Matrix, targets: Matrix) -> bool:
        """Add rows to the inverse and to what it makes of the candidates; return False if rounding forbids."""
        start, end = self._num, self._num + len(rows)
        across = self._solve(self._kernel(self._rows[:start], rows))
        try:
            inner = np.linalg.cholesky(self._kernel(rows) + self._noise * np.eye(len(rows)) - across.T @ across)
        except np.linalg.LinAlgError:
            return False
        corner = np.linalg.inv(inner)
        self._inverse[start:end, start:end] = corner
        self._inverse[start:end, :start] = -corner @ (across.T @ self._inverse[:start, :start])
        self._rows[start:end], self._targets[start:end] = rows, targets
        unexplained = self._kernel(rows, self._watched) - across.T @ self._half[:start]
        new = self._half[start:end] = corner @ unexplained
        self._variances -= (new**2).sum(axis=0)
        self._position.update((row.tobytes(), index) for index, row in enumerate(rows, start=start))
        self._num = end
        self._predict_means()
        return True

    def _predict_means(self) -> None:
        self._means: Matrix = self._solve(self._targets[: self._num]) @ self._half[: self._num]

    def _solve(self, right: Matrix) -> Matrix:
        solved: Matrix = self._inverse[: self._num, : self._num] @ right
        return solved

    def _variance(self, rows: Matrix, half: Matrix) -> Matrix:
        variance: Matrix = self._kernel.diag(rows) - (half**2).sum(axis=0)
        return variance

    def _posterior(self, mean: Matrix, variance: Matrix) -> Posterior:
        return Posterior(self._shift + self._unit * mean, self._unit * np.sqrt(np.maximum(variance, 0.0)))


def _most_probable(loss: Callable[..., tuple[float, Matrix]], start: Matrix, bounds: Matrix) -> tuple[Matrix, float]:
    """Return the kernel parameters of the least loss, and that; scikit-learn's optimizer, but for their bounds.

    A parameter at its bound is what a flat objective looks like; scikit-learn would warn of it, which is no fault, and
    warnings cannot be silenced in one thread alone.
    """
    found = minimize(loss, start, method="L-BFGS-B", jac=True, bounds=bounds)
    return np.clip(found.x, bounds[:, 0] + INSIDE, bounds[:, 1] - INSIDE), float(found.fun)
