"""From architectures to Keras models."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.backend import keras
from dhmpi.search.nas.model.space.network import NetworkStep
from dhmpi.search.nas.model.space.op.tensors import KerasTensor, layer, shape_of
from dhmpi.search.nas.model.space.plan import Plan


def build(plan: Plan, network: Sequence[NetworkStep], activation: str | None) -> Any:
    """Return a new, untrained model.

    Args:
        plan: The structure.
        network: What is to be carried out.
        activation: Activation of the output; None is linear.

    Raises:
        ProblemError: If an operation cannot be applied to what it gets, or nothing reaches the output.
    """
    if not network:
        raise ProblemError("an architecture must have operations that reach its output, got none")
    inputs = {place: plan.places[place].options[0].op([]) for place in plan.inputs}
    uses = Counter(step.weights for step in network)
    shared: dict[int, Any] = {}
    tensors: list[KerasTensor] = []
    for step in network:
        if step.place in inputs:
            tensors.append(inputs[step.place])
            continue
        taken = [tensors[each] for each in step.inputs]
        try:
            apply = step.op if uses[step.weights] == 1 else _shared(step, taken, shared)
            tensors.append(_checked(apply(taken)))
        except Exception as error:  # of Keras, or of an operation that a user wrote
            shapes = ", ".join(str(shape_of(tensor)) for tensor in taken)
            raise ProblemError(f"{step.name}: {step.op} must fit its input, got shape {shapes}; {error}") from error
    output = _output(tensors[-1], plan.output_shape, activation)
    starts = list(inputs.values())
    return keras.Model(inputs=starts if len(starts) > 1 else starts[0], outputs=output)


def _shared(step: NetworkStep, inputs: Sequence[KerasTensor], shared: dict[int, Any]) -> Any:
    """Return the model of an operation whose layers several nodes use, made by the first of them."""
    if step.weights not in shared:
        fresh = [keras.Input(shape=shape_of(tensor)) for tensor in inputs]
        shared[step.weights] = keras.Model(inputs=fresh, outputs=step.op(fresh))
    return shared[step.weights]


def _checked(tensor: KerasTensor) -> KerasTensor:
    if any(size is not None and size < 1 for size in shape_of(tensor)):
        raise ProblemError(f"nothing is left, the shape would be {shape_of(tensor)}")
    return tensor


def _output(tensor: KerasTensor, shape: tuple[int, ...], activation: str | None) -> KerasTensor:
    vector = tensor if len(shape_of(tensor)) == 1 else layer("Flatten")(tensor)
    if len(shape) == 1:
        return layer("Dense", units=shape[0], activation=activation)(vector)
    outputs = layer("Reshape", target_shape=shape)(layer("Dense", units=math.prod(shape))(vector))
    return layer("Activation", activation=activation)(outputs) if activation else outputs
