"""Exchange of a policy between agents, both ends side by side: a parameter server, or an all-reduce of gradients.

    asynchronous:  agent                        server
                   GRADIENT rate, version    -> takes a step of Adam, if the gradient is not too old
                                             <- PARAMETERS version, norm, scale of rewards
                   REWARDS of a batch        -> adds them to those of all agents
                                             <- SCALE of all rewards so far

    synchronous:   UP    from the leaves of a binary tree of agents to its root: the sum so far
                   DOWN  the sum of all, from the root to the leaves; each agent then takes the same step

What travels is bytes: some float64 numbers, then a float32 vector. MPI's own Allreduce is not used, because an agent
that waits in one can neither be told that another one has died, nor leave when the time is over.
"""

import struct
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dhmpi.search.nas.policy.gradient_exchange import Exchange, LocalExchange
from dhmpi.search.nas.policy.parameters import Vector
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.rewards import NUM_SCALE_NUMBERS, Moments, Scale
from dhmpi.search.nas.policy.update import Pool, Request, Share, Stepped, UpdateStep

# Sends bytes to a rank: rank, kind, payload.
Send = Callable[[int, int, bytes], None]
NO_VECTOR = np.zeros(0, dtype=np.float32)


class MessageKind(IntEnum):
    """Kind of a message of the exchange; the numbers are tags of bytes (`mpi.comm.FIRST_RAW_TAG`)."""

    GRADIENT = 100
    REWARDS = 101
    PARAMETERS = 102
    SCALE = 103
    UP = 104
    DOWN = 105


TO_SERVER = (MessageKind.GRADIENT, MessageKind.REWARDS)


def pack(numbers: Sequence[float], vector: Vector = NO_VECTOR) -> bytes:
    """Return numbers and a float32 vector as they travel."""
    return struct.pack(f"={len(numbers)}d", *numbers) + vector.tobytes()


def unpack(payload: bytes, num: int) -> tuple[list[float], NDArray[np.float32]]:
    """Return the first `num` numbers of a message, and the vector behind them, which shares its memory."""
    return list(struct.unpack_from(f"={num}d", payload)), np.frombuffer(payload, np.float32, offset=8 * num)


class RemoteExchange(Exchange):
    """An agent's end of an exchange with other ranks: what it asks for is answered by messages."""

    @abstractmethod
    def take(self, source: int, kind: int, payload: bytes) -> None:
        """Take a message in."""


class ParameterServer:
    """The server's end: one optimiser for the gradients of all agents.

    Args:
        state: Where the policy begins.
        options: How the optimiser steps.
        scale: The rewards of all agents so far.
        max_staleness: Steps that the policy may have taken since a gradient was computed that is still applied.

    Attributes:
        num_applied: Gradients that were.
        num_refused: Gradients that were too old.
        sum_staleness: Sum of the staleness of all gradients.
        largest_staleness: The largest staleness of all gradients.
    """

    def __init__(self, state: PolicyState, options: PPOOptions, scale: Scale, max_staleness: int) -> None:
        self._adam = state.optimiser(options)
        self._max_staleness = max_staleness
        self.scale = scale
        self.num_applied = self.num_refused = self.sum_staleness = self.largest_staleness = 0

    @property
    def version(self) -> int:
        """Number of steps that the policy has taken."""
        return self._adam.num_steps

    def state(self) -> PolicyState:
        """Return a copy of the policy and its optimiser."""
        return PolicyState.of(self._adam)

    def serve(self, messages: Sequence[tuple[int, int, bytes]], send: Send) -> None:
        """Take in all messages (rank, kind, payload) that have come, then answer them: what is sent is the newest."""
        norms = [
            self._push(payload) if kind == MessageKind.GRADIENT else self._add(payload) for _, kind, payload in messages
        ]
        parameters = self._adam.parameters.tobytes()
        scale = self.scale.numbers()
        for (rank, kind, _), norm in zip(messages, norms, strict=True):
            if kind == MessageKind.GRADIENT:
                send(rank, MessageKind.PARAMETERS, pack((self.version, norm, *scale)) + parameters)
            else:
                send(rank, MessageKind.SCALE, pack(scale))

    def _push(self, payload: bytes) -> float:
        (rate, version), gradient = unpack(payload, 2)
        staleness = self.version - int(version)
        self.sum_staleness += staleness
        self.largest_staleness = max(self.largest_staleness, staleness)
        if staleness > self._max_staleness:
            self.num_refused += 1
            return float("nan")
        self.num_applied += 1
        return self._adam.step(gradient, rate)

    def _add(self, payload: bytes) -> float:
        numbers, _ = unpack(payload, NUM_SCALE_NUMBERS)
        self.scale = Scale.merged([self.scale, Scale.from_numbers(numbers)])
        return 0.0


class ServerExchange(RemoteExchange):
    """An agent that pushes its gradients to a server.

    Args:
        server: Rank of the server.
        send: Sends to a rank.
        scale: The rewards of all agents so far.
        version: How many steps the policy has taken.
    """

    def __init__(self, server: int, send: Send, scale: Scale, version: int) -> None:
        super().__init__(scale)
        self._server, self._send, self._version = server, send, version
        self._answer: Any = None

    def begin(self, request: Request) -> None:
        """Ask the server; what concerns agents that update together concerns this one alone."""
        if isinstance(request, Pool):
            self._answer = request.moments
        elif isinstance(request, Share):
            self._send(self._server, MessageKind.REWARDS, pack(request.scale.numbers()))
        else:
            numbers = (request.learning_rate, self._version)
            self._send(self._server, MessageKind.GRADIENT, pack(numbers, request.gradient))

    def take(self, source: int, kind: int, payload: bytes) -> None:
        """Take the server's answer."""
        if kind == MessageKind.SCALE:
            numbers, _ = unpack(payload, NUM_SCALE_NUMBERS)
            self.scale = self._answer = Scale.from_numbers(numbers)
            return
        (version, norm, *numbers), parameters = unpack(payload, 2 + NUM_SCALE_NUMBERS)
        self._version, self.scale = int(version), Scale.from_numbers(numbers)
        self._answer = Stepped(parameters, self._version, norm)

    def answer(self) -> Any:
        """Return the answer, if it has come."""
        answer, self._answer = self._answer, None
        return answer


class TreeExchange(RemoteExchange):
    """An agent that adds up what it has with all others, in the same order on all of them.

    Args:
        ranks: Those of all agents, in their order, the root first.
        rank: This one's.
        send: Sends to a rank.
        state: Where the policy begins; the same on all agents.
        options: How the optimiser steps.
        scale: The rewards of all agents so far; the same on all agents.

    Attributes:
        progress: Share of the budget that has been spent, as far as this agent knows.
        has_none_left: Whether this agent knows that no batch will follow this one.
        is_over: Whether all agents know it.
    """

    def __init__(
        self, ranks: Sequence[int], rank: int, send: Send, state: PolicyState, options: PPOOptions, scale: Scale
    ) -> None:
        super().__init__(scale)
        place = ranks.index(rank)
        self._send = send
        self._parent = ranks[(place - 1) // 2] if place else None
        self._children = [ranks[child] for child in (2 * place + 1, 2 * place + 2) if child < len(ranks)]
        # A child that is ahead sends its next sum before this agent has asked for one.
        self._sums: Mapping[int, deque[bytes]] = {child: deque() for child in self._children}
        self._local = LocalExchange(state, options, scale)
        self._request: Request | None = None
        self._has_sent = False
        self._all: bytes | None = None
        self.progress = scale.progress
        self.has_none_left = self.is_over = False

    def state(self) -> PolicyState:
        """Return a copy of the policy and its optimiser."""
        return self._local.state()

    def begin(self, request: Request) -> None:
        """Contribute to what all agents ask for."""
        self._request, self._has_sent = request, False

    def take(self, source: int, kind: int, payload: bytes) -> None:
        """Take the sum of a branch, or that of all."""
        if kind == MessageKind.UP:
            self._sums[source].append(payload)
        else:
            self._all = payload

    def answer(self) -> Any:
        """Return what all have added up, if it is there."""
        if self._request is None:
            return None
        if not self._has_sent and all(self._sums.values()):
            self._has_sent = True
            total = self._added()
            if self._parent is None:
                self._all = total
            else:
                self._send(self._parent, MessageKind.UP, total)
        if self._all is None:
            return None
        total, self._all = self._all, None
        for child in self._children:
            self._send(child, MessageKind.DOWN, total)
        request, self._request = self._request, None
        return self._concluded(request, total)

    def _added(self) -> bytes:
        """Return the sum of this agent's part and those of the branches below it."""
        parts = [self._sums[child].popleft() for child in self._children]
        request = self._request
        if isinstance(request, UpdateStep):
            gradient = request.gradient.astype(np.float32)
            for part in parts:
                gradient += unpack(part, 0)[1]
            return pack((), gradient)
        if isinstance(request, Pool):
            others = [Moments(*unpack(part, 3)[0]) for part in parts]
            return pack(Moments.merged([request.moments, *others]))
        assert isinstance(request, Share)
        shares = [unpack(part, 1 + NUM_SCALE_NUMBERS)[0] for part in parts]
        scales = [request.scale._replace(progress=self.progress), *(Scale.from_numbers(rest) for _, *rest in shares)]
        is_over = self.has_none_left or any(first for first, *_ in shares)
        return pack((is_over, *Scale.merged(scales).numbers()))

    def _concluded(self, request: Request, total: bytes) -> Any:
        """Return the answer to the sum of all requests, as if one agent alone had asked for it."""
        if isinstance(request, UpdateStep):
            request = request._replace(gradient=unpack(total, 0)[1])
        elif isinstance(request, Pool):
            request = Pool(Moments(*unpack(total, 3)[0]))
        else:
            (is_over, *numbers), _ = unpack(total, 1 + NUM_SCALE_NUMBERS)
            self.is_over, request = bool(is_over), Share(Scale.from_numbers(numbers))
        self._local.begin(request)
        self.scale = self._local.scale
        return self._local.answer()
