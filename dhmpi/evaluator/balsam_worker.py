"""Program of a Balsam job: one evaluation, which it takes from the job and whose outcome it puts there.

A job of one rank supervises a child, because Balsam's launchers in serial mode neither stop a job that is killed, nor
take a job for failed that ends with status 1, 255 or -11: they start it again, up to three times.
"""

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from dhmpi.errors import EXIT_FAILURE, LoadError
from dhmpi.evaluation import Report, State
from dhmpi.evaluator.balsam_jobs import OwnJob, Reply, Request, UnreachableError
from dhmpi.execution.executor import Executor
from dhmpi.execution.executor_choice import local_executor
from dhmpi.execution.runner import Outcome
from dhmpi.mpi.comm import leave_at_once
from dhmpi.support import environment
from dhmpi.support.printing import tell

T = TypeVar("T")

# How often to see whether the job has been killed [s]; one database may have thousands of jobs running.
LOOK_INTERVAL = 10.0
# For how long, and how often, to try to reach a database that does not answer [s].
PATIENCE, RETRY_INTERVAL = 900.0, 5.0


class JobKilled(Exception):  # noqa: N818  # nothing is wrong
    """The job has been killed or deleted."""


def main() -> None:
    """Evaluate what the job of this process asks for."""
    job = _patiently(OwnJob)
    request = job.request
    os.environ.update(request.variables)
    os.chdir(request.directory)
    sys.path += [entry for entry in request.path if entry not in sys.path]
    if request.num_ranks > 1:
        _run_rank(job, request)
        return
    signal.signal(signal.SIGTERM, _leave)
    with contextlib.suppress(JobKilled):
        reply = supervise(request, job.begin, job.is_wanted)
        _patiently(lambda: job.reply(reply))


def supervise(request: Request, begin: Callable[[float], None], is_wanted: Callable[[], bool]) -> Reply:
    """Evaluate in a child.

    Args:
        request: What to evaluate.
        begin: Called with the time when it begins.
        is_wanted: Tells whether to go on.

    Raises:
        JobKilled: It is not wanted any more.
    """
    executor = local_executor(request.setup, "process")
    watch = _Watch(is_wanted)
    try:
        watch.look()  # launchers in serial mode fetch jobs long before they start them, and do not ask again
        executor.load()
        while not executor.ready:
            watch.poll(executor)
        _try(begin, time.time())
        reports: list[Report] = []
        executor.hear(reports.extend)
        executor.submit([request.task])
        while not (outcomes := watch.poll(executor)):
            continue
        return Reply(environment.hostname(), outcomes[0]._replace(reports=tuple(reports)))
    except LoadError as error:
        return Reply(environment.hostname(), None, str(error), error.details)
    finally:
        executor.close()


def _run_rank(job: OwnJob, request: Request) -> None:
    """Evaluate together with the job's other ranks; the first one's outcome counts."""
    is_first = environment.launch().rank == 0
    executor = local_executor(request.setup, "inline")
    try:
        executor.load()
        if is_first:
            _try(job.begin, time.time())
        reports: list[Report] = []
        executor.hear(reports.extend)
        executor.submit([request.task])
        outcome = executor.poll(0.0)[0]
        reply = Reply(environment.hostname(), outcome._replace(reports=tuple(reports)))
    except LoadError as error:
        reply = Reply(environment.hostname(), None, str(error), error.details)
    if is_first:
        _patiently(lambda: job.reply(reply))
    if reply.outcome is None or reply.outcome.state is not State.DONE:
        # The other ranks may wait for this one, which the end of it ends; but first the first one has its say.
        tell(reply.outcome.error if reply.outcome else reply.error)
        time.sleep(0.0 if is_first else RETRY_INTERVAL)
        leave_at_once(EXIT_FAILURE)


class _Watch:
    """Looks, now and then, whether the job is wanted."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self._is_wanted = is_wanted
        self._next = time.monotonic() + LOOK_INTERVAL * (0.5 + random.random())

    def poll(self, executor: Executor) -> list[Outcome]:
        outcomes = executor.poll(min(0.5, executor.seconds_left))
        if not outcomes and time.monotonic() >= self._next:
            self.look()
            self._next += LOOK_INTERVAL
        return outcomes

    def look(self) -> None:
        with contextlib.suppress(UnreachableError):  # the evaluation matters more
            if not self._is_wanted():
                raise JobKilled


def _try(tell: Callable[[float], None], value: float) -> None:
    with contextlib.suppress(UnreachableError):  # only needed to notice a node that is gone
        tell(value)


def _patiently(call: Callable[[], T]) -> T:
    """Try again while the database is away, or has too many clients: an evaluation may have taken hours."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except UnreachableError:
            if time.monotonic() > end:
                raise
            time.sleep(RETRY_INTERVAL * (0.5 + random.random()))


def _leave(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)
