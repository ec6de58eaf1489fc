"""The sites, one entry each; and the searches that job scripts are written for.

A new site is a new entry of `SITES`: `dhmpi job --site NAME` prints its script, and jobs/ has it.
"""

from dataclasses import dataclass

HOUR = 60  # minutes


@dataclass(frozen=True)
class Queue:
    """Limits of a queue, partition or quality of service; one whose limits depend on each other has several entries.

    Attributes:
        name: As the scheduler knows it.
        min_nodes: Of a job.
        max_nodes: Of a job; None where no limit is known.
        max_minutes: Of a job.
    """

    name: str
    min_nodes: int
    max_nodes: int | None
    max_minutes: int

    def takes(self, nodes: int, minutes: int) -> bool:
        """Whether it takes a job of this size."""
        fits = self.max_nodes is None or nodes <= self.max_nodes
        return self.min_nodes <= nodes and fits and minutes <= self.max_minutes


@dataclass(frozen=True)
class Site:
    """Site: the facts of a machine that its job scripts need.

    Attributes:
        title: What it is, in a line.
        scheduler: cobalt, pbs or slurm: the template of its scripts.
        nodes: How many a job gets if nothing else is said.
        minutes: How long a job lasts if nothing else is said.
        ranks_per_node: Ranks on each node; with GPUs one more than there are, since rank 0 needs none.
        threads_per_node: Hardware threads that the ranks of a node share.
        size: Nodes of the machine, or of this part of it; None where no source that was read says it.
        launcher: The lines that start a search, up to its name; shell variables are RANKS, RANKS_PER_NODE, DEPTH, and
            what `placement` sets.
        threads_per_core: Of the hardware threads, how many are of one core; libraries start one thread for each core.
        cores: The cores of a rank for each GPU, near it, in the order in which programs count GPUs; nothing where GPUs
            are not known.
        near: All cores near each GPU, where these are more.
        sockets: Sockets of a node that no rank should lie across; each has its part of the GPUs, in order.
        search_cores: Cores of rank 0, where some are left; else it shares those of the first rank with a GPU.
        placement: The template that gives ranks their cores, placement_NAME.sh; or nothing.
        afterwards: Whether there is a template for the time after that, afterwards_NAME.sh.
        queue: The queue, partition or quality of service; or nothing.
        queue_option: What the scheduler is told it with.
        queues: Those whose limits are known.
        account: What an account looks like.
        chunk: What PBS is told of each node.
        directives: Further directives.
        module: The module that brings dhmpi, or nothing.
        modules: Further lines of shell about modules, before it is loaded.
        exports: Further variables to export, with their values as shell words, and why.
        facts: What is particular here, with the source and when that was read.
    """

    title: str
    scheduler: str
    nodes: int
    minutes: int
    ranks_per_node: int
    threads_per_node: int
    launcher: tuple[str, ...]
    size: int | None = None
    threads_per_core: int = 1
    cores: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    sockets: int = 1
    search_cores: str = ""
    placement: str = ""
    afterwards: bool = False
    queue: str = ""
    queue_option: str = "-q "
    queues: tuple[Queue, ...] = ()
    account: str = "PROJECT"
    chunk: str = ""
    directives: tuple[str, ...] = ()
    module: str = "deephyper"
    modules: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @property
    def gpus(self) -> int:
        """GPUs of a node, as programs count them; 0 where that is not known."""
        return len(self.cores)

    @property
    def has_depth(self) -> bool:
        """Whether ranks are bound to a number of hardware threads each."""
        return bool(self.cores) or "$DEPTH" in " ".join(self.launcher)


ANY_LAUNCHER = (
    'dhmpi launch -n "$RANKS"',
    '--ranks-per-node "$RANKS_PER_NODE" --',
)
# dhmpi sends nothing from the memory of GPUs, and an mpi4py of plain cc does not have the library for that.
HOST_MEMORY = "MPICH_GPU_SUPPORT_ENABLED=0 # else Cray MPICH wants its GPU library, which mpi4py is not linked with"
# The other ranks outlive a rank, and a node.
SURVIVE = "--no-kill --kill-on-bad-exit=0"
SRUN = 'srun --ntasks="$RANKS" --ntasks-per-node="$RANKS_PER_NODE"'
# Without more, each rank sees all GPUs of its node (srun(1), --gpu-bind), and dhmpi gives it some.
SRUN_WITH_GPUS = (SRUN, '--cpu-bind="$binding"', SURVIVE, "dhmpi")
SRUN_ON_CORES = (SRUN, '--cpus-per-task="$DEPTH" --cpu-bind=cores', SURVIVE, "dhmpi")
PALS = ('mpiexec -n "$RANKS" --ppn "$RANKS_PER_NODE"', '--cpu-bind "$binding"', "dhmpi")
# Of the nodes with MI250X: seven of the eight cores that share a cache, and the GPU that is near these; in the kernel's
# words the near cores are those of two such caches.
NEAR_MI250X = ("49-55", "57-63", "17-23", "25-31", "1-7", "9-15", "33-39", "41-47")

SITES = {
    "theta": Site(
        title="Theta, ALCF: Cray XC40, one 64-core KNL 7230 per node; retired on 2023-12-31",
        scheduler="cobalt",
        nodes=128,
        minutes=180,
        ranks_per_node=4,
        threads_per_node=128,
        size=4392,
        launcher=('aprun -n "$RANKS" -N "$RANKS_PER_NODE"', '-d "$DEPTH" -j 2 -cc depth', "dhmpi"),
        queue="default",
        queues=(
            Queue("debug-cache-quad", 1, 8, HOUR),
            Queue("default", 128, 255, 3 * HOUR),
            Queue("default", 256, 383, 6 * HOUR),
            Queue("default", 384, 639, 9 * HOUR),
            Queue("default", 640, 801, 12 * HOUR),
            Queue("default", 802, 4100, 24 * HOUR),
        ),
        directives=("--attrs mcdram=cache:numa=quad:ssds=required:ssd_size=128",),
        modules=("module unload trackdeps darshan xalt",),
        exports=(
            "KMP_BLOCKTIME=0 # threads that wait give their core away",
            "KMP_AFFINITY=granularity=fine,compact,1,0 # ALCF user guides, docs/theta: TensorFlow on KNL",
            "PMI_NO_FORK=1 # else mpi4py with signal handlers does not notice SIGTERM (Balsam's template for Theta)",
            "MPICH_GNI_FORK_MODE=FULLCOPY # ranks start children (libEnsemble, docs/platforms/theta)",
        ),
        facts=(
            "Queue default: 128 nodes and 30 minutes at least; for a trial -q debug-cache-quad, up to 8 nodes and an",
            "hour (ALCF user guides, docs/theta/queueing-and-running-jobs, read 2026-11-26). Two of a core's four",
            "threads are used (the same, docs/theta/data-science-workflows; not confirmed since the machine is gone).",
            "Cobalt reads directives directly below the first line alone.",
        ),
    ),
    "polaris": Site(
        title="Polaris, ALCF: one 32-core EPYC Milan and four A100 per node",
        scheduler="pbs",
        nodes=10,
        minutes=180,
        ranks_per_node=5,
        threads_per_node=32,
        size=560,
        launcher=PALS,
        cores=("24-31", "16-23", "8-15", "0-7"),
        placement="pals",
        queue="prod",
        queues=(
            Queue("debug", 1, 2, HOUR),
            Queue("debug-scaling", 1, 10, HOUR),
            Queue("capacity", 1, 4, 168 * HOUR),
            Queue("preemptable", 1, 10, 72 * HOUR),
            Queue("prod", 10, 24, 3 * HOUR),
            Queue("prod", 25, 99, 6 * HOUR),
            Queue("prod", 100, 496, 24 * HOUR),
        ),
        chunk=":system=polaris",
        directives=("-l place=scatter", "-l filesystems=home:eagle"),
        exports=(HOST_MEMORY,),
        facts=(
            "Queue prod: 10 nodes at least; fewer in debug (2, an hour), debug-scaling (10, an hour) and capacity (4,",
            "168 hours). GPU 0 is near the last cores (ALCF user guides, docs/polaris/running-jobs: index, using-gpus;",
            "read 2026-11-26).",
        ),
    ),
    "aurora": Site(
        title="Aurora, ALCF: two 52-core Xeon Max and six GPUs of two tiles per node",
        scheduler="pbs",
        nodes=2,
        minutes=60,
        ranks_per_node=13,
        threads_per_node=96,
        launcher=PALS,
        cores=(
            *("1-8", "9-16", "17-24", "25-32", "33-40", "41-48"),
            *("53-60", "61-68", "69-76", "77-84", "85-92", "93-100"),
        ),
        near=(*["0-51"] * 6, *["52-103"] * 6),
        sockets=2,
        search_cores="101,102,103",
        placement="aurora",
        afterwards=True,
        queue="debug-scaling",
        queues=(
            Queue("debug", 1, 2, HOUR),
            Queue("debug-scaling", 2, 256, HOUR),
            Queue("capacity", 1, 16, 168 * HOUR),
            Queue("prod", 256, None, 24 * HOUR),
        ),
        directives=("-l place=scatter", "-l filesystems=home:flare"),
        exports=(
            "MPIR_CVAR_ENABLE_GPU=0 # nothing is sent from the memory of GPUs",
            "FI_CXI_DEFAULT_CQ_SIZE=131072 # every rank writes to rank 0, whose event queue must not overflow",
            "FI_CXI_OFLOW_BUF_SIZE=8388608 # the same (ALCF user guides, docs/aurora/known-issues, 2025-09-05)",
            "FI_CXI_CQ_FILL_PERCENT=20",
        ),
        facts=(
            "GPUs are tiles here. Queue debug-scaling: 2 to 256 nodes and an hour; capacity: 1 to 16 nodes and 7 days;",
            "prod: from 256 nodes on (as of 2026-11). Cores 0 and 52 are the system's, and no rank should lie across",
            "sockets; rank 0 is on three cores that are left (ALCF user guides, docs/aurora/running-jobs-aurora, read",
            "2026-11-26).",
        ),
    ),
    "perlmutter": Site(
        title="Perlmutter, NERSC: one 64-core EPYC Milan and four A100 per GPU node",
        scheduler="slurm",
        nodes=4,
        minutes=180,
        ranks_per_node=5,
        threads_per_node=64,
        launcher=SRUN_WITH_GPUS,
        cores=("48-63", "32-47", "16-31", "0-15"),
        placement="slurm",
        queue_option="--qos=",
        queue="regular",
        account="PROJECT_g",
        directives=("--constraint=gpu", "--exclusive", "--gpus-per-node=4"),
        exports=(HOST_MEMORY,),
        facts=(
            "Accounts of GPU nodes end in _g. 16 cores for each GPU, one thread on each (WarpX,",
            "Tools/machines/perlmutter-nersc/perlmutter_gpu.sbatch); GPU 0 is near the last ones, as users report what",
            "nvidia-smi topo -m says there (no page of the facility was found; 2026-11-26). For a trial --qos=debug. A",
            "step outlives the loss of a rank or a node.",
        ),
    ),
    "perlmutter-cpu": Site(
        title="Perlmutter, NERSC: two 64-core EPYC Milan per CPU node",
        scheduler="slurm",
        nodes=4,
        minutes=180,
        ranks_per_node=16,
        threads_per_node=256,
        launcher=SRUN_ON_CORES,
        threads_per_core=2,
        queue_option="--qos=",
        queue="regular",
        directives=("--constraint=cpu", "--exclusive"),
        facts=(
            "16 ranks, each with the eight cores that share a cache, which are 16 hardware threads (WarpX,",
            "Tools/machines/perlmutter-nersc/perlmutter_cpu.sbatch, read 2026-11-26). For a trial --qos=debug. A step",
            "outlives the loss of a rank or a node.",
        ),
    ),
    "frontier": Site(
        title="Frontier, OLCF: one 64-core EPYC and four MI250X, which are eight GPUs, per node",
        scheduler="slurm",
        nodes=4,
        minutes=120,
        ranks_per_node=9,
        threads_per_node=56,
        launcher=SRUN_WITH_GPUS,
        cores=NEAR_MI250X,
        placement="slurm",
        queue_option="--partition=",
        queue="batch",
        directives=("--exclusive", "--gpus-per-node=8"),
        exports=(HOST_MEMORY,),
        facts=(
            "Seven of eight cores are left to each GPU, the system has the others; GPU 0 is near cores 48 to 55 (OLCF,",
            "Frontier user guide, Frontier compute nodes; WarpX, Tools/machines/frontier-olcf/submit.sh; read",
            "2026-11-26). A step outlives the loss of a rank or a node.",
        ),
    ),
    "lumi": Site(
        title="LUMI-G, CSC: one 64-core EPYC and four MI250X, which are eight GPUs, per node",
        scheduler="slurm",
        nodes=2,
        minutes=120,
        ranks_per_node=9,
        threads_per_node=56,
        launcher=SRUN_WITH_GPUS,
        cores=NEAR_MI250X,
        placement="slurm",
        queue_option="--partition=",
        queue="standard-g",
        queues=(
            Queue("standard-g", 1, 1024, 48 * HOUR),
            Queue("small-g", 1, 4, 72 * HOUR),
            Queue("dev-g", 1, 32, 3 * HOUR),
        ),
        account="project_ID",
        directives=("--exclusive", "--gpus-per-node=8"),
        exports=(HOST_MEMORY,),
        facts=(
            "56 cores are left to jobs, seven near each GPU, and GPU 0 is near cores 49 to 55. For a trial",
            "--partition=dev-g, up to 32 nodes and 3 hours (LUMI user guide, runjobs/scheduled-jobs:",
            "distribution-binding, lumig-job, partitions; read 2026-11-26).",
        ),
    ),
    "lumi-c": Site(
        title="LUMI-C, CSC: two 64-core EPYC per node",
        scheduler="slurm",
        nodes=2,
        minutes=120,
        ranks_per_node=16,
        threads_per_node=128,
        launcher=SRUN_ON_CORES,
        queue_option="--partition=",
        queue="standard",
        queues=(
            Queue("standard", 1, 512, 48 * HOUR),
            Queue("small", 1, 4, 72 * HOUR),
            Queue("debug", 1, 4, 30),
        ),
        account="project_ID",
        directives=("--exclusive",),
        facts=(
            "For a trial --partition=debug, up to 4 nodes and 30 minutes (LUMI user guide,",
            "runjobs/scheduled-jobs/partitions, read 2026-11-26).",
        ),
    ),
    "slurm": Site(
        title="Any cluster with Slurm",
        scheduler="slurm",
        queue_option="--partition=",
        nodes=2,
        minutes=60,
        ranks_per_node=4,
        threads_per_node=4,
        launcher=ANY_LAUNCHER,
        directives=("--exclusive",),
        module="",
    ),
    "pbs": Site(
        title="Any cluster with PBS",
        scheduler="pbs",
        nodes=2,
        minutes=60,
        ranks_per_node=4,
        threads_per_node=4,
        launcher=ANY_LAUNCHER,
        directives=("-l place=scatter",),
        module="",
    ),
    "cobalt": Site(
        title="Any machine with Cobalt",
        scheduler="cobalt",
        nodes=2,
        minutes=60,
        ranks_per_node=4,
        threads_per_node=4,
        launcher=ANY_LAUNCHER,
        module="",
    ),
}
# When the limits of queues were read.
READ = "2026-11-26"


# Theta has a script for each search, as was documented, and one for AMBS as a job of Balsam, whose evaluations are jobs
# of Balsam too. Other sites have one for all searches.
THETA, BALSAM = "theta", "balsam"
THETA_SCRIPTS = ("ambs", "ga", "nas-random", "ppo-async", "ppo-sync", BALSAM)

# What may be submitted, and what its script for Theta is called.
SEARCH_JOBS = {
    "ambs": "ambs",
    "ga": "ga",
    "hps-random": "hps_random",
    "nas-random": "nas_random",
    "ppo-async": "nas_ppo_async",
    "ppo-sync": "nas_ppo_sync",
    BALSAM: "balsam",
}
