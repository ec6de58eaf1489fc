"""Training of models that predict classes."""

import numpy as np

from dhmpi.search.nas.model.trainer.data import Array
from dhmpi.search.nas.model.trainer.trainer import Record, Trainer


class ClassificationTrainer(Trainer):
    """Records the share of samples whose class is predicted, from 0 to 1; see `Trainer` for the arguments."""

    regression = False
    usual = ("accuracy",)
    aliases = {"acc": "accuracy", "categorical_accuracy": "accuracy"}

    def _measure(self, targets: Array, predictions: Array) -> Record:
        return {"accuracy": float(np.mean(targets.argmax(axis=1) == predictions.argmax(axis=1)))}

    def _loss_name(self, name: str) -> str:
        return name.removeprefix("sparse_")  # labels are one-hot by now
