"""Joining the ranks of an MPI job: rank 0 gets an evaluator, the others evaluate for it."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TextIO

from dhmpi.errors import EXIT_FAILURE
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.evaluator.mpi import MPIEvaluator
from dhmpi.evaluator.mpi_protocol import WorkerEnd
from dhmpi.evaluator.pool import SerialEvaluator
from dhmpi.execution.executor import Executor, Setup
from dhmpi.execution.executor_choice import local_executor
from dhmpi.mpi import job
from dhmpi.mpi.comm import leave_at_once
from dhmpi.mpi.job import Loss
from dhmpi.support import environment

Prepare = Callable[[Callable[[], None]], None]


def join(setup: Setup, isolation: str, prepare: Prepare = lambda interrupt: None) -> Evaluator | None:
    """Join the campaign that has begun; every rank of the job calls this.

    Args:
        setup: What to run.
        isolation: `process` or `inline`.
        prepare: Called on worker ranks before they serve, with what interrupts user code in the rank's own process.

    Returns:
        On rank 0, an evaluator of the other ranks, or of this one if there is no other. On the others None, when they
        have evaluated what they were sent and rank 0 has told them to stop.
    """
    executor = None
    if environment.launch().rank > 0:
        executor = local_executor(setup, isolation, redirect=True)
        executor.open()
    comm = job.current().converse()
    if comm.rank == 0:
        if comm.size == 1:
            return SerialEvaluator(local_executor(setup, isolation))
        return MPIEvaluator(comm, has_heartbeats=isolation == "process")
    executor = executor or local_executor(setup, isolation, redirect=True)
    limit_threads(executor, isolation, job.current().num_threads(range(1, comm.size)))
    prepare(executor.interrupt)
    job.follow(serve(WorkerEnd(comm, executor)))
    return None


def limit_threads(executor: Executor, isolation: str, threads: int) -> None:
    """Give the user code of an executor so many threads, unless OMP_NUM_THREADS is set."""
    executor.threads = threads
    if isolation == "inline":
        environment.limit_threads(threads)


def serve(end: WorkerEnd) -> Loss | None:
    """Evaluate for the search rank until it sends STOP; return its loss, if it is lost."""
    with own_output() as stderr:
        try:
            return end.serve()
        except Exception:
            # Rank 0 would wait for this one until it has been silent for long enough.
            traceback.print_exc(file=stderr)
            stderr.flush()
            leave_at_once(EXIT_FAILURE)


@contextlib.contextmanager
def own_output() -> Iterator[TextIO]:
    """Restore standard output and error at the end: inline, they become the evaluations'.

    Yields:
        What standard error was.
    """
    kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    try:
        with os.fdopen(os.dup(2), "w") as stderr:
            yield stderr
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, copy in kept.items():
            os.dup2(copy, descriptor)
            os.close(copy)
