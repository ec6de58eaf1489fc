"""Classification benchmarks: data of images, and a problem."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.datasets.data_files import SYNTHETIC, data_source, needs_files
from dhmpi.benchmark.datasets.images import Images
from dhmpi.space.problem import Problem

Part = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # inputs, one-hot labels
LoadData = Callable[..., tuple[Part, ...]]

ANL_MLP_2 = {"func": "dhmpi.search.nas.model.baseline.anl_mlp_2:create_structure", "kwargs": {"num_cells": 5}}
GOOGLE_NAS_NET = {"func": "dhmpi.search.nas.model.baseline.google_nas_net:create_structure"}
NUM_EPOCHS = 50  # of the problems with this space, as documented
# For synthetic images, what a laptop can train: the same space with fewer features, fewer images, and fewer steps.
SMALL_NAS_NET = {**GOOGLE_NAS_NET, "kwargs": {"num_filters": 4}}
SMALL_PROP = 0.4
SMALL_TRAINING = {"batch_size": 16, "num_epochs": 6, "learning_rate": 0.01}
# Share of synthetic training images that are for validation; there are few.
SYNTHETIC_VALID_SHARE = 0.3


class Dataset(Protocol):
    """Module of a data set of images."""

    def load(self, source: str | None = None, stage_in: str | None = None, seed: int = 0) -> Images:
        """Return the images."""

    def check(self, source: str | None = None) -> None:
        """Find out whether its files are there."""


def needs_images(dataset: Dataset) -> Callable[[LoadData], LoadData]:
    """Return a decorator for a function that loads images: it says before a campaign whether the files are there.

    Args:
        dataset: The data set that the function loads.
    """

    def check(synthetic: bool = False, data_dir: str | None = None, **others: object) -> None:
        dataset.check(SYNTHETIC if synthetic else data_dir)

    return needs_files(check)


def load_images(
    dataset: Dataset, valid_share: float, seed: int, synthetic: bool, data_dir: str | None
) -> tuple[Images, float]:
    """Return images, and the share of those for training that are for validation.

    Args:
        dataset: The data set.
        valid_share: That share of the images in files.
        seed: Seed of synthetic images.
        synthetic: Whether to make images in place of reading files.
        data_dir: Directory of the files, or `fashion` or `synthetic`.

    Raises:
        DataError: If files are missing or broken.
    """
    source = SYNTHETIC if synthetic else data_source(data_dir)
    share = SYNTHETIC_VALID_SHARE if source == SYNTHETIC else valid_share
    return dataset.load(source, seed=seed), share


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
    kind: type[Problem] = Problem,
) -> Problem:
    """Return a problem with the loss, metric and optimizer of all classification benchmarks.

    Args:
        load_data: Dotted name of the function that loads the data.
        create_structure: The function that makes the space of architectures, and its arguments.
        batch_size: Number of examples in a batch.
        learning_rate: Learning rate of adam.
        num_epochs: Number of epochs of a training.
        kind: Class of the problem.
    """
    problem = kind()
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


class NasNetProblem(Problem):
    """Problem with two sizes: as documented, and one that a laptop can train, for synthetic images.

    What has been given another value by `with_dim` keeps it.
    """

    @property
    def space(self) -> dict[str, Any]:
        """Copy of the entries; those of the small size if the images are synthetic."""
        space = super().space
        kwargs = space["load_data"].get("kwargs", {})
        if not kwargs.get("synthetic"):
            if data_source(kwargs.get("data_dir")) != SYNTHETIC:
                return space
            kwargs = {**kwargs, "data_dir": SYNTHETIC}  # whatever the environment says later
        space["load_data"] = {**space["load_data"], "kwargs": {"prop": SMALL_PROP, **kwargs}}
        if space["create_structure"] == GOOGLE_NAS_NET:
            space["create_structure"] = dict(SMALL_NAS_NET)
        if space["hyperparameters"]["num_epochs"] == NUM_EPOCHS:
            space["hyperparameters"] = {**space["hyperparameters"], **SMALL_TRAINING}
        return space
