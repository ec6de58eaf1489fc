"""Run function of digits.

Source: the optical recognition of handwritten digits data set of the UCI repository, shipped with scikit-learn:
1797 images of 8 x 8 pixels.
"""

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

SEED = 0
MAX_PIXEL = 16.0


class DigitsPart(NamedTuple):
    """Images, shape (num, 64), in [0, 1], and their digits, shape (num,)."""

    images: npt.NDArray[np.float64]
    digits: npt.NDArray[np.int64]


@cache
def load_parts() -> tuple[DigitsPart, DigitsPart, DigitsPart]:
    """Return the parts for training (60 %), validation (20 %) and test (20 %), each with the same mix of digits."""
    images, digits = load_digits(return_X_y=True)
    images = images / MAX_PIXEL
    train, rest, train_digits, rest_digits = train_test_split(
        images, digits, train_size=0.6, stratify=digits, random_state=SEED
    )
    valid, test, valid_digits, test_digits = train_test_split(
        rest, rest_digits, train_size=0.5, stratify=rest_digits, random_state=SEED
    )
    return DigitsPart(train, train_digits), DigitsPart(valid, valid_digits), DigitsPart(test, test_digits)


def build(point: Mapping[str, Any]) -> MLPClassifier:
    """Return the untrained classifier of a point."""
    return MLPClassifier(
        hidden_layer_sizes=(point["num_units"],) * point["num_layers"],
        activation=point["activation"],
        solver=point["solver"],
        max_iter=point["num_epochs"],
        alpha=point["alpha"],
        batch_size=point["batch_size"],
        learning_rate_init=point["learning_rate"],
        learning_rate=point["learning_rate_schedule"],
        momentum=point["momentum"],
        beta_1=point["beta_1"],
        random_state=SEED,
    )


def run(point: Mapping[str, Any]) -> dict[str, float]:
    """Train the classifier and return minus its validation accuracy, to be minimised; the optimum is unknown.

    The same point gives the same objective.

    Args:
        point: The dimensions of the problem.

    Returns:
        `objective`, and `test_accuracy`, which no search sees.

    Raises:
        ValueError: If the training diverges to weights that are not finite.
    """
    train, valid, test = load_parts()
    classifier = build(point)
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is a dimension
        classifier.fit(train.images, train.digits)
    return {
        "objective": -float(classifier.score(valid.images, valid.digits)),
        "test_accuracy": float(classifier.score(test.images, test.digits)),
    }
