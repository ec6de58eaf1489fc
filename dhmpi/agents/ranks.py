"""Resources of each rank of a search by agents, and how the ranks other than 0 serve."""

import traceback
from collections.abc import Callable
from typing import TextIO

from dhmpi.agents.agent import Agent, dismiss
from dhmpi.agents.protocol import AgentTag, Mailbox, drive
from dhmpi.control.signals import leave_to_search_rank
from dhmpi.errors import LoadError, OptionError, option_name
from dhmpi.evaluator import Evaluator
from dhmpi.evaluator.factory import make
from dhmpi.evaluator.mpi import MPIEvaluator
from dhmpi.evaluator.mpi_group import worker_end
from dhmpi.evaluator.mpi_protocol import WorkerEnd
from dhmpi.evaluator.mpi_ranks import evaluations_output, limit_threads, serve
from dhmpi.evaluator.pool import PoolEvaluator
from dhmpi.execution.executor import Setup
from dhmpi.execution.executor_choice import local_executor
from dhmpi.mpi import job
from dhmpi.mpi.comm import Backoff
from dhmpi.mpi.job import Loss, follow
from dhmpi.mpi.memory import Mailboxes
from dhmpi.mpi.roles import COORDINATOR, Roles
from dhmpi.support import environment
from dhmpi.support.place import Place


class RankResources:
    """Resources of this rank.

    Args:
        roles: What each rank does.
        mailbox: Delivers messages between agents and the coordinator.
        evaluator: That of an agent on this rank, or None.
        worker: What evaluates on this rank for an agent, or None.
        unloadable: Why the agent on this rank cannot evaluate, or None.
    """

    def __init__(
        self,
        roles: Roles,
        mailbox: Mailbox,
        evaluator: Evaluator | None,
        worker: WorkerEnd | None,
        unloadable: LoadError | None,
    ) -> None:
        self.roles, self.mailbox, self.evaluator, self.unloadable = roles, mailbox, evaluator, unloadable
        self._worker = worker

    def interrupt(self) -> None:
        """Stop user code that runs in this very process; called by a signal handler."""
        if self.evaluator is not None:
            self.evaluator.interrupt()

    def dismiss(self) -> list[int]:
        """Tell the workers of this rank's agent to leave; return those that have not answered."""
        return [] if self.evaluator is None else dismiss(self.evaluator, self.roles.group_of(self.mailbox.rank))

    def work(self, make_agent: Callable[[], Agent]) -> None:
        """Do what this rank, which does not coordinate, is there for, until the coordinator ends it."""
        if self.mailbox.rank in self.roles.spare:
            return
        if self._worker is None:
            leave_to_search_rank(self.interrupt)
            with evaluations_output() as stderr:
                loss = self._be_agent(make_agent, stderr)
            follow(loss)
            return
        leave_to_search_rank(self._worker.interrupt)
        if serve(self._worker) is not None:
            # Its agent has left. What the others do without it is none of this rank's business, but rank 0 ends it.
            follow(self._wait_for_end())

    def _be_agent(self, make_agent: Callable[[], Agent], stderr: TextIO) -> Loss | None:
        """Search; return the loss of rank 0, if it is lost."""
        try:
            if self.unloadable is not None:
                raise self.unloadable
            agent = make_agent()
            drive(self.mailbox, agent)
        except LoadError as error:
            return self._give_up(AgentTag.UNLOADABLE, (error.spelled(option_name), error.details))
        except Exception as error:
            traceback.print_exc(file=stderr)
            return self._give_up(AgentTag.FAILED, f"{type(error).__name__}: {error}")
        if agent.loss is not None:
            self.dismiss()
        return agent.loss

    def _give_up(self, tag: AgentTag, reason: object) -> Loss | None:
        """Tell rank 0 that there is no agent here, and wait for the end, which others may be far from.

        Returns:
            The loss of rank 0, if it is lost.
        """
        self.mailbox.send(COORDINATOR, tag, reason)
        loss = self._wait_for_end()
        stuck = self.dismiss()
        if loss is None:
            self.mailbox.send(COORDINATOR, AgentTag.BYE, stuck)
        return loss

    def _wait_for_end(self) -> Loss | None:
        """Wait until rank 0 ends the campaign; return its loss, if it is lost."""
        backoff = Backoff()
        while True:
            message = self.mailbox.receive()
            if message is None:
                backoff.wait()
            elif message.tag in (AgentTag.DONE, AgentTag.ABORT):
                return None
            elif message.tag == AgentTag.LOST and message.source == COORDINATOR:
                return Loss(message.payload)


def prepare_rank(
    roles: Roles,
    setup: Setup,
    method: str,
    isolation: str,
    given: Evaluator | None,
    num_workers: int | None,
) -> RankResources:
    """Join the campaign that has begun, and prepare what this rank needs; every rank of the job calls this.

    Args:
        roles: What each rank does.
        setup: What to run.
        method: How agents evaluate.
        isolation: `process` or `inline`.
        given: An evaluator that the user has made for the agent on this rank, or None.
        num_workers: Evaluations at the same time for each agent that does not evaluate on ranks.

    Raises:
        InputError: An option cannot be used.
    """
    if roles.size > 1 and method in ("processPool", "subprocess") and setup.slot.gpus_per_eval:
        raise OptionError(
            f"{option_name('gpus_per_eval')} must be left out where each agent has a pool, got "
            f"{setup.slot.gpus_per_eval:g}; agents and their pools get equal shares"
        )
    if setup.slot.ranks_per_eval > 1 and not roles.workers:
        raise OptionError(
            f"{option_name('ranks_per_eval')} must be 1 where agents evaluate in their own ranks, got "
            f"{setup.slot.ranks_per_eval}; give {option_name('agents')}, fewer than there are ranks"
        )
    rank, evaluator, executor, worker, unloadable = environment.launch().rank, None, None, None, None
    evaluates_itself = rank in roles.agents and not roles.workers
    # What user code runs in is there before MPI starts, as far as that does not depend on the cores of the others.
    if rank in roles.workers:
        executor = local_executor(setup, isolation, redirect=True)
        executor.open()
    elif evaluates_itself and (given or num_workers or method in ("serial", "balsam", "futures", "launch")):
        try:
            evaluator = given or make(method, setup, num_workers, isolation)
        except OptionError as error:
            if not roles.has_server:  # else rank 0 does not meet it, and goes on to MPI, where it would wait for ever
                raise
            unloadable = LoadError(error.spelled(option_name))
        if isinstance(evaluator, PoolEvaluator):
            evaluator.open()
            if roles.size > 1 and isolation == "inline":
                evaluator.settle(Place())  # other agents need GPUs, too: they are dealt out below
    mailbox: Mailbox = Mailboxes(1).of(0)
    if roles.size > 1:
        mailbox = job.current().converse()
        roles = roles.placed(job.current().comm.nodes).with_slots(setup.slot)
    if executor is not None and rank in roles.spare:
        executor.close()
    elif executor is not None:
        limit_threads(executor, isolation, roles.threads(rank))
        executor.settle(roles.place(rank))
        worker = worker_end(job.current().converse(roles.group_of(rank)), executor, roles, isolation, rank)
    elif evaluates_itself and unloadable is None:
        threads = roles.threads(rank) if roles.nodes else None
        evaluator = evaluator or make(method, setup, threads or environment.num_cores(), isolation)
        if roles.nodes and isinstance(evaluator, PoolEvaluator):
            evaluator.settle(roles.place(rank))
        unloadable = _start(evaluator, isolation, threads)
    elif rank in roles.agents:
        ranks = roles.group_of(rank)
        leaders = [ranks.index(leader) for leader in roles.team_leaders(ranks)]
        group = job.current().converse(ranks)
        evaluator = MPIEvaluator(group, has_heartbeats=isolation == "process", roles=roles, workers=leaders)
    return RankResources(roles, mailbox, evaluator, worker, unloadable)


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
