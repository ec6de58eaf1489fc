"""Executors: the place where one evaluation at a time runs, in this process or in a child."""

import logging
import math
import os
import select
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import Report, State
from dhmpi.execution.context import NO_FEEDBACK, Feedback, Notice
from dhmpi.execution.fresh_main import LOADING
from dhmpi.execution.output import Output
from dhmpi.execution.pickles import PickledRun
from dhmpi.execution.runner import (
    Outcome,
    RunFunction,
    Task,
)
from dhmpi.support import environment
from dhmpi.support.loader import run_name
from dhmpi.support.place import Place
from dhmpi.support.resources import Resources, SlotOptions

log = logging.getLogger(__name__)

# Seconds for which short evaluations are run, or sent, as one batch.
BATCH_TIME = 1e-3
# How long an evaluation that is told to stop may take to do so, before its process is ended [s].
STOP_GRACE = 10.0
# How long one that knows of the end of the time may take to say what became of it, when it is cancelled [s].
SAVE_GRACE = 0.5


OnReports = Callable[[Sequence[Report]], object]


class GroupLostError(Exception):
    """Raised when ranks that evaluate together have lost each other, and can go on no more; the text says why."""


@dataclass(frozen=True)
class Setup:
    """Settings of an executor.

    Attributes:
        run: The run function, its name or its pickle.
        timeout: Seconds that an evaluation may take, or None.
        files: Directory for what evaluations print and write.
        resources: What an evaluation gets, where that is not simply a process.
        logs: Of which evaluations is kept what they print: all, failures or none.
        slot: How many ranks, and which GPUs, an evaluation gets.
        engine: An executor of `concurrent.futures` where evaluations run, or its name, or None.
        feedback: What user code hears while it runs.
    """

    run: RunFunction | str | PickledRun
    timeout: float | None = None
    files: str = "results.h5.files"
    resources: Resources = field(default_factory=Resources)
    logs: str = "all"
    slot: SlotOptions = field(default_factory=SlotOptions)
    engine: object = None
    feedback: Feedback = NO_FEEDBACK

    @classmethod
    def of(cls, run: "RunFunction | str | Setup") -> "Setup":
        """Return a run function's setup; a setup is its own."""
        return run if isinstance(run, Setup) else cls(run)

    def named(self) -> "Setup":
        """Return the setup with the run function's name, by which any interpreter finds it.

        Raises:
            OptionError: It has none; or such an interpreter has just imported the script that calls this.
        """
        _refuse_while_loading()
        name = self._name()
        if name is None:
            raise OptionError(
                f"{option_name('run')} must be a function that another interpreter can import, got {self.run!r}; "
                + self._remedy()
            )
        return replace(self, run=name)

    def portable(self) -> "Setup":
        """Return the setup with the run function's name or, if it has none, its pickle.

        Raises:
            OptionError: It cannot be pickled; or such an interpreter has just imported the script that calls this.
        """
        _refuse_while_loading()
        if isinstance(self.run, PickledRun):
            return self
        name = self._name()
        if name is not None:
            return replace(self, run=name)
        return self._pickled()

    def for_others(self) -> "Setup":
        """Return the setup for interpreters that others have started, perhaps in another directory; see `portable`.

        A function of the script itself goes as a pickle: that script is not to be run again there.
        """
        _refuse_while_loading()
        if getattr(self.run, "__module__", None) == "__main__":
            return self._pickled()
        setup = self.portable()
        if isinstance(setup.run, str):
            location, colon, attribute = setup.run.rpartition(":") if ":" in setup.run else (setup.run, "", "")
            if location.endswith(".py"):
                setup = replace(setup, run=f"{os.path.abspath(os.path.expanduser(location))}{colon}{attribute}")
        return setup

    def _pickled(self) -> "Setup":
        assert callable(self.run)
        return replace(self, run=PickledRun.of(self.run, option_name("run"), self._remedy()))

    def _name(self) -> str | None:
        return self.run if isinstance(self.run, str) else run_name(self.run)

    def _remedy(self) -> str:
        return (
            f"define it at the top of a module, or set {option_name('isolation')} to 'inline' or "
            f"{option_name('evaluator')} to threadPool"
        )


def _refuse_while_loading() -> None:
    if LOADING in os.environ:
        raise OptionError(
            f"evaluations must not be started by the import of a run function, got {os.environ[LOADING]!r}; "
            "put what starts them under if __name__ == '__main__':"
        )


class Executor(ABC):
    """Runs evaluations one after the other.

    Calls come in this order: `load` once, then `poll` until it is `ready`; then `submit` and `poll` until no task is
    left, again and again; `cancel` in between; `close` at the end. Tasks come in lists, since a list of many short ones
    travels at the cost of one.

    Attributes:
        ready: Whether the run function is loaded.
        threads: How many threads user code may have in a process of its own; None: as many as there are cores.
        place: Which worker this is, and its GPUs.
        connect: Returns a communicator for user code that runs in this process, if there can be one; see `Runner`.
        watch: Says while user code does the evaluation of an id in this process whether it is to be stopped.
        join_with: Says of a rank that does not lead that its user code, in this process, reports.
        decide_with: Says to the other ranks whether user code of the leader, in this process, wants to end.
        wants_comm: Whether the run function takes a communicator.
        timeout: Seconds that an evaluation may take, or None.
    """

    ready = False
    timeout: float | None = None
    threads: int | None = None
    place = Place()
    connect: Callable[[int], Any] | None = None
    watch: Callable[[int], bool] | None = None
    join_with: Callable[[], None] | None = None
    decide_with: Callable[[Notice], bool] | None = None
    wants_comm = False

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()
        self._on_reports: OnReports = list
        self._listener: Callable[[], None] | None = None

    def hear(self, on_reports: OnReports, listen: Callable[[], None] | None = None) -> None:
        """Say who takes reports.

        Args:
            on_reports: Takes what evaluations report, as soon as it comes.
            listen: Looks for notices, to `tell` them, while user code runs in this process.
        """
        self._on_reports, self._listener = on_reports, listen

    @property
    def busy(self) -> bool:
        """Whether there are tasks without an outcome."""
        return bool(self._tasks)

    @property
    def has_answers(self) -> bool:
        """Whether user code waits for notices that answer its reports."""
        return False

    @property
    def descriptor(self) -> int | None:
        """File descriptor that is readable when `poll` has something to do; None: at once, or nothing to wait for."""
        return None

    @property
    def seconds_left(self) -> float:
        """Return after how long `poll` has something to do although nothing is readable."""
        return math.inf

    def settle(self, place: Place, *others: Place) -> None:
        """Take a place; to be called before `load`, and inline before anything of the user's is imported.

        Args:
            place: This rank's.
            others: Those of the ranks that it leads, if they are here.
        """
        self.place = place

    def divide(self, threads: int) -> None:
        """Let user code have so many threads; to be called before `load`."""
        self.threads = threads

    def open(self) -> None:  # noqa: B027  # not all start processes
        """Start what must run before MPI starts, since a later process could inherit parts of MPI."""

    @abstractmethod
    def load(self) -> None:
        """Begin to load the run function; a second time does nothing.

        Raises:
            LoadError: It cannot be loaded; a child reports that at a later `poll`.
        """

    @abstractmethod
    def submit(self, tasks: Sequence[Task]) -> None:
        """Begin to evaluate tasks, in their order."""

    @abstractmethod
    def poll(self, timeout: float) -> list[Outcome]:
        """Return the outcomes there are; wait up to `timeout` seconds for the first."""

    @abstractmethod
    def cancel(self) -> None:
        """Stop what is running; `poll` then returns all tasks, CANCELLED unless they have just ended."""

    def interrupt(self) -> None:  # noqa: B027  # most run user code elsewhere
        """Stop user code that runs in this process; called by a signal handler."""

    def tell(self, notice: Notice) -> None:  # noqa: B027  # not all can reach what is running
        """Give the evaluation that is running a notice; one that must stop and does not is ended after a while."""

    @abstractmethod
    def close(self) -> None:
        """Release the executor's resources, and end what runs in it."""

    def _environment(self) -> dict[str, str]:
        """Return the environment of a process that runs user code."""
        return self.place.environment(environment.child_environment(threads=self.threads))

    def _cancelled(self, began: float | None = None, output: Output | None = None) -> list[Outcome]:
        """Give up all tasks.

        Args:
            began: When the first one began [s since 1970-01-01 UTC]; None if none has.
            output: What it has printed, if that is kept.
        """
        now = time.time()
        outcomes = [Outcome(task.id, State.CANCELLED, None, now, now) for task in self._tasks]
        if outcomes and began is not None:
            outcomes[0] = outcomes[0]._replace(started=min(began, now))
            if output is not None:
                outcomes[0] = output.explain(outcomes[0])
        self._tasks.clear()
        return outcomes


def readable(descriptors: Iterable[int], timeout: float) -> bool:
    """Wait up to `timeout` seconds until one of the descriptors is readable, and return whether one is."""
    poll = select.poll()  # select.select takes no descriptor above 1023
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(math.ceil(max(0.0, timeout) * 1000)))
