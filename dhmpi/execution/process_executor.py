"""Base of executors with one process per evaluation: fresh interpreters and foreign programs."""

import contextlib
import math
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from dhmpi.evaluation import State
from dhmpi.execution.context import Notice
from dhmpi.execution.executor import SAVE_GRACE, STOP_GRACE, Executor, Setup
from dhmpi.execution.notice_board import NOBODY, NoticeBoard
from dhmpi.execution.output import Output
from dhmpi.execution.runner import Outcome, Task
from dhmpi.execution.supervisor import Ending, Supervisor
from dhmpi.support.place import Place

# How often to look at a process although there is no news of it [s].
LOOK_INTERVAL = 0.5
# And where it waits for answers to what it reports.
ANSWER_INTERVAL = 0.05


class Begin(NamedTuple):
    """Beginning of something by two clocks: durations are those of the monotonic one.

    Attributes:
        time: In seconds since 1970-01-01 UTC.
        reading: Of the monotonic clock [s].
    """

    time: float
    reading: float

    @classmethod
    def now(cls) -> Self:
        """Return this moment."""
        return cls(time.time(), time.monotonic())

    def time_of(self, reading: float) -> float:
        """Return a later reading of the monotonic clock as seconds since 1970-01-01 UTC."""
        return self.time + max(0.0, reading - self.reading)


class ExitVerdict(NamedTuple):
    """Verdict on a process that gives no outcome of its own.

    Attributes:
        state: What becomes of the evaluation.
        error: Why.
        reading: When that was decided [s, monotonic clock].
    """

    state: State
    error: str
    reading: float

    @classmethod
    def of(cls, ending: Ending) -> Self:
        """Return what becomes of a task whose process has ended by itself."""
        return cls(State.FAILED, str(ending), ending.reading)

    def outcome(self, task: Task, begin: Begin) -> Outcome:
        """Return what is known of a task that has begun then."""
        return Outcome(task.id, self.state, None, begin.time, begin.time_of(self.reading), self.error)


class ProcessExecutor(Executor):
    """Runs each evaluation in a process of its own, of which nothing is left afterwards.

    Args:
        setup: What to run, by its name.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._setup = setup
        self._output = Output(setup.files, setup.logs)
        self._supervisor = Supervisor(self._output.file)
        self._has_begun = False  # whether there is a process for the first task, or one that loads
        self._verdict: ExitVerdict | None = None
        self._is_stopping, self._saves_until = False, -math.inf
        self._begin_of_task = Begin.now()
        self._stop_by = math.inf
        self._board = NoticeBoard()

    @property
    def has_answers(self) -> bool:
        """Whether user code waits for notices."""
        return self._setup.feedback.has_answers

    def settle(self, place: Place, *others: Place) -> None:
        """Take a place; see `Executor`."""
        super().settle(place)
        self._output.member = place.member

    def open(self) -> None:
        """Start the supervisor of what runs user code."""
        with contextlib.suppress(OSError):  # the start of a process tries again, and reports why it fails
            self._supervisor.open()

    @abstractmethod
    def _launch(self, task: Task) -> None:
        """Start a task's process.

        Raises:
            OSError, ValueError: It cannot be started.
        """

    def _start(
        self, words: Sequence[str], stdin: int | None, env: Mapping[str, str], descriptors: Sequence[int] = ()
    ) -> None:
        """Start a process; see `Supervisor.start`.

        Raises:
            OSError: The supervisor cannot be started.
        """
        self._supervisor.start(words, stdin, env, descriptors)

    @abstractmethod
    def _judge(self, task: Task, ending: Ending) -> Outcome:
        """Return the outcome of a task whose process has ended by itself."""

    def _loss(self, ending: Ending) -> ExitVerdict | None:
        """Return the verdict on a process that has ended by itself, if it says nothing of its task."""
        return None

    @abstractmethod
    def _clean(self) -> None:
        """Give back what `_launch` has made, if it has."""

    def _deadline(self) -> float:
        """Return when the running process must be stopped [s, monotonic clock]."""
        return math.inf if self._setup.timeout is None else self._begin_of_task.reading + self._setup.timeout

    def _look(self, task: Task) -> None:
        """Pass on what the running process has reported."""

    def tell(self, notice: Notice) -> None:
        """Give the running evaluation a notice; see `Executor`."""
        if self._tasks and self._tasks[0].id == notice.id:
            self._board.put(notice)
            if not notice.must_stop:
                self._stop_by = math.inf  # it has come to the last step of a full training meanwhile
            elif self._has_begun:
                self._stop_by = min(self._stop_by, time.monotonic() + STOP_GRACE)

    def _has_outcome(self) -> bool:
        """Whether the outcome is known although the process may still be running."""
        return False

    @property
    def descriptor(self) -> int | None:
        """File descriptor that is readable when there is news of the process; None if there is none."""
        return self._supervisor.descriptor if self._supervisor.is_active else None

    @property
    def seconds_left(self) -> float:
        """Until the process must be stopped, or just looked at."""
        if not self._supervisor.is_active or (self._is_stopping and not self._is_saving):
            return 0.0
        due = min(self._deadline(), self._stop_by) if self._has_begun and self._supervisor.is_running else math.inf
        interval = ANSWER_INTERVAL if self._setup.feedback.has_answers else LOOK_INTERVAL
        return max(0.0, min(interval, due - time.monotonic()))

    def submit(self, tasks: Sequence[Task]) -> None:
        """Start the first task's process, if none is running; the others follow it."""
        self._tasks.extend(tasks)
        self._supervisor.look()
        self._begin()

    def poll(self, timeout: float) -> list[Outcome]:
        """Wait for the process to end, and see to it that it does in time.

        Raises:
            LoadError: What should run cannot be loaded.
        """
        if self._supervisor.is_active:
            self._supervisor.wait(min(timeout, self.seconds_left))
        elif not self._tasks and not self._has_begun:
            time.sleep(timeout)
        outcomes: list[Outcome] = []
        began = None
        if self._has_begun and self._tasks:
            self._look(self._tasks[0])
        is_stopping = self._is_stopping and not self._is_saving
        if self._has_begun and not self._supervisor.is_active:
            outcomes = self._end()
        elif is_stopping and self.ready and self._has_begun:
            outcomes = self._cancel_first()
            began = None if outcomes else self._begin_of_task.time
        elif self._has_begun and self._deadline() <= time.monotonic():
            self._stop_late()
        elif self._has_begun and self._stop_by <= time.monotonic():
            self._stop_early()
        if is_stopping:
            self._is_stopping = False
            outcomes += self._cancelled(began, self._output)
        self._begin()
        return outcomes

    def cancel(self) -> None:
        """Have the next `poll` stop the process; all tasks become CANCELLED but one that has just ended."""
        self._is_stopping, self._saves_until = bool(self._tasks), time.monotonic() + SAVE_GRACE

    @property
    def _is_saving(self) -> bool:
        """Whether the running evaluation knows of the end of the time, and is about to say what became of it."""
        if not (self._tasks and self._has_begun and self._supervisor.is_running):
            return False
        knows = self._supervisor.knows_of_end or self._board.is_acknowledged(self._tasks[0].id)
        return knows and time.monotonic() < self._saves_until

    def close(self) -> None:
        """Stop the process, and wait a little until it and whatever it has started are gone."""
        if self._has_begun:
            self._has_begun = False
            self._clean()
        self._supervisor.close()
        self._output.close()
        self._board.close()

    def _begin(self) -> None:
        """Start the next task's process, if nothing of the one before is left."""
        if not self._tasks or not self.ready or self._has_begun or self._supervisor.is_active:
            return
        self._output.clear()  # of what a cancelled one has said at last
        self._has_begun = True
        self._begin_of_task = Begin.now()
        self._board.acknowledge(NOBODY)
        try:
            self._launch(self._tasks[0])
        except (OSError, ValueError) as error:
            self._verdict = ExitVerdict(State.FAILED, f"a process must start, got {error}", time.monotonic())

    def _stop_late(self) -> None:
        """Stop a process whose time is over."""
        if self._verdict is None and self._supervisor.is_running and not self._has_outcome():
            limit = self._setup.timeout
            error = "" if limit is None else f"ran longer than {limit:g} s"
            self._verdict = ExitVerdict(State.TIMEOUT, error, time.monotonic())
        self._supervisor.stop()

    def _stop_early(self) -> None:
        """Stop a process that goes on although it was told to stop."""
        if self._verdict is None and self._supervisor.is_running and not self._has_outcome():
            self._verdict = ExitVerdict(State.STOPPED, "", time.monotonic())
        self._supervisor.stop()

    def _cancel_first(self) -> list[Outcome]:
        """Stop the running process; return the outcome of its task if there is one already."""
        is_over = self._verdict is not None or self._has_outcome() or not self._supervisor.is_running
        self._supervisor.stop()
        if is_over:
            return self._end()
        self._has_begun = False
        self._clean()
        return []

    def _end(self) -> list[Outcome]:
        """Account for a process that has ended, or could not start."""
        task, ending = self._tasks.popleft(), self._supervisor.ending
        verdict = self._verdict or self._loss(ending)
        outcome = verdict.outcome(task, self._begin_of_task) if verdict else self._judge(task, ending)
        outcome = self._output.explain(outcome)
        self._clean()
        self._has_begun, self._verdict, self._stop_by = False, None, math.inf
        return [outcome]
