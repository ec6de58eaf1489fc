"""A fresh interpreter per evaluation: nothing of one evaluation reaches another."""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from dhmpi import environ
from dhmpi.errors import LoadError
from dhmpi.evaluation import State
from dhmpi.evaluator.process import ProcessExecutor, ProcessGroup, epitaph, interpreter
from dhmpi.evaluator.runner import Outcome, Task, unpack_outcomes
from dhmpi.plain import dumps

# How long an interpreter that has evaluated its point may take to end; the user's threads may keep it from that [s].
LINGER = 5.0


class Mailbox:
    """A nameless file in which an interpreter finds its order, and leaves its answers.

    A file and not a pipe, because a pipe that nobody reads blocks whoever writes more than it holds; nameless, so that
    nothing else comes in.

    Args:
        order: Any JSON value.
    """

    def __init__(self, order: object) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # lives as long as this
        self._size = self._file.write(dumps(order).encode())
        self._file.seek(0)

    @property
    def descriptor(self) -> int:
        """What the interpreter inherits."""
        return self._file.fileno()

    def answers(self) -> dict[str, Any]:
        """Return what the interpreter has said so far; of two answers by one name, the last."""
        size = os.fstat(self.descriptor).st_size - self._size
        *lines, _ = os.pread(self.descriptor, size, self._size).split(b"\n")  # the last one is empty, or torn
        return {name: value for line in lines for name, value in json.loads(line).items()}

    def close(self) -> None:
        """Close the file; it has no name and goes with that."""
        self._file.close()


class InterpreterExecutor(ProcessExecutor):
    """Runs each evaluation in a fresh interpreter, which loads the run function anew.

    The time that loading takes does not count against the evaluation's limit.
    """

    def load(self) -> None:
        """Start an interpreter that only loads, to find out whether that is possible."""
        if not self.ready and self._group is None:
            self._group = self._launch(None)

    def _launch(self, task: Task | None) -> ProcessGroup:
        setup = self._setup
        path = [entry for entry in sys.path if entry]
        order = {"run": setup.run, "timeout": setup.timeout, "files": setup.files, "path": path, "task": task}
        self._mailbox = Mailbox(order)
        descriptor = self._mailbox.descriptor
        words = interpreter("dhmpi.evaluator.once", descriptor)
        return ProcessGroup(words, subprocess.DEVNULL, self._output.file, environ.child_environment(), [descriptor])

    def _deadline(self) -> float:
        answers = self._mailbox.answers()
        if "ended" in answers:
            return float(answers["ended"]) + LINGER
        if "begun" in answers and self._setup.timeout is not None:
            return float(answers["begun"]) + self._setup.timeout
        return math.inf

    def _has_outcome(self) -> bool:
        return "ended" in self._mailbox.answers()

    def _judge(self, task: Task, status: int) -> Outcome:
        answers = self._mailbox.answers()
        if "ended" in answers:
            return unpack_outcomes([answers["outcome"]])[0]
        error = f"{answers['error']}\n{answers['details']}" if "error" in answers else epitaph(status)
        return Outcome(task.id, State.FAILED, None, self._started, time.time(), error.rstrip())

    def _end(self) -> list[Outcome]:
        if self.ready:
            return super()._end()
        assert self._group is not None
        status, answers = self._group.finish(), self._mailbox.answers()
        self._clean()
        self._group = None
        if "error" in answers:
            raise LoadError(answers["error"], answers["details"])
        if "ended" not in answers:
            raise LoadError(f"the run function could not be loaded: {epitaph(status)}", self._output.last())
        os.ftruncate(self._output.file.fileno(), 0)  # each evaluation prints it again
        self.ready = True
        if self._tasks:
            self._begin()
        return []

    def _clean(self) -> None:
        self._mailbox.close()
