"""Exchange of gradients for parameters: the contract that an update needs, and the exchange of an agent alone."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.rewards import Scale
from dhmpi.search.nas.policy.update import Pool, Request, Share, Stepped


class Exchange(ABC):
    """Answers what an update asks for, one request at a time; `dhmpi.agents.exchange` has those of several agents.

    Attributes:
        scale: The rewards of all agents, as far as this one knows.
    """

    def __init__(self, scale: Scale) -> None:
        self.scale = scale

    @abstractmethod
    def begin(self, request: Request) -> None:
        """Ask for something; the answer to the request before has been given."""

    @abstractmethod
    def answer(self) -> Any:
        """Return the answer, or None as long as there is none; afterwards it is gone."""


class LocalExchange(Exchange):
    """The exchange of an agent that is alone: its own optimiser takes the steps, at once.

    Args:
        state: Where the policy begins.
        options: How the optimiser steps.
        scale: The rewards so far.
    """

    def __init__(self, state: PolicyState, options: PPOOptions, scale: Scale) -> None:
        super().__init__(scale)
        self._adam = state.optimiser(options)
        self._answer: Any = None

    def state(self) -> PolicyState:
        """Return a copy of the policy and its optimiser."""
        return PolicyState.of(self._adam)

    def begin(self, request: Request) -> None:
        """Answer the request."""
        if isinstance(request, Pool):
            self._answer = request.moments
        elif isinstance(request, Share):
            self.scale = self._answer = Scale.merged([self.scale, request.scale])
        else:
            norm = self._adam.step(request.gradient.astype(np.float32, copy=False), request.learning_rate)
            self._answer = Stepped(self._adam.parameters.copy(), self._adam.num_steps, norm)

    def answer(self) -> Any:
        """Return the answer to the latest request."""
        answer, self._answer = self._answer, None
        return answer
