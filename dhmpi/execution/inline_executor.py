"""Executor that runs user code in this process."""

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

from dhmpi.evaluation import Report, State
from dhmpi.execution.context import Channel, Link, Notice
from dhmpi.execution.executor import BATCH_TIME, Executor, Setup
from dhmpi.execution.output import Output
from dhmpi.execution.runner import Outcome, RunFunction, Runner, Task, flush_streams
from dhmpi.support.place import Place

# How often inline user code of one rank is interrupted to see whether the others of its evaluation go on [s].
WATCH_INTERVAL = 0.01


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
        self._runner = Runner(run, setup.timeout, setup.files, self.place, self.connect, Link(self, setup.feedback))
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
