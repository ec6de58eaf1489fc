"""Adam on one vector (Kingma and Ba, 2015)."""

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


class Adam:
    """Takes steps downhill, in place.

    Args:
        parameters: What is improved; changed by `step`.
        beta1: Decay of the mean of gradients, in [0, 1).
        beta2: Decay of the mean of their squares, in [0, 1).
        epsilon: Keeps steps finite.
        largest_norm: Longer gradients are shortened to it.

    Attributes:
        num_steps: How many steps have been taken.
        first_moment: Mean of gradients.
        second_moment: Mean of their squares.
    """

    def __init__(
        self,
        parameters: Vector,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-5,
        largest_norm: float = 0.5,
    ) -> None:
        self.parameters = parameters
        self.num_steps = 0
        self.first_moment, self.second_moment = np.zeros_like(parameters), np.zeros_like(parameters)
        self._beta1, self._beta2, self._epsilon, self._largest_norm = beta1, beta2, epsilon, largest_norm
        self._scratch = np.empty_like(parameters)

    def resume(self, num_steps: int, first_moment: Vector, second_moment: Vector) -> None:
        """Go on where an earlier optimiser has stopped."""
        self.num_steps = num_steps
        self.first_moment[...], self.second_moment[...] = first_moment, second_moment

    def step(self, gradient: Vector, learning_rate: float) -> float:
        """Take one step against the gradient, and return the norm that it had.

        A gradient that is not finite is passed over, since nothing would ever be again.
        """
        with np.errstate(over="ignore"):
            norm = float(np.sqrt(np.dot(gradient, gradient)))
        if not np.isfinite(norm):
            return norm
        self.num_steps += 1
        scratch, shortened = self._scratch, min(1.0, self._largest_norm / max(norm, 1e-12))
        np.multiply(gradient, shortened * (1 - self._beta1), out=scratch)
        self.first_moment *= self._beta1
        self.first_moment += scratch
        np.multiply(gradient, shortened * math.sqrt(1 - self._beta2), out=scratch)
        np.multiply(scratch, scratch, out=scratch)
        self.second_moment *= self._beta2
        self.second_moment += scratch
        # The form at the end of section 2 of the paper, which needs no copies of the corrected moments.
        rate = learning_rate * math.sqrt(1 - self._beta2**self.num_steps) / (1 - self._beta1**self.num_steps)
        np.sqrt(self.second_moment, out=scratch)
        scratch += self._epsilon
        np.divide(self.first_moment, scratch, out=scratch)
        scratch *= rate
        self.parameters -= scratch
        return norm
