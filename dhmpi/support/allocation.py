"""Allocation of the job: its nodes, by name, as the scheduler tells them."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dhmpi.errors import OptionError
from dhmpi.support import environment
from dhmpi.support.hostlist import expand

# How long Flux may take to tell its nodes [s].
FLUX_TIMEOUT = 20.0
SLURM, PBS, COBALT, FLUX = "Slurm", "PBS", "Cobalt", "Flux"


class Allocation(NamedTuple):
    """Allocation of a job.

    Attributes:
        scheduler: Whose job it is; nothing outside of one.
        nodes: Their names, as launchers take them.
        cores: What the ranks of a node can share, as the launcher counts it; None where that is not known.
    """

    scheduler: str
    nodes: tuple[str, ...]
    cores: int | None = None


def find(env: Mapping[str, str] = os.environ, kernel: str = "/sys") -> Allocation:
    """Return the allocation that this process runs in; outside of one, this machine.

    Args:
        env: The environment.
        kernel: The directory of what the kernel knows.

    Raises:
        OptionError: The scheduler does not tell its nodes.
    """
    if env.get("FLUX_URI") and (flux := shutil.which("flux", path=env.get("PATH"))):
        return Allocation(FLUX, expand(_asked([flux, "getattr", "hostlist"])))
    if nodes := env.get("SLURM_JOB_NODELIST"):
        # Of nodes that differ, the smallest one counts.
        cpus = [int(num) for num in re.findall(r"(\d+)(?:\(x\d+\))?", env.get("SLURM_JOB_CPUS_PER_NODE", ""))]
        return Allocation(SLURM, expand(nodes), min(cpus, default=None))
    scheduler = COBALT if "COBALT_JOBID" in env else PBS if "PBS_JOBID" in env else ""
    if path := nodefile(env):
        return Allocation(scheduler or PBS, listed(path), num_whole_cores(kernel))
    if scheduler == COBALT and (numbers := env.get("COBALT_PARTNAME")):
        # Theta: numbers of nodes. The script runs on another node than ranks do.
        return Allocation(COBALT, tuple(f"nid{int(number):05}" for number in expand(f"[{numbers}]")))
    return Allocation(scheduler, ("localhost",), num_whole_cores(kernel))


def nodefile(env: Mapping[str, str]) -> str | None:
    """Return the path of the file of the allocation's nodes, if there is one."""
    return next((env[name] for name in ("PBS_NODEFILE", "COBALT_NODEFILE") if env.get(name)), None)


def listed(path: str) -> tuple[str, ...]:
    """Return the nodes that a file lists, each of them once.

    Raises:
        OptionError: It cannot be read.
    """
    try:
        return tuple(dict.fromkeys(Path(path).read_text().split()))
    except OSError as error:
        raise OptionError(
            f"the scheduler's file of nodes must be readable, got {path}: {error.strerror}; run this within the job"
        ) from error


def num_whole_cores(kernel: str = "/sys") -> int:
    """Return on how many cores this process may run, however many hardware threads each of them has."""
    siblings = set()
    for core in environment.cores():
        try:
            siblings.add(Path(f"{kernel}/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text())
        except OSError:  # the kernel does not tell: each thread counts
            siblings.add(str(core))
    return len(siblings)


def _asked(words: list[str]) -> str:
    """Return what a program of the scheduler's prints.

    Raises:
        OptionError: It does not answer.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=FLUX_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OptionError(f"the scheduler must tell its nodes, got {error}; try {' '.join(words)}") from error
    if done.returncode:
        raise OptionError(f"the scheduler must tell its nodes, got {done.stderr.strip()!r}; try {' '.join(words)}")
    return done.stdout.strip()
