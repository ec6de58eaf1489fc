"""An agent without its surroundings: plays episodes, and learns from those whose rewards have come."""

import math
from collections import deque
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dhmpi.search.nas.policy.gradient_exchange import Exchange
from dhmpi.search.nas.policy.policy import Actions, Floats, Policy
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.update import Batch, Figures, Stepped, Update, update

# Shares of a batch that had been evaluated before, above which the entropy's weight grows, and below which it shrinks.
MANY_HITS, FEW_HITS = 0.8, 0.6
# How much it does so with each batch, and up to what.
BOOST_STEP, LARGEST_BOOST = 1.25, 100.0


class Episode(NamedTuple):
    """One architecture, as the policy chose it.

    Attributes:
        actions: The option of each decision.
        log_probabilities: Of each of them, under the policy that chose.
        version: How many steps that policy had taken.
        update: How many updates the agent had begun.
    """

    actions: Actions
    log_probabilities: Floats
    version: int
    update: int


class Played(NamedTuple):
    """An episode and its reward; not-a-number for a failure."""

    episode: Episode
    reward: float
    is_hit: bool


class Learned(NamedTuple):
    """Result of learning from a batch.

    Attributes:
        number: Of the update, among those of this agent.
        version: How many steps the policy has taken after it.
        episodes: What it was learned from.
        num_dropped: Episodes of the batch that were too old.
        staleness: Steps that the policy had taken since each of the others, when the update began.
        figures: How it went; None as long as it goes on.
    """

    number: int
    version: int
    episodes: list[Played]
    num_dropped: int
    staleness: list[int]
    figures: Figures | None


class LearnerSettings(NamedTuple):
    """Settings of a learner, which do not change while it learns.

    Attributes:
        policy: What the parameters belong to.
        options: How it learns.
        max_staleness: Steps that the policy may have taken since an episode that is learned from.
    """

    policy: Policy
    options: PPOOptions
    max_staleness: int


class PPOLearner:
    """Plays with the policy that it has, and improves it by batches.

    Args:
        settings: What it learns with.
        state: The policy at the beginning.
        exchange: Gives the answers to what an update asks for.
        rng: Chooses.
        num_updates: How many updates this agent has made before.
    """

    def __init__(
        self,
        settings: LearnerSettings,
        state: PolicyState,
        exchange: Exchange,
        rng: np.random.Generator,
        num_updates: int = 0,
    ) -> None:
        self._policy, self._options, self._max_staleness = settings.policy, settings.options, settings.max_staleness
        self._parameters, self._version = state.parameters, state.version
        self._exchange, self._rng = exchange, rng
        self._ended: deque[Played] = deque()
        self._update: Update | None = None
        self._batch: Learned | None = None
        self._boost = 1.0  # of the entropy's weight
        self._entropy = math.inf  # after the latest update
        self.num_updates = num_updates

    @property
    def version(self) -> int:
        """Number of steps that the policy has taken, as far as this agent knows."""
        return self._version

    @property
    def num_ended(self) -> int:
        """Number of episodes to learn from."""
        return len(self._ended)

    @property
    def is_updating(self) -> bool:
        """Whether an update has begun and not ended."""
        return self._update is not None

    def play(self, num: int = 1) -> list[Episode]:
        """Choose architectures."""
        rollout = self._policy.sample(self._parameters, num, self._rng)
        columns = zip(rollout.actions.T, rollout.log_probabilities.T, strict=True)
        return [Episode(actions, logs, self._version, self.num_updates) for actions, logs in columns]

    def episode_of(self, actions: Actions) -> Episode:
        """Return an architecture that another agent has chosen, as if this policy had."""
        chosen = self._policy.evaluate(self._parameters, actions[:, None])
        logs = np.take_along_axis(chosen.log_probabilities[:, 0], actions[:, None], axis=-1)[:, 0]
        return Episode(actions, logs, self._version, self.num_updates)

    def finish(self, episode: Episode, reward: float, is_hit: bool = False) -> None:
        """Take the reward of an episode; not-a-number for a failure."""
        self._ended.append(Played(episode, reward, is_hit))

    def learn(self, num: int) -> None:
        """Begin an update from the first `num` episodes that have ended, or all if there are fewer."""
        batch = [self._ended.popleft() for _ in range(min(num, len(self._ended)))]
        ages = [self._version - played.episode.version for played in batch]
        fresh = [played for played, age in zip(batch, ages, strict=True) if age <= self._max_staleness]
        staleness = [age for age in ages if age <= self._max_staleness]
        options = self._adapted(batch)
        self._update = update(
            self._policy, self._parameters, _stacked(self._policy, fresh), options, known=self._exchange.scale
        )
        self._exchange.begin(next(self._update))
        self._batch = Learned(self.num_updates, self._version, fresh, len(batch) - len(fresh), staleness, None)
        self.num_updates += 1

    def _adapted(self, batch: list[Played]) -> PPOOptions:
        """Return the options with the weight that the entropy gets in this update.

        A policy that settles before the budget is spent finds nothing any more. So the weight grows as long as the
        entropy is below a floor, which goes down with the budget, or nearly all that is chosen is known already.
        """
        options, scale = self._options, self._exchange.scale
        left = max(1.0 - scale.progress, 0.0) if options.schedule == "linear" else 1.0
        floor = options.entropy_floor * left * self._policy.largest_entropy
        hits = sum(played.is_hit for played in batch) / max(len(batch), 1)
        if self._entropy < floor or hits > MANY_HITS:
            self._boost = min(self._boost * BOOST_STEP, LARGEST_BOOST)
        elif hits < FEW_HITS:
            self._boost = max(self._boost / BOOST_STEP, 1.0)
        return replace(options, entropy_coefficient=self._boost * options.entropy_coefficient)

    def advance(self) -> Learned | None:
        """Go on with the update as far as answers have come; return what came of it when it ends."""
        while self._update is not None and (answer := self._exchange.answer()) is not None:
            if isinstance(answer, Stepped):
                self._parameters, self._version = answer.parameters, answer.version
            try:
                self._exchange.begin(self._update.send(answer))
            except StopIteration as end:
                assert self._batch is not None
                learned = self._batch._replace(version=self._version, figures=end.value)
                if learned.episodes:
                    self._entropy = end.value.entropy
                self._update = self._batch = None
                return learned
        return None


def _stacked(policy: Policy, batch: list[Played]) -> Batch:
    if not batch:
        nothing = np.zeros((policy.num_decisions, 0))
        return Batch(nothing.astype(np.int64), nothing, np.zeros(0))
    actions = np.stack([played.episode.actions for played in batch], axis=1)
    logs = np.stack([played.episode.log_probabilities for played in batch], axis=1)
    return Batch(actions, logs, np.array([played.reward for played in batch]))
