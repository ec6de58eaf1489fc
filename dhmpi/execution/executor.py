"""Executors: the place where one evaluation at a time runs, in this process or in a child."""

import contextlib
import logging
import math
import os
import select
import signal
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import Report, State
from dhmpi.execution.context import NO_FEEDBACK, Channel, Feedback, Notice
from dhmpi.execution.fresh_main import LOADING
from dhmpi.execution.output import Output
from dhmpi.execution.pickles import PickledRun
from dhmpi.execution.runner import (
    Outcome,
    RunFunction,
    Runner,
    Task,
    flush_streams,
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
# How often inline user code of one rank is interrupted to see whether the others of its evaluation go on [s].
WATCH_INTERVAL = 0.01


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

    def _cancelled(self, began: float | None = None) -> list[Outcome]:
        """Give up all tasks.

        Args:
            began: When the first one began [s since 1970-01-01 UTC]; None if none has.
        """
        now = time.time()
        outcomes = [Outcome(task.id, State.CANCELLED, None, now, now) for task in self._tasks]
        if outcomes and began is not None:
            outcomes[0] = outcomes[0]._replace(started=min(began, now))
        self._tasks.clear()
        return outcomes


def readable(descriptors: Iterable[int], timeout: float) -> bool:
    """Wait up to `timeout` seconds until one of the descriptors is readable, and return whether one is."""
    poll = select.poll()  # select.select takes no descriptor above 1023
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(math.ceil(max(0.0, timeout) * 1000)))


class InlineExecutor(Executor, Channel):
    """Runs evaluations in this process: fastest, but a crash of the run function ends it.

    A time-out or a cancellation is an exception raised inside the user's Python code; it waits for code that is not
    Python to return.

    Args:
        setup: What to run.
        load_run: Loads the run function from its name.
        redirect: Whether this process's standard output and error become the evaluations' output files.
    """

    def __init__(self, setup: Setup, load_run: Callable[[object], RunFunction], redirect: bool = False) -> None:
        super().__init__()
        self._setup, self.timeout = setup, setup.timeout
        self._load_run = load_run
        self._is_stopping = False
        self._output = Output(setup.files, setup.logs) if redirect else None
        self._environment_before: dict[str, str | None] = {}
        self._notice = Notice(-1)

    def settle(self, place: Place, *others: Place) -> None:
        """Take a place, and change this process's environment at once, until `close`."""
        super().settle(place)
        if self._output is not None:
            self._output.member = place.member
        _change_environment(self._environment_before)
        changes = place.changes()
        self._environment_before = {name: os.environ.get(name) for name in changes}
        _change_environment(changes)

    def load(self) -> None:
        """Load the run function at once."""
        if self.ready:
            return
        if self._output is not None:
            flush_streams()
            os.dup2(self._output.file.fileno(), 1)
            os.dup2(self._output.file.fileno(), 2)
        run = self._load_run(self._setup.run)
        setup = self._setup
        self._runner = Runner(run, setup.timeout, setup.files, self.place, self.connect, self, setup.feedback)
        self.wants_comm = self._runner.wants_comm
        self.ready = True

    def submit(self, tasks: Sequence[Task]) -> None:
        """Keep the tasks; `poll` runs them."""
        part = tasks[0].part if tasks else None
        if part is not None and "RANK" not in self._environment_before:
            self._environment_before |= {name: os.environ.get(name) for name in part.variables()}
            _change_environment(part.variables())
        self._tasks.extend(tasks)
        self._is_stopping = False

    def poll(self, timeout: float) -> list[Outcome]:
        """Run the next task to its end, however long it takes, and those after it while that is quick."""
        outcomes: list[Outcome] = []
        end = time.perf_counter() + BATCH_TIME
        while self._tasks and not self._is_stopping:
            task = self._tasks[0]
            outcome = self._run(task)
            self._tasks.popleft()
            if self._output is not None:
                flush_streams()
                outcome = self._output.explain(outcome)
            outcomes.append(outcome)
            if time.perf_counter() > end:
                return outcomes
        return outcomes + self._cancelled() if self._is_stopping else outcomes

    def _run(self, task: Task) -> Outcome:
        limit = self._setup.timeout
        if limit is None and self.watch is None:
            return self._runner(task)
        self._deadline = math.inf if limit is None else time.monotonic() + limit
        before = signal.signal(signal.SIGALRM, self._on_alarm)
        if self.watch is None and limit is not None:
            signal.setitimer(signal.ITIMER_REAL, limit)
        else:
            signal.setitimer(signal.ITIMER_REAL, WATCH_INTERVAL, WATCH_INTERVAL)
        try:
            outcome = self._runner(task)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        if outcome.state is State.TIMEOUT:
            return outcome._replace(error=f"ran longer than {limit:g} s")
        return outcome

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if self.watch is None or time.monotonic() >= self._deadline:
            self._runner.interrupt(State.TIMEOUT)
        elif self.watch(self._tasks[0].id):
            self._is_stopping = True
            self._runner.interrupt(State.CANCELLED)

    @property
    def has_answers(self) -> bool:
        """Whether user code waits for notices."""
        return self._setup.feedback.has_answers

    @property
    def is_shared(self) -> bool:
        """Whether this is one of several ranks that evaluate together."""
        return self.join_with is not None or self.decide_with is not None

    def join(self) -> None:
        """Let the leader know that this rank reports, too."""
        if self.join_with is not None:
            with self._undisturbed():
                self.join_with()

    def decide(self, notice: Notice) -> bool:
        """Let the other ranks know whether the leader wants to end; return whether all do."""
        if self.decide_with is None:
            return notice.must_stop
        with self._undisturbed():
            return self.decide_with(notice)

    def send(self, reports: Sequence[Report]) -> None:
        """Pass on what user code reports; it is the channel of its context."""
        with self._undisturbed():
            self._on_reports(reports)

    def notice(self, id: int) -> Notice:
        """Return the latest notice to an evaluation."""
        if self._listener is not None:
            with self._undisturbed():
                self._listener()
        return self._notice if self._notice.id == id else Notice(id)

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Keep the alarm away from messages, which it looks for, too."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def tell(self, notice: Notice) -> None:
        """Give the evaluation that is running a notice."""
        self._notice = notice

    def cancel(self) -> None:
        """Keep tasks that have not begun from beginning."""
        self._is_stopping = True

    def interrupt(self) -> None:
        """Raise an exception inside the user's code."""
        self._is_stopping = True
        if self.ready:
            self._runner.interrupt(State.CANCELLED)

    def close(self) -> None:
        """Close the output, and put the environment back."""
        _change_environment(self._environment_before)
        self._environment_before = {}
        if self._output is not None:
            self._output.close()


def _change_environment(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
