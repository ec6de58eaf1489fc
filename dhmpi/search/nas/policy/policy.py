"""The contract of all policies: choose options one decision after the other, and learn which to choose."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dhmpi.search.nas.policy.parameters import ParameterLayout, Vector, normalised_columns

Actions = NDArray[np.int64]
Floats = NDArray[Any]


# The parts of the network; the head of the options begins small, so that all are about equally probable.
BODIES, HEADS = ("policy", "value"), ("options", "reward")
OPTIONS_NORM = 0.01


class Rollout(NamedTuple):
    """Whole episodes; the first axis is the decision, the second the episode.

    Attributes:
        actions: Number of the option that was chosen.
        log_probabilities: Of that option, when it was chosen.
    """

    actions: Actions
    log_probabilities: Floats


class Pass(NamedTuple):
    """Forward pass of a policy over episodes; the first axis is the decision, the second the episode.

    Attributes:
        log_probabilities: Of every option, minus infinity of those that a decision does not have; third axis.
        values: The reward that is expected from here on.
        tape: What `gradient` needs to know of the computation.
    """

    log_probabilities: Floats
    values: Floats
    tape: Any


class Policy(ABC):
    """A distribution over the options of each decision, given the decisions before it, and an estimate of the reward.

    Two bodies of the same kind, which subclasses write, carry a head each: one for the options, one for the reward.
    Policies hold no parameters: these are a vector, which is passed in.

    Args:
        num_options: How many options each decision has.
        units: Size of each body.
    """

    name: ClassVar[str]

    def __init__(self, num_options: Sequence[int], units: int) -> None:
        self.num_decisions, self.most_options = len(num_options), max(num_options)
        self.units = units
        self._num_options = np.array(num_options)
        # Of a decision, on average [nat].
        self.largest_entropy = float(np.log(self._num_options).mean())
        # Added to the outputs of the head; shape (decisions, options).
        self._mask = np.where(np.arange(self.most_options) < self._num_options[:, None], 0.0, -np.inf)
        rows, columns = self._kernel_shape()
        bodies = {f"{body}_{part}": shape for body in BODIES for part, shape in _layer(rows, columns)}
        widths = {"options": self.most_options, "reward": 1}
        # Option 3 of one decision has nothing to do with option 3 of another, so each decision has heads of its own.
        num = self.num_decisions
        heads = {f"{head}_kernel": (num, units, widths[head]) for head in HEADS}
        heads |= {f"{head}_bias": (num, 1, widths[head]) for head in HEADS}
        self.layout = ParameterLayout(bodies | heads)

    @abstractmethod
    def _kernel_shape(self) -> tuple[int, int]:
        """Return the shape of a body's matrix."""

    @abstractmethod
    def _inputs(self, actions: Actions, decision: int) -> Floats:
        """Return what the network is told before a decision; shape (episodes, inputs)."""

    @abstractmethod
    def _step(self, kernel: Floats, bias: Floats, inputs: Floats, state: Any) -> tuple[Floats, Any]:
        """Return the output of a body for one decision, and its state after that; None is the state before all."""

    @abstractmethod
    def _forward(self, kernel: Floats, bias: Floats, inputs: Floats) -> tuple[Floats, Any]:
        """Return the outputs of a body for whole episodes, and what `_backward` needs to know of the computation."""

    @abstractmethod
    def _backward(self, kernel: Floats, tape: Any, by_outputs: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives by the kernel and the bias of a body."""

    def initial(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return random parameters with which all options are about equally probable."""
        parameters = np.zeros(self.layout.size, dtype=np.float32)
        views = self.layout.views(parameters)
        for body in BODIES:
            kernel = views[f"{body}_kernel"]
            kernel[...] = normalised_columns(rng, kernel.shape, 1.0)
        for head in HEADS:
            norm = OPTIONS_NORM if head == "options" else 1.0
            for kernel in views[f"{head}_kernel"]:
                kernel[...] = normalised_columns(rng, kernel.shape, norm)
        return parameters

    def sample(self, parameters: Vector, num: int, rng: np.random.Generator) -> Rollout:
        """Play `num` episodes."""
        views = self.layout.views(parameters)
        actions = np.zeros((self.num_decisions, num), dtype=np.int64)
        log_probabilities = np.zeros((self.num_decisions, num), dtype=parameters.dtype)
        state = None
        for decision in range(self.num_decisions):
            inputs = self._inputs(actions, decision).astype(parameters.dtype)
            output, state = self._step(views["policy_kernel"], views["policy_bias"], inputs, state)
            logits = output @ views["options_kernel"][decision] + views["options_bias"][decision]
            found = _normalised(logits, self._mask[decision])
            actions[decision] = _drawn(found, rng)
            log_probabilities[decision] = chosen(found, actions[decision])
        return Rollout(actions, log_probabilities)

    def evaluate(self, parameters: Vector, actions: Actions) -> Pass:
        """Return what the policy says of each decision of whole episodes."""
        views = self.layout.views(parameters)
        inputs = np.stack([self._inputs(actions, decision) for decision in range(self.num_decisions)])
        inputs = inputs.astype(parameters.dtype)
        bodies = [self._forward(views[f"{body}_kernel"], views[f"{body}_bias"], inputs) for body in BODIES]
        logits, rewards = (
            outputs @ views[f"{head}_kernel"] + views[f"{head}_bias"]
            for head, (outputs, _) in zip(HEADS, bodies, strict=True)
        )
        return Pass(_normalised(logits, self._mask[:, None]), rewards[..., 0], bodies)

    def gradient(self, parameters: Vector, tape: Any, by_logits: Floats, by_values: Floats) -> Vector:
        """Carry derivatives back to the parameters.

        Args:
            parameters: Those of the pass.
            tape: That of the pass.
            by_logits: Derivatives by the outputs of the first head, before they are normalised; shape of
                `Pass.log_probabilities`.
            by_values: Derivatives by the values; shape of `Pass.values`.
        """
        views, gradient = self.layout.views(parameters), np.zeros_like(parameters)
        parts = self.layout.views(gradient)
        by_heads = (by_logits, by_values[..., None])
        for body, head, by_head, (outputs, memory) in zip(BODIES, HEADS, by_heads, tape, strict=True):
            parts[f"{head}_kernel"][...] = outputs.transpose(0, 2, 1) @ by_head
            parts[f"{head}_bias"][...] = by_head.sum(axis=1, keepdims=True)
            by_outputs = by_head @ views[f"{head}_kernel"].transpose(0, 2, 1)
            kernel, bias = self._backward(views[f"{body}_kernel"], memory, by_outputs)
            parts[f"{body}_kernel"][...], parts[f"{body}_bias"][...] = kernel, bias
        return gradient

    def _observed(self, actions: Actions, decision: int) -> Floats:
        """Return the decision before this one as a number: 0 if there is none, else above 0 and up to 1."""
        if decision == 0:
            return np.zeros(actions.shape[1])
        return np.asarray((actions[decision - 1] + 1) / self._num_options[decision - 1])


def _layer(num_inputs: int, num_outputs: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return ("kernel", (num_inputs, num_outputs)), ("bias", (num_outputs,))


def summed_products(first: Floats, second: Floats) -> Floats:
    """Return the product of two arrays, summed over decisions and episodes."""
    return np.tensordot(first, second, axes=((0, 1), (0, 1)))


def _normalised(logits: Floats, mask: Floats) -> Floats:
    """Return the logarithms of the probabilities of all options; the last axis is the option."""
    masked = logits + mask.astype(logits.dtype)
    masked = masked - masked.max(axis=-1, keepdims=True)
    found: Floats = masked - np.log(np.exp(masked).sum(axis=-1, keepdims=True))
    return found


def _drawn(log_probabilities: Floats, rng: np.random.Generator) -> Actions:
    """Draw an option from each row (the Gumbel trick, which never draws one whose probability is 0)."""
    return np.asarray(np.argmax(log_probabilities + rng.gumbel(size=log_probabilities.shape), axis=-1))


def chosen(log_probabilities: Floats, actions: Actions) -> Floats:
    """Return the log-probabilities of the options that were chosen."""
    num = log_probabilities.shape[-1]
    # Several times as fast as take_along_axis for the few numbers of one decision.
    found: Floats = log_probabilities.reshape(-1, num)[np.arange(actions.size), actions.ravel()]
    return found.reshape(actions.shape)
