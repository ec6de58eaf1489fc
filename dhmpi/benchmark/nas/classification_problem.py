"""Classification benchmarks: data of images, and a problem."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.space.problem import Problem

Part = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # inputs, one-hot labels

ANL_MLP_2 = {"func": "dhmpi.search.nas.model.baseline.anl_mlp_2:create_structure", "kwargs": {"num_cells": 5}}
GOOGLE_NAS_NET = {"func": "dhmpi.search.nas.model.baseline.google_nas_net:create_structure"}


def flattened(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return parts whose inputs have one axis besides that of the examples."""
    return tuple((inputs.reshape(len(inputs), -1), labels) for inputs, labels in parts)


def classification_problem(
    load_data: str,
    create_structure: Mapping[str, Any],
    *,
    batch_size: int,
    learning_rate: float,
    num_epochs: int,
) -> Problem:
    """Return a problem with the loss, metric and optimizer of all classification benchmarks.

    Args:
        load_data: Dotted name of the function that loads the data.
        create_structure: The function that makes the space of architectures, and its arguments.
        batch_size: Number of examples in a batch.
        learning_rate: Learning rate of adam.
        num_epochs: Number of epochs of a training.
    """
    problem = Problem()
    problem.add_dim("regression", False)
    problem.add_dim("load_data", {"func": load_data, "kwargs": {"test": True}})
    problem.add_dim("create_structure", dict(create_structure))
    problem.add_dim(
        "hyperparameters",
        {
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "optimizer": "adam",
            "num_epochs": num_epochs,
            "loss_metric": "categorical_crossentropy",
            "metrics": ["acc"],
        },
    )
    return problem
