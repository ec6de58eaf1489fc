"""Scaling of inputs and targets; the functions here are what a problem's `preprocessing` may name."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from dhmpi.search.nas.model.affine import Affine, affine, check_precision

Array = npt.NDArray[Any]
Transformer = Any  # has fit, transform and inverse_transform, as those of scikit-learn


def stdscaler() -> Pipeline:
    """Return a scaler to mean 0 and standard deviation 1, column by column."""
    return Pipeline([("stdscaler", StandardScaler())])


def minmaxstdscaler() -> Pipeline:
    """Return a scaler to [0, 1] and then to mean 0 and standard deviation 1, column by column."""
    return Pipeline([("minmaxscaler", MinMaxScaler()), ("stdscaler", StandardScaler())])


class Scaling:
    """Scalers that have seen the training part only: one per input of two axes, and one for the targets.

    Inputs of other ranks, such as images, stay as they are.

    Args:
        make: Returns a new scaler; None scales nothing.
        inputs: Inputs for training, shapes (num, ...).
        targets: Targets for training, shape (num, dim), or None to leave targets as they are.
    """

    def __init__(self, make: Callable[[], Transformer] | None, inputs: Sequence[Array], targets: Array | None) -> None:
        self._inputs = [None if make is None or each.ndim != 2 else make().fit(each) for each in inputs]
        self._targets = None if make is None or targets is None else make().fit(targets)

    def inputs(self, inputs: Sequence[Array]) -> list[Array]:
        """Return inputs as a model gets them."""
        pairs = zip(self._inputs, inputs, strict=True)
        return [each if scaler is None else scaler.transform(each) for scaler, each in pairs]

    def targets(self, targets: Array) -> Array:
        """Return targets as a model is to predict them."""
        return targets if self._targets is None else np.asarray(self._targets.transform(targets))

    def original(self, predictions: Array) -> Array:
        """Return predictions in the units of the targets before scaling."""
        return predictions if self._targets is None else np.asarray(self._targets.inverse_transform(predictions))

    def affine_inputs(self, inputs: Sequence[Array]) -> list[Affine | None]:
        """Return what is done to the columns of each input; None where nothing is.

        Args:
            inputs: All the raw data there are.

        Raises:
            ProblemError: Something else is done than to multiply each column and add to it, or models cannot calculate
                with raw data.
        """
        names = ["X"] if len(inputs) == 1 else [f"X[{number}]" for number in range(len(inputs))]
        found: list[Affine | None] = []
        for scaler, rows, name in zip(self._inputs, inputs, names, strict=True):
            if scaler is not None:
                check_precision(rows, name)
            found.append(None if scaler is None else affine(scaler.transform, rows, name))
        return found

    def affine_original(self, targets: Array) -> Affine | None:
        """Return what `original` does to the columns of predictions; None if nothing.

        Args:
            targets: All the targets there are, before scaling.

        Raises:
            ProblemError: As for inputs.
        """
        if self._targets is None:
            return None
        check_precision(targets, "y")
        return affine(self._targets.inverse_transform, self.targets(targets), "y")
