"""Cost of a model: its parameters, and the operations of a forward pass."""

import math
from typing import Any


def num_parameters(model: Any) -> int:
    """Return how many numbers a model's weights have, those that are not trained included."""
    return int(model.count_params())


def flops(model: Any) -> int:
    """Return how many multiplications and additions with weights one sample needs on its way through a model.

    A weight of a matrix or kernel is multiplied and added once at every position of the output, one of a vector (a
    bias, the four of a batch normalization) used once. That is exact for dense, convolutional (also separable) and
    normalization layers with channels last; what has no weights, such as activations and pooling, counts nothing.
    """
    return sum(_flops_per_position(layer) * _num_positions(layer) for layer in model.layers if layer.weights)


def _flops_per_position(layer: Any) -> int:
    return sum(math.prod(weight.shape) * (2 if len(weight.shape) > 1 else 1) for weight in layer.weights)


def _num_positions(layer: Any) -> int:
    """Return the number of positions of a layer's outputs, over all places where it is used."""
    outputs = [node.outputs for node in layer._inbound_nodes]  # Keras 2 has a tensor there, Keras 3 a list of tensors
    tensors = [output[0] if isinstance(output, list) else output for output in outputs]
    return sum(math.prod(tensor.shape[1:-1]) for tensor in tensors)
