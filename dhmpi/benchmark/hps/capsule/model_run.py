"""Run function of capsule."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from dhmpi.benchmark.datasets import cifar10
from dhmpi.benchmark.hps.capsule.capsule_layer import Capsules
from dhmpi.benchmark.hps.capsule.problem import Problem
from dhmpi.benchmark.hps.network_data import SampleParts, image_parts
from dhmpi.benchmark.hps.network_layers import augmentation, dropout, sequential
from dhmpi.benchmark.hps.network_problem import augmenting
from dhmpi.benchmark.hps.network_training import Network, train
from dhmpi.support.training_session import TrainingContext

MARGIN, ABSENT_WEIGHT = 0.1, 0.5
augment_parser = augmenting(
    Problem, {"data_aug": False, "num_conv": 2, "dim_capsule": 16, "routings": 3, "share_weights": True}
)


def load(source: str, stage_in: str) -> SampleParts:
    """Return images with pixels in [0, 1], and their classes."""
    return image_parts(cifar10.load(source, stage_in))


def build(params: Mapping[str, Any], data: SampleParts) -> Any:
    """Return `num_conv` convolutions, a pool, as many convolutions again, and a capsule for each class."""

    def convolutions(units: int) -> list[Any]:
        found = []
        for _ in range(params["num_conv"]):
            found += [layers.Conv2D(units, 3, activation=params["activation"]), dropout(params)]
        return found

    return sequential(
        data,
        *(augmentation(flips=True) if params["data_aug"] else []),
        *convolutions(64),
        layers.AveragePooling2D(2),
        *convolutions(128),
        layers.Reshape((-1, 128)),
        Capsules(data.num_classes, params["dim_capsule"], params["routings"], params["share_weights"]),
    )


@keras.saving.register_keras_serializable("dhmpi")  # type: ignore[untyped-decorator]  # Keras has no types
def margin_loss(classes: Any, lengths: Any) -> Any:
    """Return the loss of capsules of some lengths: the right one shall be above 0.9, the others below 0.1.

    Source: Sabour et al. 2017, Dynamic Routing Between Capsules, arXiv 1710.09829, equation 4.
    """
    is_class = tf.one_hot(tf.reshape(tf.cast(classes, tf.int32), [-1]), lengths.shape[-1])
    present = is_class * tf.square(tf.nn.relu(1 - MARGIN - lengths))
    absent = (1 - is_class) * tf.square(tf.nn.relu(lengths - MARGIN))
    return tf.reduce_sum(present + ABSENT_WEIGHT * absent, axis=-1)


NETWORK = Network("capsule", augment_parser, load, build, margin_loss)


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
