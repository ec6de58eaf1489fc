"""The launcher's line for the MPI and the scheduler that are there; docs/launching.md has them all."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dhmpi.errors import OptionError
from dhmpi.support import environment
from dhmpi.support.allocation import listed, nodefile
from dhmpi.support.launchers import HYDRA, OPEN_MPI, PALS, PROGRAMS, is_kind, open_mpi_version, version_text
from dhmpi.support.printing import Printer, tell


@dataclass(frozen=True)
class Ranks:
    """Number of ranks, and how they are placed on the nodes.

    Attributes:
        num: All of them.
        per_node: On each node, or None to leave it to the launcher.
        depth: Hardware threads for each of them to be bound to, or None to bind none.
    """

    num: int
    per_node: int | None = None
    depth: int | None = None


@dataclass(frozen=True)
class LaunchSite:
    """Launcher, MPI and scheduler that are found here.

    Attributes:
        library: Name and version of the MPI library that mpi4py uses.
        env: The environment.
        versions: What each launcher that is there says of its version, by its path.
        num_cores: Of this host.
        is_root: Whether this is root.
    """

    library: str
    env: Mapping[str, str]
    versions: Mapping[str, str]
    num_cores: int
    is_root: bool

    @property
    def num_nodes(self) -> int | None:
        """Nodes of the allocation; None outside of one."""
        for variable in ("COBALT_JOBSIZE", "SLURM_JOB_NUM_NODES"):
            if self.env.get(variable, "").isdigit():
                return int(self.env[variable])
        return len(listed(nodes)) if (nodes := self.nodefile) else None

    @property
    def nodefile(self) -> str | None:
        """The file of the allocation's nodes, for launchers that do not ask the scheduler."""
        return nodefile(self.env)

    @property
    def num_slots(self) -> int:
        """Number of ranks that fit without two of them sharing a core."""
        if "SLURM_JOB_ID" in self.env:
            return slurm_cpus(self.env.get("SLURM_JOB_CPUS_PER_NODE", ""))
        return self.num_cores * (self.num_nodes or 1)

    def find(self, kind: str) -> str | None:
        """Return the path of a launcher of this kind."""
        for name in PROGRAMS[kind]:
            for path, version in self.versions.items():
                if Path(path).name == name and is_kind(kind, version):
                    return path
        return None


def slurm_cpus(text: str) -> int:
    """Return how many CPUs Slurm means by, for example, 128(x2),64."""
    found = re.findall(r"(\d+)(?:\(x(\d+)\))?", text)
    return sum(int(num) * int(times or 1) for num, times in found)


def survey(library: Callable[[], str]) -> LaunchSite:
    """Look what is there.

    Args:
        library: Tells the MPI library of mpi4py.

    Raises:
        OptionError: This is a rank already.
    """
    if environment.launch().found:
        raise OptionError("dhmpi launch must not be started by a launcher, since it starts one; start it alone")
    names = dict.fromkeys(("aprun", "srun", *(name for names in PROGRAMS.values() for name in names)))
    paths = [path for name in names if (path := shutil.which(name))]
    return LaunchSite(
        library=library(),
        env=os.environ,
        versions={path: version_text(path) for path in paths},
        num_cores=environment.num_cores(),
        is_root=os.geteuid() == 0,
    )


def count(given: int | None, per_node: int | None, here: LaunchSite) -> int:
    """Return how many ranks to start.

    Args:
        given: How many were asked for, or None for `per_node` on each node of the allocation.
        per_node: How many on each node.
        here: What is there.

    Raises:
        OptionError: It cannot be known.
    """
    if given is not None:
        return given
    if per_node is None:
        raise OptionError("-n must be given, or --ranks-per-node within the allocation of a scheduler")
    if here.num_nodes is None:
        raise OptionError(
            f"--ranks-per-node {per_node} needs the allocation of a scheduler, and there is none; give -n"
        )
    return per_node * here.num_nodes


def line(ranks: Ranks, here: LaunchSite) -> list[str]:
    """Return the launcher and its options, to be followed by the program.

    Raises:
        OptionError: There is no launcher that fits.
    """
    is_open_mpi = here.library.startswith("Open MPI")
    by_name = {Path(path).name: path for path in here.versions}
    aprun, srun = by_name.get("aprun"), by_name.get("srun")
    if aprun and "COBALT_JOBID" in here.env:
        return _aprun(aprun, ranks)
    if not is_open_mpi and (pals := here.find(PALS)):
        return _pals(pals, ranks)
    if not is_open_mpi and srun and "SLURM_JOB_ID" in here.env:
        return _srun(srun, ranks, here)
    kind = OPEN_MPI if is_open_mpi else HYDRA
    if path := here.find(kind):
        return _mpirun(path, ranks, here) if is_open_mpi else _hydra(path, ranks, here)
    found = ", ".join(here.versions) or "none"
    raise OptionError(
        f"the launcher of {here.library}, which mpi4py uses, must be in PATH, got {found}; "
        "load that MPI's module, or put its directory first in PATH"
    )


def _aprun(path: str, ranks: Ranks) -> list[str]:
    # aprun(1): with -d always -cc depth. -j 2 puts two threads on a core, as Theta's users' guide does for Python.
    per_node = [] if ranks.per_node is None else ["-N", str(ranks.per_node)]
    bound = ["-cc", "none"] if ranks.depth is None else ["-d", str(ranks.depth), "-j", "2", "-cc", "depth"]
    return [path, "-n", str(ranks.num), *per_node, *bound]


def _pals(path: str, ranks: Ranks) -> list[str]:
    per_node = [] if ranks.per_node is None else ["--ppn", str(ranks.per_node)]
    bound = ["none"] if ranks.depth is None else ["depth", "--depth", str(ranks.depth)]
    return [path, "-n", str(ranks.num), *per_node, "--cpu-bind", *bound]


def _srun(path: str, ranks: Ranks, here: LaunchSite) -> list[str]:
    # Without PMI every task is an MPI job of one rank. Cray's Slurm has the right default for Cray's MPI.
    pmi = [] if here.library.upper().startswith("CRAY") else ["--mpi=pmi2"]
    per_node = [] if ranks.per_node is None else [f"--ntasks-per-node={ranks.per_node}"]
    bound = ["--cpu-bind=none"] if ranks.depth is None else [f"--cpus-per-task={ranks.depth}", "--cpu-bind=cores"]
    shared = ["--overcommit"] if ranks.num > here.num_slots else []
    # The other ranks outlive a rank, and a node.
    return [path, *pmi, "--no-kill", "--kill-on-bad-exit=0", f"--ntasks={ranks.num}", *per_node, *bound, *shared]


def _mpirun(path: str, ranks: Ranks, here: LaunchSite) -> list[str]:
    version = open_mpi_version(here.versions[path])
    root = ["--allow-run-as-root"] if here.is_root else []
    survive = ["--with-ft", "ulfm"] if version >= 5 else []  # the others outlive a rank
    hosts = ["--hostfile", here.nodefile] if here.nodefile else []
    place = [] if ranks.per_node is None else [f"ppr:{ranks.per_node}:node"]
    if ranks.depth is not None:
        place = [f"{place[0] if place else 'slot'}:pe={ranks.depth}"]
    bind = "none" if ranks.depth is None else "core"
    shared = ["--oversubscribe"] if ranks.num > here.num_slots else []
    mapped = ["--map-by", *place] if place else []
    return [path, *root, *survive, *hosts, *mapped, "--bind-to", bind, *shared, "-n", str(ranks.num)]


def _hydra(path: str, ranks: Ranks, here: LaunchSite) -> list[str]:
    hosts = ["-f", here.nodefile] if here.nodefile else []
    per_node = [] if ranks.per_node is None else ["-ppn", str(ranks.per_node)]
    bound = [] if ranks.depth is None else ["-bind-to", f"hwthread:{ranks.depth}"]
    return [path, *hosts, *per_node, *bound, "-n", str(ranks.num)]


def program() -> list[str]:
    """Return dhmpi as every node can start it: PATH may be another one there."""
    path = Path(sys.executable).with_name("dhmpi")
    return [str(path)] if path.exists() else [sys.executable, "-m", "dhmpi"]


def start(words: list[str], dry_run: bool) -> None:
    """Print a command and become it, so that signals reach it; only print it for a dry run."""
    if dry_run:
        print(shlex.join(words), file=Printer())
        return
    tell(shlex.join(words))
    os.execv(words[0], words)
