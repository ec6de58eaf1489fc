"""Durability of results: whole jobs are killed at random moments, and nothing that was acknowledged may be lost.

    python benchmarks/durability.py [--kills 50] [--seed 1] [--max-evals 1000]

A random search on 3 ranks is started, every process of the job is killed with SIGKILL at a random moment of its life,
and the campaign is resumed, to be killed again or to come to its end; then the next one begins. The run function notes
the beginning of each evaluation. A worker begins the next one only when rank 0 has taken note of the one before: that
one counts as reported finished, and must be in the file. Meanwhile, plain h5py opens the results file again and again.

Prints a table row for each isolation. Exit status 1 if an evaluation was lost, the results file could not be opened, or
a resumed campaign ended with another number of evaluations, an id or a point twice.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py

from dhmpi import results

PROBLEM = "dhmpi.benchmark.hps.polynome2.Problem"
OUTPUT = "results.h5"
STARTED = "started.txt"
RUN = f"""\
import os, random, time
log = os.open({STARTED!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def run(point, context):
    os.write(log, b"%d %d\\n" % (os.getpid(), context.id))
    time.sleep(random.Random(context.seed).uniform(0.002, 0.005))
    return -sum(value * value for value in point.values())
"""
# Longest wait for a job that should end by itself [s].
PATIENCE = 60.0
OPEN_INTERVAL = 0.01  # s


class Job:
    """A command, and all that it starts: the processes that inherit a variable of its environment.

    Sessions and process groups would not do to find them, since both mpirun and dhmpi make their own.

    Args:
        words: The command.
        directory: Where it runs; what it prints goes to files there.
        variables: Further variables of its environment.
    """

    def __init__(self, words: Sequence[str], directory: Path, variables: Mapping[str, str] | None = None) -> None:
        name = uuid.uuid4().hex
        self._mark = f"DHMPI_JOB={name}".encode()
        self.out, self.err = directory / f"{name}.out", directory / f"{name}.err"
        scratch = directory / "scratch"  # what a killed MPI leaves behind goes with the directory
        scratch.mkdir(exist_ok=True)
        env = {
            "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
            "PRTE_MCA_hwloc_default_binding_policy": "none",
        }
        env |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        env |= {"TMPDIR": str(scratch), "OMPI_MCA_btl_sm_backing_directory": str(scratch)}
        env |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "DHMPI_JOB": name}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                words,
                cwd=directory,
                env={**os.environ, **env, **(variables or {}), "PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def processes(self) -> dict[int, dict[str, str]]:
        """Return the environments of all processes that are alive, by their ids."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended, or is another user's
            if self._mark in variables:
                pairs = (os.fsdecode(variable).partition("=") for variable in variables)
                found[int(entry.name)] = {name: value for name, _, value in pairs}
        return found

    def kill(self) -> None:
        """End all processes with SIGKILL, like a node that loses its power."""
        while pids := self.processes():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        self.process.wait()


class Opener(threading.Thread):
    """Opens a results file with plain h5py, again and again, from the moment it exists.

    Attributes:
        tried: How often.
        failures: What went wrong.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._ended = threading.Event()
        self.tried = 0
        self.failures: list[str] = []

    def run(self) -> None:
        """Open and read until told to stop."""
        while not self._ended.wait(OPEN_INTERVAL):
            if not self.tried and not self._path.exists():
                continue
            self.tried += 1
            try:
                with h5py.File(self._path, "r") as file:
                    file["evaluations/id"][()]
            except (OSError, KeyError) as error:
                self.failures.append(str(error))

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join()


@dataclass
class Tally:
    """Counts over all jobs.

    Attributes:
        kills: Jobs that were killed.
        found: Evaluations that were reported finished, and found.
        lost: Those that were reported finished, and not found.
        opened: How often the results file was opened with h5py.
        open_failed: How often that failed.
        campaigns: Campaigns that were resumed and came to their end.
        exact: Those of them that ended with the number of evaluations asked for, no id and no point twice.
        faults: Everything else that must not be, as sentences.
    """

    kills: int = 0
    found: int = 0
    lost: int = 0
    opened: int = 0
    open_failed: int = 0
    campaigns: int = 0
    exact: int = 0
    faults: list[str] = field(default_factory=list)


def measure(isolation: str, kills: int, seed: int, max_evals: int, directory: Path) -> Tally:
    """Kill jobs at random moments, and look at what they leave.

    Args:
        isolation: Where the run function runs.
        kills: How many jobs are killed.
        seed: Of the moments.
        max_evals: Evaluations of a campaign.
        directory: Where everything goes; it is empty.
    """
    rng, tally = random.Random(seed), Tally()
    lifetime = _lifetime(isolation, max_evals, _new(directory, "undisturbed"))
    number = 0
    while tally.kills < kills and len(tally.faults) < kills:
        place = _new(directory, f"campaign-{number}")
        number += 1
        opener = Opener(place / OUTPUT)
        opener.start()
        try:
            _campaign(isolation, kills, max_evals, place, lambda: rng.uniform(0, lifetime), tally)
        finally:
            opener.stop()
        tally.opened += opener.tried
        tally.open_failed += len(opener.failures)
        tally.faults += opener.failures
    return tally


def _new(directory: Path, name: str) -> Path:
    place = directory / name
    place.mkdir()
    (place / "run.py").write_text(RUN)
    return place


def _start(isolation: str, max_evals: int, place: Path) -> Job:
    (place / STARTED).unlink(missing_ok=True)
    words = ["mpirun", "-n", "3", "dhmpi", "hps-random", "--problem", PROBLEM, "--run", "run.py", "--output", OUTPUT]
    words += ["--max-evals", str(max_evals), "--isolation", isolation]
    return Job([*words, "--resume"] if (place / OUTPUT).exists() else words, place)


def _lifetime(isolation: str, max_evals: int, place: Path) -> float:
    begun = time.monotonic()
    status = _start(isolation, max_evals, place).process.wait(PATIENCE)
    if status:
        raise RuntimeError(f"an undisturbed job must end with status 0, got {status}")
    return time.monotonic() - begun


def _campaign(
    isolation: str, kills: int, max_evals: int, place: Path, moment: Callable[[], float], tally: Tally
) -> None:
    """Start a job, kill it, resume it, kill it, until one has come to its end."""
    was_killed = False
    while True:
        job = _start(isolation, max_evals, place)
        try:
            # When there are enough kills, the campaign may end in peace.
            status = job.process.wait(PATIENCE if tally.kills >= kills else moment())
        except subprocess.TimeoutExpired:
            if tally.kills >= kills:
                job.kill()
                tally.faults.append(f"a job must end within {PATIENCE:g} s, got one that did not")
                return
            job.kill()
            tally.kills += 1
            was_killed = True
            _account(job, place, tally)
            continue
        if status:
            tally.faults.append(f"a job must end with status 0, got {status}: {job.err.read_text()}")
            return
        _account(job, place, tally)
        if was_killed:
            mistakes = _mistakes(place, max_evals)
            tally.campaigns += 1
            tally.exact += not mistakes
            tally.faults += mistakes
        return


def _account(job: Job, place: Path, tally: Tally) -> None:
    """Compare what a job has reported with what the file holds."""
    reported = reported_finished(place / STARTED)
    held = results.read(place / OUTPUT).evaluations if (place / OUTPUT).exists() else []
    final = {evaluation.id for evaluation in held if evaluation.state.is_final}
    tally.found += len(reported & final)
    tally.lost += len(reported - final)
    shown = max((int(num) for num in re.findall(r"^(\d+) done,", job.err.read_text(), re.MULTILINE)), default=0)
    if shown > len(final):
        tally.faults.append(f"the progress line said {shown} done, the file holds {len(final)}")


def reported_finished(path: Path) -> set[int]:
    """Return the ids of the evaluations of which rank 0 knew that they had finished.

    Args:
        path: A line with process and id for each evaluation that began.
    """
    if not path.exists():
        return set()
    latest: dict[str, int] = {}
    reported = set()
    for line in path.read_text().splitlines():
        process, id = line.split()
        if process in latest:
            reported.add(latest[process])
        latest[process] = int(id)
    return reported


def _mistakes(place: Path, max_evals: int) -> list[str]:
    """Return what is wrong with a campaign that has come to its end."""
    found = results.read(place / OUTPUT)
    ids = [evaluation.id for evaluation in found.evaluations]
    points = Counter(json.dumps(evaluation.point, sort_keys=True) for evaluation in found.evaluations)
    states = Counter(evaluation.state.value for evaluation in found.evaluations)
    mistakes = []
    if sorted(ids) != list(range(max_evals)):
        mistakes.append(f"ids must be 0 to {max_evals - 1}, got {len(ids)}, of which {len(set(ids))} differ")
    if states != {"DONE": max_evals}:
        mistakes.append(f"all evaluations must be DONE, got {dict(states)}")
    if len(points) != len(ids):
        mistakes.append(f"no point may be there twice, got {points.most_common(1)}")
    if not found.metadata.complete:
        mistakes.append("the campaign must be marked complete")
    return [f"{place.name}: {mistake}" for mistake in mistakes]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="jobs that are killed, for each isolation")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments")
    parser.add_argument("--max-evals", type=int, default=1000, help="evaluations of a campaign")
    arguments = parser.parse_args()
    print("| isolation | kills | reported finished and found | lost | h5py opens tried / failed | exact resumes |")
    print("|---|---|---|---|---|---|")
    faults = []
    for isolation in ("process", "inline"):
        with tempfile.TemporaryDirectory() as directory:
            tally = measure(isolation, arguments.kills, arguments.seed, arguments.max_evals, Path(directory))
        row = [isolation, tally.kills, f"{tally.found:,}", tally.lost]
        row += [f"{tally.opened:,} / {tally.open_failed}", f"{tally.exact} of {tally.campaigns}"]
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        faults += tally.faults + ["evaluations were lost"] * (tally.lost > 0)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
