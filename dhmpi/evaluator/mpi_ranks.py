"""Joining the ranks of an MPI job: the search rank gets an evaluator, the workers evaluate for it."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TextIO

from dhmpi.errors import EXIT_FAILURE, OptionError
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.evaluator.mpi import MPIEvaluator
from dhmpi.evaluator.mpi_group import worker_end
from dhmpi.evaluator.mpi_protocol import WorkerEnd
from dhmpi.evaluator.pool import SerialEvaluator
from dhmpi.execution.executor import Executor, Setup
from dhmpi.execution.executor_choice import local_executor
from dhmpi.mpi import job
from dhmpi.mpi.comm import GroupCommunicator, leave_at_once
from dhmpi.mpi.job import Loss
from dhmpi.mpi.roles import Roles
from dhmpi.support import environment

Prepare = Callable[[Callable[[], None]], None]


def join(setup: Setup, isolation: str, prepare: Prepare = lambda interrupt: None) -> Evaluator | None:
    """Join the campaign that has begun; every rank of the job calls this.

    Args:
        setup: What to run.
        isolation: `process` or `inline`.
        prepare: Called on worker ranks before they serve, with what interrupts user code in the rank's own process.

    Returns:
        On the search rank, an evaluator of the workers, or of this rank if there is no other. On the workers None, when
        they have evaluated what they were sent and the search rank has told them to stop.
    """
    roles, executor = Roles.on_ranks(job.num_ranks(needs_mpi=True)), None
    if environment.launch().rank in roles.workers:
        executor = local_executor(setup, isolation, redirect=True)
        executor.open()
    comm = job.current().converse()
    try:
        roles = roles.placed(job.current().comm.nodes).with_slots(setup.slot)
    except OptionError:
        if comm.rank == 0:
            raise
        if executor is not None:
            executor.close()
        return None  # rank 0 says it, and may go on
    if comm.rank in roles.workers:
        executor = executor or local_executor(setup, isolation, redirect=True)  # the launcher has not told the rank
        limit_threads(executor, isolation, roles.threads(comm.rank))
        executor.settle(roles.place(comm.rank))
        prepare(executor.interrupt)
        job.follow(serve(worker_end(comm, executor, roles, isolation, comm.rank)))
        return None
    if comm.rank in roles.spare:
        if executor is not None:
            executor.close()
        return None
    if roles.workers:
        return MPIEvaluator(
            comm, has_heartbeats=isolation == "process", roles=roles, workers=roles.team_leaders(roles.workers)
        )
    executor = local_executor(setup, isolation)
    if isolation == "inline":
        executor.connect = GroupCommunicator(job.current().comm, (comm.rank,)).connect
    return SerialEvaluator(executor, setup.slot)


def limit_threads(executor: Executor, isolation: str, threads: int) -> None:
    """Give the user code of an executor so many threads, unless OMP_NUM_THREADS is set."""
    executor.threads = threads
    if isolation == "inline":
        environment.limit_threads(threads)


def serve(end: WorkerEnd) -> Loss | None:
    """Evaluate for the search rank until it sends STOP; return its loss, if it is lost."""
    with evaluations_output():
        return end.serve()


@contextlib.contextmanager
def evaluations_output() -> Iterator[TextIO]:
    """Let standard output and error become the evaluations', which they do inline, and give them back at the end.

    An exception is shown on what standard error was, and this rank leaves at once: others would wait for it until it
    has been silent for long enough.

    Yields:
        What standard error was; each line is there at once.
    """
    kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    try:
        with os.fdopen(os.dup(2), "w", buffering=1) as stderr:
            try:
                yield stderr
            except Exception:
                traceback.print_exc(file=stderr)
                leave_at_once(EXIT_FAILURE)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, copy in kept.items():
            os.dup2(copy, descriptor)
            os.close(copy)
