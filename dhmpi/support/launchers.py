"""Launchers of MPI programs that are in PATH, and whose they are."""

import re
import subprocess
from pathlib import Path

VERSION_TIMEOUT = 20.0  # s
# Where each MPI's launcher may be, and what its --version says.
OPEN_MPI, HYDRA, PALS = "Open MPI", "MPICH's Hydra", "PALS"
PROGRAMS = {
    OPEN_MPI: ("mpirun", "mpiexec", "mpirun.openmpi"),
    HYDRA: ("mpiexec", "mpirun", "mpiexec.hydra", "mpirun.mpich"),
    PALS: ("mpiexec", "mpirun"),
}
MARKS = {OPEN_MPI: r"Open MPI\)? v?(\d+)|OpenRTE\)? (\d+)", HYDRA: r"HYDRA|Intel\(R\) MPI", PALS: r"PALS"}
# Schedulers' own launchers, of which there is only one each.
SRUN, APRUN, FLUX = "srun", "aprun", "flux"


def is_kind(kind: str, version: str) -> bool:
    """Whether what a launcher says of its version is of this kind."""
    return re.search(MARKS[kind], version) is not None


def kind_of(path: str) -> str | None:
    """Return whose launcher a program is; None if it does not say."""
    if (name := Path(path).name) in (SRUN, APRUN, FLUX):
        return name
    version = version_text(path)
    return next((kind for kind in MARKS if is_kind(kind, version)), None)


def version_text(path: str) -> str:
    """Return what a launcher says of its version; nothing where there is only one, or if it does not answer."""
    if Path(path).name in (SRUN, APRUN, FLUX):
        return ""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=VERSION_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def open_mpi_version(version: str) -> int:
    """Return the first number of an Open MPI's version, or 0 if this is none."""
    found = re.search(MARKS[OPEN_MPI], version)
    return int(found[1] or found[2]) if found else 0
