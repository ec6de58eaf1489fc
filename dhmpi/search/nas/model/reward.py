"""Rewards: what a search maximises, made of a metric on the validation part."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from dhmpi.errors import ProblemError, did_you_mean

# Of which epochs the reward is: the best one, the last one, or the mean of the last so many.
Epochs = Literal["best", "last"] | int


class Reward(NamedTuple):
    """A reward by its definition; always finite, larger is better.

    Attributes:
        metric: Which metric it is made of, in the units of the data.
        transform: Makes the reward of the metric.
        low: Least reward; lesser ones become this.
        high: Largest reward.
    """

    metric: str
    transform: Callable[[float], float]
    low: float
    high: float

    def of(self, value: float) -> float:
        """Return the reward for a value of the metric."""
        return min(self.high, max(self.low, self.transform(value)))


def _minus_log(value: float) -> float:
    return -math.log(value) if value > 0 else math.inf


REWARDS = {
    "-mse": Reward("mse", lambda mse: -mse, -1e30, 0.0),
    "-log_mse": Reward("mse", _minus_log, -100.0, 100.0),
    # Clipped as in Balaprakash et al., SC19, so that one bad architecture does not outweigh all others.
    "r2": Reward("r2", lambda r2: r2, -1.0, 1.0),
    "accuracy": Reward("accuracy", lambda accuracy: accuracy, 0.0, 1.0),
}
DEFAULTS = {True: "-mse", False: "accuracy"}  # by whether it is a regression


def reward_named(name: str | None, metrics: Sequence[str], regression: bool) -> Reward:
    """Return a reward.

    Args:
        name: Its name, or None for the default: `-mse` for a regression, else `accuracy`.
        metrics: Metrics that there are.
        regression: Whether the problem is a regression.

    Raises:
        ProblemError: If there is no such reward, or it is not one for this kind of problem.
    """
    name = DEFAULTS[regression] if name is None else name
    fitting = [each for each, reward in REWARDS.items() if reward.metric in metrics]
    if name not in fitting:
        kind = "a regression" if regression else "a classification"
        raise ProblemError(f"the reward of {kind} must be a known one, got {name!r}; {did_you_mean(name, fitting)}")
    return REWARDS[name]


def over_epochs(rewards: Sequence[float], epochs: Epochs) -> float:
    """Return one reward for a training.

    Args:
        rewards: The reward after each epoch, at least one.
        epochs: `last`, `best`, which is an optimistic estimate, or a number: the mean of the last so many epochs.
    """
    if epochs == "best":
        return max(rewards)
    latest = rewards[-1:] if epochs == "last" else rewards[-epochs:]
    return math.fsum(latest) / len(latest)
