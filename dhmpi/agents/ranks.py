"""Resources of each rank of a search by agents, and how the ranks other than 0 serve."""

import traceback
from collections.abc import Callable
from itertools import chain
from typing import TextIO

from dhmpi.agents.agent import COORDINATOR, Agent
from dhmpi.agents.layout import AgentLayout
from dhmpi.agents.protocol import AgentTag, Post, drive
from dhmpi.control.signals import leave_to_search_rank
from dhmpi.errors import EXIT_FAILURE, LoadError
from dhmpi.evaluator import Evaluator
from dhmpi.evaluator.factory import make
from dhmpi.evaluator.mpi import MPIEvaluator
from dhmpi.evaluator.mpi_protocol import WorkerEnd
from dhmpi.evaluator.mpi_ranks import limit_threads, own_output, serve
from dhmpi.evaluator.pool import PoolEvaluator
from dhmpi.execution.choice import local_executor
from dhmpi.execution.executor import Executor, Setup
from dhmpi.mpi import job
from dhmpi.mpi.comm import Backoff, leave_at_once
from dhmpi.mpi.job import Conversation, Loss, follow
from dhmpi.mpi.memory import Mailboxes
from dhmpi.support import environment


class RankResources:
    """Resources of this rank.

    Args:
        layout: Who does what.
        rank: This rank.
        comm: What all ranks say to each other; None without MPI.
        group: The same for an agent and those that evaluate for it; None where agents evaluate themselves.
        evaluator: That of an agent on this rank, or None.
        executor: Where this rank evaluates for an agent, or None.
        unloadable: Why the agent on this rank cannot evaluate, or None.

    Attributes:
        post: Delivers messages between agents and rank 0.
        worker_ranks: Ranks of the evaluator's workers by its own numbers; none if it runs on this rank.
    """

    def __init__(
        self,
        layout: AgentLayout,
        rank: int,
        comm: Conversation | None,
        group: Conversation | None,
        evaluator: Evaluator | None,
        executor: Executor | None,
        unloadable: LoadError | None,
    ) -> None:
        self.rank, self.comm, self.evaluator, self.unloadable = rank, comm, evaluator, unloadable
        self.post: Post = Mailboxes(1).post(0) if comm is None else comm
        self._group, self._executor = group, executor
        self.worker_ranks: tuple[int, ...] = ()
        if evaluator is not None and group is not None:
            self.worker_ranks = layout.group_with(rank)

    def interrupt(self) -> None:
        """Stop user code that runs in this very process; called by a signal handler."""
        if self.evaluator is not None:
            self.evaluator.interrupt()

    def dismiss(self) -> list[int]:
        """Send those home that evaluate for this rank's agent; return those that have not answered."""
        if self.evaluator is None:
            return []
        self.evaluator.shutdown()
        stuck = self.evaluator.stuck if isinstance(self.evaluator, MPIEvaluator) else []
        return [self.worker_ranks[rank] for rank in stuck]

    def work(self, make_agent: Callable[[], Agent]) -> None:
        """Do what this rank, other than 0, is there for, until rank 0 ends it."""
        if self._executor is not None:
            assert self._group is not None
            leave_to_search_rank(self._executor.interrupt)
            if serve(WorkerEnd(self._group, self._executor)) is not None:
                # Its agent has left. What the others do without it is none of this rank's business, but rank 0 ends it.
                follow(self._wait_for_end())
            return
        leave_to_search_rank(self.interrupt)
        with own_output() as stderr:
            try:
                loss = self._be_agent(make_agent, stderr)
            except Exception:
                # Rank 0 would wait for this one until it has been silent for long enough.
                traceback.print_exc(file=stderr)
                stderr.flush()
                leave_at_once(EXIT_FAILURE)
        follow(loss)

    def _be_agent(self, make_agent: Callable[[], Agent], stderr: TextIO) -> Loss | None:
        """Search; return why rank 0 has left without a word, if it has."""
        try:
            if self.unloadable is not None:
                raise self.unloadable
            agent = make_agent()
            drive(self.post, agent)
        except LoadError as error:
            return self._give_up(AgentTag.UNLOADABLE, (str(error), error.details))
        except Exception as error:
            traceback.print_exc(file=stderr)
            stderr.flush()
            return self._give_up(AgentTag.FAILED, f"{type(error).__name__}: {error}")
        if agent.loss is not None:
            self.dismiss()
        return agent.loss

    def _give_up(self, tag: AgentTag, reason: object) -> Loss | None:
        """Tell rank 0 that there is no agent here, and wait for the end, which others may be far from.

        Returns:
            Why rank 0 has left without a word, if it has.
        """
        self.post.send(COORDINATOR, tag, reason)
        loss = self._wait_for_end()
        stuck = self.dismiss()
        if loss is None:
            self.post.send(COORDINATOR, AgentTag.BYE, stuck)
        return loss

    def _wait_for_end(self) -> Loss | None:
        """Wait until rank 0 ends the campaign; return why it has left without a word, if it has."""
        backoff = Backoff()
        while True:
            message = self.post.receive()
            if message is None:
                backoff.wait()
            elif message.tag in (AgentTag.DONE, AgentTag.ABORT):
                return None
            elif message.tag == AgentTag.LOST and message.source == COORDINATOR:
                return Loss(message.payload)


def take_place(
    layout: AgentLayout,
    setup: Setup,
    method: str,
    isolation: str,
    given: Evaluator | None,
    num_workers: int | None,
) -> RankResources:
    """Join the campaign that has begun, and prepare what this rank needs; every rank of the job calls this.

    Args:
        layout: Who does what.
        setup: What to run.
        method: How agents evaluate.
        isolation: `process` or `inline`.
        given: An evaluator that somebody has made for the agent on this rank, or None.
        num_workers: Evaluations at the same time for each agent that does not evaluate on ranks.

    Raises:
        InputError: An option cannot be used.
    """
    rank, evaluator, executor, unloadable = environment.launch().rank, None, None, None
    has_groups, is_agent = bool(layout.groups[0]), rank in layout.agents
    if any(rank in group for group in layout.groups):
        executor = local_executor(setup, isolation, redirect=True)
        executor.open()
    elif is_agent and not has_groups and (given or num_workers or method in ("serial", "balsam")):
        evaluator = given or make(method, setup, num_workers, isolation)
        if isinstance(evaluator, PoolEvaluator):
            evaluator.open()
    comm = group = None
    threads = None
    if layout.size > 1:
        comm = job.current().converse()
        members = layout.group_with(rank)
        group = job.current().converse(members) if has_groups and members else None
        threads = job.current().num_threads([*chain(*layout.groups)] if has_groups else layout.agents)
    if executor is not None and threads is not None:
        limit_threads(executor, isolation, threads)
    elif is_agent and group is not None:
        evaluator = MPIEvaluator(group, signs=isolation == "process")
    elif is_agent:
        evaluator = evaluator or make(method, setup, threads or environment.num_cores(), isolation)
        unloadable = _start(evaluator, isolation, threads)
    return RankResources(layout, rank, comm, group, evaluator, executor, unloadable)


def _start(evaluator: Evaluator, isolation: str, threads: int | None) -> LoadError | None:
    """Start an agent's own evaluator, with its share of the cores if there is one; return why it cannot load, if so."""
    if threads is not None and isinstance(evaluator, PoolEvaluator):
        evaluator.divide(threads)
    if threads is not None and isolation == "inline":
        environment.limit_threads(max(1, threads // max(1, evaluator.num_workers)))
    try:
        evaluator.start()
    except LoadError as error:
        return error
    return None
