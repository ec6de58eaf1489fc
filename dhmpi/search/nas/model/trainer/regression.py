"""Training of models that predict numbers."""

import numpy as np

from dhmpi.search.nas.model.trainer.data import Array
from dhmpi.search.nas.model.trainer.trainer import Record, Trainer


class RegressionTrainer(Trainer):
    """Records the mean squared error and the coefficient of determination; see `Trainer` for the arguments."""

    regression = True
    usual = ("mse", "r2")
    aliases = {"mean_squared_error": "mse", "r2_score": "r2"}

    def _measure(self, targets: Array, predictions: Array) -> Record:
        errors = np.mean((targets - predictions) ** 2, axis=0)
        variances = np.var(targets, axis=0)
        # Of targets that do not vary, nothing can be explained.
        explained = np.where(variances > 0, 1 - errors / np.where(variances > 0, variances, 1), 0)
        return {"mse": float(errors.mean()), "r2": float(explained.mean())}
