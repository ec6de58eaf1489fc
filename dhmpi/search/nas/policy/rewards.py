"""Rewards of an agent: their scale, and how one is spread over the decisions of an episode."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# So many rewards tell what is usual; before that, a reward is far away beyond so many distances of the quartiles.
ENOUGH, FAR_QUARTILES = 4, 10.0
# Scaled rewards beyond it are cut off: one diverged training must not drown out all others.
LARGEST_SCALED = 5.0
# Larger rewards count as this one, so that the squares of all stay finite.
LARGEST_REWARD = 1e100
# Rewards that differ by less, in proportion to their mean, differ by rounding only.
ROUNDING = 1e-12


class Moments(NamedTuple):
    """Number, mean and sum of squared deviations; those of parts can be merged.

    Attributes:
        num: How many numbers there are.
        mean: Their mean.
        squares: Sum of their squared deviations from it.
    """

    num: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Return the moments of numbers."""
        if not values.size:
            return cls()
        mean = float(values.mean())
        return cls(float(values.size), mean, float(np.square(values - mean).sum()))

    @classmethod
    def merged(cls, parts: Iterable["Moments"]) -> Self:
        """Return the moments of all parts together (Chan, Golub and LeVeque, 1983)."""
        num, mean, squares = 0.0, 0.0, 0.0
        for part in parts:
            if part.num:
                total, difference = num + part.num, part.mean - mean
                squares += part.squares + difference**2 * num * part.num / total
                mean += difference * part.num / total
                num = total
        return cls(num, mean, squares)

    @property
    def deviation(self) -> float:
        """Standard deviation of the numbers."""
        return math.sqrt(self.squares / self.num) if self.num else 0.0


class Scale(NamedTuple):
    """The rewards of all agents so far, by which new ones are scaled.

    Attributes:
        moments: Of the rewards of all episodes that have not failed.
        worst: The smallest of them; infinity before the first.
        progress: Share of the budget that has been spent, 0 to 1.
    """

    moments: Moments = Moments()
    worst: float = math.inf
    progress: float = 0.0

    @classmethod
    def of(cls, rewards: Iterable[float], progress: float = 0.0) -> Self:
        """Return the scale of some rewards."""
        values = _bounded(np.array(list(rewards), dtype=np.float64))
        return cls(Moments.of(values), float(values.min(initial=math.inf)), progress)

    @classmethod
    def merged(cls, parts: Iterable["Scale"]) -> Self:
        """Return the scale of all rewards together."""
        parts = list(parts)
        moments = Moments.merged(part.moments for part in parts)
        return cls(moments, min(part.worst for part in parts), max(part.progress for part in parts))

    @property
    def is_flat(self) -> bool:
        """Whether all rewards so far are alike, so that there is nothing to choose between."""
        return self.moments.deviation <= max(ROUNDING * abs(self.moments.mean), 1 / LARGEST_REWARD)

    def apply(self, rewards: Floats) -> Floats:
        """Return rewards with a mean of about 0 and a standard deviation of about 1, cut off beyond 5."""
        if self.is_flat:
            return np.zeros_like(rewards)
        scaled = (_bounded(rewards) - self.moments.mean) / self.moments.deviation
        return np.clip(scaled, -LARGEST_SCALED, LARGEST_SCALED)

    def tame(self, rewards: Floats) -> Floats:
        """Return rewards with what lies far outside of those so far drawn in, before they change the scale.

        Otherwise one diverged training, whose error may be any number, would make all others look alike for ever. As
        long as there are few rewards so far, the new ones themselves say what is far.
        """
        if self.moments.num >= ENOUGH and not self.is_flat:
            middle, reach = self.moments.mean, LARGEST_SCALED * self.moments.deviation
        elif rewards.size >= ENOUGH:
            low, middle, high = np.quantile(_bounded(rewards), (0.25, 0.5, 0.75)).tolist()
            reach = FAR_QUARTILES * (high - low)
        else:
            return rewards
        return np.clip(rewards, middle - reach, middle + reach) if reach > 0 else rewards

    def numbers(self) -> tuple[float, ...]:
        """Return all figures, for `from_numbers`."""
        return (*self.moments, self.worst, self.progress)

    @classmethod
    def from_numbers(cls, numbers: Iterable[float]) -> Self:
        """Return the scale that gave the figures."""
        *moments, worst, progress = map(float, numbers)
        return cls(Moments(*moments), worst, progress)


def _bounded(rewards: Floats) -> Floats:
    return np.clip(rewards, -LARGEST_REWARD, LARGEST_REWARD)


NUM_SCALE_NUMBERS = len(Scale().numbers())


Rule = Callable[[Floats, int], Floats]


def reward_for_final_timestep(rewards: Floats, num_decisions: int) -> Floats:
    """Give the reward of each episode to its last decision; shape (decisions, episodes)."""
    spread = np.zeros((num_decisions, len(rewards)))
    spread[-1] = rewards
    return spread


def reward_for_all_timesteps(rewards: Floats, num_decisions: int) -> Floats:
    """Give the reward of each episode to every decision; shape (decisions, episodes)."""
    return np.tile(rewards, (num_decisions, 1))


RULES: dict[str, Rule] = {
    "reward_for_final_timestep": reward_for_final_timestep,
    "reward_for_all_timesteps": reward_for_all_timesteps,
}
