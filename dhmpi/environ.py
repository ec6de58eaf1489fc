"""What the environment says: the launcher, this rank, this host, the threads a child may use."""

import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

# (rank, size) variables of each launcher, most specific first. A batch script under Slurm has SLURM_PROCID too,
# so a Slurm step counts only where srun has set SLURM_STEP_ID.
LAUNCHER_VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI: mpirun
    ("PALS_RANKID", "PALS_SIZE"),  # HPE Cray PALS: mpiexec on Polaris and Aurora
    ("PMI_RANK", "PMI_SIZE"),  # MPICH: mpiexec (Hydra), Intel MPI, srun --mpi=pmi2
    ("ALPS_APP_PE", "ALPS_APP_SIZE"),  # Cray ALPS: aprun on Theta
    ("FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
    ("PMIX_RANK", ""),  # srun --mpi=pmix; the size follows from Slurm's variables
)
SLURM_STEP_VARIABLES = ("SLURM_STEP_ID", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
LOCAL_SIZE_VARIABLES = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "PALS_LOCAL_SIZE", "SLURM_NTASKS_PER_NODE")

# An interpreter that inherits these would take itself for a rank of this job when user code imports an MPI library.
LAUNCHER_PREFIXES = (
    *("OMPI_", "PMIX_", "PMI_", "PRTE_", "HYDRA_", "HYDI_", "MPIR_", "MPI_LOCALN", "MPI_LOCALR"),
    *("SLURM_", "PALS_", "ALPS_", "FLUX_"),
)
# Settings by which a person lets Open MPI run; user code may start an mpirun of its own.
KEPT_VARIABLES = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")


# By these, schedulers and people ask all processes of a job to end.
END_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGHUP,
    signal.SIGXCPU,
)


class Launch(NamedTuple):
    """How the launcher numbered this process.

    Attributes:
        rank: This process's rank, 0 without a launcher.
        size: The number of ranks, 1 without a launcher, 0 where the launcher does not say.
        found: Whether there is a launcher.
    """

    rank: int
    size: int
    found: bool


def launch(env: Mapping[str, str] = os.environ) -> Launch:
    """Tell from the environment, before MPI starts, which rank this process is."""
    step, rank_name, size_name = SLURM_STEP_VARIABLES
    slurm_size = int(env.get(size_name, 0)) if step in env else 0
    for rank_variable, size_variable in LAUNCHER_VARIABLES:
        if env.get(rank_variable, "").isdigit():
            return Launch(int(env[rank_variable]), int(env.get(size_variable) or slurm_size), True)
    if step in env and slurm_size > 1:
        return Launch(int(env.get(rank_name, 0)), slurm_size, True)
    return Launch(0, 1, False)


def is_fault_tolerant(env: Mapping[str, str] = os.environ) -> bool:
    """Tell whether Open MPI lets ranks outlive others (mpirun --with-ft ulfm)."""
    return env.get("OMPI_MCA_mpi_ft_enable", "").lower() in ("1", "true", "yes")


def hostname() -> str:
    """Return this host's short name."""
    return socket.gethostname().partition(".")[0]


LAUNCHER_PROGRAMS = ("mpirun", "mpiexec", "prterun", "prted", "orted", "hydra_pmi_proxy")


def launchers() -> Iterator[int]:
    """Yield the launcher's processes that have started this one, the nearest first, as far as they are on this host."""
    pid, has_found = os.getppid(), False
    for _ in range(4):
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return  # another user's process, or no /proc
        program = status[status.index("(") + 1 : status.rindex(")")]
        if program.startswith(LAUNCHER_PROGRAMS):
            has_found = True
            yield pid
        elif has_found:
            return
        pid = int(status.rpartition(")")[2].split()[1])


def terminal() -> TextIO | None:
    """Return the terminal that somebody watches, or None if there is none.

    A launcher hands its ranks pipes in place of its terminal; what it writes its own errors to tells about the terminal
    of the person who started it here.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        return sys.stderr
    for pid in launchers():
        try:
            with open(f"/proc/{pid}/fd/2") as stream:
                if stream.isatty():
                    return open(os.ttyname(stream.fileno()), "w")
        except OSError:
            return None  # another user's process
    return None


def open_standard_streams() -> None:
    """Let standard streams that this process was started without lead to /dev/null.

    Otherwise the next file that is opened takes the place of one, and whatever anybody prints goes there.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free: this one
            os.set_inheritable(descriptor, True)
            if getattr(sys, name) is None:
                setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115  # stays


def child_environment(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a child that runs user code: not a rank, and with its share of the cores."""
    child = {k: v for k, v in env.items() if k in KEPT_VARIABLES or not k.startswith(LAUNCHER_PREFIXES)}
    # Otherwise every worker of a node starts as many threads as the node has cores.
    child.setdefault("OMP_NUM_THREADS", str(threads_per_rank(env)))
    return child


def num_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def threads_per_rank(env: Mapping[str, str] = os.environ) -> int:
    """Return this rank's share of the cores that it may run on, at least 1."""
    local_size = next((int(env[name]) for name in LOCAL_SIZE_VARIABLES if env.get(name, "").isdigit()), 1)
    return max(1, num_cores() // max(1, local_size))
