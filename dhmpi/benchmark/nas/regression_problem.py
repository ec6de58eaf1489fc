"""Regression benchmarks: points drawn from a box, the value of a function there, and a problem."""

from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.benchmark_functions_wrappers import Wrapped
from dhmpi.errors import ProblemError
from dhmpi.space.problem import Problem

Part = tuple[npt.NDArray[Any], npt.NDArray[Any]]  # inputs, targets

TRAINING_SHARE = 0.8
TEST_SHARE = 0.1


def draw(wrapped: Wrapped, dim: int, size: int, seed: int, test: bool, is_mirrored: bool = False) -> tuple[Part, ...]:
    """Return inputs drawn uniformly from the box of a function, and its values, in parts.

    With the documented seed these are the data of DeepHyper 0.0.5, which drew them from numpy's legacy generator.

    Args:
        wrapped: The function and its box.
        dim: Number of inputs, at least 1.
        size: Number of points for training (the first 80 %) and validation (the rest), at least 2.
        seed: Seed of a generator of its own.
        test: Whether to append a third part, drawn after the others, of a tenth of the size.
        is_mirrored: Whether random numbers run from the upper end of the box to the lower one.

    Returns:
        Pairs of inputs, shape (num, dim), and targets, shape (num, 1).

    Raises:
        ProblemError: If the dimension or the size is too small.
    """
    if dim < 1:
        raise ProblemError(f"dim must be an integer of at least 1, got {dim!r}")
    if size < 2:
        raise ProblemError(f"size must be an integer of at least 2, got {size!r}")
    start, end = wrapped.bounds[::-1] if is_mirrored else wrapped.bounds
    num_test = max(1, int(TEST_SHARE * size)) if test else 0
    # Row by row or all at once, the generator gives the same numbers.
    x = start + np.random.RandomState(seed).random_sample((size + num_test, dim)) * (end - start)
    y = wrapped.function(x)[:, np.newaxis]
    num_train = int(TRAINING_SHARE * size)
    slices = [slice(num_train), slice(num_train, size)] + [slice(size, None)] * test
    return tuple((x[part], y[part]) for part in slices)


def regression_problem(load_data: str, num_epochs: int = 50) -> Problem:
    """Return the problem that all regression benchmarks have, as documented.

    Args:
        load_data: Dotted name of the function that loads the data.
        num_epochs: Number of epochs of a training.
    """
    problem = Problem()
    problem.add_dim("regression", True)
    problem.add_dim("load_data", {"func": load_data, "kwargs": {"test": True}})
    problem.add_dim("preprocessing", {"func": "dhmpi.search.nas.model.preprocessing:minmaxstdscaler"})
    problem.add_dim(
        "create_structure",
        {"func": "dhmpi.search.nas.model.baseline.anl_mlp_2:create_structure", "kwargs": {"num_cells": 5}},
    )
    problem.add_dim(
        "hyperparameters",
        {
            "batch_size": 100,
            "learning_rate": 0.01,
            "optimizer": "adam",
            "num_epochs": num_epochs,
            "loss_metric": "mean_squared_error",
            "metrics": ["mean_squared_error"],
        },
    )
    return problem
