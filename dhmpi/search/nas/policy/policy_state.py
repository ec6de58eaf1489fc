"""State of a policy and its optimiser: what agents begin with, and what a results file keeps."""

from typing import NamedTuple

import numpy as np

from dhmpi.search.nas.policy.adam import Adam
from dhmpi.search.nas.policy.parameters import Vector
from dhmpi.search.nas.policy.ppo_options import PPOOptions


class PolicyState(NamedTuple):
    """State of a policy and its optimiser, from which training continues.

    Attributes:
        parameters: The policy, float32.
        first_moment: Adam's mean of gradients, float32.
        second_moment: Adam's mean of squared gradients, float32.
        version: How many steps it has taken.
    """

    parameters: Vector
    first_moment: Vector
    second_moment: Vector
    version: int

    @classmethod
    def new(cls, parameters: Vector) -> "PolicyState":
        """Return the state of a policy that has not learned anything."""
        return cls(parameters, np.zeros_like(parameters), np.zeros_like(parameters), 0)

    @classmethod
    def of(cls, adam: Adam) -> "PolicyState":
        """Return a copy of what an optimiser has come to."""
        return cls(adam.parameters.copy(), adam.first_moment.copy(), adam.second_moment.copy(), adam.num_steps)

    def optimiser(self, options: PPOOptions) -> Adam:
        """Return an optimiser that goes on from here, with parameters of its own."""
        adam = Adam(
            self.parameters.astype(np.float32),
            options.adam_beta1,
            options.adam_beta2,
            options.adam_epsilon,
            options.max_gradient_norm,
        )
        adam.resume(self.version, self.first_moment, self.second_moment)
        return adam
