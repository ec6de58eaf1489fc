"""A supervised child interpreter: whatever user code does to it costs one evaluation.

The child is a fresh interpreter, started before MPI and without the launcher's variables: a forked one would share
MPI's and TensorFlow's state, and one that the launcher's variables describe as a rank would wait for MPI_Init for ever.
It stays between evaluations, so that the user's imports are paid once. Both ends of the conversation are here; it goes
as JSON lines over two pipes of its own, so that nothing the user's code prints can be taken for a result.
"""

import contextlib
import ctypes
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from dhmpi import environ
from dhmpi.errors import LoadError
from dhmpi.evaluation import State
from dhmpi.evaluator.executor import BATCH_TIME, Executor, Setup, readable
from dhmpi.evaluator.once import prepare
from dhmpi.evaluator.output import Output, flush
from dhmpi.evaluator.process import GRACE, epitaph, interpreter
from dhmpi.evaluator.runner import Outcome, Runner, Task, unpack_outcomes
from dhmpi.plain import dumps

# How often to see whether a child is still there whose answers somebody else may keep open [s].
LOOK_INTERVAL = 0.5
PR_SET_PDEATHSIG = 1  # linux/prctl.h

# --- the supervising end


class ChildExecutor(Executor):
    """Runs evaluations in a child that is killed at a time-out and replaced when it dies.

    Args:
        setup: What to run; the run function by its name.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self._setup = setup
        self._output = Output(setup.files, setup.logs)
        self._child: subprocess.Popen[bytes] | None = None
        self._loaded_once = False
        self._is_stopping = False
        self._started = 0.0
        self._deadline: float | None = None

    @property
    def descriptor(self) -> int | None:
        """Where the child answers; None once a cancellation has ended it."""
        return None if self._child is None else self._answers

    @property
    def seconds_left(self) -> float:
        """Until the running task's time is over; or, lest a grandchild keep the answers open, the next look."""
        if self._is_stopping:
            return 0.0
        deadline = math.inf if self._deadline is None else self._deadline - time.monotonic()
        return min(deadline, LOOK_INTERVAL)

    def load(self) -> None:
        """Start the child, unless there is one; whether it can load turns out at a later `poll`."""
        if self._child is not None:
            return
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._received = b""
        self._child = subprocess.Popen(
            interpreter("dhmpi.evaluator.child", commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=self._output.file,
            stderr=subprocess.STDOUT,
            env=environ.child_environment(),
            pass_fds=(commands, answers),
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        setup = self._setup
        path = [entry for entry in sys.path if entry]
        files = {"files": setup.files, "logs": setup.logs}
        self._send({"run": setup.run, "timeout": setup.timeout, "path": path, **files})

    def submit(self, tasks: Sequence[Task]) -> None:
        """Hand tasks to the child, or to its successor if it has died."""
        if self._child is not None and not self._tasks and self._child.poll() is not None:
            self._kill()  # it has died while it was idle, which is no task's fault
        self.load()
        if not self._tasks:
            self._start_clock()
        self._tasks.extend(tasks)
        self._send(tasks)

    def poll(self, timeout: float) -> list[Outcome]:
        """Wait for the child's answers, its death or its time-out.

        Raises:
            LoadError: The child could not load the run function.
        """
        if self._is_stopping:
            self._is_stopping = False
            return self._cancelled()
        if self._child is None:
            time.sleep(timeout)
            return []
        if len(self._tasks) > 1:
            time.sleep(BATCH_TIME / 2)  # for several short evaluations one look is enough
        lines = self._receive(self._until_deadline(timeout))
        if lines is None:
            return self._died()
        outcomes = [outcome for line in lines for outcome in self._understand(json.loads(line))]
        if not outcomes and self._deadline is not None and time.monotonic() >= self._deadline:
            return self._give_up_first(State.TIMEOUT, f"ran longer than {self._setup.timeout:g} s")
        return outcomes

    def cancel(self) -> None:
        """Kill the child; its tasks become CANCELLED unless their outcomes are already on their way."""
        if self._tasks and self._child is not None and not readable([self._answers], 0.0):
            self._kill()
            self._is_stopping = True

    def close(self) -> None:
        """Let an idle child end by itself, so that the user's libraries can clean up; kill any other."""
        if self._child is not None:
            if not self._tasks:
                os.close(self._commands)
                self._commands = -1
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._child.wait(GRACE)
            self._kill()
        self._output.close()

    def _start_clock(self) -> None:
        """The next task begins; the time that loading takes is not the task's."""
        self._started = time.time()
        self._deadline = None
        if self._setup.timeout is not None and self.ready:
            self._deadline = time.monotonic() + self._setup.timeout

    def _until_deadline(self, timeout: float) -> float:
        return timeout if self._deadline is None else max(0.0, min(timeout, self._deadline - time.monotonic()))

    def _understand(self, message: Any) -> list[Outcome]:
        if isinstance(message, list):
            self._tasks.popleft()
            self._start_clock()
            return unpack_outcomes([message])
        if "error" in message:
            return self._not_loaded(message["error"], message["details"])
        self.ready = self._loaded_once = True
        self._start_clock()
        return []

    def _died(self) -> list[Outcome]:
        """Account for a child that has ended by itself."""
        assert self._child is not None
        try:
            cause = epitaph(self._child.wait(GRACE))
        except subprocess.TimeoutExpired:
            cause = "the process closed its channel to the worker"
        if not self._loaded_once:
            return self._not_loaded(f"the run function could not be loaded: {cause}", self._output.last())
        return self._give_up_first(State.FAILED, cause)

    def _not_loaded(self, sentence: str, details: str) -> list[Outcome]:
        if not self._loaded_once:
            raise LoadError(sentence, details)
        return self._give_up_first(State.FAILED, f"{sentence}\n{details}".rstrip())

    def _give_up_first(self, state: State, error: str) -> list[Outcome]:
        """End the task that was running; the others go to another child."""
        self._kill()
        if not self._tasks:
            return []  # an idle child has died; the next submit starts another
        task = self._tasks.popleft()
        outcome = self._output.explain(Outcome(task.id, state, None, self._started, time.time(), error))
        self.load()
        self._start_clock()
        if self._tasks:
            self._send(list(self._tasks))
        return [outcome]

    def _kill(self) -> None:
        """End the child and whatever it has started, and forget it."""
        assert self._child is not None
        for signum in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._child.pid, signum)
            except ProcessLookupError:
                break
            try:
                self._child.wait(GRACE)
            except subprocess.TimeoutExpired:
                continue
        self._child.wait()
        if self._commands >= 0:
            os.close(self._commands)
        os.close(self._answers)
        self._child, self.ready = None, False

    def _send(self, message: object) -> None:
        line = dumps(message).encode() + b"\n"
        try:
            _write(self._commands, line)
        except BrokenPipeError:
            return  # it has died, which the next poll finds out

    def _receive(self, timeout: float) -> list[bytes] | None:
        """Return the lines there are, after up to `timeout` seconds; None if the child has ended and said nothing."""
        assert self._child is not None
        if not readable([self._answers], timeout):
            # A grandchild may hold the pipe open when the child is gone.
            return [] if self._child.poll() is None else None
        data = os.read(self._answers, 1 << 20)
        if not data:
            return None
        *lines, self._received = (self._received + data).split(b"\n")
        return lines


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


# --- the child's end


def main(commands: int, answers: int) -> None:
    """Load the run function, then evaluate one point per line until the pipe closes."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a worker rank that is killed leaves nothing running
    os.set_inheritable(commands, False)
    os.set_inheritable(answers, False)
    lines = os.fdopen(commands, "rb")
    setup = json.loads(lines.readline())
    try:
        run = prepare(setup)
    except LoadError as error:
        _write(answers, json.dumps({"error": str(error), "details": error.details}).encode() + b"\n")
        return
    runner = Runner(run, setup["timeout"], setup["files"])
    output = Output(setup["files"], setup["logs"], os.fdopen(os.dup(1), "ab", buffering=0))
    _write(answers, b'{"ready": true}\n')
    for line in lines:
        for task in json.loads(line):
            outcome = runner(Task(*task))
            flush()
            libc.fflush(None)
            outcome = output.explain(outcome)
            # Before the next one begins: if that kills this process, the blame must fall on the right one.
            _write(answers, json.dumps(outcome).encode() + b"\n")
