"""Job scripts run here: on a real Slurm of one machine that plays three nodes, and on stand-ins for Cobalt and PBS."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dhmpi import results
from dhmpi.jobs.script import JobScript, name_of, render

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
JOBS = ROOT / "jobs"
NODES = 3
# Evaluations of a second each on three workers: no job of a minute can have so many.
TOO_MANY = 3 * 57
GPUS = 8

# Nobody but root may run several slurmds, and nothing is bound or confined: this is about jobs, not about cgroups.
SLURM_CONF = """\
ClusterName=emulated
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
FirstJobId={first_job}
AuthType=auth/munge
AuthInfo=socket={base}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={base}/state
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd-%n.pid
SlurmdSpoolDir={base}/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=pmi2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
ReturnToService=2
KillWait=5
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
GresTypes=gpu
SlurmdParameters=config_overrides
"""
# A node of Theta, with the GPUs of Perlmutter and Frontier.
NODE = (
    "NodeName=nid{number:05} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=128 RealMemory=4000 "
    "Feature=gpu Gres=gpu:{gpus}\n"
)
PARTITION = "PartitionName={name} Nodes=nid0000[1-3] MaxTime=INFINITE State=UP{more}\n"

# What a login shell finds at a site: the scheduler's commands, and a module system. The modules that dhmpi installs are
# tested with real ones elsewhere; this stand-in knows what the scripts ask for, and refuses anything else. All nodes
# are this one. Addresses of UCX have two thousand digits, some of which are what memory happened to hold, and have been
# too long for Slurm 22.05 twice; those of OFI are short.
PROFILE = """\
export PATH={commands}:/usr/sbin:/usr/bin:/sbin:/bin
module() {{
    case "$*" in
        "unload trackdeps darshan xalt") ;;
        "load deephyper")
            export PATH={home}/.software:$PATH
            export MPI4PY_MPIABI=mpich LD_LIBRARY_PATH={mpich}/lib MPIR_CVAR_CH4_NETMOD=ofi ;;
        "load deephyper/openmpi") export PATH={venv}:$PATH ;;
        *) echo "module: there is none: $*" >&2; return 1 ;;
    esac
}}
"""

# Problems that cost nothing. `wait` is a file: while it is there, evaluations wait for its end.
PROBLEM = """\
import os, pathlib, time
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0), 0.5)
here = pathlib.Path(__file__).parent


def run(point):
    return point["x"]


def second(point, context):
    time.sleep(1.0)
    return point["x"]


def gpu(point):
    names = ("ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "CUDA_VISIBLE_DEVICES")
    assert os.environ["DHMPI_GPUS"] in map(os.environ.get, names)
    return {"objective": point["x"], "gpu": os.environ["DHMPI_GPUS"]}


def world(point, comm, context):
    hosts = comm.allgather(os.environ.get("SLURMD_NODENAME", "here"))
    return {"objective": comm.allreduce(point["x"]), "hosts": hosts, "group": [context.group_rank, context.group_size]}


def tenth(point):
    time.sleep(0.1)
    return point["x"]


def forever(point):
    time.sleep(600)


def hang(point, context):
    (here / f"hanging-{context.id}").touch()
    while not (here / "go").exists():
        time.sleep(0.05)
    return point["x"]
"""


def until(condition, timeout, complaint):
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, complaint() if callable(complaint) else complaint
        time.sleep(0.1)
    return found


@pytest.fixture(name="until")
def _until():
    return until


class Site:
    """A place to submit jobs at.

    Attributes:
        home: The home directory, in which jobs are submitted.
    """

    def __init__(self, home, commands, mpich):
        self.home = home
        home.mkdir()
        (home / "problem.py").write_text(PROBLEM)
        venv = Path(sys.executable).parent
        (home / ".software").mkdir()
        (home / ".software" / "dhmpi").symlink_to(venv / "dhmpi")  # alone: the launchers are the site's
        (home / ".bash_profile").write_text(PROFILE.format(home=home, commands=commands, venv=venv, mpich=mpich))
        self.env = {"HOME": str(home), "USER": "root", "PATH": f"{commands}:/usr/sbin:/usr/bin:/sbin:/bin"}

    def script(self, *arguments, **fields):
        """Write a script and return its path; a random search imports less than the others do."""
        job = JobScript(*arguments, problem="problem.py", **fields)
        path = self.home / name_of(job)
        path.write_text(render(job))
        path.chmod(0o755)
        return path

    def plain_script(self, name, command, directives=""):
        """Write a script that loads dhmpi and runs one command, without a launcher, and return its path."""
        path = self.home / name
        path.write_text(f"#!/bin/bash -l\n{directives}module load deephyper\n{command}\n")
        path.chmod(0o755)
        return path

    def run(self, *words, status=0, **variables):
        """Run a command as a person on the login node does, and return what it prints."""
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.home,
            env=self.env | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout if status == 0 else done.stdout + done.stderr

    def read(self, name):
        return results.read(self.home / name)


class Slurm(Site):
    """A real Slurm."""

    def submit(self, script, *options, **variables):
        """Submit a script and return the job's id."""
        return self.run("sbatch", "--parsable", *options, script, **variables).strip()

    def show(self, job):
        """What Slurm knows of a job."""
        return dict(each.split("=", 1) for each in self.run("scontrol", "show", "job", job).split() if "=" in each)

    def state(self, job):
        """The state of a job, and its exit status."""
        fields = self.show(job)
        return fields["JobState"], int(fields["ExitCode"].split(":")[0])

    def wait(self, job, timeout=100):
        """Wait for the end of a job and return its exit status."""

        def ended():
            state, status = self.state(job)
            return state in ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED") and (status, state)

        return until(ended, timeout, lambda: f"job {job} did not end: {self.state(job)}\n{self.output(job)}")[0]

    def output(self, job):
        """What a job has printed."""
        return "\n".join(path.read_text() for path in self.home.glob(f"*-{job}.*"))


def free_ports(num):
    sockets = [socket.socket() for _ in range(num)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="session")
def mpich():
    """The directory of MPICH, with Slurm installed too."""
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("needs root on Debian, to install Slurm and run its daemons")
    command = [ROOT / "scripts" / "slurm-test-environment"]
    if Path(sys.prefix).name == ".venv-lowest":
        command.append(ROOT / "tests" / "lowest.txt")
    env = os.environ | {"PYTHON": sys.executable}
    return Path(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout.strip())


@pytest.fixture(scope="session", autouse=True)
def shared_memory():
    """Remove what killed jobs have left of MPICH's shared memory."""
    begun = time.time()
    yield
    for path in Path("/dev/shm").glob("mpich_*"):
        if path.stat().st_mtime >= begun and not any(str(path) in text for text in memory_maps()):
            path.unlink()


def memory_maps():
    for path in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):  # it has ended
            yield path.read_text()


@pytest.fixture(scope="session")
def slurm_conf(mpich, tmp_path_factory):
    """The configuration of a Slurm that runs, with three emulated nodes."""
    base = tmp_path_factory.mktemp("slurm")
    host = socket.gethostname().partition(".")[0]
    ctld_port, *ports = free_ports(NODES + 1)
    (base / "key").write_bytes(os.urandom(1024))
    (base / "key").chmod(0o600)
    # MPICH names shared memory after the job, and stumbles over what a killed job of the same number has left.
    first_job = random.randrange(10_000, 60_000_000)
    conf = SLURM_CONF.format(host=host, base=base, ctld_port=ctld_port, first_job=first_job)
    for number, port in enumerate(ports, start=1):
        (base / f"spool-nid{number:05}").mkdir()
        conf += NODE.format(number=number, host=host, port=port, gpus=GPUS)
    # One partition cannot be called default, which is a keyword.
    for name in ("regular", "batch", "debug-cache-quad"):
        conf += PARTITION.format(name=name, more=" Default=YES" if name == "regular" else "")
    for number in range(GPUS):
        (base / f"gpu{number}").symlink_to("/dev/null")  # Slurm names no GPU to jobs that is no device
    (base / "gres.conf").write_text(f"Name=gpu File={base}/gpu[0-{GPUS - 1}]\n")
    (base / "slurm.conf").write_text(conf)
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SLURM_CONF": str(base / "slurm.conf")}
    # By force, since the directory is open to nobody but root.
    munge = [
        "munged",
        "--foreground",
        "--force",
        f"--socket={base}/munge.socket",
        f"--key-file={base}/key",
        "--num-threads=2",
    ]
    munge += [f"--pid-file={base}/munged.pid", f"--log-file={base}/munged.log", f"--seed-file={base}/seed"]
    daemons = []

    def start(*words):
        with open(base / f"{words[0]}{len(daemons)}.log", "w") as log:
            daemons.append(subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def ask(*words):
        return subprocess.run(words, env=env, capture_output=True, text=True, check=False).stdout.split()

    def logs():
        return "\n".join(path.read_text()[-2000:] for path in base.glob("*.log"))

    try:
        start(*munge)
        until((base / "munge.socket").exists, 10, logs)
        start("slurmctld", "-D", "-c")
        for number in range(1, NODES + 1):
            start("slurmd", "-D", "-N", f"nid{number:05}")
        until(lambda: ask("sinfo", "-h", "-N", "-p", "regular", "-o", "%T") == ["idle"] * NODES, 20, logs)
        yield base / "slurm.conf"
        ask("scancel", "--user=root")
        until(lambda: not ask("squeue", "-h"), 20, "jobs were left")
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
        for pid in processes_of(base / "slurm.conf"):  # jobs outlive the daemons
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def processes_of(conf):
    """The processes of a Slurm and its jobs."""
    mark = f"SLURM_CONF={conf}\0".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended
            if mark in path.read_bytes():
                yield int(path.parent.name)


@pytest.fixture(scope="session")
def slurm(slurm_conf, mpich, tmp_path_factory):
    """A cluster with Slurm."""
    base = tmp_path_factory.mktemp("cluster")
    site = Slurm(base / "home", base, mpich)
    site.env["SLURM_CONF"] = str(slurm_conf)
    return site


@pytest.fixture(scope="session")
def minute(slurm):
    """A job of a minute that cannot do all of its work, and submits its successor; and the work to be done.

    Other tests go on meanwhile.
    """
    variables = {"PROBLEM": "problem.py", "RUN": "problem.py:second", "MAX_EVALS": str(TOO_MANY)}
    variables |= {"OUTPUT": "minute.h5", "CHAIN": "1", "MODULE": "deephyper", "ARGUMENTS": "--isolation inline"}
    return slurm.submit(JOBS / "slurm.sh", "--nodes=1", "--time=1", **variables), TOO_MANY


@pytest.fixture(scope="session")
def theta(slurm_conf, minute, mpich, tmp_path_factory):
    """Theta, as far as it can be had."""
    base = tmp_path_factory.mktemp("theta")
    for name in ("qsub", "aprun"):
        shutil.copy(HERE / "cobalt" / name, base)
    for name in ("slurm.conf", "gres.conf"):
        (base / name).symlink_to(slurm_conf.parent / name)
    site = Slurm(base / "home", base, mpich)
    site.env["SLURM_CONF"] = str(slurm_conf)  # for the tests' own questions; qsub and aprun have theirs
    return site


class PBS(Site):
    """A stand-in for PBS."""

    def __init__(self, home, commands, mpich):
        super().__init__(home, commands, mpich)
        self._state = commands / "state"

    def submit(self, script, *options, **variables):
        """Submit a script and return the job's number."""
        return self.run("qsub", *options, script, **variables).partition(".")[0]

    def job(self, number):
        """What is known of a job."""
        return json.loads((self._state / f"{number}.json").read_text())

    def wait(self, number, timeout=100):
        """Wait for the end of a job and return its exit status."""
        job = until(lambda: (job := self.job(number)).get("state") == "F" and job, timeout, lambda: self.output(number))
        return job["status"]

    def output(self, number):
        """What a job has printed."""
        return Path(self.job(number)["output"]).read_text()

    def end(self):
        """End what still runs."""
        for path in self._state.glob("*.json"):
            job = json.loads(path.read_text())
            if job.get("state") == "R":
                os.killpg(job["pid"], signal.SIGKILL)


@pytest.fixture(scope="session")
def pbs(mpich, tmp_path_factory):
    """Polaris and Aurora, as far as they can be had: no nodes, no GPUs."""
    base = tmp_path_factory.mktemp("pbs")
    for name in ("qsub", "qstat", "mpiexec"):
        shutil.copy(HERE / "pbs" / name, base)
    (base / "mpich").symlink_to(mpich)
    site = PBS(base / "home", base, mpich)
    yield site
    site.end()
