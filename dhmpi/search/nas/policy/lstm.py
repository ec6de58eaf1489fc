"""A recurrent policy: one LSTM for the options, another one for the value (Hochreiter and Schmidhuber, 1997)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dhmpi.search.nas.policy.policy import BODIES, Actions, Floats, Policy, summed_products

# What the forget gate's bias begins with, so that a new network remembers (as TensorFlow's basic cell does).
FORGET_BIAS = 1.0


class Memory(NamedTuple):
    """Activations of an LSTM over whole sequences; the axes are step, sequence, unit.

    Attributes:
        inputs: What it was given.
        gates: Input gate, forget gate, output gate and candidate, each of them a quarter of the last axis.
        cells: State of the cells after each step.
        outputs: What it gave.
    """

    inputs: Floats
    gates: Floats
    cells: Floats
    outputs: Floats


class LSTMPolicy(Policy):
    """Remembers all decisions before the current one, of which it is told the latest.

    Args:
        num_options: How many options each decision has.
        units: Size of each LSTM.
    """

    name = "lstm"

    def __init__(self, num_options: Sequence[int], units: int) -> None:
        super().__init__(num_options, units)
        # The gates are sigmoids, the candidate a tanh; as sigmoid(x) = (1 + tanh(x / 2)) / 2, one call does for all.
        self._scale = np.repeat(np.array([0.5, 0.5, 0.5, 1.0], dtype=np.float32), units)
        self._shift = np.repeat(np.array([0.5, 0.5, 0.5, 0.0], dtype=np.float32), units)

    def initial(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return random parameters with which all options are about equally probable."""
        parameters = super().initial(rng)
        views = self.layout.views(parameters)
        for body in BODIES:
            views[f"{body}_bias"][self.units : 2 * self.units] = FORGET_BIAS
        return parameters

    def _kernel_shape(self) -> tuple[int, int]:
        return 1 + self.units, 4 * self.units

    def _inputs(self, actions: Actions, decision: int) -> Floats:
        return self._observed(actions, decision)[:, None]

    def _step(self, kernel: Floats, bias: Floats, inputs: Floats, state: Any) -> tuple[Floats, Any]:
        cell, output = state or (np.zeros((len(inputs), self.units), dtype=kernel.dtype),) * 2
        num_inputs = inputs.shape[1]
        sums = inputs @ kernel[:num_inputs] + output @ kernel[num_inputs:] + bias
        cell, output = self._stepped(self._gates(sums), cell)
        return output, (cell, output)

    def _forward(self, kernel: Floats, bias: Floats, inputs: Floats) -> tuple[Floats, Memory]:
        num_steps, num, num_inputs = inputs.shape
        gates = inputs @ kernel[:num_inputs] + bias
        cells = np.empty((num_steps, num, self.units), dtype=kernel.dtype)
        outputs = np.empty_like(cells)
        cell = output = np.zeros((num, self.units), dtype=kernel.dtype)
        for step in range(num_steps):
            gates[step] = self._gates(gates[step] + output @ kernel[num_inputs:])
            cell, output = self._stepped(gates[step], cell)
            cells[step], outputs[step] = cell, output
        return outputs, Memory(inputs, gates, cells, outputs)

    def _backward(self, kernel: Floats, tape: Memory, by_outputs: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives by kernel and bias (backpropagation through time)."""
        inputs, gates, cells, outputs = tape
        num_steps, _, num_inputs = inputs.shape
        units = self.units
        take, keep, give, candidate = (gates[..., place * units : (place + 1) * units] for place in range(4))
        squashed = np.tanh(cells)
        before = _delayed(cells)
        # By the sums before the gates: what each gate is multiplied with, times the derivative of its function.
        by_cells = np.concatenate(
            [candidate * take * (1 - take), before * keep * (1 - keep), take * (1 - candidate**2)], axis=-1
        )
        by_given = squashed * give * (1 - give)
        by_squashed = give * (1 - squashed**2)
        by_sums = np.empty_like(gates)
        by_cell = by_output = np.zeros_like(cells[0])
        for step in reversed(range(num_steps)):
            by_output = by_output + by_outputs[step]
            by_cell = by_cell + by_output * by_squashed[step]
            sums = by_sums[step]
            sums[:, : 2 * units] = np.tile(by_cell, 2) * by_cells[step, :, : 2 * units]
            sums[:, 2 * units : 3 * units] = by_output * by_given[step]
            sums[:, 3 * units :] = by_cell * by_cells[step, :, 2 * units :]
            by_output = sums @ kernel[num_inputs:].T
            by_cell = by_cell * keep[step]
        told = np.concatenate([inputs, _delayed(outputs)], axis=-1)
        return summed_products(told, by_sums), by_sums.sum(axis=(0, 1))

    def _gates(self, sums: Floats) -> Floats:
        """Return the gates of one step."""
        gates: Floats = np.tanh(sums * self._scale)
        gates *= self._scale
        gates += self._shift
        return gates

    def _stepped(self, gates: Floats, cell: Floats) -> tuple[Floats, Floats]:
        """Return state and output of the cells after a step."""
        units = self.units
        cell = gates[:, units : 2 * units] * cell + gates[:, :units] * gates[:, 3 * units :]
        return cell, gates[:, 2 * units : 3 * units] * np.tanh(cell)


def _delayed(values: Floats) -> Floats:
    """Return the values of one step earlier, 0 before all."""
    return np.concatenate([np.zeros_like(values[:1]), values[:-1]])
