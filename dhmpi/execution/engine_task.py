"""Tasks of engines that are not dhmpi's: what runs in their processes, and how it is told what to do.

A process of an engine is the user's: it keeps its directory, its environment, its output and its signals.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from dhmpi.evaluation import Report
from dhmpi.execution.executor import Setup
from dhmpi.execution.fresh_main import LOADING
from dhmpi.execution.inline_executor import InlineExecutor
from dhmpi.execution.pickles import PickledRun
from dhmpi.execution.runner import Outcome, RunFunction, Task
from dhmpi.execution.thread_runner import ThreadRunner
from dhmpi.support import environment
from dhmpi.support.loader import load_run
from dhmpi.support.place import Place

# How many run functions a process keeps.
MOST_LOADED = 8
# A module that one thread is importing must not be taken by another.
_importing = threading.Lock()


class EngineJob(NamedTuple):
    """Job of an engine's campaign: what all of its evaluations have in common.

    Attributes:
        run: The run function, its name or its pickle.
        timeout: Seconds that an evaluation may take, or None.
        files: Directory for what evaluations write.
        path: Where the search finds its modules.
        owner: Host and id of the process that searches.
    """

    run: RunFunction | str | PickledRun
    timeout: float | None
    files: str
    path: tuple[str, ...]
    owner: tuple[str, int]


class HostOutcome(NamedTuple):
    """Outcome of a task, and the host where it ran."""

    host: str
    outcome: Outcome


def owner() -> tuple[str, int]:
    """Return host and id of this process."""
    return environment.hostname(), os.getpid()


def evaluate(job: EngineJob, task: Task, place: Place, number: int) -> HostOutcome:
    """Evaluate one point in this process of an engine; whatever user code raises becomes an outcome.

    Args:
        job: What to run.
        task: The point.
        place: The worker's number; which worker it is only the engine knows.
        number: Another one for each call: engines may take calls with equal arguments for one.

    Raises:
        LoadError: The run function cannot be loaded here.
    """
    is_owners = job.owner == owner()
    run = job.run if callable(job.run) else _loaded(job.run, job.path, is_owners)
    with _marked(job, task.id, number):
        if threading.current_thread() is threading.main_thread():
            outcome = _in_main_thread(run, job, task, place, is_owners)
        else:
            outcome = ThreadRunner(run, job.timeout, job.files, place)(task)
            if outcome.state == "TIMEOUT":
                outcome = outcome._replace(error=f"ran longer than {job.timeout:g} s")
    return HostOutcome(environment.hostname(), outcome)


def _in_main_thread(run: RunFunction, job: EngineJob, task: Task, place: Place, is_owners: bool) -> Outcome:
    """Evaluate where signals arrive: a time-out is one, and Ctrl-C in a process of its own ends what runs there."""
    executor = InlineExecutor(Setup(run, job.timeout, job.files), load_run)
    executor.place = place
    reports: list[Report] = []
    executor.hear(reports.extend)
    executor.load()
    executor.submit([task])
    with contextlib.nullcontext() if is_owners else _interruptible(executor):
        [outcome] = executor.poll(0.0)
    return outcome._replace(reports=tuple(reports))


@contextlib.contextmanager
def _interruptible(executor: InlineExecutor) -> Iterator[None]:
    """Let SIGINT, which a terminal sends to all of its processes, cancel the evaluation."""
    before = signal.signal(signal.SIGINT, lambda signum, frame: executor.interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def _loaded(run: str | PickledRun, path: tuple[str, ...], is_owners: bool) -> RunFunction:
    with _importing:
        return _load_once(run, path, is_owners)


@lru_cache(MOST_LOADED)
def _load_once(run: str | PickledRun, path: tuple[str, ...], is_owners: bool) -> RunFunction:
    if is_owners:
        return load_run(run if isinstance(run, str) else run.load())
    sys.path.extend(entry for entry in path if entry not in sys.path)
    os.environ[LOADING] = run if isinstance(run, str) else run.label
    try:
        return load_run(run if isinstance(run, str) else run.load())
    finally:
        del os.environ[LOADING]


# --- the mark of an evaluation that has begun, and may have to be given up


def mark(files: str, id: int, number: int) -> Path:
    """Return the file that is there while a call of `evaluate` runs, and holds its host."""
    return Path(files) / f"evaluation-{id:06d}.running-{number}"


@contextlib.contextmanager
def _marked(job: EngineJob, id: int, number: int) -> Iterator[None]:
    """Let the search see when an evaluation with a time-out has begun: engines may keep it waiting for hours."""
    if job.timeout is None:
        yield
        return
    file = mark(job.files, id, number)
    with contextlib.suppress(OSError):  # then the search waits for it
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(environment.hostname())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink()
