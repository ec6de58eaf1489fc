"""Optimizers, losses and metrics of Keras by their names."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dhmpi.errors import ProblemError, did_you_mean
from dhmpi.search.nas.model.backend import keras
from dhmpi.search.nas.model.trainer.data import Array


def optimizer(name: str, learning_rate: float) -> Any:
    """Return a new optimizer of Keras; upper and lower case do not matter.

    Raises:
        ProblemError: If Keras knows none of this name.
    """
    # The base class and those that wrap other optimizers take something else first.
    known = {
        each.__name__.lower(): each
        for each in vars(keras.optimizers).values()
        if isinstance(each, type) and next(iter(inspect.signature(each).parameters), "") == "learning_rate"
    }
    if name.lower() not in known:
        raise ProblemError(f"optimizer must be one that Keras knows, got {name!r}; {did_you_mean(name, known)}")
    return known[name.lower()](learning_rate=learning_rate)


def loss(name: str) -> Callable[[Any, Any], Any]:
    """Return a loss of Keras, a function of targets and predictions.

    Raises:
        ProblemError: If Keras knows none of this name.
    """
    found: Callable[[Any, Any], Any] = _look_up(keras.losses, "loss_metric", name)
    return found


def metric(name: str) -> Callable[[Array, Array], float]:
    """Return a metric of Keras as a function of all targets and predictions.

    Raises:
        ProblemError: If Keras knows none of this name.
    """
    found = _look_up(keras.metrics, "a metric", name)

    def measure(targets: Array, predictions: Array) -> float:
        pair = targets.astype(np.float32), predictions.astype(np.float32)  # not all metrics take others
        if not isinstance(found, keras.metrics.Metric):
            return float(np.mean(found(*pair)))
        fresh = type(found).from_config(found.get_config())
        fresh.update_state(*pair)
        return float(fresh.result())

    return measure


def _look_up(module: Any, what: str, name: str) -> Any:
    reason = None
    try:
        found = module.get(name)
    except ValueError as error:
        found, reason = None, error
    if found is not None and not isinstance(found, str):  # for a metric that it does not know, Keras 2 returns the name
        return found
    known = {each for each, value in vars(module).items() if callable(value) and not each.startswith("_")}
    remedy = did_you_mean(name, known - {"get", "serialize", "deserialize"})
    raise ProblemError(f"{what} must be one that Keras knows, got {name!r}; {remedy}") from reason
