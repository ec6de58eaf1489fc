"""Evaluates in Balsam jobs."""

import logging
import os
import re
import shlex
import shutil
import sys
import time
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

from dhmpi.errors import EvaluatorError, LoadError, OptionError
from dhmpi.evaluation import Evaluation, Point, State
from dhmpi.evaluator.balsam_jobs import Jobs, Reply, Request, Status, UnreachableError, close_connection
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.execution.executor import Setup
from dhmpi.execution.program import is_program
from dhmpi.execution.runner import RunFunction, Task
from dhmpi.execution.supervisor import interpreter
from dhmpi.support.options import integer
from dhmpi.support.resources import Resources

log = logging.getLogger(__name__)

# Seconds between two looks at the database: from the first after an evaluation has ended, to the last while none does.
SHORTEST, LONGEST = 0.2, 1.0
# How long a node that is to stop an evaluation itself may take for that and to report it [s].
GRACE = 60.0
# How long the database may be silent [s].
PATIENCE = 600.0
# What a launcher in serial mode remarks on a job that got the same SIGTERM as the launcher.
TERMINATED = ("nonzero return 143", "nonzero return -15")
# What of the search's environment its evaluations get.
VARIABLES = ("PYTHONPATH", "KERAS_BACKEND")


class JobEvaluator(Evaluator):
    """Runs each evaluation as a job in the active Balsam database, wherever Balsam's launchers run.

    A job gets the nodes, ranks and threads of the setup's resources; a dimension of the problem that has the name of
    one of these decides instead, for its evaluation. An evaluation of several ranks runs in all of them, and rank 0's
    outcome counts; any other is supervised in a child, as by worker ranks.

    An evaluation that is killed in Balsam by a person is FAILED, since it is not wanted again; one whose job
    is deleted, or whose launcher ends, is LOST and begins again.

    Args:
        run: The run function or its name, or a setup with more about it.
        num_workers: Jobs at the same time; by default as many evaluations as the launcher's BALSAM_LAUNCHER_NODES nodes
            take, less one for the launcher and one for the search; or as one node takes, if the search runs outside a
            launcher.
    """

    can_tell = False  # reports come with the result

    def __init__(self, run: RunFunction | str | Setup, num_workers: int | None = None) -> None:
        super().__init__()
        self.name = "BalsamEvaluator"
        setup = Setup.of(run).named()
        self._setup = replace(setup, files=os.path.abspath(setup.files))
        self._resources({})
        default = _default_workers(setup.resources)
        self._num_workers = int(integer(1)("num_workers", default if num_workers is None else num_workers))
        self._ids: dict[UUID, int] = {}
        self._new: dict[UUID, Request] = {}  # not in the database yet
        self._refused: dict[int, str] = {}
        self._begun: dict[int, float] = {}
        self._jobs: Jobs | None = None
        self._loaded_once = False
        self._period, self._next_look = SHORTEST, 0.0
        self._silent_since: float | None = None

    @property
    def num_workers(self) -> int:
        """Number of jobs at the same time."""
        return self._num_workers

    def running_seconds(self) -> float:
        """Return how long the pending evaluations have been running; a job that waits for a node is not."""
        return max(0.0, len(self._begun) * time.time() - sum(self._begun.values()))

    def start(self) -> None:
        """Connect to the active database and register what jobs run; whether that can be loaded, the first job tells.

        Raises:
            OptionError: There is no active database.
        """
        command = shlex.join(interpreter("dhmpi.evaluator.balsam_worker"))
        label = re.sub(r"\W+", ".", os.path.basename(str(self._setup.run))).strip(".")
        # Launchers remember the command of a name, so another command needs another name.
        self._jobs = Jobs(f"{label}-{zlib.crc32(command.encode()):08x}", command, self._setup.files)
        try:
            os.makedirs(self._setup.files, exist_ok=True)
        except OSError as error:
            raise EvaluatorError(
                f"jobs must have a directory to run in, got {self._setup.files} ({error.strerror}); "
                "make room, or name another results file"
            ) from error
        if self._jobs.num_left:
            log.warning("killed %d jobs that an earlier search left in %s", self._jobs.num_left, self._setup.files)

    def _submit(self, task: Task) -> None:
        """Keep the task; all that come before the next `_gather` become jobs in one transaction."""
        try:
            resources = self._resources(task.point)
        except OptionError as error:
            self._refused[task.id] = str(error)
            return
        variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
        path = [os.path.abspath(entry) for entry in sys.path]
        key = uuid4()
        self._ids[key] = task.id
        self._new[key] = Request(task, replace(self._setup, resources=resources), os.getcwd(), path, variables)
        self._next_look = 0.0

    def _resources(self, point: Point) -> Resources:
        """Return what an evaluation gets.

        Raises:
            OptionError: No launcher has that.
        """
        fields = self._setup.resources.of_job()
        resources = Resources(**{name: integer(1)(name, point.get(name, value)) for name, value in fields.items()})
        nodes = os.environ.get("BALSAM_LAUNCHER_NODES")
        if nodes and resources.num_nodes > int(nodes):
            raise OptionError(f"num_nodes must be at most the launcher's {nodes}, got {resources.num_nodes}")
        num_ranks = resources.num_nodes * resources.ranks_per_node
        if num_ranks > 1 and is_program(self._setup.run):
            raise OptionError(f"a program must have one rank, got {num_ranks}; let it start its own mpirun")
        if num_ranks > 1 and os.environ.get("BALSAM_JOB_MODE") == "serial":
            raise OptionError(f"evaluations in job mode serial must have one rank, got {num_ranks}; use job mode mpi")
        return resources

    def _gather(self, timeout: float) -> list[Evaluation]:
        """Look at the database, as often as there is time for."""
        end = time.monotonic() + timeout
        ended = [self._fail(id, State.FAILED, error) for id, error in self._refused.items()]
        self._refused.clear()
        while self._pending and not ended:
            now = time.monotonic()
            if now >= self._next_look:
                ended = self._look()
                self._period = SHORTEST if ended else min(LONGEST, 1.5 * self._period)
                self._next_look = time.monotonic() + self._period
            elif now >= end:
                break
            else:
                time.sleep(max(0.0, min(self._next_look, end) - now))
        return ended

    def _look(self) -> list[Evaluation]:
        assert self._jobs is not None
        ended: list[Evaluation] = []
        try:
            if self._new:
                self._jobs.create(self._new)
                self._new.clear()
            found = self._jobs.look(self._ids)
            for key in list(self._ids):
                ended += self._judge(key, found.get(key))
        except UnreachableError as error:
            self._endure(error)
        else:
            self._silent_since = None
        return ended

    def _judge(self, key: UUID, status: Status | None) -> Iterable[Evaluation]:
        """Conclude an evaluation if it has ended."""
        assert self._jobs is not None
        if status is None:
            yield self._fail(self._forget(key), State.LOST, "its job is no longer in the Balsam database")
        elif status.reply is not None:
            yield self._answered(key, status.reply)
        elif status.state in ("RUN_TIMEOUT", "RUN_ERROR", "FAILED"):
            history = self._jobs.history(key)
            why = history.get("RUN_ERROR") or history.get("FAILED", "")
            if "RUN_TIMEOUT" in history or why.startswith(TERMINATED):
                yield self._fail(self._forget(key), State.LOST, "its Balsam launcher ended")
            else:
                yield self._fail(self._forget(key), State.FAILED, f"its Balsam job failed: {why}")
        elif status.state == "USER_KILLED":
            yield self._fail(self._forget(key), State.FAILED, "its Balsam job was killed by a person")
        elif status.state in ("RUN_DONE", "POSTPROCESSED", "JOB_FINISHED"):
            yield self._fail(self._forget(key), State.FAILED, "its Balsam job ended without an outcome")
        elif status.begun is not None:
            self._begun[self._ids[key]] = status.begun
            if status.state == "RUNNING" and self._is_overdue(status.begun):
                yield self._stop(key, status)

    def _answered(self, key: UUID, reply: Reply) -> Evaluation:
        if reply.outcome is not None:
            self._loaded_once = True
            self._begun.pop(self._forget(key), None)
            return self._conclude(reply.outcome, 0, reply.host)
        if not self._loaded_once:
            raise LoadError(f"{reply.error} (on {reply.host})", reply.details)
        return self._fail(self._forget(key), State.FAILED, f"{reply.error}\n{reply.details}".rstrip())

    def _is_overdue(self, begun: float) -> bool:
        return self._setup.timeout is not None and time.time() > begun + self._setup.timeout + GRACE

    def _stop(self, key: UUID, status: Status) -> Evaluation:
        """Give up an evaluation that its node should have stopped, but has not."""
        assert self._jobs is not None
        self._jobs.kill([key], "it overran its time")
        if status.is_locked:
            return self._fail(self._forget(key), State.TIMEOUT, f"ran longer than {self._setup.timeout:g} s")
        return self._fail(self._forget(key), State.LOST, "its Balsam launcher died")

    def _fail(self, id: int, state: State, error: str) -> Evaluation:
        """Conclude an evaluation without its node's help."""
        begun = self._begun.pop(id, None)
        [evaluation] = self._give_up([id], state, error)
        return evaluation._replace(started=begun or evaluation.ended)

    def _forget(self, key: UUID) -> int:
        """Forget a job that has ended, and keep what it has printed."""
        assert self._jobs is not None
        id = self._ids.pop(key)
        _keep_output(Path(self._jobs.output(id)))
        return id

    def _endure(self, error: UnreachableError) -> None:
        """Wait for a database that does not answer, for some time."""
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            log.warning("the Balsam database does not answer: %s", error)
        elif time.monotonic() > self._silent_since + PATIENCE:
            raise EvaluatorError(f"the Balsam database must answer within {PATIENCE:g} s, got {error}")

    def _cancel(self, timeout: float) -> list[Evaluation]:
        for key in self._new:
            del self._ids[key]
        self._new.clear()
        ended = self._look() if self._ids else []
        self._kill_pending("the search stopped")
        return ended + self._give_up(self._pending, State.CANCELLED)

    def shutdown(self) -> None:
        """Kill the jobs that are pending, and close the connection."""
        if self._jobs is not None:
            self._kill_pending("the search ended")
            close_connection()
            self._jobs = None

    def _kill_pending(self, why: str) -> None:
        assert self._jobs is not None
        try:
            if self._ids:
                self._jobs.kill(self._ids, why)
        except UnreachableError as error:
            log.warning("%d jobs may go on, since the Balsam database does not answer: %s", len(self._ids), error)
        for each in (self._ids, self._new, self._begun, self._refused):
            each.clear()


def _default_workers(resources: Resources) -> int:
    nodes = os.environ.get("BALSAM_LAUNCHER_NODES")
    if nodes is None:
        return resources.node_packing_count
    return max(1, int(nodes) * resources.node_packing_count - 2)


def _keep_output(printed: Path) -> None:
    """Move what a job has printed to where an evaluation's output is; a supervised one has put its own there."""
    kept = printed.with_suffix(".log")
    if not printed.exists():
        return
    if not printed.stat().st_size:
        printed.unlink()
    elif not kept.exists():
        printed.rename(kept)  # some rank may still be printing
    else:
        with open(printed, "rb") as source, open(kept, "ab") as target:
            shutil.copyfileobj(source, target)
        printed.unlink()
