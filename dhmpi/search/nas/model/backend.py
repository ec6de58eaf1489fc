"""The door to Keras: `import keras` is Keras 2.15 or Keras 3; what differs between them belongs here."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

__all__ = ["apply_gradients", "keras"]

IS_KERAS_3 = keras.__version__.startswith("3.")


def apply_gradients(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Let an optimizer take a step, within a function that TensorFlow compiles.

    Keras would first sum the gradients over replicas, of which there is one; and for each sum that is compiled,
    TensorFlow registers a gradient function that keeps the whole graph in memory for ever. So it is told not to
    (Keras 2), or called where there are no replicas (Keras 3).
    """
    pairs = list(zip(gradients, variables, strict=True))
    if IS_KERAS_3:
        tf.distribute.get_replica_context().merge_call(lambda _: optimizer.apply_gradients(pairs))
    else:
        optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)
