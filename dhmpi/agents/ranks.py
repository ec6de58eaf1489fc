"""What each rank of a search by agents has, and how the ranks other than 0 serve."""

import atexit
import contextlib
import os
import traceback
from collections.abc import Callable
from typing import TextIO

from dhmpi import environ
from dhmpi.agents.agent import COORDINATOR, Agent
from dhmpi.agents.layout import Label, Layout
from dhmpi.agents.protocol import Post, Tag, drive
from dhmpi.errors import EXIT_FAILURE, LoadError, ProtocolError
from dhmpi.evaluator import Evaluator, MPIEvaluator
from dhmpi.evaluator.executor import Executor, Setup
from dhmpi.evaluator.factory import make
from dhmpi.evaluator.local import local_executor
from dhmpi.evaluator.ranks import serve
from dhmpi.mpi.comm import Backoff, Communicator, Message, connect, leave_at_once
from dhmpi.mpi.local import Mailboxes
from dhmpi.mpi.protocol import EXIT_SEARCH_RANK_LOST, FLUSH_TIME, WorkerEnd
from dhmpi.signals import leave_to_search_rank


class Place:
    """What this rank has.

    Args:
        layout: Who does what.
        rank: This rank.
        comm: All ranks; None without MPI.
        group: An agent and those that evaluate for it; None where agents evaluate themselves.
        evaluator: That of an agent on this rank, or None.
        executor: Where this rank evaluates for an agent, or None.
        unloadable: Why the agent on this rank cannot evaluate, or None.

    Attributes:
        post: Delivers messages between agents and rank 0.
        worker_ranks: Ranks of the evaluator's workers by its own numbers; none if it runs on this rank.
    """

    def __init__(
        self,
        layout: Layout,
        rank: int,
        comm: Communicator | None,
        group: Communicator | None,
        evaluator: Evaluator | None,
        executor: Executor | None,
        unloadable: LoadError | None,
    ) -> None:
        self.rank, self.comm, self.evaluator, self.unloadable = rank, comm, evaluator, unloadable
        self.post: Post = Mailboxes(1).post(0) if comm is None else comm
        self._group, self._executor = group, executor
        self.worker_ranks: tuple[int, ...] = ()
        if evaluator is not None and group is not None:
            self.worker_ranks = (rank, *layout.groups[layout.group_of(rank)])

    def interrupt(self) -> None:
        """Stop user code that runs in this very process; called by a signal handler."""
        if self.evaluator is not None:
            self.evaluator.interrupt()

    def dismiss(self, has_losses: bool) -> bool:
        """Send those home that evaluate for this rank's agent.

        Args:
            has_losses: Whether a rank of the job has died.

        Returns:
            Whether none of them is stuck.
        """
        if self._group is not None and has_losses:
            self._group.note_losses()
        if self.evaluator is None:
            return True
        self.evaluator.shutdown()
        return not isinstance(self.evaluator, MPIEvaluator) or self.evaluator.all_left

    def work(self, make_agent: Callable[[], Agent]) -> None:
        """Do what this rank, other than 0, is there for, until rank 0 ends it."""
        if self._executor is not None:
            assert self._group is not None
            leave_to_search_rank(self._executor.interrupt)
            serve(WorkerEnd(self._group, self._executor))
            return
        leave_to_search_rank(self.interrupt)
        with os.fdopen(os.dup(2), "w") as stderr:  # inline, the rank's own becomes the evaluations' output
            try:
                self._be_agent(make_agent, stderr)
            except BaseException:
                # Both MPIs would wait for this rank for ever if it went on to MPI_Finalize.
                traceback.print_exc(file=stderr)
                stderr.flush()
                leave_at_once(EXIT_FAILURE)

    def _be_agent(self, make_agent: Callable[[], Agent], stderr: TextIO) -> None:
        try:
            if self.unloadable is not None:
                raise self.unloadable
            agent = make_agent()
            drive(self.post, agent)
            has_losses = agent.has_losses
        except ProtocolError:
            self.dismiss(True)
            leave_at_once(EXIT_SEARCH_RANK_LOST)
        except LoadError as error:
            has_losses = self._give_up(Tag.UNLOADABLE, (str(error), error.details))
        except Exception as error:
            traceback.print_exc(file=stderr)
            stderr.flush()
            has_losses = self._give_up(Tag.FAILED, f"{type(error).__name__}: {error}")
        if self.comm is not None and (has_losses or self.comm.has_losses):
            self.comm.flush(FLUSH_TIME)
            leave_at_once(0)  # MPI_Finalize could wait for the dead for ever

    def _give_up(self, tag: Tag, reason: object) -> bool:
        """Tell rank 0 that there is no agent here, and wait for the end; return whether a rank of the job has died.

        A rank that ended before the others would make the launcher end them.
        """
        self.post.send(COORDINATOR, tag, reason)
        backoff = Backoff()
        while True:
            message = self.post.receive()
            if message is None:
                backoff.wait()
            elif message.tag in (Tag.DONE, Tag.ABORT):
                break
            elif is_end_of_coordinator(message):
                leave_at_once(EXIT_SEARCH_RANK_LOST)
        self.post.send(COORDINATOR, Tag.BYE, self.dismiss(message.payload))
        return bool(message.payload)


def is_end_of_coordinator(message: Message) -> bool:
    """Return whether a message is the news that rank 0 has died."""
    return message.tag == Tag.LOST and message.source == COORDINATOR


def take_place(
    layout: Layout,
    setup: Setup,
    method: str,
    isolation: str,
    given: Evaluator | None,
    num_workers: int | None,
    label: Label,
) -> Place:
    """Connect all ranks of the job, and prepare what this one needs; every rank calls this.

    Args:
        layout: Who does what.
        setup: What to run.
        method: How agents evaluate.
        isolation: `process` or `inline`.
        given: An evaluator that somebody has made for the agent on this rank, or None.
        num_workers: Evaluations at the same time for each agent that does not evaluate on ranks.
        label: How an option is called in errors.

    Raises:
        InputError: An option cannot be used.
    """
    rank, evaluator, executor, unloadable = environ.launch().rank, None, None, None
    has_groups, is_agent = bool(layout.groups[0]), rank in layout.agents
    # What starts children does so before MPI starts, since a later child could inherit parts of it.
    if any(rank in group for group in layout.groups):
        executor = local_executor(setup, isolation, redirect=True)
        if isolation == "process":
            with contextlib.suppress(LoadError):  # it loads again when it serves, and can tell its agent
                executor.load()
    elif is_agent and not has_groups:
        if method not in ("serial", "balsam"):
            num_workers = num_workers or environ.threads_per_rank()
        evaluator = given or make(method, setup, num_workers, None, isolation, label)
        try:
            evaluator.start()
        except LoadError as error:
            unloadable = error
    comm = connect() if layout.size > 1 else None
    group = comm.split(layout.group_of(rank)) if comm is not None and has_groups else None
    if is_agent and group is not None:
        evaluator = MPIEvaluator(group, signs=isolation == "process")
    return Place(layout, rank, comm, group, evaluator, executor, unloadable)


def leave(comm: Communicator | None, status: int, all_left: bool) -> None:
    """See to it that rank 0, at its exit, does not wait in MPI_Finalize for ranks that are stuck or gone."""
    if comm is None:
        return
    if not all_left:
        atexit.register(comm.abort, status)
    elif comm.has_losses:
        atexit.register(leave_at_once, status)
