"""How networks are looked at: what they give, and whether gradients reach their weights."""

import numpy as np


def of_cells(*cells):
    """Return the choices of some cells as one sequence."""
    return [choice for cell in cells for choice in cell]


def applied(keras, operation, *shapes):
    """Return the model of one operation on inputs of some shapes."""
    inputs = [keras.Input(shape=shape) for shape in shapes]
    return keras.Model(_alone(inputs), operation(inputs))


def outputs(model, *values):
    """Return what a model gives, not training."""
    return model(_alone([np.asarray(value, dtype="float32") for value in values]), training=False).numpy()


def a_step_changes_all_weights(keras, model, num_samples=8):
    """Return whether one step of gradient descent towards random targets changes every trainable weight."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(num_samples, *tuple(tensor.shape)[1:])).astype("float32") for tensor in model.inputs]
    weights = model.trainable_weights
    before = [weight.numpy() for weight in weights]
    with tf.GradientTape() as tape:
        given = model(_alone(inputs), training=True)
        loss = tf.reduce_mean((given - rng.normal(size=given.shape).astype("float32")) ** 2)
    keras.optimizers.SGD(0.1).apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    return all(not np.array_equal(old, new.numpy()) for old, new in zip(before, weights, strict=True))


def _alone(values):
    """Return a value instead of a list of one: Keras 3 wants its inputs in the form in which the model was made."""
    return values if len(values) > 1 else values[0]
