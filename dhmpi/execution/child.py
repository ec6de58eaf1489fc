"""A supervised child interpreter: its crash, or any harm by user code, costs one evaluation.

The child is a fresh interpreter, started by a supervisor from before MPI and without the variables of a rank: a forked
one would share MPI's and TensorFlow's state, and one that they describe as a rank would wait for MPI_Init for ever. It
stays between evaluations, so that the user's imports are paid once; what they have started may stay with it. Orders and
answers go as JSON lines over two pipes, so that nothing the user's code prints can be taken for a result:

    worker                                            child (`dhmpi.execution.child_main`)
    {"run", "timeout", "files", "place", ...}     ->
                                                  <-  {"ready": true} or {"error", "details"}
    [[id, point, seed], ...], when it is idle     ->
                                                  <-  {"reports": [[id, step, value, time], ...]}, while it evaluates
                                                  <-  [id, state, ..., how much has been printed], one by one

Whether an evaluation goes on is said on a `NoticeBoard`.
"""

import contextlib
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

from dhmpi.errors import LoadError
from dhmpi.evaluation import State
from dhmpi.execution.context import Notice
from dhmpi.execution.executor import BATCH_TIME, SAVE_GRACE, STOP_GRACE, Executor, Setup
from dhmpi.execution.notice_board import NOBODY, NoticeBoard
from dhmpi.execution.output import Output
from dhmpi.execution.pipes import Pipes
from dhmpi.execution.process_executor import LOOK_INTERVAL, Begin, ExitVerdict
from dhmpi.execution.runner import Outcome, Task, ended_otherwise, read_answer, read_reports
from dhmpi.execution.supervisor import GRACE, Supervisor, interpreter
from dhmpi.support.json_text import loads
from dhmpi.support.place import Place


class ChildExecutor(Executor):
    """Runs evaluations in a child that is ended at a time-out and replaced when it dies.

    Args:
        setup: What to run; the run function by its name.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._setup = setup
        self._output = Output(setup.files, setup.logs)
        self._supervisor = Supervisor(self._output.file)
        self._pipes: Pipes | None = None  # to the child, while there is one
        self._num_sent = 0  # tasks that the child has; the others wait here
        self._has_loaded = self._loaded_once = False  # this child, and any child
        self._is_stopping, self._saves_until = False, -math.inf
        self._verdict: ExitVerdict | None = None
        self._begin_of_task = Begin.now()
        self._deadline = self._stop_by = math.inf
        self._board: NoticeBoard | None = None

    @property
    def ready(self) -> bool:  # type: ignore[override]  # others set it; here it follows from what runs
        """Whether there is a child that has loaded the run function, and is not about to end."""
        return self._has_loaded and self._supervisor.is_running

    @property
    def descriptor(self) -> int | None:
        """File descriptor that is readable when the child has answered or ended; None if there is none."""
        return None if self._pipes is None else self._pipes.descriptor

    @property
    def seconds_left(self) -> float:
        """Until the running task's time is over, or the next look is due."""
        if self._is_stopping:
            return max(0.0, self._saves_until - time.monotonic()) if self._is_saving else 0.0
        return min(LOOK_INTERVAL, max(0.0, min(self._deadline, self._stop_by) - time.monotonic()))

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

    def load(self) -> None:
        """Start the child, unless there is one; whether it can load turns out at a later `poll`."""
        if self._pipes is not None:
            return
        setup = self._setup
        path = [entry for entry in sys.path if entry]
        order: dict[str, Any] = {
            "run": setup.run,
            "timeout": setup.timeout,
            "files": setup.files,
            "place": self.place,
            "path": path,
        }
        order["feedback"] = setup.feedback
        self._board = self._board or NoticeBoard()
        self._pipes = Pipes()
        try:
            commands, answers = self._pipes.child_ends
            words = interpreter("dhmpi.execution.child_main", 3, 4, 5)
            self._supervisor.start(words, None, self._environment(), (commands, answers, self._board.descriptor))
            self._pipes.watch(self._supervisor.descriptor)
        except OSError as error:
            self._verdict = ExitVerdict(State.FAILED, f"a process must start, got {error}", time.monotonic())
        self._pipes.close_child_ends()
        self._pipes.send(order)

    def submit(self, tasks: Sequence[Task]) -> None:
        """Hand tasks to the child, or to its successor if it has died or is about to."""
        self._tasks.extend(tasks)
        self.load()
        self._send_tasks()

    def poll(self, timeout: float) -> list[Outcome]:
        """Wait for the child's answers, its end or its time-out.

        Raises:
            LoadError: The child could not load the run function.
        """
        if self._pipes is None:
            time.sleep(timeout)
            return []
        if self._num_sent > 1:
            time.sleep(BATCH_TIME / 2)  # for several short evaluations one look is enough
        outcomes = self._take_in(self._pipes, min(timeout, self.seconds_left))
        if self._is_stopping and not self._is_saving:
            outcomes += self._stop()
        elif not outcomes and time.monotonic() >= self._deadline:
            self._condemn(State.TIMEOUT, f"ran longer than {self._setup.timeout:g} s")
        elif not outcomes and time.monotonic() >= self._stop_by:
            self._condemn(State.STOPPED, "")
        if not self._supervisor.is_active:
            outcomes += self._conclude()
        return outcomes

    def _stop(self) -> list[Outcome]:
        """End the child if it has a task, and give up all tasks."""
        self._is_stopping = False
        outcomes, began = [], None
        if self._num_sent:
            if self._verdict is None:
                began = self._begin_of_task.time
            else:
                outcomes = [self._verdict.outcome(self._tasks.popleft(), self._begin_of_task)]
            self._num_sent, self._deadline, self._stop_by = 0, math.inf, math.inf
            self._supervisor.stop()
        return outcomes + self._cancelled(began, self._output)

    def cancel(self) -> None:
        """Have the next `poll` end the child; tasks become CANCELLED unless their outcomes are already on their way."""
        self._is_stopping, self._saves_until = bool(self._tasks), time.monotonic() + SAVE_GRACE

    @property
    def _is_saving(self) -> bool:
        """Whether the running evaluation knows of the end of the time, and is about to say what became of it."""
        if self._board is None or not self._num_sent or time.monotonic() >= self._saves_until:
            return False
        return self.ready and self._board.is_acknowledged(self._tasks[0].id)

    def tell(self, notice: Notice) -> None:
        """Give the running evaluation a notice; see `Executor`."""
        if self._board is not None and self._tasks and self._tasks[0].id == notice.id:
            self._board.put(notice)
            if notice.must_stop and self._num_sent:
                self._stop_by = min(self._stop_by, time.monotonic() + STOP_GRACE)

    def close(self) -> None:
        """Let an idle child end by itself, so that the user's libraries can clean up; end any other."""
        if self._pipes is not None:
            if not self._num_sent:
                self._pipes.close_commands()
                self._supervisor.wait_until_gone(GRACE)
            self._pipes.close()
            self._pipes = None
        self._supervisor.close()
        self._output.close()
        if self._board is not None:
            self._board.close()
            self._board = None

    def _send_tasks(self) -> None:
        """Hand all tasks to the child if it has none.

        Never while user code runs: what it has not read could be read by that, and what a pipe does not hold would wait
        for it.
        """
        if not (self._tasks and self.ready) or self._num_sent or self._pipes is None:
            return
        if self._pipes.has_news:  # although it was idle, which is no task's fault
            self._supervisor.look()
            if self._pipes.has_news:
                self._condemn(State.FAILED, "the idle process has written into its channel to the worker")
        if self._supervisor.is_running:
            self._num_sent = len(self._tasks)
            self._start_clock()
            if self._board is not None:
                self._board.acknowledge(NOBODY)
            if not self._pipes.send(list(self._tasks)):
                self._num_sent = 0  # it has died while it was idle, which is no task's fault

    def _start_clock(self) -> None:
        """The next task begins."""
        self._stop_by = math.inf
        if self._num_sent:
            self._begin_of_task = Begin.now()
        if self._setup.timeout is not None:
            self._deadline = time.monotonic() + self._setup.timeout if self._num_sent else math.inf

    def _take_in(self, pipes: "Pipes", timeout: float) -> list[Outcome]:
        """Read what there is, after up to `timeout` seconds."""
        if not pipes.wait(timeout):
            self._supervisor.look()
            if self._supervisor.is_running:
                return []
        before = self._num_sent, self._has_loaded
        lines = pipes.receive()  # also what a child has said before it ended
        outcomes: list[Outcome] = []
        for line in lines:
            if self._verdict is None:
                outcomes += self._understand(line)
        if pipes.has_ended and self._supervisor.is_running and self._verdict is None:
            self._supervisor.wait_until_ended(GRACE)
            self._condemn(State.FAILED, "the process closed its channel to the worker")
        is_news = (self._num_sent, self._has_loaded) != before  # and not only reports
        if is_news and self._verdict is None and self._has_loaded:
            self._supervisor.sweep(is_busy=self._num_sent > 0)
            if not self._num_sent:
                if self._output.is_used:
                    self._output.clear()
                self._send_tasks()
        return outcomes

    def _understand(self, line: bytes) -> list[Outcome]:
        try:
            message = loads(line.decode())
        except ValueError:
            message = None
        if self._has_loaded:
            return self._account(message, line)
        if message == {"ready": True}:
            self._has_loaded = self._loaded_once = True
        elif isinstance(message, dict) and message.keys() == {"error", "details"}:
            if not self._loaded_once:
                raise LoadError(message["error"], message["details"])
            self._condemn(State.FAILED, f"{message['error']}\n{message['details']}".rstrip())
        else:
            self._condemn(State.FAILED, _not_an_answer(line))
        return []

    def _account(self, message: Any, line: bytes) -> list[Outcome]:
        """Take an answer; if anything else comes through its channel, the child is not to be trusted any more."""
        if isinstance(message, dict) and message.keys() == {"reports"} and self._num_sent:
            reports = read_reports(message["reports"], self._tasks[0].id)
            if reports is not None:
                self._on_reports(reports)
                return []
        outcome = read_answer(message, self._tasks[0].id) if self._num_sent else None
        if outcome is None:
            self._condemn(State.FAILED, _not_an_answer(line))
            return []
        self._tasks.popleft()
        self._num_sent -= 1
        self._start_clock()
        return [self._output.explain(outcome, message[-1])]

    def _condemn(self, state: State, error: str) -> None:
        """Have the child ended, for the fault of the running task."""
        self._deadline = self._stop_by = math.inf
        if self._verdict is None and self._supervisor.is_running:
            self._verdict = ExitVerdict(state, error, time.monotonic())
            self._supervisor.stop()

    def _conclude(self) -> list[Outcome]:
        """Account for a child of which nothing is left: the task that it had, or kept from running, is over.

        Raises:
            LoadError: No child has ever been able to load the run function.
        """
        assert self._pipes is not None
        self._pipes.close()
        verdict = self._verdict or ExitVerdict.of(self._supervisor.ending)
        is_to_blame, is_crash = self._num_sent > 0 or not self._has_loaded, self._verdict is None
        self._pipes = self._verdict = None
        self._has_loaded, self._num_sent = False, 0
        self._deadline = self._stop_by = math.inf
        if not self._loaded_once:
            raise LoadError(f"the run function could not be loaded: {verdict.error}", self._output.last())
        outcomes = []
        if is_to_blame and self._tasks:
            outcome = verdict.outcome(self._tasks.popleft(), self._begin_of_task)
            if is_crash and self._board is not None and self._board.is_acknowledged(outcome.id):
                outcome = ended_otherwise(outcome)
            outcomes = [self._output.explain(outcome)]
        else:
            self._output.clear()
        if self._tasks or outcomes:
            self.load()
        return outcomes


def _not_an_answer(line: bytes) -> str:
    return f"only the process's answers may go through its channel to the worker, got {line[:100]!r}"
