"""Contract of searches by PPO agents; `dhmpi.agents` lets several of them work together."""

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dhmpi.evaluation import Evaluation, Point, turned
from dhmpi.search.nas.agent.exchange import PolicyState, TreeExchange
from dhmpi.search.nas.agent.policies import POLICIES
from dhmpi.search.nas.agent.policy import Policy
from dhmpi.search.nas.agent.ppo_learner import Episode, PPOLearner
from dhmpi.search.nas.agent.ppo_options import PPOOptions
from dhmpi.search.nas.agent.rewards import Scale
from dhmpi.search.nas.nas_search import NasSearch
from dhmpi.search.sampling import Sampler

if TYPE_CHECKING:
    pass

BATCH = 8
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
        self.policy: Policy = POLICIES[options.policy](self.structure.num_options, options.units)
        self._rewards: dict[Hashable, float] = {}
        self._open: dict[Hashable, list[Episode]] = {}
        self._batch_size = options.episodes_per_batch or BATCH
        self._others = Sampler(self.space, seed)
        self._learner: PPOLearner | None = None  # not before it is needed: `main` has others

    def first_state(self) -> PolicyState:
        """Return the policy before it has learned anything; the same for the same seed."""
        return PolicyState.new(self.policy.initial(np.random.default_rng(self.seed)))

    def _hand_driven(self) -> PPOLearner:
        if self._learner is None:
            state, options = self.first_state(), self.own_options
            alone = TreeExchange([0], 0, lambda rank, kind, payload: None, state, options, Scale())
            rng = np.random.default_rng((self.seed, 0))
            self._learner = PPOLearner(self.policy, state.parameters, 0, alone, options, options.most_stale(1), rng)
        return self._learner

    def _propose(self) -> Point | None:
        learner = self._hand_driven()
        for _ in range(PATIENCE):
            [episode] = learner.play()
            point = dict(zip(self.space.names, episode.actions.tolist(), strict=True))
            key = self.space.key(point)
            if key in self._rewards:
                self._finish(episode, self._rewards[key], is_hit=True)
            elif key in self._open:
                self._open[key].append(episode)
            else:
                self._open[key] = [episode]
                if key not in self._seen:
                    return point
        return self._others.draw(self._seen)

    def _learn(self, evaluations: list[Evaluation]) -> None:
        learner = self._hand_driven()
        for evaluation in evaluations:
            key = self.space.key(evaluation.point)
            reward = turned(evaluation.objective, self.maximises)
            self._rewards[key] = math.nan if reward is None else reward
            episodes = self._open.pop(key, None)
            if episodes is None:
                episodes = [learner.episode_of(np.array(self.space.decisions(evaluation.point)))]
            for episode in episodes:
                self._finish(episode, self._rewards[key], is_hit=False)

    def _finish(self, episode: Episode, reward: float, is_hit: bool) -> None:
        learner = self._hand_driven()
        learner.finish(episode, reward, is_hit)
        if learner.num_ended >= self._batch_size:
            learner.learn(self._batch_size)
            while learner.is_updating:
                learner.advance()
