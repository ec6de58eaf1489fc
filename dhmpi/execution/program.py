"""Foreign programs: the point goes in as words and as JSON, the objective comes out as a line of output."""

import contextlib
import errno
import math
import os
import re
import shlex
import shutil
import signal
import tempfile
import time
from collections import deque
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple, Self, TypeGuard

from dhmpi.errors import LoadError, did_you_mean
from dhmpi.evaluation import Report, State
from dhmpi.execution.context import Context, Notice
from dhmpi.execution.process_executor import ProcessExecutor
from dhmpi.execution.runner import Outcome, Task, ended_otherwise, read_result
from dhmpi.execution.supervisor import SIGNALLED, Ending, signal_hint
from dhmpi.support.json_text import dumps, plain
from dhmpi.support.references import texts
from dhmpi.support.targets import EXEC, TEMPLATE

MARK = re.compile(rb"DH-OUTPUT:", re.IGNORECASE)
REPORT_MARK = re.compile(rb"DH-REPORT:\s*(\S+)\s+(\S+)", re.IGNORECASE)
# How programs end that have been told to save, besides with exit status 0: shells whose trap says `exit` end with what
# the signal, or that with which the trap has ended another program, makes of `wait`.
SAVED = (0, -signal.SIGUSR1, SIGNALLED + signal.SIGUSR1, SIGNALLED + signal.SIGTERM)
# When a program that has not handled SIGUSR1 yet is looked at again, the first time [s]; then after twice that.
REMINDER = 0.5
# In words {name}, and doubled braces for braces. In template files {{name}}: scripts are full of single braces.
IN_WORDS = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
IN_TEMPLATES = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def is_program(run: object) -> TypeGuard[str]:
    """Whether a run target names a foreign program."""
    return isinstance(run, str) and run.startswith((EXEC, TEMPLATE))


def check_placeholders(run: str, names: Collection[str]) -> None:
    """Check that each placeholder of a program has a value in every point.

    Args:
        run: The program, as `exec:./train.sh {lr}`.
        names: Names of the dimensions.

    Raises:
        LoadError: One is not among the names; or the program's template cannot be read.
    """
    for name in Program.parse(run).placeholders():
        if name not in names:
            constraint = f"a placeholder must name a dimension of the problem, got {name!r} in {run!r}"
            raise LoadError(f"{constraint}; {did_you_mean(name, names)}")


class Program(NamedTuple):
    """Program that is started for an evaluation.

    Attributes:
        words: The program and its arguments; of a template, what follows its path.
        template: Path of a file that is a program once its placeholders are filled, or None.
        text: What the file holds.
    """

    words: list[str]
    template: Path | None = None
    text: str = ""

    @classmethod
    def parse(cls, run: str) -> Self:
        """Read `exec:program [words]` or `template:file [words]`.

        Raises:
            LoadError: It names nothing, or no file.
        """
        kind, _, command = run.partition(":")
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise LoadError(f"quotes and backslashes must be complete, got {run!r}: {error}") from error
        if not words:
            raise LoadError(f"{kind}: must be followed by a file, got {run!r}; write {kind}:./train.sh")
        words[0] = os.path.expanduser(words[0])
        if kind == "exec":
            return cls(words)
        path = Path(words[0])
        try:
            return cls(words[1:], path, path.read_text(errors="surrogateescape"))
        except OSError as error:
            raise LoadError(f"template {words[0]!r} must be readable, got {error.strerror}; {_near(path)}") from error

    def placeholders(self) -> set[str]:
        """Return the names of all placeholders."""
        found: set[str] = set(IN_TEMPLATES.findall(self.text))
        return found.union(*({match[1] for match in IN_WORDS.finditer(word)} for word in self.words)) - {None}

    def check(self) -> None:
        """Check that the program is there, unless its name depends on the point.

        Raises:
            LoadError: It is not, or cannot be executed.
        """
        if self.template is not None or IN_WORDS.search(self.words[0]) or shutil.which(self.words[0]):
            return
        program = Path(self.words[0])
        label = f"program {self.words[0]!r}"
        if os.sep not in self.words[0]:
            remedy = f"write ./{program}" if program.is_file() else "write its path, such as ./train.sh"
            raise LoadError(f"{label} must be on the PATH, got none; {remedy}")
        if not program.is_file():
            raise LoadError(f"{label} must be a file, got none; {_near(program)}")
        raise LoadError(f"{label} must be executable, got mode {program.stat().st_mode & 0o777:o}; run chmod +x on it")

    def command(self, values: Mapping[str, str], directory: Path) -> list[str]:
        """Return the words with their placeholders filled, and write the template's copy.

        Args:
            values: A text for each name.
            directory: Where the copy goes.

        Raises:
            LoadError: A placeholder has no value.
        """
        words = [_fill(IN_WORDS, word, values) for word in self.words]
        if self.template is None:
            return words
        copy = directory / self.template.name
        copy.write_text(_fill(IN_TEMPLATES, self.text, values), errors="surrogateescape")
        copy.chmod(0o700)
        return [str(copy), *words]


def _near(path: Path) -> str:
    """Return the remedy for a file that is not there."""
    if path.exists():
        return "see its kind and its permissions"
    if not path.parent.is_dir():
        return f"there is no directory {str(path.parent)!r}"
    return did_you_mean(path.name, [other.name for other in path.parent.iterdir() if other.is_file()])


def _report(id: int, match: re.Match[bytes]) -> Report | None:
    """Return the report in a line, if what stands there are numbers."""
    try:
        step, value = float(match[1]), float(match[2])
    except ValueError:
        return None
    return Report(id, step, value, time.time()) if math.isfinite(step) else None


def _fill(pattern: re.Pattern[str], text: str, values: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0][0]
        if name not in values:
            raise LoadError(f"a placeholder must name a value of the point, got {name!r}")
        return values[name]

    return pattern.sub(replace, text)


def _exit_message(ending: Ending) -> str:
    if ending.errno in (errno.ENOEXEC, errno.ENOENT):
        return f"{ending}; the first line of a script must name its interpreter, such as #!/bin/sh"
    if ending.problem or ending.status < 0:
        return str(ending)
    return f"the program ended with exit status {ending.status}{signal_hint(ending.status)}"


class ProgramExecutor(ProcessExecutor):
    """Runs a foreign program for each evaluation.

    It gets values in place of placeholders, never through a shell; the point as JSON on standard input; and the
    variables DHMPI_ID, DHMPI_SEED, DHMPI_DIRECTORY, a directory of its own, and as all user code DHMPI_WORKER,
    DHMPI_LOCAL_RANK and DHMPI_GPUS. The objective is the last word of the last line of its output that contains
    `DH-OUTPUT:`. Lines such as `DH-REPORT: 3 0.25` say what it has reached after 3 steps; when it is to stop, SIGTERM
    ends it. When the time ends, processes that handle SIGUSR1 get it, and the file that DHMPI_SHOULD_CHECKPOINT names
    is there; a program that then ends without an objective is PAUSED.
    """

    def load(self) -> None:
        """Look for the program, and start the supervisor of its processes."""
        assert isinstance(self._setup.run, str)
        self._program = Program.parse(self._setup.run)
        self._program.check()
        self.open()
        self._files = os.path.abspath(self._setup.files)
        self._directory: Path | None = None
        self._latest = -math.inf  # step that has been reported
        self._must_save, self._sign = -1, Path()  # the task that has been told; the file that says so, too
        self._remind_at, self._reminder = math.inf, REMINDER
        self.ready = True

    def _launch(self, task: Task) -> None:
        context = Context(task, None, self._files)
        resumed, self._directory = context.resumed, context.directory
        self._position, self._latest = 0, -math.inf
        self._sign = Path(self._files) / f"{self._directory.name}.checkpoint"
        self._sign.unlink(missing_ok=True)
        point = texts(task.point)
        values = {name: str(value) for name, value in plain(point).items()}
        words = self._program.command(values, self._directory)
        variables = {"DHMPI_ID": task.id, "DHMPI_SEED": task.seed, "DHMPI_DIRECTORY": self._directory}
        variables["DHMPI_SHOULD_CHECKPOINT"] = self._sign
        if self._setup.feedback.max_steps is not None:
            variables["DHMPI_MAX_STEPS"] = f"{self._setup.feedback.max_steps:g}"
        if resumed is not None:
            variables["DHMPI_RESUMED"] = "" if resumed.step is None else f"{resumed.step:g}"
        of_child = self._environment() | {name: str(value) for name, value in variables.items()}
        if task.part is not None:
            of_child |= task.part.variables()
        with tempfile.TemporaryFile() as stdin:
            stdin.write(dumps(point).encode())
            stdin.seek(0)
            self._start(words, stdin.fileno(), of_child)

    def _look(self, task: Task) -> None:
        """Pass on the reports among what has been printed since the last time."""
        with self._output.printed() as printed:
            printed.seek(self._position)
            reports = []
            for line in printed:
                if not line.endswith(b"\n") and self._supervisor.is_active:
                    break  # the rest of it is still to come
                self._position += len(line)
                reports += [report for match in REPORT_MARK.finditer(line) if (report := _report(task.id, match))]
        if reports:
            self._latest = reports[-1].step
            self._on_reports(reports)
        if self._must_save == task.id:
            self._say_that_time_ends()

    def tell(self, notice: Notice) -> None:
        """Give the running program a notice: it is stopped by a signal at once, and asked to save by another."""
        if not (self._tasks and self._tasks[0].id == notice.id):
            return
        last = self._setup.feedback.max_steps
        if notice.must_stop and self._has_begun and (last is None or self._latest < last):
            self._stop_by = time.monotonic()
        elif notice.must_save and self._must_save != notice.id:
            self._must_save = notice.id
            self._remind_at, self._reminder = 0.0, REMINDER
            if self._has_begun:
                self._say_that_time_ends()

    def _say_that_time_ends(self) -> None:
        """Let the program know, and now and then those of its processes that did not listen before."""
        if self._remind_at == 0.0:
            with contextlib.suppress(OSError):  # the disk may be full
                self._sign.touch()
        if time.monotonic() >= self._remind_at:
            self._supervisor.tell_end()
            self._remind_at = time.monotonic() + self._reminder
            self._reminder *= 2

    def _judge(self, task: Task, ending: Ending) -> Outcome:
        has_failed = ending.problem or ending.status
        is_led = task.part is not None and task.part.rank > 0  # its objective does not count
        if has_failed:
            objective, error = None, _exit_message(ending)
        else:
            objective, error = (0.0, "") if is_led else self._objective()
        state = State.FAILED if objective is None else State.DONE
        begin = self._begin_of_task
        outcome = Outcome(task.id, state, objective, begin.time, begin.time_of(ending.reading), error)
        if objective is None and self._must_save == task.id and not ending.problem:
            if ending.status in SAVED:
                outcome = outcome._replace(state=State.PAUSED, error="")
            elif self._supervisor.knows_of_end:
                outcome = ended_otherwise(outcome)
        if outcome.state is State.PAUSED:
            self._directory = None  # which stays, so that it knows of this when it goes on
        return outcome

    def _objective(self) -> tuple[float | None, str]:
        """Return the objective that has been printed, or None with a sentence that says what was wrong."""
        with self._output.printed() as printed:
            last = deque((line for line in printed if MARK.search(line)), maxlen=1)
        if not last:
            return None, "a program must print a line such as 'DH-OUTPUT: 0.5', got none"
        word = (MARK.split(last[0])[-1].split() or [b""])[-1].decode(errors="replace")
        try:
            value: float | str = float(word)
        except ValueError:
            value = word
        objective, error, *_ = read_result(value)
        return objective, error

    def _clean(self) -> None:
        self._must_save = -1
        with contextlib.suppress(OSError):
            self._sign.unlink(missing_ok=True)
        if self._directory is not None:
            with contextlib.suppress(OSError):  # there is something in it, or the user has removed it
                self._directory.rmdir()
