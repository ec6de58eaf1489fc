"""Resources of an evaluation that is more than a process: GPUs, nodes and ranks of a cluster, or another engine."""

from dataclasses import dataclass

from dhmpi.errors import OptionError
from dhmpi.support.options import Setting, choice, integer, number, option

# The launchers of steps, by the names of their programs.
LAUNCHERS = ("srun", "mpiexec", "aprun", "flux", "mpirun")


def _setting(key: str, *methods: str) -> Setting:
    return Setting("evaluator", key, methods)


@dataclass(frozen=True)
class Resources:
    """Resources of an evaluation on a cluster, in Balsam's words: of its job there, or of a step of this job.

    Attributes:
        num_nodes: Nodes.
        ranks_per_node: Ranks on each of them.
        threads_per_rank: Threads of each rank.
        node_packing_count: How many evaluations share a node.
        gpus_per_rank: GPUs of each rank; 0: they are left alone.
        launcher: What starts steps: one of `LAUNCHERS`, or auto.
    """

    num_nodes: int = option(1, integer(1), "nodes of an evaluation", setting=_setting("nodes", "balsam", "launch"))
    ranks_per_node: int = option(
        1, integer(1), "ranks of an evaluation on each of its nodes", setting=_setting("ranks", "balsam", "launch")
    )
    threads_per_rank: int = option(
        64, integer(1), "threads of each of these ranks", setting=_setting("threads", "balsam")
    )
    node_packing_count: int = option(
        1, integer(1), "evaluations that share a node, in job mode serial", setting=_setting("packing", "balsam")
    )
    gpus_per_rank: int = option(
        0, integer(0), "GPUs of each rank; 0: all of its node's", setting=_setting("gpus-per-rank", "launch")
    )
    launcher: str = option(
        "auto",
        choice(("auto", *LAUNCHERS)),
        f"what starts ranks: {', '.join(LAUNCHERS)}",
        setting=_setting("launcher", "launch"),
    )

    def of_job(self) -> dict[str, int]:
        """Return what a job of Balsam is told."""
        return {name: getattr(self, name) for name in OF_JOB}


OF_JOB = ("num_nodes", "ranks_per_node", "threads_per_rank", "node_packing_count")


def _executor_name(name: str, value: object) -> str:
    """Parse the name of an executor; an executor itself is where points are evaluated, and no setting of that."""
    if not isinstance(value, str) or not value:
        raise OptionError(f"{name} must be a name like my_engines.py:make, got {value!r:.80}")
    return value


@dataclass(frozen=True)
class EngineOptions:
    """Engine in which evaluations run.

    Attributes:
        executor: Name of an executor of `concurrent.futures`, or of what makes one.
    """

    executor: str | None = option(
        None,
        _executor_name,
        "an executor of concurrent.futures, or a function without arguments that makes one, by its name: "
        "package.module.name, or path/to/file.py:name",
        setting=Setting("evaluator", "executor", ("futures",)),
    )


@dataclass(frozen=True)
class MethodSettings(EngineOptions, Resources):
    """Settings of all methods by which points are evaluated."""


def _gpus(name: str, value: object) -> float:
    """Parse how many GPUs an evaluation gets: a whole number, or a part of one."""
    parsed = float(number(0)(name, value))
    if parsed > 1 and parsed != int(parsed):
        raise OptionError(f"{name} must be a whole number, or a part of 1 such as 0.5, got {value!r:.40}; round it")
    return parsed


@dataclass(frozen=True)
class SlotOptions:
    """Slot of an evaluation: the ranks that it spans, and its GPUs.

    Attributes:
        ranks_per_eval: How many ranks do it together.
        gpus_per_eval: How many are its own, or which part of one; 0: they are left alone. None: equal shares, if there
            are as many as workers.
        gpus_per_node: How many each node has; None: as many as are seen.
    """

    ranks_per_eval: int = option(1, integer(1), "ranks of each evaluation", group="evaluation")
    gpus_per_eval: float | None = option(
        None,
        _gpus,
        "GPUs of each evaluation, or as 0.5 a part of one; 0: they are left alone (default: all in equal shares, if "
        "there are as many as workers)",
        group="evaluation",
    )
    gpus_per_node: int | None = option(
        None, integer(1), "GPUs of each node (default: those that are seen)", group="evaluation"
    )
