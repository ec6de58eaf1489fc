"""Generalised advantage estimation (Schulman et al. 2016)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def advantages(rewards: Floats, values: Floats, gamma: float, decay: float) -> Floats:
    """Return generalised advantage estimates (Schulman et al. 2016, equations 11 and 12) of episodes that are whole.

        delta_t = r_t + gamma V_(t+1) - V_t        A_t = delta_t + gamma lambda A_(t+1)

    Args:
        rewards: r, shape (decisions, episodes).
        values: V, shape (decisions, episodes); 0 behind the last decision.
        gamma: Discount of rewards, 0 to 1.
        decay: lambda, 0 to 1.
    """
    found = np.zeros_like(rewards)
    following, next_value = np.zeros(rewards.shape[1:]), np.zeros(rewards.shape[1:])
    for step in reversed(range(len(rewards))):
        delta = rewards[step] + gamma * next_value - values[step]
        following = delta + gamma * decay * following
        found[step], next_value = following, values[step]
    return found
