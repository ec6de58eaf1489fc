"""Steps: evaluations whose ranks a launcher starts on nodes that are theirs for that time."""

import contextlib
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dhmpi.errors import LoadError
from dhmpi.evaluation import State
from dhmpi.execution.context import Notice
from dhmpi.execution.executor import Setup
from dhmpi.execution.process_executor import ExitVerdict, ProcessExecutor
from dhmpi.execution.program import ProgramExecutor
from dhmpi.execution.runner import Outcome, Task, read_answer, read_reports
from dhmpi.execution.step_control import StepControl
from dhmpi.execution.step_lines import BINDING_GPUS, LINES, LostStep, Step, gpu_words, loss
from dhmpi.execution.step_main import FAILURE, NOTICE, ORDER, OUTCOME, REPORTS
from dhmpi.execution.supervisor import Ending, interpreter, signal_hint
from dhmpi.support import environment
from dhmpi.support.gpus import GpuView
from dhmpi.support.json_text import dumps, loads
from dhmpi.support.launchers import OPEN_MPI

log = logging.getLogger(__name__)

# Open MPI does not run as root unless it is told twice; who starts dhmpi as root has decided that.
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
# How much of what a step prints is searched for what its launcher says [bytes, at the beginning and at the end].
SEARCHED = 200_000


class Launching:
    """Launching of the steps of a campaign: what they have in common.

    Args:
        kind: Whose launcher it is.
        path: The launcher.
        step: A step as all of them are, without nodes and name.
        view: The GPUs of each node, for launchers that do not give them out.
        control: Finds steps that outlive their launcher.

    Attributes:
        has_loaded: Whether some step could load the run function.
    """

    def __init__(self, kind: str, path: str, step: Step, view: GpuView, control: StepControl) -> None:
        self.kind, self.path, self.step, self.view, self.control = kind, path, step, view, control
        self.has_loaded = False

    def environment(self) -> dict[str, str]:
        """Return the environment of a launcher, and of the ranks that it starts."""
        env = environment.launcher_environment()
        if self.step.cores is not None and not env.get("OMP_NUM_THREADS"):
            env["OMP_NUM_THREADS"] = str(self.step.cores)
        if self.kind == OPEN_MPI and os.geteuid() == 0:
            env |= AS_ROOT
        return env

    def words(self, nodes: tuple[str, ...], name: str, env: Mapping[str, str]) -> list[str]:
        """Return the words in front of a program that start it on nodes.

        Args:
            nodes: Where.
            name: By which the scheduler knows the step.
            env: Its environment.
        """
        step = self.step._replace(nodes=nodes, name=name)
        line = LINES[self.kind](self.path, step, env)
        return line if self.kind in BINDING_GPUS or not step.gpus else [*line, *gpu_words(step, self.view)]

    def loss(self, printed: str, nodes: Sequence[str], status: int) -> LostStep | None:
        """Return what the launcher says of a step that it has lost; see `step_lines.loss`."""
        return loss(self.kind, printed, nodes, status)


class StepExecutor(ProcessExecutor):
    """Base of executors that start each evaluation as a step of the job, by a launcher.

    Args:
        setup: What to run, by its name.
        launching: How.

    Attributes:
        nodes: Those of the step; they are free again only when it `is_gone`.
        failed_nodes: Those among them that the launcher has lost.
    """

    def __init__(self, setup: Setup, launching: Launching) -> None:
        super().__init__(setup)
        self._launching = launching
        self.nodes: tuple[str, ...] = ()
        self.failed_nodes: tuple[str, ...] = ()
        self._num_steps = 0
        self._is_unsure = False  # whether the step may be there although its launcher has ended by itself
        self._watch: StepWatch | None = None

    def occupy(self, nodes: tuple[str, ...]) -> None:
        """Take nodes for the next task."""
        self.nodes, self.failed_nodes = nodes, ()

    def vacate(self) -> None:
        """Give the nodes of a step that is gone back."""
        self.nodes, self._watch, self._is_unsure = (), None, False

    @property
    def is_gone(self) -> bool:
        """Whether nothing of the step is left; if its launcher was killed, the scheduler is asked."""
        if self.busy or self._supervisor.is_active:
            self._supervisor.look()
            return False
        ending, control = self._supervisor.ending, self._launching.control
        if self._watch is None and control.outlives and (self._is_unsure or ending.problem or ending.status < 0):
            self._watch = StepWatch(control, self._name)
        return self._watch is None or not self._watch.is_running

    @property
    def is_lost(self) -> bool:
        """Whether the step could not be ended, so that its nodes cannot be used any more."""
        return self._watch is not None and self._watch.has_failed

    @property
    def _name(self) -> str:
        return f"dhmpi-{os.getpid()}-{self.place.worker}-{self._num_steps}"

    def _environment(self) -> dict[str, str]:
        variables = {"DHMPI_WORKER": str(self.place.worker), "DHMPI_NODES": ",".join(self.nodes)}
        return self._launching.environment() | variables

    def _start(
        self, words: Sequence[str], stdin: int | None, env: Mapping[str, str], descriptors: Sequence[int] = ()
    ) -> None:
        self._num_steps += 1
        line = self._launching.words(self.nodes, self._name, env)
        log.info("starts on %s: %s", ",".join(self.nodes), line)
        super()._start([*line, *words], stdin, env, descriptors)

    def _loss(self, ending: Ending) -> ExitVerdict | None:
        """Return LOST for a step that its launcher has lost, or that has lost its launcher."""
        if found := self._launching.loss(self._searched(), self.nodes, ending.status):
            self.failed_nodes = found.nodes
            self._is_unsure = True
            return ExitVerdict(State.LOST, f"the launcher has lost the step: {found.reason}", ending.reading)
        if ending.status < 0:
            return ExitVerdict(State.LOST, f"its launcher is gone: {ending}", ending.reading)
        return None

    def _searched(self) -> str:
        with self._output.printed() as printed:
            size = os.fstat(printed.fileno()).st_size
            text = printed.read(SEARCHED)
            if size > SEARCHED:
                printed.seek(max(SEARCHED, size - SEARCHED))
                text += b"\n" + printed.read()
        return text.decode(errors="replace")

    def close(self) -> None:
        """Stop the step, and wait a little until its launcher is gone."""
        self._tasks.clear()
        super().close()


class StepWatch:
    """Watch over a step whose launcher is gone: ends it, and knows when it is gone.

    Args:
        control: Asks the scheduler, which may take long; so that is done by a thread.
        name: The step's.

    Attributes:
        has_failed: Whether it could not be ended.
    """

    def __init__(self, control: StepControl, name: str) -> None:
        self.has_failed = False
        self._control, self._name = control, name
        self._thread = threading.Thread(target=self._end, daemon=True)
        self._thread.start()

    def _end(self) -> None:
        self.has_failed = not self._control.end(self._name)

    @property
    def is_running(self) -> bool:
        """Whether the step may still be there."""
        return self._thread.is_alive()

    def wait(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the end."""
        self._thread.join(timeout)


class ProgramStepExecutor(StepExecutor, ProgramExecutor):
    """Runs a foreign program as a step for each evaluation; see `ProgramExecutor`."""


class PythonStepExecutor(StepExecutor):
    """Runs a run function on all ranks of a step for each evaluation.

    A pipe does not lead through a launcher: the order and the answers are files, in a directory of the step's own
    beside those of evaluations, which all nodes see. The other end is `dhmpi.execution.step_main`.
    """

    def load(self) -> None:
        """Start the supervisor; whether the run function can be loaded, the first step tells."""
        self.open()
        self._files = os.path.abspath(self._setup.files)
        self._directory: Path | None = None
        self.ready = True

    def _launch(self, task: Task) -> None:
        os.makedirs(self._files, exist_ok=True)
        self._directory = Path(tempfile.mkdtemp(prefix=f"evaluation-{task.id:06d}.step-", dir=self._files))
        setup = self._setup
        order = {
            "run": setup.run,
            "timeout": setup.timeout,
            "files": self._files,
            "place": self.place,
            "path": [os.path.abspath(entry) for entry in sys.path if entry],
            "feedback": setup.feedback,
            "task": task,
            "ranks_per_node": self._launching.step.ranks_per_node,
        }
        (self._directory / ORDER).write_text(dumps(order))
        self._position = 0
        self._start(interpreter("dhmpi.execution.step_main", str(self._directory)), None, self._environment())

    def _look(self, task: Task) -> None:
        """Pass on what rank 0 has reported since the last time."""
        assert self._directory is not None
        try:
            with open(self._directory / REPORTS, "rb") as file:
                file.seek(self._position)
                *lines, _ = file.read().split(b"\n")  # the last one is empty, or torn
        except OSError:  # nothing has been reported yet
            return
        self._position += sum(len(line) + 1 for line in lines)
        for line in lines:
            reports = read_reports(loads(line.decode()), task.id)
            if reports is not None:
                self._on_reports(reports)

    def tell(self, notice: Notice) -> None:
        """Give the running step a notice; see `Executor`."""
        super().tell(notice)
        if self._directory is not None and self._has_begun and self._tasks and self._tasks[0].id == notice.id:
            new = self._directory / f"{NOTICE}.new"
            with contextlib.suppress(OSError):  # it has just ended
                new.write_text(dumps(notice))
                new.rename(self._directory / NOTICE)

    def _judge(self, task: Task, ending: Ending) -> Outcome:
        assert self._directory is not None
        failures = [answer for path in self._directory.glob(FAILURE.format("*")) if (answer := _read(path)) is not None]
        if failures:
            return self._failed(task, min(failures, key=_ended))
        answer = _read(self._directory / OUTCOME)
        if answer is not None:
            self._launching.has_loaded = True
        outcome = None if answer is None else read_answer(answer.get("outcome"), task.id)
        if outcome is not None and (ending.status == 0 or outcome.state is not State.DONE):
            return outcome
        if ending.status or ending.problem:
            error = ending.problem or f"the step ended with exit status {ending.status}{signal_hint(ending.status)}"
        else:
            error = (
                "rank 0 of a step must leave its answer, got none: it has ended before the run function returned, "
                f"or does not see {self._files}, which must be on all nodes"
            )
        begin = self._begin_of_task
        return Outcome(task.id, State.FAILED, None, begin.time, begin.time_of(ending.reading), error)

    def _failed(self, task: Task, failure: Mapping[str, Any]) -> Outcome:
        """Return what becomes of a task of which a rank has said that it failed.

        Raises:
            LoadError: No step has ever loaded the run function.
        """
        size = self._launching.step._replace(nodes=self.nodes).num_ranks
        where = f"on rank {failure['rank']} of {size}: " if size > 1 else ""
        if "error" in failure:
            if not self._launching.has_loaded:
                raise LoadError(failure["error"], failure["details"])
            begin, ended = self._begin_of_task, failure["ended"]
            error = f"{where}{failure['error']}\n{failure['details']}".rstrip()
            return Outcome(task.id, State.FAILED, None, begin.time, max(begin.time, ended), error)
        self._launching.has_loaded = True
        outcome = read_answer(failure["outcome"], task.id)
        assert outcome is not None  # since the run function cannot reach the file before it is written
        return outcome._replace(error=where + outcome.error)

    def _clean(self) -> None:
        if self._directory is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(self._directory)


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a rank has left in a file; None if it has not."""
    try:
        answer = loads(path.read_text())
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def _ended(failure: Mapping[str, Any]) -> float:
    return float(failure["ended"])
