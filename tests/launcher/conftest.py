"""These tests start the program itself, with and without mpirun, in a directory of their own."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dhmpi import results

ROOT = Path(__file__).resolve().parents[2]
MPICH = ROOT / ".mpich"
POLYNOME = "dhmpi.benchmark.hps.polynome2.Problem"


def load_benchmark(name):
    """The durability benchmark and these tests share how jobs are started, found and killed."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


durability_benchmark = load_benchmark("durability")
hostile_benchmark = load_benchmark("hostile")


class Job(durability_benchmark.Job):
    """dhmpi, running; `ranks` is None without mpirun."""

    def __init__(self, words, directory, ranks, variables, launcher_options=(), program="dhmpi", mpich=None):
        mpirun = "mpirun" if mpich is None else str(mpich / "bin" / "mpiexec")
        launcher = [] if ranks is None else [mpirun, *launcher_options, "-n", str(ranks)]
        if mpich is not None:
            variables = {"MPI4PY_MPIABI": "mpich", "LD_LIBRARY_PATH": str(mpich / "lib"), **variables}
        super().__init__([*launcher, program, *words], directory, variables)
        self.ranks = ranks
        self.directory = directory

    @property
    def stdout(self):
        return self.out.read_text()

    @property
    def stderr(self):
        return self.err.read_text()

    def pid(self, rank):
        """The process id of a rank; its children do not know their rank."""
        if self.ranks is None:
            return self.process.pid
        found = [pid for pid, env in self.processes().items() if env.get("OMPI_COMM_WORLD_RANK") == str(rank)]
        assert len(found) == 1, f"rank {rank} should be one process, got {found}"
        return found[0]

    def wait(self, timeout):
        """The exit status, and an empty machine: whatever the job started is gone in time."""
        end = time.monotonic() + timeout
        status = self.process.wait(timeout)
        until(lambda: not self.processes(), end - time.monotonic(), "its processes did not end")
        return status


def until(condition, timeout, complaint):
    """Wait for a condition, and fail after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, complaint
        time.sleep(0.02)
    return found


@pytest.fixture(name="until")
def _until():
    return until


@pytest.fixture(scope="session")
def durability():
    return durability_benchmark


@pytest.fixture(scope="session")
def hostile():
    return hostile_benchmark


@pytest.fixture(params=["Open MPI", "MPICH"])
def mpich(request):
    """Where MPICH is, or None for Open MPI."""
    if request.param == "Open MPI":
        return None
    if not (MPICH / "bin" / "mpiexec").exists():
        if os.geteuid() or not shutil.which("apt-get"):
            pytest.skip("MPICH is not there; scripts/slurm-test-environment installs it, as root on Debian")
        script, env = ROOT / "scripts" / "slurm-test-environment", os.environ | {"PYTHON": sys.executable}
        subprocess.run([script], check=True, stdout=subprocess.DEVNULL, env=env)
    return MPICH


@pytest.fixture
def launch(tmp_path):
    """Start dhmpi in tmp_path; at the end of the test, nothing of it may be left."""
    jobs = []

    def start(*words, ranks=None, directory=tmp_path, launcher_options=(), program="dhmpi", mpich=None, **variables):
        jobs.append(Job(words, directory, ranks, variables, launcher_options, program, mpich))
        return jobs[-1]

    yield start
    left = [job for job in jobs if job.processes()]
    report = [f"{job.process.args}: {[read_command(pid) for pid in job.processes()]}\n{job.stderr}" for job in left]
    for job in left:
        job.kill()
    for job in jobs:
        job.process.wait()
    assert not report, "processes were left:\n" + "\n".join(report)


def read_command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


@pytest.fixture
def campaign(launch, tmp_path):
    """Start a random search over polynome2 with a run function given as text; it finds `here` and `context.id`."""

    def start(body, *words, ranks=None, **variables):
        (tmp_path / "user.py").write_text(PROLOGUE + body)
        words = ["hps-random", "--problem", POLYNOME, "--run", "user.py", *words]
        return launch(*words, ranks=ranks, **variables)

    return start


PROLOGUE = """\
import ctypes, hashlib, os, pathlib, signal, sys, time

here = pathlib.Path(__file__).parent

"""


@pytest.fixture
def evaluations(tmp_path):
    """The evaluations in the results file, by id; no id and no point may be there twice."""

    def read():
        found = results.read(tmp_path / "results.h5").evaluations
        assert len({evaluation.id for evaluation in found}) == len(found)
        assert len({tuple(evaluation.point.items()) for evaluation in found}) == len(found)
        return {evaluation.id: evaluation for evaluation in found}

    return read


@pytest.fixture
def send():
    """Send a signal to a process."""

    def kill(pid, name):
        os.kill(pid, getattr(signal, name))

    return kill
