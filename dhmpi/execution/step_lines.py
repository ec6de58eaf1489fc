"""Launch lines of steps: how each launcher starts the ranks of one evaluation, on nodes that it is told.

The sources are the launchers' own manuals, as named below; docs/launch.md has the lines.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dhmpi.support.gpus import LOCAL_RANK_VARIABLES, GpuView
from dhmpi.support.hostlist import expand
from dhmpi.support.launchers import APRUN, FLUX, HYDRA, OPEN_MPI, PALS, SRUN
from dhmpi.support.place import RELATIVE

# What Open MPI passes on to other nodes only if told to; besides all that begins with DHMPI_.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "OMP_NUM_THREADS")


class Step(NamedTuple):
    """Step of the job: the ranks of one evaluation.

    Attributes:
        nodes: Where they run.
        ranks_per_node: How many on each.
        cores: Of each rank, as the launcher counts them; None: not known, and no rank is bound.
        gpus: Of each rank; 0: all of its node's.
        name: By which the scheduler knows it; no other has it.
    """

    nodes: tuple[str, ...]
    ranks_per_node: int = 1
    cores: int | None = None
    gpus: int = 0
    name: str = ""

    @property
    def num_ranks(self) -> int:
        """Number of its ranks."""
        return len(self.nodes) * self.ranks_per_node


def srun(path: str, step: Step, env: Mapping[str, str]) -> list[str]:
    """Line of Slurm's srun: a step gets what it asks for, and ends with its first rank or node that fails."""
    cores = [] if step.cores is None else [f"--cpus-per-task={step.cores}", "--cpu-bind=cores"]
    gpus = [f"--gpus-per-task={step.gpus}"] if step.gpus else []
    # Nodes are handed out here. In Slurm's own account of free cores is the step in which dhmpi runs, and it was wrong
    # for ever after the loss of a node (22.05): a step would wait.
    where = [f"--nodes={len(step.nodes)}", f"--nodelist={','.join(step.nodes)}"]
    ranks = [f"--ntasks={step.num_ranks}", f"--ntasks-per-node={step.ranks_per_node}", "--distribution=block"]
    others = ["--kill-on-bad-exit=1", "--no-kill=off", "--export=ALL", f"--job-name={step.name}"]
    return [path, "--exact", "--overlap", *where, *ranks, *cores, *gpus, *others]


def pals(path: str, step: Step, env: Mapping[str, str]) -> list[str]:
    """Line of mpiexec of HPE Cray PALS."""
    bound = ["none"] if step.cores is None else ["depth", "--depth", str(step.cores)]
    ranks = ["-n", str(step.num_ranks), "--ppn", str(step.ranks_per_node)]
    return [path, "--hosts", ",".join(step.nodes), *ranks, "--cpu-bind", *bound]


def aprun(path: str, step: Step, env: Mapping[str, str]) -> list[str]:
    """Line of Cray's aprun, which calls nid00012 by its number."""
    numbers = [str(int(found[0])) for node in step.nodes if (found := re.search(r"\d+$", node))]
    bound = ["-cc", "none"] if step.cores is None else ["-d", str(step.cores), "-cc", "depth"]
    return [path, "-L", ",".join(numbers), "-n", str(step.num_ranks), "-N", str(step.ranks_per_node), *bound]


def flux(path: str, step: Step, env: Mapping[str, str]) -> list[str]:
    """Line of flux run: whole nodes, whose cores and GPUs it divides itself."""
    gpus = [f"--gpus-per-task={step.gpus}", "-o", "gpu-affinity=per-task"] if step.gpus else []
    return [
        *(path, "run", f"--requires=hosts:{','.join(step.nodes)}", f"--nodes={len(step.nodes)}", "--exclusive"),
        *(f"--ntasks={step.num_ranks}", *gpus, "-o", "cpu-affinity=per-task", f"--job-name={step.name}"),
    ]


def open_mpi(path: str, step: Step, env: Mapping[str, str]) -> list[str]:
    """Line of Open MPI's mpirun: it would refuse to bind more ranks than it counts cores, so none is bound."""
    hosts = ",".join(f"{node}:{step.ranks_per_node}" for node in step.nodes)
    names = [name for name in sorted(env) if name in PASSED_ON or name.startswith("DHMPI_")]
    passed_on = [word for name in names for word in ("-x", name)]
    place = ["--map-by", f"ppr:{step.ranks_per_node}:node", "--bind-to", "none"]
    return [path, "--host", hosts, *place, *passed_on, "-n", str(step.num_ranks)]


def hydra(path: str, step: Step, env: Mapping[str, str]) -> list[str]:
    """Line of mpiexec of MPICH, and of Intel MPI."""
    return [path, "-hosts", ",".join(step.nodes), "-ppn", str(step.ranks_per_node), "-n", str(step.num_ranks)]


LINES: dict[str, Callable[[str, Step, Mapping[str, str]], list[str]]] = {
    SRUN: srun,
    PALS: pals,
    APRUN: aprun,
    FLUX: flux,
    OPEN_MPI: open_mpi,
    HYDRA: hydra,
}
# Those that give each rank its GPUs themselves.
BINDING_GPUS = (SRUN, FLUX)


def gpu_words(step: Step, view: GpuView) -> list[str]:
    """Return the words in front of a program that let each rank of a node see its own GPUs.

    Args:
        step: How many ranks there are, and with how many GPUs each.
        view: The GPUs of each node.
    """
    shares = [view.devices[rank * step.gpus : (rank + 1) * step.gpus] for rank in range(step.ranks_per_node)]
    cases = " ".join(f"{rank}) gpus={','.join(gpus)};;" for rank, gpus in enumerate(shares))
    local = "$((${ALPS_APP_PE:-0} % " + str(step.ranks_per_node) + "))"  # aprun counts all ranks
    for variable in reversed(LOCAL_RANK_VARIABLES):
        local = f"${{{variable}:-{local}}}"
    hidden = "".join(f"unset {name}; " for name in RELATIVE.get(view.variable, ()))
    script = f'case {local} in {cases} esac; {hidden}export {view.variable}="$gpus" DHMPI_GPUS="$gpus"; exec "$@"'
    return ["/bin/sh", "-c", script, "rank"]


# What launchers say when they have lost a node, with its name if they know it; of what is in no manual, the source.
LOST_NODES = {
    SRUN: r"^srun: error: Node failure on (\S+)|CANCELLED AT \S+ DUE TO NODE FAILURE",
    APRUN: r"^\[NID (\d+)\].*node event ec_node_failed",
    FLUX: r"lost contact with job shell on (?:broker )?(\S+)",  # flux-core, src/modules/job-exec
    OPEN_MPI: r"Remote daemon *: \S+ on node (\S+)",  # help-prted.txt of PRRTE, help-errmgr-base.txt of Open MPI 4
    HYDRA: r"\bcontrol_cb \(.*assert \(!closed\) failed",  # MPICH, pmiserv_cb.c
}
# Of a step that somebody cancels, Slurm says so before srun knows of the end of its tasks. Of one in which a rank has
# failed, srun says that first, and then has it ended. One that cannot begin is no fault of its program.
FIRST_NEWS = re.compile(
    r"^(?P<lost>slurmstepd\S*: error: \*\*\* STEP \S+ ON \S+ CANCELLED AT (?!.*DUE TO TASK FAILURE).*"
    r"|srun: error: Unable to create step .*)"
    r"|^srun: error: \S+: tasks? \S+: Exited with exit code|^srun: .*Terminating (?:StepId|job step)",
    re.MULTILINE,
)


class LostStep(NamedTuple):
    """Loss of a step, as its launcher reports it.

    Attributes:
        reason: What it says.
        nodes: Those of the step's nodes that it names as failed.
    """

    reason: str
    nodes: tuple[str, ...] = ()


def loss(kind: str, printed: str, nodes: Sequence[str], status: int) -> LostStep | None:
    """Return what a launcher says of a step that was lost, not failed; None if it says nothing of the kind.

    Args:
        kind: The launcher's.
        printed: What the step has printed.
        nodes: Where it ran.
        status: The launcher's exit status; srun and mpirun may end with 0 when a node has failed.
    """
    found = list(re.finditer(LOST_NODES[kind], printed, re.MULTILINE)) if kind in LOST_NODES else []
    if found:
        named = [name for match in found if match.re.groups and match[1] for name in expand(match[1])]
        return LostStep(_line_at(printed, found[0].start()), tuple(node for node in nodes if _is_named(node, named)))
    if kind == SRUN and status and (first := FIRST_NEWS.search(printed)) and first["lost"]:
        return LostStep(first["lost"].strip())
    return None


def _line_at(text: str, place: int) -> str:
    return text[text.rfind("\n", 0, place) + 1 :].partition("\n")[0].strip()


def _is_named(node: str, names: Sequence[str]) -> bool:
    """Whether a node is among names; short ones, long ones, or numbers as aprun has them."""
    short = node.partition(".")[0]
    number = re.search(r"\d+$", node)
    return any(
        name.partition(".")[0] == short or (name.isdigit() and number is not None and int(number[0]) == int(name))
        for name in names
    )
