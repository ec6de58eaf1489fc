"""The sites, one entry each; and the searches that job scripts are written for.

A new site is a new entry of `SITES`: `dhmpi job --site NAME` prints its script, and jobs/ has it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """Site: the facts of a machine that its job scripts need.

    Attributes:
        title: What it is, in a line.
        scheduler: cobalt, pbs or slurm: the template of its scripts.
        nodes: How many a job gets if nothing else is said.
        minutes: How long a job lasts if nothing else is said.
        ranks_per_node: Ranks on each node, one per accelerator if there are some.
        threads_per_node: Hardware threads that the ranks of a node share.
        launcher: The lines that start a search, up to its name; shell variables RANKS, RANKS_PER_NODE and DEPTH.
        queue: The queue, partition or quality of service; or nothing.
        queue_option: What the scheduler is told it with.
        chunk: What PBS is told of each node.
        directives: Further directives.
        module: The module that brings dhmpi, or nothing.
        modules: Further lines of shell about modules, before it is loaded.
        exports: Further variables to export, with their values as shell words, and why.
        facts: What is particular here, with the source.
    """

    title: str
    scheduler: str
    nodes: int
    minutes: int
    ranks_per_node: int
    threads_per_node: int
    launcher: tuple[str, ...]
    queue: str = ""
    queue_option: str = "-q "
    chunk: str = ""
    directives: tuple[str, ...] = ()
    module: str = "deephyper"
    modules: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


ANY_LAUNCHER = (
    'dhmpi launch -n "$RANKS"',
    '--ranks-per-node "$RANKS_PER_NODE" --',
)

SITES = {
    "theta": Site(
        title="Theta, ALCF: Cray XC40, one 64-core KNL 7230 per node; retired on 2023-12-31",
        scheduler="cobalt",
        nodes=128,
        minutes=180,
        ranks_per_node=4,
        threads_per_node=128,
        launcher=('aprun -n "$RANKS" -N "$RANKS_PER_NODE"', '-d "$DEPTH" -j 2 -cc depth', "dhmpi"),
        queue="default",
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
            "hour (ALCF user guides, docs/theta/queueing-and-running-jobs). Two of a core's four threads are used (the",
            "same, docs/theta/data-science-workflows). Cobalt reads directives directly below the first line alone.",
        ),
    ),
    "polaris": Site(
        title="Polaris, ALCF: one 32-core EPYC Milan and four A100 per node",
        scheduler="pbs",
        nodes=10,
        minutes=180,
        ranks_per_node=4,
        threads_per_node=32,
        launcher=(
            'mpiexec -n "$RANKS" --ppn "$RANKS_PER_NODE"',
            '--depth="$DEPTH" --cpu-bind depth',
            "bash -c 'export CUDA_VISIBLE_DEVICES=$((3 - PMI_LOCAL_RANK % 4)); exec \"$@\"' --",
            "dhmpi",
        ),
        queue="prod",
        chunk=":system=polaris",
        directives=("-l place=scatter", "-l filesystems=home:eagle"),
        facts=(
            "Queue prod: 10 nodes at least; for a trial -q debug, up to 2 nodes and an hour. A GPU for each rank, in",
            "reverse order because of the topology (ALCF user guides, docs/polaris/running-jobs).",
        ),
    ),
    "aurora": Site(
        title="Aurora, ALCF: two 52-core Xeon Max and six GPUs of two tiles per node",
        scheduler="pbs",
        nodes=2,
        minutes=60,
        ranks_per_node=12,
        threads_per_node=102,
        launcher=(
            'mpiexec -n "$RANKS" --ppn "$RANKS_PER_NODE"',
            '--depth="$DEPTH" --cpu-bind depth',
            "gpu_tile_compact.sh",
            "dhmpi",
        ),
        queue="debug-scaling",
        directives=("-l place=scatter", "-l filesystems=home:flare"),
        facts=(
            "Queue debug-scaling: 2 to 31 nodes and an hour; larger jobs -q prod. Cores 0 and 52 are the system's",
            "(ALCF user guides, docs/aurora/running-jobs-aurora). The site has gpu_tile_compact.sh: a tile per rank.",
        ),
    ),
    "perlmutter": Site(
        title="Perlmutter, NERSC: one 64-core EPYC Milan and four A100 per GPU node",
        scheduler="slurm",
        nodes=4,
        minutes=180,
        ranks_per_node=4,
        threads_per_node=128,
        launcher=(
            'srun --ntasks="$RANKS" --ntasks-per-node="$RANKS_PER_NODE"',
            '--cpus-per-task="$DEPTH" --cpu-bind=cores --gpus-per-task=1',
            "--no-kill --kill-on-bad-exit=0",
            "dhmpi",
        ),
        queue_option="--qos=",
        queue="regular",
        directives=("--constraint=gpu", "--exclusive", "--gpus-per-node=4"),
        facts=(
            "Four ranks, each with a GPU and the 32 hardware threads of 16 cores; WarpX uses one thread of a core, and",
            "says that accounts for GPUs end in _g (Tools/machines/perlmutter-nersc, 2026-11-26).",
            "For a trial --qos=debug. A step outlives the loss of a rank or a node.",
        ),
    ),
    "frontier": Site(
        title="Frontier, OLCF: one 64-core EPYC and four MI250X, which are eight GPUs, per node",
        scheduler="slurm",
        nodes=4,
        minutes=120,
        ranks_per_node=8,
        threads_per_node=56,
        launcher=(
            'srun --ntasks="$RANKS" --ntasks-per-node="$RANKS_PER_NODE"',
            '--cpus-per-task="$DEPTH" --cpu-bind=cores --gpus-per-task=1 --gpu-bind=closest',
            "--no-kill --kill-on-bad-exit=0",
            "dhmpi",
        ),
        queue_option="--partition=",
        queue="batch",
        directives=("--exclusive", "--gpus-per-node=8"),
        facts=(
            "Seven of eight cores are left to each GPU, the system has the others (low-noise mode: OLCF, Frontier user",
            "guide; WarpX, Tools/machines/frontier-olcf). A step outlives the loss of a rank or a node.",
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
