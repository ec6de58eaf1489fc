"""A rank's end of a step that runs a run function: all ranks call it, and what rank 0 returns counts.

User code starts MPI itself, by its import of mpi4py, or has it started by naming `comm`. A rank in which it fails says
so in a file of its own, and ends the others, which may be waiting for it. What user code has started ends with its
rank, since launchers wait for all that could still print.
"""

import contextlib
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dhmpi.errors import LoadError
from dhmpi.evaluation import Report, State
from dhmpi.execution.context import Channel, Feedback, Link, Notice
from dhmpi.execution.fresh_main import prepare
from dhmpi.execution.runner import Runner, Task, read_task
from dhmpi.execution.supervisor_main import FIRST_INTERVAL, PR_SET_CHILD_SUBREAPER, Sweep, libc
from dhmpi.mpi import comm
from dhmpi.support import environment, gpus
from dhmpi.support.json_text import dumps, loads
from dhmpi.support.place import GroupPart, Place

# Seconds between SIGTERM and SIGKILL of what a rank leaves behind; and for what handles SIGTERM.
GRACE, LONG_GRACE = 0.5, 3.0
# The order, and what ranks answer.
ORDER, OUTCOME, FAILURE = "order.json", "outcome.json", "failure-{}.json"
# What rank 0 reports, a line of JSON each time, and the latest notice to it.
REPORTS, NOTICE = "reports.jsonl", "notice.json"
# How often that is looked for [s]; the file system has others to serve.
NOTICE_INTERVAL = 0.05


class StepChannel(Channel):
    """Channel of user code in a step: reports and notices are files.

    Args:
        directory: Where they are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._latest, self._looked_at = Notice(-1), -math.inf

    def send(self, reports: Sequence[Report]) -> None:
        """Send reports of the evaluation."""
        with open(self._directory / REPORTS, "ab", buffering=0) as file:
            file.write(dumps(reports).encode() + b"\n")

    def notice(self, id: int) -> Notice:
        """Return the latest notice to an evaluation."""
        now = time.monotonic()
        if now - self._looked_at >= NOTICE_INTERVAL:
            self._looked_at = now
            with contextlib.suppress(OSError):  # there is none yet
                self._latest = Notice(*loads((self._directory / NOTICE).read_text()))
        return self._latest if self._latest.id == id else Notice(id)


def main(directory: str) -> None:
    """Load the run function, evaluate the task, and leave an answer.

    Args:
        directory: Holds the order; see `dhmpi.execution.step_executor`.
    """
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans come here
    here = Path(directory)
    order = loads((here / ORDER).read_text())
    part = _part(order["ranks_per_node"])
    # One rank alone is no group, and need not have MPI.
    task: Task = read_task(order["task"])._replace(part=part if part.size > 1 else None)
    view = gpus.listed()
    place = Place(*order["place"])._replace(local_rank=part.local_rank, gpus=view.devices if view else ())
    try:
        # There is one evaluation here, and one round of it.
        run, channel, feedback = prepare(order), StepChannel(here), Feedback(*order["feedback"])
        runner = Runner(run, order["timeout"], order["files"], place, lambda _: comm.world(), Link(channel, feedback))
        if runner.wants_comm and part.size > 1:
            _check(comm.world().size, part.size)
    except LoadError as error:
        _leave(here, FAILURE.format(part.rank), rank=part.rank, error=str(error), details=error.details)
        comm.abort(1)
    outcome = runner(task)
    if outcome.state in (State.STOPPED, State.PAUSED):
        _leave(here, OUTCOME, outcome=(*outcome, 0))  # rank 0, which alone is told; the others wait for it
        _sweep()
        comm.abort(1)
    if outcome.state is not State.DONE:
        _leave(here, FAILURE.format(part.rank), rank=part.rank, outcome=(*outcome, 0))
        _sweep()
        comm.abort(1)
    if part.rank == 0:
        _leave(here, OUTCOME, outcome=(*outcome, 0))
    _sweep()


def _check(found: int, size: int) -> None:
    """Check that the ranks of the step are one MPI job.

    Raises:
        LoadError: Each of them is one of its own, as where the launcher and the MPI do not know each other.
    """
    if found != size:
        raise LoadError(
            f"a step of {size} ranks must be one MPI job, got one of {found}; give the launcher of the MPI that mpi4py "
            f"uses ({comm.library()}), such as --evaluator launch:launcher=mpirun, or for srun SLURM_MPI_TYPE=pmi2"
        )


def _part(ranks_per_node: int) -> GroupPart:
    """Return which rank of the step this is, by its launcher's variables."""
    rank, size, _ = environment.launch()
    return GroupPart(rank, max(size, 1), gpus.local_rank(), ranks_per_node, ())


def _sweep() -> None:
    """End all that user code has started here."""
    sweep = Sweep((os.getpid(),), {}, GRACE, LONG_GRACE)
    while sweep.go_on():
        time.sleep(FIRST_INTERVAL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue


def _leave(directory: Path, name: str, **answer: Any) -> None:
    """Leave an answer in a file that is whole once it is there."""
    new = directory / f"{name}.new"
    content: Mapping[str, Any] = answer | {"ended": time.time()}
    with open(new, "w") as file:
        file.write(dumps(content))
        file.flush()
        os.fsync(file.fileno())
    new.rename(directory / name)
