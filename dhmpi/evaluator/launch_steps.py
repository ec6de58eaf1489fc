"""Evaluates in steps of this job: programs that are MPI jobs themselves, each on nodes of its own."""

import logging
import os
import shutil
import time
from collections.abc import Sequence

from dhmpi.errors import EvaluatorError, OptionError, option_name
from dhmpi.evaluation import Evaluation, State, Worker
from dhmpi.evaluator.node_pool import NodePool
from dhmpi.evaluator.pool import PoolEvaluator
from dhmpi.execution.executor import Setup
from dhmpi.execution.program import is_program
from dhmpi.execution.runner import Task
from dhmpi.execution.step_control import control_of
from dhmpi.execution.step_executor import Launching, ProgramStepExecutor, PythonStepExecutor, StepExecutor
from dhmpi.execution.step_lines import BINDING_GPUS, Step
from dhmpi.support import environment
from dhmpi.support.allocation import COBALT, FLUX, SLURM, Allocation
from dhmpi.support.allocation import find as find_allocation
from dhmpi.support.gpus import GpuView, visible
from dhmpi.support.hostlist import fold
from dhmpi.support.launchers import SRUN, kind_of
from dhmpi.support.options import integer
from dhmpi.support.place import Place
from dhmpi.support.wording import counted

log = logging.getLogger(__name__)

# How often to see whether a step that has been ended is gone, and how long that is waited for at the end [s].
LOOK_INTERVAL, LAST_WAIT = 0.1, 3.0
# The launchers that a scheduler's users have, the best one first.
OF_SCHEDULER = {SLURM: ("srun",), FLUX: ("flux",), COBALT: ("aprun", "mpiexec", "mpirun")}
OF_OTHERS = ("mpiexec", "mpirun")
# Those that need the scheduler.
NEEDED = {"srun": SLURM, "flux": FLUX, "aprun": COBALT}


class LaunchEvaluator(PoolEvaluator):
    """Runs each evaluation as a step on nodes of the allocation, which are its own for that time.

    Nodes are free again when nothing of a step is left. A step that is lost, and not failed, is LOST: somebody has
    cancelled it, its launcher was killed, or a node has failed, which is not used any more then.

    Args:
        executors: Where evaluations run, as many as find nodes.
        nodes: The nodes of the allocation.
        launching: How steps are started.
        num_nodes: Nodes of each evaluation.

    Attributes:
        launching: The same.
    """

    def __init__(
        self, executors: Sequence[StepExecutor], nodes: Sequence[str], launching: Launching, num_nodes: int
    ) -> None:
        self._steps, self.launching, self._num_nodes = executors, launching, num_nodes
        self._nodes = NodePool(nodes)
        self._all_nodes = tuple(nodes)
        super().__init__(executors)
        self.name = "LaunchEvaluator"

    def divide(self, num_cores: int) -> None:
        """Leave the cores of this node alone: ranks share those of their own nodes."""

    def deal(self, view: GpuView) -> None:
        """Number the executors; GPUs are dealt out by launchers."""
        for worker, executor in enumerate(self._steps):
            executor.settle(Place(worker, worker, 0, len(self._steps)))

    def settle(self, place: Place) -> None:
        """Keep the numbers of executors, wherever this process is."""

    @property
    def layout(self) -> str:
        """Layout of the ranks as a sentence, and of the steps."""
        step, num = self.launching.step, self._num_nodes
        ranks = counted(num * step.ranks_per_node, "rank")
        nodes = f"{num} of {len(self._all_nodes)} nodes" if len(self._all_nodes) > 1 else self._all_nodes[0]
        program = os.path.basename(self.launching.path)
        each = f"{program} starts each evaluation, {ranks} on {nodes}, {self.num_workers} at the same time"
        return self.roles.sentence(f"; {each}")

    @property
    def num_workers(self) -> int:
        """Number of evaluations that find nodes at the same time."""
        return min(len(self._steps), self._nodes.num_usable // self._num_nodes)

    @property
    def num_idle(self) -> int:
        """Number of evaluations that find nodes now."""
        self._reclaim()
        return min(sum(not step.nodes for step in self._steps), self._nodes.num_free // self._num_nodes)

    def hosts(self) -> list[str]:
        """Return the names of the nodes."""
        return list(self._all_nodes)

    def _host_of(self, worker: int) -> str:
        return fold(self._steps[worker].nodes)

    def _submit(self, task: Task) -> Worker:
        chosen = next(worker for worker, step in enumerate(self._steps) if not step.nodes)
        self._steps[chosen].occupy(self._nodes.take(self._num_nodes))
        self._steps[chosen].submit([task])
        return Worker(chosen, self._host_of(chosen))

    def _gather(self, timeout: float) -> list[Evaluation]:
        """Return what has ended; while a step is being ended, its nodes are looked after, too."""
        if self._nodes.num_usable < self._num_nodes:
            raise EvaluatorError(
                f"an evaluation must find {counted(self._num_nodes, 'node')}, got {self._nodes.num_usable} "
                "that have not failed; submit the job again, and go on with --resume"
            )
        if any(step.nodes and not step.busy for step in self._steps):
            timeout = min(timeout, LOOK_INTERVAL)
            if not self._pending:
                time.sleep(timeout)
        ended = super()._gather(timeout)
        self._reclaim()
        return ended

    def _conclude_step(self, evaluation: Evaluation) -> None:
        step = self._steps[evaluation.rank]
        if step.failed_nodes:
            log.warning("node %s has failed, and is not used any more", fold(step.failed_nodes))
            self._nodes.set_aside(step.failed_nodes)
        if evaluation.state is State.LOST:
            self._nodes.doubt(step.nodes)
        elif evaluation.state is State.DONE:
            self._nodes.trust(step.nodes)

    def _look(self, timeout: float) -> list[Evaluation]:
        ended = super()._look(timeout)
        for evaluation in ended:
            self._conclude_step(evaluation)
        return ended

    def _reclaim(self) -> None:
        """Take the nodes of steps back that are gone."""
        for step in self._steps:
            if step.nodes and step.is_gone:
                if step.is_lost:
                    log.warning("what runs on %s could not be ended; it is not used any more", fold(step.nodes))
                    self._nodes.set_aside(step.nodes)
                self._nodes.give_back(step.nodes)
                step.vacate()

    def shutdown(self) -> None:
        """Close the executors, and have steps ended that outlive their launchers."""
        left = [step for step in self._steps if step.nodes]
        super().shutdown()
        end = time.monotonic() + LAST_WAIT
        while any(not step.is_gone for step in left) and time.monotonic() < end:
            time.sleep(LOOK_INTERVAL)


def launch_evaluator(setup: Setup, num_workers: int | None = None) -> LaunchEvaluator:
    """Return an evaluator that starts steps in the allocation that this process runs in.

    Args:
        setup: What to run; its resources say what each evaluation gets.
        num_workers: Evaluations at the same time; by default as many as find nodes.

    Raises:
        OptionError: There is no room for one, or no launcher; or this is one of several ranks.
    """
    size = environment.launch().size
    if size > 1:
        raise OptionError(
            f"{option_name('evaluator')} launch must be used on one rank, which starts those of evaluations, "
            f"got {size}; start dhmpi without mpirun or srun"
        )
    resources = setup.resources
    here = find_allocation()
    most = len(here.nodes) // resources.num_nodes
    if not most:
        where = f"in this job of {here.scheduler}; ask for a larger one" if here.scheduler else "here; submit a job"
        raise OptionError(
            f"{option_name('evaluator')} launch:nodes must be at most the nodes that there are, got "
            f"{resources.num_nodes} with {len(here.nodes)} {where}"
        )
    num = most if num_workers is None else int(integer(1)("num_workers", num_workers))
    if num > most:
        raise OptionError(
            f"{option_name('num_workers')} must be at most {most}, as many as find {resources.num_nodes} of the "
            f"{counted(len(here.nodes), 'node')} here, got {num}; leave it out"
        )
    path, kind = _launcher(resources.launcher, here)
    if kind == SRUN and here.cores is not None and resources.ranks_per_node > here.cores:
        raise OptionError(
            f"{option_name('evaluator')} launch:ranks_per_node must be at most {here.cores}, the CPUs of each "
            f"node, got {resources.ranks_per_node}; ask for more nodes or CPUs"
        )
    cores = None if here.cores is None else max(1, here.cores // resources.ranks_per_node)
    step = Step((), resources.ranks_per_node, cores, resources.gpus_per_rank)
    view = visible() if resources.gpus_per_rank and kind not in BINDING_GPUS else GpuView("CUDA_VISIBLE_DEVICES", ())
    launching = Launching(kind, path, step, _view(view, setup, step), control_of(kind, os.environ))
    executor_class = ProgramStepExecutor if is_program(setup.run) else PythonStepExecutor
    return LaunchEvaluator(
        [executor_class(setup, launching) for _ in range(num)], here.nodes, launching, resources.num_nodes
    )


def _launcher(wanted: str, here: Allocation) -> tuple[str, str]:
    """Return the path of the launcher, and whose it is.

    Raises:
        OptionError: It is not there.
    """
    if (needed := NEEDED.get(wanted, here.scheduler)) != here.scheduler:
        raise OptionError(
            f"{option_name('evaluator')} launch:launcher must be one that starts ranks here, got {wanted} outside of a "
            f"job of {needed}; submit one, or give mpirun"
        )
    names = OF_SCHEDULER.get(here.scheduler, OF_OTHERS) if wanted == "auto" else (wanted,)
    paths = [path for name in names if (path := shutil.which(name))]
    for path in paths:
        if kind := kind_of(path):
            return path, kind
    if paths:
        raise OptionError(
            f"{option_name('evaluator')} launch:launcher must be of Open MPI, MPICH, Intel MPI or PALS, got "
            f"{' and '.join(paths)}, whose --version names none of them; put another one first in PATH"
        )
    whose = f" in a job of {here.scheduler}" if here.scheduler else ""
    raise OptionError(
        f"{option_name('evaluator')} launch must find {' or '.join(names)} in PATH{whose}, got none; "
        "load the module of the site's MPI"
    )


def _view(view: GpuView, setup: Setup, step: Step) -> GpuView:
    """Return the GPUs of each node, of which this one may have none.

    Raises:
        OptionError: They do not suffice.
    """
    num = setup.slot.gpus_per_node or len(view.devices)
    wanted = step.gpus * step.ranks_per_node
    if num and wanted > num:
        raise OptionError(
            f"{option_name('evaluator')} launch:gpus-per-rank must be at most {num // step.ranks_per_node} for "
            f"{counted(step.ranks_per_node, 'rank')} on each node and {counted(num, 'GPU')} there, got {step.gpus}"
        )
    return view.cut(num or wanted)
