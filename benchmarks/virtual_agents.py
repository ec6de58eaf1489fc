"""Searches by agents in virtual time: real agents and a real coordinator, evaluators that only wait.

Each rank is a server of its own, busy for as long as it computes: it takes in the messages that have come, does what it
can, and what it sends arrives a latency after that. Charged is the time of this thread on a processor, times a
slow-down, since other processes of a shared machine are not the search's fault.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from dhmpi.agents.agent import AsyncAgent, SyncAgent
from dhmpi.agents.coordinator import Coordinator, Teaching, Team
from dhmpi.agents.exchange import ParameterServer
from dhmpi.agents.protocol import Start, is_for_agent
from dhmpi.control.budget import Budget, Limits
from dhmpi.control.progress import Progress
from dhmpi.control.walltime import Drain
from dhmpi.evaluation import Evaluation, Point, State
from dhmpi.mpi.comm import Message
from dhmpi.mpi.roles import Roles
from dhmpi.results import Metadata, ResultsStore
from dhmpi.search.nas.ledger import PATIENCE, Ledger
from dhmpi.search.nas.policy.rewards import Scale
from dhmpi.search.nas.ppo import PPOSearch
from dhmpi.search.nas.ppo_a3c_async import NasPPOAsyncA3C
from dhmpi.search.nas.ppo_a3c_sync import NasPPOSyncA3C

LATENCY = 2e-5  # s, of a message
CLASSES: dict[str, type[PPOSearch]] = {"async": NasPPOAsyncA3C, "sync": NasPPOSyncA3C}
# Returns reward and duration [virtual s] of a point.
Evaluate = Callable[[Point], tuple[float, float]]


class Ended(NamedTuple):
    """An evaluation that has ended.

    Attributes:
        time: When [virtual s].
        reward: What it was worth.
        values: The decisions.
    """

    time: float
    reward: float
    values: tuple[int, ...]


class Network:
    """The ranks, their messages, and what time it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self.outbox: list[tuple[int, Message]] = []
        self.wakes: list[float] = []


class VirtualMailbox:
    """Mailbox of a simulated rank, by which it sends; it receives from the simulation."""

    def __init__(self, network: Network, rank: int) -> None:
        self._network, self.rank = network, rank

    def send(self, destination: int, tag: int, payload: Any = None) -> None:
        """Send when the rank has done what it is doing."""
        self._network.outbox.append((destination, Message(self.rank, tag, payload)))

    def receive(self) -> None:
        """Return nothing."""

    def give_up(self, ranks: Iterable[int]) -> None:
        """Do nothing: no virtual rank keeps others waiting."""


class VirtualEvaluator:
    """Workers that only wait.

    Args:
        network: What time it is.
        num_workers: How many they are.
        evaluate: What they would find, and how long it would take them.
        ended: Gets every evaluation that has ended.
    """

    seed, maximises = 0, False

    def __init__(self, network: Network, num_workers: int, evaluate: Evaluate, ended: list[Ended]) -> None:
        self._network, self.num_workers, self._evaluate, self._ended = network, num_workers, evaluate, ended
        self.running: list[tuple[float, int, float, Evaluation]] = []  # end, id, reward

    @property
    def num_idle(self) -> int:
        """Number of them that wait for work."""
        return self.num_workers - len(self.running)

    def hosts(self) -> list[str]:
        """Return nothing: they are nowhere."""
        return []

    def submit(self, evaluation: Evaluation, config: Point | None = None) -> None:
        """Begin an evaluation."""
        reward, seconds = self._evaluate(evaluation.point)
        begun = self._network.now
        running = evaluation._replace(started=begun, ended=begun + seconds)
        heapq.heappush(self.running, (begun + seconds, evaluation.id, reward, running))
        self._network.wakes.append(begun + seconds)

    def gather(self, timeout: float) -> list[Evaluation]:
        """Return what has ended."""
        found = []
        while self.running and self.running[0][0] <= self._network.now:
            end, _, reward, evaluation = heapq.heappop(self.running)
            self._ended.append(Ended(end, reward, tuple(evaluation.point.values())))
            found.append(evaluation._replace(objective=-reward, state=State.DONE))
        return found

    def cancel(self, timeout: float) -> list[Evaluation]:
        """Stop all."""
        return [each[-1]._replace(state=State.CANCELLED) for each in self.running]

    def shutdown(self) -> None:
        """Do nothing: no rank has to leave."""


class NoDrain(Drain):
    """Lets evaluations begin until the horizon, where the simulation stops, not the search."""

    def may_begin(self) -> bool:
        """Return True."""
        return True


class Fleet:
    """A search by agents.

    Args:
        mode: async or sync.
        problem: Name of the problem.
        num_agents: How many agents there are.
        num_workers: How many workers all of them have together.
        evaluate: What workers find, and how long it takes them.
        seed: Of the search.
        max_evals: Evaluations after which it ends, or None.
        horizon: When it ends [virtual s].
        slowdown: Virtual seconds for a second of computing.
        patience: See `Ledger`.
        **options: Of the search.

    Attributes:
        ended: All evaluations in the order in which they were taken note of.
        coordinator: Rank 0.
        computing: Seconds that each rank has computed.
        store: The results.
    """

    def __init__(
        self,
        mode: str,
        problem: str,
        num_agents: int,
        num_workers: int,
        evaluate: Evaluate,
        seed: int,
        max_evals: int | None = None,
        horizon: float = float("inf"),
        slowdown: float = 1.0,
        patience: int = PATIENCE,
        **options: Any,
    ) -> None:
        self._network, self._horizon, self._slowdown = Network(), horizon, slowdown
        self.search = CLASSES[mode](problem, seed=seed, agents=num_agents, **options)
        own = self.search.own_options
        self.roles = Roles.of_agents(num_agents + (mode == "async"), num_agents, mode == "async", True)
        self.ended: list[Ended] = []
        self._directory = TemporaryDirectory()
        metadata = Metadata(self.search.name, problem, self.search.space.specs())
        self.store = ResultsStore.create(Path(self._directory.name) / "results.h5", metadata)
        state, stale = self.search.first_state(), own.most_stale(num_agents)
        server = ParameterServer(state, own, Scale(), stale) if mode == "async" else None
        self._ranks: dict[int, list[Any]] = {}
        self.evaluators = []
        for number, rank in enumerate(self.roles.agents):
            own_workers = num_workers * (number + 1) // num_agents - num_workers * number // num_agents
            evaluator = VirtualEvaluator(self._network, own_workers, evaluate, self.ended)
            self.evaluators.append(evaluator)
            kind = AsyncAgent if mode == "async" else SyncAgent
            mailbox = VirtualMailbox(self._network, rank)
            self._ranks[rank] = [kind(self.search, evaluator, self.roles, mailbox, self.clock)]

        def start(rank: int) -> Start:
            now, scale = (state, Scale()) if server is None else (server.state(), server.scale)
            return Start(now, scale, stale, 0, 0)

        budget = Budget(Limits(), clock=self.clock)
        budget.drain = NoDrain(None if horizon == float("inf") else horizon, clock=self.clock)
        self.coordinator = Coordinator(
            Team(self.roles, VirtualMailbox(self._network, 0), num_workers),
            self.store,
            Ledger(max_evals, None, self.search.space.size, patience),
            Teaching(start, server),
            budget,
            Progress(1, Limits(), None, quiet=True),
        )
        self._ranks.setdefault(0, []).insert(0, self.coordinator)
        self.computing = dict.fromkeys(self._ranks, 0.0)

    def clock(self) -> float:
        """Return what time it is [virtual s]."""
        return self._network.now

    def run(self) -> "Fleet":
        """Run it to its end."""
        for _ in self.steps():
            pass
        self.store.close(self.coordinator.why)
        self._directory.cleanup()
        return self

    def steps(self) -> Iterator[float]:
        """Run it, and yield the time after each step of a rank."""
        network, numbers = self._network, count()
        events: list[tuple[float, int, int, Message | None]] = [
            (0.0, next(numbers), rank, None) for rank in sorted(self._ranks)
        ]
        free = dict.fromkeys(self._ranks, 0.0)
        waiting: dict[int, list[Message]] = {rank: [] for rank in self._ranks}
        while events and not self.coordinator.is_over:
            moment, _, rank, message = heapq.heappop(events)
            if moment >= self._horizon:
                return
            if message is not None:
                waiting[rank].append(message)
            if moment < free[rank]:
                if (message is not None and len(waiting[rank]) == 1) or message is None:
                    heapq.heappush(events, (free[rank], next(numbers), rank, None))
                continue
            network.now = moment
            messages, waiting[rank] = waiting[rank], []
            begun = time.thread_time()
            self._work(rank, messages)
            cost = time.thread_time() - begun
            self.computing[rank] += cost
            end = free[rank] = moment + self._slowdown * cost
            for destination, sent in network.outbox:
                heapq.heappush(events, (end + LATENCY, next(numbers), destination, sent))
            for wake in network.wakes:
                heapq.heappush(events, (max(wake, end), next(numbers), rank, None))
            network.outbox, network.wakes = [], []
            yield end

    def _work(self, rank: int, messages: list[Message]) -> None:
        """Let a rank do all that it can do now."""
        members = self._ranks[rank]
        for message in messages:
            member = members[-1] if is_for_agent(message.tag) else members[0]
            member.take(message)
        moved = True
        while moved:
            moved = False
            for member in members:
                moved = member.advance() or moved

    def utilisation(self) -> float:
        """Return the share of the workers' time, up to the horizon, in which they evaluate."""
        running = [each[-1] for evaluator in self.evaluators for each in evaluator.running]
        ended = [each.ended - each.started for each in self.store.evaluations if each.state is State.DONE]
        left = [max(0.0, self._horizon - each.started) for each in running]
        num = sum(evaluator.num_workers for evaluator in self.evaluators)
        return (sum(ended) + sum(left)) / (num * self._horizon)


def best_so_far(ended: list[Ended]) -> np.ndarray:
    """Return the best reward after each evaluation."""
    return np.maximum.accumulate([each.reward for each in ended])
