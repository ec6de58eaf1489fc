"""Run function of mnistmlp."""

from collections.abc import Mapping
from typing import Any

from keras import layers

from dhmpi.benchmark.datasets.images import scaled
from dhmpi.benchmark.hps.mnistmlp.load_data import load_data
from dhmpi.benchmark.hps.mnistmlp.problem import Problem
from dhmpi.benchmark.hps.network_data import SampleParts, Samples, split
from dhmpi.benchmark.hps.network_layers import dropout, sequential
from dhmpi.benchmark.hps.network_problem import augmenting
from dhmpi.benchmark.hps.network_training import Network, train
from dhmpi.support.training_session import TrainingContext

NUM_CLASSES = 10
augment_parser = augmenting(Problem, {"nhidden": 2, "nunits": 512})


def load(source: str, stage_in: str) -> SampleParts:
    """Return images as rows of pixels in [0, 1], and their digits."""
    parts = load_data(source, stage_in)
    train, test = (Samples(scaled(images.reshape(len(images), -1)), digits) for images, digits in parts)
    return split(train, test, NUM_CLASSES)


def build(params: Mapping[str, Any], data: SampleParts) -> Any:
    """Return a dense layer, `nhidden` more of them, and the classes."""
    hidden = []
    for _ in range(1 + params["nhidden"]):
        hidden += [layers.Dense(params["nunits"], activation=params["activation"]), dropout(params)]
    return sequential(data, *hidden, layers.Dense(data.num_classes, activation="softmax"))


NETWORK = Network("mnistmlp", augment_parser, load, build)


def run(point: Mapping[str, Any], context: TrainingContext | None = None, comm: Any = None) -> dict[str, Any]:
    """Train the network and return minus its validation accuracy, to be minimised; the optimum is unknown.

    Args:
        point: The dimensions of the problem, and perhaps other options of the command line.
        context: The evaluation's context.
        comm: The communicator of its ranks, if they have one.

    Returns:
        See `dhmpi.benchmark.hps.network_training.train`.
    """
    return train(NETWORK, point, context, comm)
