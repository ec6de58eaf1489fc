"""Contract of searches by PPO agents; `dhmpi.agents` lets several of them work together."""

import math
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import ClassVar

import numpy as np

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import Evaluation, Point, turned
from dhmpi.search.nas.ledger import Answer, Claim, ClaimVerdict, Ledger
from dhmpi.search.nas.nas_search import NasSearch
from dhmpi.search.nas.policy.gradient_exchange import LocalExchange
from dhmpi.search.nas.policy.policies import POLICIES
from dhmpi.search.nas.policy.policy import Policy
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_learner import Episode, LearnerSettings, PPOLearner
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.rewards import Scale
from dhmpi.search.sampling import Sampler

# Episodes of a batch, at least, if no number is given.
SMALLEST_BATCH = 8
# After so many architectures that are known already, one by chance is taken: the policy has converged.
PATIENCE = 200


class PPOSearch(NasSearch):
    """Learns to choose architectures by proximal policy optimisation.

    `main` lets one or several agents search. Asked and told by hand, this is one agent; an architecture that it chooses
    again is not asked for again, but it learns from it again. See `Search` for the arguments.

    Attributes:
        policy: The kind and the size of the policy.
    """

    Options = PPOOptions
    has_agents: ClassVar[bool] = True
    # Whether rank 0 is a parameter server, and no agent.
    has_server: ClassVar[bool]
    own_options: PPOOptions

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        options = self.own_options
        with self._in_memory():
            self.policy: Policy = POLICIES[options.policy](self.structure.num_options, options.units)
        self._others = Sampler(self.space, seed)
        # By hand alone: `main` has agents with learners of their own, and one ledger for all of them.
        self._learner: PPOLearner | None = None  # not before it is needed
        self._ledger = Ledger(None, None, None, patience=None)
        self._open: dict[int, Episode] = {}  # without a reward yet, by the numbers of their claims
        self._numbers = count()

    def first_state(self) -> PolicyState:
        """Return the policy before it has learned anything; the same for the same seed.

        Raises:
            OptionError: It does not fit into memory.
        """
        with self._in_memory():
            return PolicyState.new(self.policy.initial(np.random.default_rng(self.seed)))

    @contextmanager
    def _in_memory(self) -> Iterator[None]:
        try:
            yield
        except MemoryError as error:
            units = self.own_options.units
            raise OptionError(f"{option_name('units')} must be few enough for the memory, got {units}") from error

    def _hand_driven(self) -> PPOLearner:
        if self._learner is None:
            state, options = self.first_state(), self.own_options
            settings = LearnerSettings(self.policy, options, options.most_stale(1))
            exchange = LocalExchange(state, options, Scale())
            self._learner = PPOLearner(settings, state, exchange, np.random.default_rng((self.seed, 0)))
        return self._learner

    def _propose(self) -> Point | None:
        learner = self._hand_driven()
        for _ in range(PATIENCE):
            [episode] = learner.play()
            point = dict(zip(self.space.names, episode.actions.tolist(), strict=True))
            answer = self._claim(self.space.key(point), point)
            if answer.verdict is ClaimVerdict.KNOWN:
                self._finish(episode, answer.objective, is_hit=True)
                continue
            self._open[answer.number] = episode
            if answer.verdict is ClaimVerdict.RUN:
                return point
        return self._others.draw(self._seen)

    def _claim(self, key: Hashable, point: Point) -> Answer:
        return self._ledger.claim(Claim(0, next(self._numbers), self.space.decisions(point), key))

    def _add_pending(self, key: Hashable, point: Point) -> None:
        """Claim what is evaluated although no episode has chosen it: an episode that does so later waits for it."""
        if not self._ledger.is_running(key):
            self._claim(key, point)

    def _learn(self, evaluations: list[Evaluation]) -> None:
        learner = self._hand_driven()
        for evaluation in evaluations:
            claims = self._ledger.enter(self.space.key(evaluation.point), evaluation.objective)
            episodes = [self._open.pop(claim.number) for claim in claims if claim.number in self._open]
            for episode in episodes or [learner.episode_of(np.array(self.space.decisions(evaluation.point)))]:
                self._finish(episode, evaluation.objective, is_hit=False)

    def _finish(self, episode: Episode, objective: float | None, is_hit: bool) -> None:
        learner, batch_size = self._hand_driven(), self.own_options.episodes_per_batch or SMALLEST_BATCH
        reward = turned(objective, self.maximises)
        learner.finish(episode, math.nan if reward is None else reward, is_hit)
        if learner.num_ended >= batch_size:
            learner.learn(batch_size)
            while learner.is_updating:
                learner.advance()
