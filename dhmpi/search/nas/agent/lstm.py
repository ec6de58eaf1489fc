"""A recurrent policy: one LSTM for the options, another one for the value (Hochreiter and Schmidhuber, 1997)."""

from typing import Any, NamedTuple

import numpy as np

from dhmpi.search.nas.agent.policy import Actions, Floats, Policy, summed_products

# Added to what the forget gate gets, so that a new network remembers (as TensorFlow's basic cell does).
FORGET_BIAS = 1.0


class Memory(NamedTuple):
    """What an LSTM has computed for whole sequences; the axes are step, sequence, unit.

    Attributes:
        inputs: What it was given.
        gates: Input gate, forget gate, candidate and output gate, each of them a quarter of the last axis.
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

    def _kernel_shape(self) -> tuple[int, int]:
        return 1 + self.units, 4 * self.units

    def _inputs(self, actions: Actions, decision: int) -> Floats:
        return self._observed(actions, decision)[:, None]

    def _step(self, kernel: Floats, bias: Floats, inputs: Floats, state: Any) -> tuple[Floats, Any]:
        cell, output = state or (np.zeros((len(inputs), self.units), dtype=kernel.dtype),) * 2
        cell, output = _stepped(_gates(np.hstack([inputs, output]) @ kernel + bias), cell)
        return output, (cell, output)

    def _forward(self, kernel: Floats, bias: Floats, inputs: Floats) -> tuple[Floats, Memory]:
        num_steps, num, num_inputs = inputs.shape
        from_inputs = inputs @ kernel[:num_inputs] + bias
        gates = np.empty_like(from_inputs)
        cells = np.empty((num_steps, num, self.units), dtype=kernel.dtype)
        outputs = np.empty_like(cells)
        cell = output = np.zeros((num, self.units), dtype=kernel.dtype)
        for step in range(num_steps):
            gates[step] = _gates(from_inputs[step] + output @ kernel[num_inputs:])
            cell, output = _stepped(gates[step], cell)
            cells[step], outputs[step] = cell, output
        return outputs, Memory(inputs, gates, cells, outputs)

    def _backward(self, kernel: Floats, tape: Memory, by_outputs: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives by kernel and bias (backpropagation through time)."""
        inputs, gates, cells, outputs = tape
        num_steps, _, num_inputs = inputs.shape
        take, keep, candidate, give = np.split(gates, 4, axis=-1)
        squashed = np.tanh(cells)
        before = _delayed(cells)
        by_sums = np.empty_like(gates)
        by_cell = by_output = np.zeros_like(cells[0])
        for step in reversed(range(num_steps)):
            by_output = by_output + by_outputs[step]
            by_cell = by_cell + by_output * give[step] * (1 - squashed[step] ** 2)
            parts = (
                by_cell * candidate[step] * take[step] * (1 - take[step]),
                by_cell * before[step] * keep[step] * (1 - keep[step]),
                by_cell * take[step] * (1 - candidate[step] ** 2),
                by_output * squashed[step] * give[step] * (1 - give[step]),
            )
            by_sums[step] = np.concatenate(parts, axis=-1)
            by_output = by_sums[step] @ kernel[num_inputs:].T
            by_cell = by_cell * keep[step]
        told = np.concatenate([inputs, _delayed(outputs)], axis=-1)
        return summed_products(told, by_sums), by_sums.sum(axis=(0, 1))


def _delayed(values: Floats) -> Floats:
    """Return the values of one step earlier, 0 before all."""
    return np.concatenate([np.zeros_like(values[:1]), values[:-1]])


def _sigmoid(values: Floats) -> Floats:
    found: Floats = 0.5 * (np.tanh(0.5 * values) + 1.0)  # does not overflow
    return found


def _gates(sums: Floats) -> Floats:
    """Return the gates of one step."""
    units = sums.shape[-1] // 4
    gates = np.empty_like(sums)
    gates[:, :units] = _sigmoid(sums[:, :units])
    gates[:, units : 2 * units] = _sigmoid(sums[:, units : 2 * units] + FORGET_BIAS)
    gates[:, 2 * units : 3 * units] = np.tanh(sums[:, 2 * units : 3 * units])
    gates[:, 3 * units :] = _sigmoid(sums[:, 3 * units :])
    return gates


def _stepped(gates: Floats, cell: Floats) -> tuple[Floats, Floats]:
    """Return state and output of the cells after a step."""
    take, keep, candidate, give = np.split(gates, 4, axis=-1)
    cell = keep * cell + take * candidate
    return cell, give * np.tanh(cell)
