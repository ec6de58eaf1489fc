"""Run function of cifar10cnn."""

from collections.abc import Mapping
from typing import Any

from dhmpi.benchmark.datasets import cifar10
from dhmpi.benchmark.hps.cifar10cnn.problem import Problem
from dhmpi.benchmark.hps.network_data import SampleParts, image_parts
from dhmpi.benchmark.hps.network_layers import CONVOLUTIONAL_DEFAULTS, augmenting_images, convolutional_network
from dhmpi.benchmark.hps.network_training import Network, train
from dhmpi.support.training_session import TrainingContext

augment_parser = augmenting_images(Problem, CONVOLUTIONAL_DEFAULTS)


def load(source: str, stage_in: str) -> SampleParts:
    """Return images with pixels in [0, 1], and their classes."""
    return image_parts(cifar10.load(source, stage_in))


def build(params: Mapping[str, Any], data: SampleParts) -> Any:
    """Return two blocks of two convolutions and a pool, a dense layer, and the classes."""
    return convolutional_network(params, data, flips=True)


NETWORK = Network("cifar10cnn", augment_parser, load, build)


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
