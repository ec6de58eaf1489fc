"""The steps of a training and the predictions of a model, compiled by TensorFlow."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dhmpi.search.nas.model.backend import apply_gradients
from dhmpi.search.nas.model.trainer.data import Array, Part
from dhmpi.support.data_parallel import Replicas

Rows = npt.NDArray[np.int32]
# Samples per call when predicting; more are hardly faster, and images take memory.
NUM_PREDICTED = 512


class Taken(NamedTuple):
    """Steps that were taken: the loss of each, and for each sample the prediction from which it was computed."""

    losses: Array
    predictions: Array


def compile_steps(
    model: Any,
    part: Part,
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    batch_size: int,
    replicas: Replicas,
) -> Callable[[Rows], Taken]:
    """Return a function that takes one step per batch of the rows it is given, all in one call of TensorFlow.

    `fit` of Keras takes longer to get going and for each step, which for small models is most of the time.

    Args:
        model: The model.
        part: What it is trained on.
        loss: Makes the losses of targets and predictions.
        optimizer: The optimizer.
        batch_size: Samples per step.
        replicas: The replicas of this model, whose gradients are averaged.

    Returns:
        A function of the numbers of samples, in order.
    """
    inputs = [tf.constant(each) for each in part.inputs]
    targets = tf.constant(part.targets)
    variables = model.trainable_variables
    optimizer.build(variables)

    def steps(rows: Any) -> Any:
        losses = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        predictions = tf.TensorArray(tf.float32, size=0, dynamic_size=True, infer_shape=False)
        for start in tf.range(0, tf.size(rows), batch_size):
            batch = rows[start : start + batch_size]
            with tf.GradientTape() as tape:
                predicted = model(as_called(model, [tf.gather(each, batch) for each in inputs]), training=True)
                value = tf.reduce_mean(loss(tf.gather(targets, batch), predicted)) + sum(model.losses)
            apply_gradients(optimizer, replicas.averaged(tape.gradient(value, variables)), variables)
            losses = losses.write(losses.size(), value)
            predictions = predictions.write(predictions.size(), predicted)
        return losses.stack(), predictions.concat()

    compiled = _compiled(steps, tf.TensorSpec([None], tf.int32))

    def call(rows: Rows) -> Taken:
        losses, predictions = compiled(tf.constant(rows))
        return Taken(losses.numpy(), predictions.numpy())

    return call


def compile_forward(model: Any, part: Part) -> Callable[[list[Array]], Array]:
    """Return a function that predicts for inputs such as a part's."""
    signature = [tf.TensorSpec([None, *each.shape[1:]], tf.float32) for each in part.inputs]

    def forward(inputs: Any) -> Any:
        return model(as_called(model, inputs), training=False)

    compiled = _compiled(forward, signature)

    def predict(inputs: list[Array]) -> Array:
        starts = range(0, max(1, len(inputs[0])), NUM_PREDICTED)  # a replica's part may be empty
        pieces = ([tf.constant(each[start : start + NUM_PREDICTED]) for each in inputs] for start in starts)
        return np.concatenate([compiled(piece).numpy() for piece in pieces])

    return predict


def _compiled(function: Callable[[Any], Any], signature: Any) -> Any:
    """Return a function of TensorFlow that exists once; it warns of those that are compiled again and again."""
    return tf.function(function, input_signature=[signature]).get_concrete_function()


def as_called(model: Any, inputs: list[Any]) -> Any:
    """Return a model's inputs as it wants them: a list if it was made with one, else a single tensor."""
    return inputs if isinstance(model.input, list) else inputs[0]
