"""One process per evaluation: what fresh interpreters and foreign programs have in common."""

import fcntl
import math
import os
import signal
import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from dhmpi.evaluation import State
from dhmpi.evaluator.executor import Executor, Setup, readable
from dhmpi.evaluator.output import Output
from dhmpi.evaluator.runner import Outcome, Task

# Seconds between SIGTERM and SIGKILL.
GRACE = 0.5
# How often to look at a process although nothing has been heard of it [s].
LOOK_INTERVAL = 0.5
# How often to see whether what it has left behind is gone [s].
SWEEP_INTERVAL = 0.02
ROOT = str(Path(__file__).resolve().parents[2])


def interpreter(module: str, *descriptors: int) -> list[str]:
    """Return the words that start a fresh interpreter with a module's `main(*descriptors)`.

    A SIGINT ends it, as any other signal does: as an exception it would seem to be the user's own.
    """
    arguments = ", ".join(map(str, descriptors))
    begin = f"import signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); sys.path.append({ROOT!r})"
    code = f"{begin}; from {module} import main; main({arguments})"
    return [sys.executable, "-c", code]


def epitaph(status: int) -> str:
    """Say how a process that ran user code has ended, from its status as `subprocess` gives it."""
    if status >= 0:
        return f"the process ended with exit status {status} before the run function returned"
    name = next((each.name for each in signal.Signals if each == -status), "real-time")
    hint = ", perhaps because the node ran out of memory" if name == "SIGKILL" else ""
    return f"the process was killed by signal {-status} ({name}){hint}"


class ProcessGroup:
    """A process in a POSIX session of its own (setsid), and whatever it starts there.

    It does not outlive this process, however that ends: the kernel then closes a pipe, and says so to the whole group
    by SIGKILL (fcntl(2), F_SETSIG), where PR_SET_PDEATHSIG would reach the first process only.

    Args:
        words: The program, and its arguments.
        stdin: What it reads.
        output: Where standard output and error go.
        environment: Its environment variables.
        descriptors: What else it inherits.

    Attributes:
        kill_at: When what has been asked to end will be killed [s, monotonic clock]; infinite before that.

    Raises:
        OSError, ValueError: There is no such program, or no such arguments are possible.
    """

    def __init__(
        self,
        words: Sequence[str],
        stdin: IO[Any] | int,
        output: IO[bytes],
        environment: Mapping[str, str],
        descriptors: Sequence[int] = (),
    ) -> None:
        self.kill_at = math.inf
        self._is_killed = False
        self._quiet, self._lifeline = os.pipe()
        try:
            fcntl.fcntl(self._quiet, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(self._quiet, fcntl.F_SETFL, os.O_ASYNC)
            self._process = subprocess.Popen(
                words,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=(*descriptors, self._quiet),
                start_new_session=True,
            )
            fcntl.fcntl(self._quiet, fcntl.F_SETOWN, -self._process.pid)
        except (OSError, ValueError):
            os.close(self._quiet)
            os.close(self._lifeline)
            raise
        try:
            self._handle = os.pidfd_open(self._process.pid)
        except (AttributeError, OSError):  # Linux before 5.3, or a Python built there; it is enough to look regularly
            self._handle = os.dup(self._quiet)

    @property
    def descriptor(self) -> int:
        """What is readable when the first process has just ended, and never again."""
        return self._handle if self.is_running else self._quiet

    @property
    def is_running(self) -> bool:
        """Whether the first process has not ended."""
        return self._process.poll() is None

    @property
    def is_gone(self) -> bool:
        """Whether nothing of the group is running any more, or is just being killed."""
        return not self.is_running and (self._is_killed or not self._signal(0))

    def stop(self) -> None:
        """Ask all of the group to end."""
        self.kill_at = time.monotonic() + GRACE
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all of the group."""
        self.kill_at = time.monotonic() + GRACE  # once more, if that is not the end
        self._is_killed = True
        self._signal(signal.SIGKILL)

    def finish(self) -> int:
        """End whatever is still running, give everything back, and return the status of the first process."""
        if not self.is_gone and self.kill_at == math.inf:
            self.stop()
        while not self.is_gone:
            time.sleep(SWEEP_INTERVAL)
            if time.monotonic() >= self.kill_at:
                self.kill()
        status = self._process.wait()
        for descriptor in (self._handle, self._quiet, self._lifeline):
            os.close(descriptor)
        return status

    def _signal(self, signum: int) -> bool:
        """Send a signal to all of the group; return whether there is anybody."""
        try:
            os.killpg(self._process.pid, signum)
        except ProcessLookupError:
            return False
        return True


class ProcessExecutor(Executor):
    """Runs each evaluation in a process group of its own, of which nothing is left afterwards.

    Args:
        setup: What to run, by its name.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._setup = setup
        self._output = Output(setup.files, setup.logs)
        self._group: ProcessGroup | None = None
        self._verdict: tuple[State, str] | None = None  # why there is or will be no outcome
        self._is_stopping = False
        self._started = self._begun = 0.0  # the running task [s since 1970-01-01 UTC], and by the monotonic clock

    @abstractmethod
    def _launch(self, task: Task) -> ProcessGroup:
        """Start a task's process.

        Raises:
            OSError, ValueError: It cannot be started.
        """

    @abstractmethod
    def _judge(self, task: Task, status: int) -> Outcome:
        """Return the outcome of a task whose process has ended by itself."""

    @abstractmethod
    def _clean(self) -> None:
        """Give back what `_launch` has made, if it has."""

    def _deadline(self) -> float:
        """Return when the running process must be stopped [s, monotonic clock]."""
        return math.inf if self._setup.timeout is None else self._begun + self._setup.timeout

    def _has_outcome(self) -> bool:
        """Whether the outcome is known although the process may still be running."""
        return False

    @property
    def descriptor(self) -> int | None:
        """What is readable when the process has ended; None if there is none."""
        return None if self._group is None else self._group.descriptor

    @property
    def seconds_left(self) -> float:
        """Until the process must be stopped, killed, or just looked at."""
        if self._group is None or self._group.is_gone or self._can_cancel_at_once():
            return 0.0
        interval = LOOK_INTERVAL if self._group.is_running else SWEEP_INTERVAL
        due = self._deadline() if self._group.kill_at == math.inf else self._group.kill_at
        return max(0.0, min(interval, due - time.monotonic()))

    def submit(self, tasks: Sequence[Task]) -> None:
        """Start the first task's process, if none is running; the others follow it."""
        self._tasks.extend(tasks)
        if self.ready and self._group is None:
            self._begin()

    def poll(self, timeout: float) -> list[Outcome]:
        """Wait for the process to end, and see to it that it does in time.

        Raises:
            LoadError: What should run cannot be loaded.
        """
        if self._can_cancel_at_once():
            self._is_stopping = False
            return self._cancelled()
        if self._group is None:
            if self._tasks:
                return self._end()
            time.sleep(timeout)
            return []
        readable([self._group.descriptor], min(timeout, self.seconds_left))
        if self._group.is_gone:
            return self._end()
        self._supervise(self._group)
        return []

    def cancel(self) -> None:
        """Stop the process; all tasks become CANCELLED but one that has just ended."""
        self._is_stopping = bool(self._tasks)
        if self._tasks and self._group is not None and self.ready:
            self._stop(self._group, State.CANCELLED)

    def close(self) -> None:
        """Stop the process, and wait until it and whatever it has started are gone."""
        if self._group is not None:
            self._group.finish()
            self._group = None
            self._clean()
        self._output.close()

    def _can_cancel_at_once(self) -> bool:
        """Whether tasks are to be cancelled while the running process is none of theirs, but loads."""
        return self._is_stopping and not self.ready

    def _begin(self) -> None:
        """Start the next task's process."""
        self._started, self._begun = time.time(), time.monotonic()
        try:
            self._group = self._launch(self._tasks[0])
        except (OSError, ValueError) as error:
            self._verdict = State.FAILED, f"a process must start, got {error}"

    def _supervise(self, group: ProcessGroup) -> None:
        now = time.monotonic()
        if group.kill_at <= now:
            group.kill()
        elif group.kill_at == math.inf and not group.is_running:
            group.stop()
        elif group.kill_at == math.inf and self._deadline() <= now:
            limit = self._setup.timeout
            self._stop(group, State.TIMEOUT, "" if limit is None else f"ran longer than {limit:g} s")

    def _stop(self, group: ProcessGroup, state: State, error: str = "") -> None:
        if group.kill_at == math.inf:
            if group.is_running and not self._has_outcome():
                self._verdict = state, error
            group.stop()

    def _end(self) -> list[Outcome]:
        """Account for a process that has ended, or could not start, and begin the next task."""
        status = 0 if self._group is None else self._group.finish()
        task = self._tasks.popleft()
        if self._verdict is None:
            outcome = self._judge(task, status)
        else:
            state, error = self._verdict
            outcome = Outcome(task.id, state, None, self._started, time.time(), error)
        outcomes = [self._output.explain(outcome)]
        self._clean()
        self._group = self._verdict = None
        if self._is_stopping:
            self._is_stopping = False
            outcomes += self._cancelled()
        elif self._tasks:
            self._begin()
        return outcomes
