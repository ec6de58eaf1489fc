"""The surrogate models, as scikit-optimize defines them."""

import warnings
from typing import Any

import numpy as np
import skopt.space
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from skopt.learning import GradientBoostingQuantileRegressor
from skopt.utils import cook_estimator

from dhmpi.search.hps.surrogate.encoding import Matrix


class Learner:
    """A model that predicts a mean and a standard deviation.

    Args:
        name: RF, ET, GBRT or GP.
        num_columns: Columns of the rows; all of them are numbers from 0 to 1.
        seed: What its random choices depend on.
    """

    def __init__(self, name: str, num_columns: int, seed: int) -> None:
        if name == "GBRT":
            base = GradientBoostingRegressor(n_estimators=30, loss="quantile")
            self._model: Any = GradientBoostingQuantileRegressor(base_estimator=base, random_state=seed)
        else:
            # The Gaussian process's kernel follows from the space.
            unit_cube = skopt.space.Space([(0.0, 1.0)] * num_columns)
            self._model = cook_estimator(name, space=unit_cube, random_state=seed, n_jobs=1)

    def fit(self, rows: Matrix, values: Matrix) -> None:
        """Fit the model to rows, shape (num, num_columns), and their objectives, shape (num,)."""
        with warnings.catch_warnings():
            # A kernel parameter at its bound is what a flat objective looks like; it is no fault.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(rows, values)

    def predict(self, rows: Matrix) -> tuple[Matrix, Matrix]:
        """Return the mean and the standard deviation at each row, both of shape (num,)."""
        if isinstance(self._model, GradientBoostingQuantileRegressor):
            # scikit-optimize 0.10.2 computes the same, but by a function that numpy 2.4 has no more.
            low, median, high = self._model.predict(rows, return_quantiles=True).T
            return median, np.maximum(high - low, 0) / 2  # quantiles may cross
        with warnings.catch_warnings():
            # scikit-learn says so where rounding makes a variance slightly negative, and sets it to 0.
            warnings.filterwarnings("ignore", message="Predicted variances smaller than 0")
            mean, deviation = self._model.predict(rows, return_std=True)
        return mean, deviation
