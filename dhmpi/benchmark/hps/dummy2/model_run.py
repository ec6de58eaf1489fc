"""Run function of dummy2."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

DEFAULTS = {"penalty": 0.0}  # of the command line
SEED = 0
NUM_TRAIN, NUM_VALID, NUM_TEST = 70, 30, 30
SLOPE, INTERCEPT, NOISE = 1.5, -0.7, 0.5


class Points(NamedTuple):
    """Points, shape (num,)."""

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]


@cache
def load_parts() -> tuple[Points, Points, Points]:
    """Return points beside a line for training, validation and test."""
    rng = np.random.default_rng(SEED)
    x = rng.uniform(0, 5, NUM_TRAIN + NUM_VALID + NUM_TEST)
    y = SLOPE * x + INTERCEPT + NOISE * rng.standard_normal(len(x))
    ends = (0, NUM_TRAIN, NUM_TRAIN + NUM_VALID, len(x))
    train, valid, test = (Points(x[ends[i] : ends[i + 1]], y[ends[i] : ends[i + 1]]) for i in range(3))
    return train, valid, test


def fit(point: Mapping[str, Any]) -> tuple[float, float]:
    """Return slope and intercept after so many steps of gradient descent on the training part."""
    train = load_parts()[0]
    rng = np.random.default_rng(SEED)
    slope, intercept = rng.uniform(-0.4, 0.4), rng.uniform(0, 1)
    for _ in range(point["epochs"]):
        errors = slope * train.x + intercept - train.y
        slope -= point["learning_rate"] * float(np.mean(errors * train.x))
        intercept -= point["learning_rate"] * float(np.mean(errors))
    return slope, intercept


def run(point: Mapping[str, Any]) -> dict[str, float]:
    """Fit the line and return half its mean squared error plus the penalty, to be minimised; the optimum is unknown.

    Args:
        point: epochs, learning_rate and penalty.

    Returns:
        `objective`, and `test_loss`, half the mean squared error on the test part, which no search sees.
    """
    slope, intercept = fit(point)
    _, valid, test = load_parts()
    losses = [0.5 * float(np.mean((slope * part.x + intercept - part.y) ** 2)) for part in (valid, test)]
    return {"objective": losses[0] + point["penalty"], "test_loss": losses[1]}
