"""Gradient boosted quantile regression."""

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor
from skopt.learning import GradientBoostingQuantileRegressor

from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.search.hps.surrogate.kernel_correction import KernelCorrection
from dhmpi.search.hps.surrogate.learner import Learner, Places, Posterior


class Boosting(Learner):
    """Boosted trees for three quantiles, as scikit-optimize defines them, with a `KernelCorrection`.

    Args:
        seed: What its random choices depend on.
    """

    max_rows, num_candidates = 1000, 4096

    def __init__(self, seed: int) -> None:
        base = GradientBoostingRegressor(n_estimators=30, loss="quantile")
        self._model = GradientBoostingQuantileRegressor(base_estimator=base, random_state=seed)

    def fit(self, rows: Matrix, values: Matrix) -> None:
        """Fit the three regressors; see `Learner`."""
        self._model.fit(rows, values)

    def locate(self, rows: Matrix) -> Places:
        """Return rows and what is predicted there, shape (num, num_columns + 2); see `Learner`."""
        # scikit-optimize 0.10.2 computes the same, but by a function that numpy 2.4 has no more.
        low, median, high = self._model.predict(rows, return_quantiles=True).T
        return np.column_stack([rows, median, np.maximum(high - low, 0) / 2])  # quantiles may cross

    def predict(self, places: Places) -> Posterior:
        """Return the median, and half the distance of the quantiles at one standard deviation, not corrected."""
        return Posterior(*places[:, -2:].T.copy())

    def watch(self, places: Places) -> None:
        """Begin to correct what is predicted at the candidates; see `Learner`."""
        self._fitted, self._correction = self.predict(places), KernelCorrection(_rows(places))

    @property
    def posterior(self) -> Posterior:
        """The predictions at the candidates."""
        return self._correction.corrected(self._fitted)

    def add(self, places: Places, values: Matrix) -> None:
        """Take in points; see `Learner`."""
        self._correction.add(_rows(places), values)

    def replace(self, places: Places, lies: Matrix, values: Matrix) -> None:
        """Replace lies by results; see `Learner`."""
        self._correction.replace(_rows(places), lies, values)


def _rows(places: Places) -> Matrix:
    rows: Matrix = places[:, :-2].copy()
    return rows
