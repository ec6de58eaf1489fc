"""A fresh interpreter per evaluation: nothing of one evaluation reaches another."""

import math
import os
import sys
import tempfile
from typing import Any

from dhmpi.errors import LoadError
from dhmpi.evaluation import State
from dhmpi.execution.process_executor import ProcessExecutor
from dhmpi.execution.runner import Outcome, Task, ended_otherwise, read_answer, read_reports
from dhmpi.execution.supervisor import Ending, interpreter
from dhmpi.support.json_text import dumps, loads

# How long an interpreter that has evaluated its point may take to end; the user's threads may keep it from that [s].
LINGER = 5.0


class AnswerFile:
    """A nameless file in which an interpreter finds its order, and leaves its answers.

    A file and not a pipe, because a pipe that is not read blocks a writer once it is full; nameless, so that
    nothing else comes in.

    Args:
        order: Any JSON value.
    """

    def __init__(self, order: object) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # lives as long as this
        self._position = self._file.write(dumps(order).encode())
        self._answers: dict[str, Any] = {}
        self._reports: list[Any] = []
        self._file.seek(0)

    @property
    def descriptor(self) -> int:
        """File descriptor that the interpreter inherits."""
        return self._file.fileno()

    def answers(self) -> dict[str, Any]:
        """Return what the interpreter has said so far; of two answers by one name, the last.

        What is none, since user code has written into the file, goes by the name `garbage`.
        """
        self._read()
        return self._answers

    def reports(self) -> list[Any]:
        """Return what the interpreter has reported since the last call."""
        self._read()
        reports, self._reports = self._reports, []
        return reports

    def _read(self) -> None:
        size = os.fstat(self.descriptor).st_size - self._position
        *lines, torn = os.pread(self.descriptor, max(0, size), self._position).split(b"\n")
        self._position += max(0, size) - len(torn)
        for line in lines:
            try:
                answer = loads(line.decode())
                self._reports += answer.pop("reports", [])
                self._answers |= answer
            except (ValueError, TypeError, AttributeError):
                self._answers["garbage"] = line

    def close(self) -> None:
        """Close the file; it has no name and goes with that."""
        self._file.close()


class InterpreterExecutor(ProcessExecutor):
    """Runs each evaluation in a fresh interpreter, which loads the run function anew.

    The time that loading takes does not count against the evaluation's limit.
    """

    def load(self) -> None:
        """Start an interpreter that only loads, to find out whether that is possible."""
        if not self.ready and not self._has_begun:
            self._has_begun = True
            self._launch(None)

    def _launch(self, task: Task | None) -> None:
        setup = self._setup
        path = [entry for entry in sys.path if entry]
        order = {
            "run": setup.run,
            "timeout": setup.timeout,
            "files": setup.files,
            "place": self.place,
            "path": path,
            "feedback": setup.feedback,
            "task": task,
        }
        self._answer_file = AnswerFile(order)
        words = interpreter("dhmpi.execution.fresh_main", 3, 4)
        part = task.part if task is not None else None
        variables = self._environment() | (part.variables() if part is not None else {})
        self._start(words, None, variables, [self._answer_file.descriptor, self._board.descriptor])

    def _look(self, task: Task) -> None:
        """Pass on what has been reported."""
        rows = self._answer_file.reports()
        reports = read_reports(rows, task.id)
        if reports is None:
            self._answer_file.answers()["garbage"] = rows
        elif reports:
            self._on_reports(reports)

    def _deadline(self) -> float:
        answers = self._answer_file.answers()
        if "ended" in answers:
            return float(answers["ended"]) + LINGER
        if "begun" in answers and self._setup.timeout is not None:
            return float(answers["begun"]) + self._setup.timeout
        return math.inf

    def _has_outcome(self) -> bool:
        return "ended" in self._answer_file.answers()

    def _judge(self, task: Task, ending: Ending) -> Outcome:
        answers = self._answer_file.answers()
        outcome = read_answer(answers.get("outcome"), task.id)
        if outcome is not None and "garbage" not in answers:
            return outcome
        if "garbage" in answers or "outcome" in answers:
            garbage = answers.get("garbage", answers.get("outcome"))
            error = f"only the process's answers may go into its file for the worker, got {garbage!r:.120}"
        else:
            error = f"{answers['error']}\n{answers['details']}" if "error" in answers else str(ending)
        begin = self._begin_of_task
        failed = Outcome(task.id, State.FAILED, None, begin.time, begin.time_of(ending.reading), error.rstrip())
        is_crash = not answers.keys() & {"garbage", "outcome", "error"}
        return ended_otherwise(failed) if is_crash and self._board.is_acknowledged(task.id) else failed

    def _end(self) -> list[Outcome]:
        if self.ready:
            return super()._end()
        ending, answers = self._supervisor.ending, self._answer_file.answers()
        self._clean()
        self._has_begun = False
        if "error" in answers:
            raise LoadError(answers["error"], answers["details"])
        if "ended" not in answers:
            raise LoadError(f"the run function could not be loaded: {ending}", self._output.last())
        self.ready = True
        return []

    def _clean(self) -> None:
        self._answer_file.close()
