"""Environment of the process: the launcher, this rank, this host, the threads that a child may use."""

import functools
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Set
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

# What launchers set for one process: its rank, its step; an asterisk stands for any end. A child that inherits these
# would take itself for that rank when it imports an MPI library or starts a launcher. What describes the job stays, and
# so do settings by which people have launchers and libraries work. Found by comparing a job's environment with that of
# its ranks, for Open MPI 4.1.4 and 5.0.11, MPICH 5.0.2 and Slurm 22.05; and in what is named here.
RANK_VARIABLES = (
    # Slurm: srun(1), "output environment variables". sbatch(1) sets some of them too, for the batch script alone.
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_GTIDS", "SLURM_TASK_PID"),
    *("SLURM_STEPID", "SLURM_STEP_*", "SLURM_LAUNCH_NODE_IPADDR", "SLURM_SRUN_COMM_*", "SLURM_PTY_*"),
    # How many tasks the step has: srun gives it in place of the job's number, and libraries take it for that of ranks.
    # SLURM_TASKS_PER_NODE stays: Open MPI's mpirun counts its slots by it.
    *("SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NTASKS_PER_*"),
    # How the step is bound; a step within it would be bound to the same cores, or fail where it is smaller.
    *("SLURM_CPU_BIND*", "SLURM_MEM_BIND*", "SLURMD_TRES_BIND"),
    # Slurm's plugin mpi/pmix; and what MPICH's Hydra sets for its own srun.
    *("SLURM_PMIX_MAPPING_SERV", "SLURM_PMIXP_*", "SLURM_EXTERNAL_LAUNCHER"),
    # PMI and PMIx, by whatever launcher.
    *("PMI_*", "PMI2_*", "PMIX_*"),
    # Open MPI's mpirun.
    *("OMPI_COMM_WORLD_*", "OMPI_WORLD_*", "OMPI_UNIVERSE_SIZE", "OMPI_APP_CTX_NUM_PROCS", "OMPI_NUM_APP_CTX"),
    *("OMPI_FIRST_RANKS", "OMPI_ARGV", "OMPI_COMMAND", "OMPI_FILE_LOCATION", "OMPI_LIBDIR_LOC", "OMPI_TOOL_NAME"),
    *("OMPI_VERSION", "OPAL_USER_PARAMS_GIVEN", "OPAL_SYS_PARAMS_GIVEN", "PRTE_LAUNCHED", "PRTE_SHARED_FS"),
    # What it sets for its ranks, as people could; first version 5, with --with-ft for mpi_ft_enable, then 4.
    *("OMPI_MCA_PREFIXES", "OMPI_MCA_cpu_type", "OMPI_MCA_initial_wdir", "OMPI_MCA_num_procs"),
    *("OMPI_MCA_mpi_ft_enable", "OMPI_MCA_ess", "OMPI_MCA_ess_base_*", "OMPI_MCA_pmix", "OMPI_MCA_mpi_oversubscribe"),
    *("OMPI_MCA_orte_ess_*", "OMPI_MCA_orte_hnp_uri", "OMPI_MCA_orte_local_daemon_uri", "OMPI_MCA_orte_app_num"),
    *("OMPI_MCA_orte_jobfam_session_dir", "OMPI_MCA_orte_top_session_dir"),
    *("OMPI_MCA_orte_bound_at_launch", "OMPI_MCA_orte_launch", "OMPI_MCA_orte_num_nodes", "OMPI_MCA_orte_tmpdir_base"),
    *("OMPI_MCA_orte_precondition_transports", "OMPI_MCA_shmem_RUNTIME_QUERY_hint"),
    # MPICH's Hydra, Intel MPI.
    *("HYDI_*", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "MPIR_CVAR_CH3_INTERFACE_HOSTNAME"),
    # HPE Cray PALS, also as Slurm's plugin mpi/cray_shasta and Flux play it.
    *("PALS_APID", "PALS_APINFO", "PALS_RANKID", "PALS_LOCAL_RANKID", "PALS_NODEID", "PALS_SIZE", "PALS_LOCAL_SIZE"),
    *("PALS_SPOOL_DIR", "PALS_FD"),
    # Cray ALPS: aprun(1), "environment variables".
    "ALPS_APP_*",
    # Flux: flux-environment(7), "job environment variables", of the job that is this step; FLUX_URI leads to others.
    *("FLUX_TASK_*", "FLUX_JOB_*", "FLUX_KVS_NAMESPACE"),
)
# Settings among them: of MCA, srun(1), "input environment variables", and intro_mpi(3) of Cray MPICH.
SETTINGS = (
    *("PMIX_MCA_*", "PMIX_INSTALL_PREFIX", "PMI_FANOUT*", "PMI_TIME", "SLURM_STEP_GRES"),
    *("PMI_MAX_KVS_ENTRIES", "PMI_MMAP_SYNC_WAIT_TIME", "PMI_NO_FORK", "PMI_NO_PREINITIALIZE"),
)
# A launcher that user code starts stays on its node, as outside of a job: with the allocation it would go to the job's
# first nodes from every evaluation, by an srun that waits until the campaign's own step has ended. srun itself is free.
LOCAL_LAUNCHERS = {
    "PRTE_MCA_ras": "^slurm",  # Open MPI 5
    "PRTE_MCA_plm": "^slurm",
    "OMPI_MCA_ras": "^slurm",  # Open MPI 4
    "OMPI_MCA_plm": "^slurm",
    "HYDRA_RMK": "user",  # MPICH
}


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
    """Rank and size that the launcher gave this process.

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


def process_age() -> float:
    """Return for how long this process has been there, from before Python started [s]."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    began = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # field 22 of proc(5), since the boot
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


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
    """Return the terminal of the person who started this, or None if there is none.

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

    Otherwise the next file that is opened takes the place of one, and all that is printed goes there.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free: this one
            os.set_inheritable(descriptor, True)
            if getattr(sys, name) is None:
                setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115  # stays


def child_environment(env: Mapping[str, str] = os.environ, threads: int | None = None) -> dict[str, str]:
    """Return the environment of a child that runs user code: in the job but not a rank, with its share of the cores.

    Args:
        env: That of this process.
        threads: How many it may have, unless OMP_NUM_THREADS is set; None: as many as there are cores.
    """
    child = launcher_environment(env)
    _limit_threads(child, threads or num_cores())
    return (LOCAL_LAUNCHERS if "SLURM_JOB_ID" in env else {}) | child


def launcher_environment(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a launcher that starts ranks anywhere in the job: in the job but not a rank."""
    return {name: value for name, value in env.items() if not _is_of_rank(name)}


@functools.cache
def _is_of_rank(name: str) -> bool:
    """Whether a variable describes one process that a launcher has started."""
    return _matches(name, RANK_VARIABLES) and not _matches(name, SETTINGS)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in patterns)


# --- cores


def cores() -> frozenset[int]:
    """Return the cores that this process may run on."""
    return frozenset(os.sched_getaffinity(0))


def num_cores() -> int:
    """Return how many cores this process may run on."""
    return len(cores())


def share(mine: Set[int], masks: Iterable[Set[int]]) -> int:
    """Return how many threads one of several processes may have: its part of each core that it may run on, at least 1.

    Args:
        mine: The cores that it may run on.
        masks: Those of all that work on this node, its own among them.
    """
    num_users = Counter(core for mask in masks for core in mask)
    return max(1, int(sum(1 / max(1, num_users[core]) for core in mine) + 1e-9))  # thirds do not add up exactly


def limit_threads(threads: int) -> None:
    """Give user code in this process so many threads, unless OMP_NUM_THREADS is set."""
    _limit_threads(os.environ, threads)


def _limit_threads(env: MutableMapping[str, str], threads: int) -> None:
    # Otherwise every worker of a node starts as many threads as the node has cores.
    if not env.get("OMP_NUM_THREADS"):
        env["OMP_NUM_THREADS"] = str(threads)
