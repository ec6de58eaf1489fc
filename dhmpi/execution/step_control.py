"""Control of steps that outlive their launchers: a scheduler's own commands find and end them.

A step is gone with its launcher, unless that had to be killed: Slurm's and Flux's daemons keep the ranks then.
"""

import logging
import math
import subprocess
import threading
import time
from collections.abc import Callable, Mapping

from dhmpi.support.launchers import FLUX, SRUN

log = logging.getLogger(__name__)

# How long a scheduler's command may take, how long a step may take to go, and how often that is asked: at first, and
# then; a scheduler has others to serve [s].
COMMAND_TIMEOUT, PATIENCE, INTERVAL, LAST_INTERVAL = 20.0, 120.0, 0.3, 5.0


class StepControl:
    """Finds and ends steps by their names; this one knows of none, since launchers take theirs with them."""

    outlives = False

    def ids(self, name: str) -> list[str]:
        """Return the scheduler's ids of the steps with a name that are there.

        Raises:
            OSError, subprocess.SubprocessError: The scheduler does not answer.
        """
        return []

    def cancel(self, id: str) -> None:
        """Have a step ended."""

    def end(self, name: str, patience: float = PATIENCE, sleep: Callable[[float], None] = time.sleep) -> bool:
        """End a step, if it is there, and return whether it is gone within some seconds."""
        end, interval = time.monotonic() + patience, INTERVAL
        while True:
            sleep(interval)  # most are just going
            interval = min(1.5 * interval, LAST_INTERVAL)
            try:
                ids = self.ids(name)
                if not ids:
                    return True
                for id in ids:
                    self.cancel(id)
            except (OSError, subprocess.SubprocessError) as error:
                log.info("the scheduler does not answer: %s", error)
            if time.monotonic() >= end:
                return False


class SlurmSteps(StepControl):
    """The steps of a job of Slurm.

    Args:
        env: The job's environment.
    """

    outlives = True

    def __init__(self, env: Mapping[str, str]) -> None:
        self._job = env.get("SLURM_JOB_ID", "")
        self._lock = threading.Lock()
        self._asked_at, self._pairs = -math.inf, list[list[str]]()

    def ids(self, name: str) -> list[str]:
        """Return the ids of steps with a name; the steps of a job that end together are asked for together."""
        begun = time.monotonic()
        with self._lock:
            if self._asked_at < begun:
                asked_at = time.monotonic()
                found = _asked("squeue", "--steps", "--noheader", f"--jobs={self._job}", "--format=%i %j")
                self._pairs = [line.split(maxsplit=1) for line in found.splitlines()]
                self._asked_at = asked_at  # for all who have come since
            return [pair[0] for pair in self._pairs if pair[1:] == [name]]

    def cancel(self, id: str) -> None:
        """Have the ranks of a step killed."""
        _asked("scancel", "--signal=KILL", id)


class FluxJobs(StepControl):
    """The jobs of this instance of Flux, which are the steps there."""

    outlives = True

    def ids(self, name: str) -> list[str]:
        """Return the ids of active jobs with a name."""
        return _asked("flux", "jobs", "--no-header", f"--name={name}", "--format={id}").split()

    def cancel(self, id: str) -> None:
        """Have a job cancelled."""
        _asked("flux", "cancel", id)


def control_of(kind: str, env: Mapping[str, str]) -> StepControl:
    """Return the control of a launcher's steps."""
    if kind == SRUN:
        return SlurmSteps(env)
    return FluxJobs() if kind == FLUX else StepControl()


def _asked(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=COMMAND_TIMEOUT)
    return done.stdout
