"""A policy without memory, which is told where it is and what was decided last."""

from typing import Any

import numpy as np

from dhmpi.search.nas.policy.policy import Actions, Floats, Policy, summed_products


class MLPPolicy(Policy):
    """One hidden layer of tanh, with one input for each place.

    Args:
        num_options: How many options each decision has.
        units: Size of each hidden layer.
    """

    name = "mlp"

    def _kernel_shape(self) -> tuple[int, int]:
        return self.num_decisions + 1, self.units

    def _inputs(self, actions: Actions, decision: int) -> Floats:
        inputs = np.zeros((actions.shape[1], self.num_decisions + 1))
        inputs[:, decision] = 1.0
        inputs[:, -1] = self._observed(actions, decision)
        return inputs

    def _step(self, kernel: Floats, bias: Floats, inputs: Floats, state: Any) -> tuple[Floats, Any]:
        return np.tanh(inputs @ kernel + bias), None

    def _forward(self, kernel: Floats, bias: Floats, inputs: Floats) -> tuple[Floats, Any]:
        outputs = np.tanh(inputs @ kernel + bias)
        return outputs, (inputs, outputs)

    def _backward(self, kernel: Floats, tape: Any, by_outputs: Floats) -> tuple[Floats, Floats]:
        inputs, outputs = tape
        by_sums = by_outputs * (1 - outputs**2)
        return summed_products(inputs, by_sums), by_sums.sum(axis=(0, 1))
