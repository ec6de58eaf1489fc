"""Factory of evaluators, by the name of their method."""

from collections.abc import Callable
from concurrent.futures import Executor

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import METHODS
from dhmpi.evaluator.balsam import JobEvaluator
from dhmpi.evaluator.engine import EXAMPLE, remedy
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.evaluator.futures import FuturesEvaluator
from dhmpi.evaluator.launch_steps import launch_evaluator
from dhmpi.evaluator.pool import SerialEvaluator, process_pool, subprocess_pool
from dhmpi.evaluator.threads import ThreadEvaluator
from dhmpi.execution.executor import Setup
from dhmpi.execution.executor_choice import local_executor
from dhmpi.execution.program import is_program
from dhmpi.mpi import job
from dhmpi.mpi.comm import GroupCommunicator
from dhmpi.support import environment
from dhmpi.support.options import choice_with_settings

MAKERS: dict[str, Callable[[Setup, int | None], Evaluator]] = {
    "threadPool": ThreadEvaluator,
    "processPool": process_pool,
    "subprocess": subprocess_pool,
    "balsam": JobEvaluator,
    "launch": launch_evaluator,
    "futures": FuturesEvaluator,
}
# Whether user code runs in a process of its own, where the method leaves no choice.
ISOLATION = {
    "threadPool": "inline",
    "processPool": "process",
    "subprocess": "process",
    "balsam": "process",
    "launch": "process",
    "futures": "inline",  # in the executor's own workers
}

# Why some methods cannot give GPUs to evaluations.
SHARING = {
    "threadPool": "whose threads have one environment",
    "balsam": "whose launcher places jobs",
    "launch": "whose ranks get them",
    "futures": "whose executor places them",
}
# What to give in place of options that belong to workers; by default another method.
INSTEAD = {
    ("launch", "gpus_per_eval"): "launch:gpus-per-rank=1",
    ("launch", "ranks_per_eval"): "launch:ranks_per_node=2",
}


def method_of(name: str, evaluator: object) -> str:
    """Return the method by which an evaluator that is to be made evaluates, with its settings.

    Args:
        name: How the option is called in errors.
        evaluator: A method, or an executor of `concurrent.futures`.

    Raises:
        OptionError: It is neither.
    """
    if isinstance(evaluator, Executor):
        return "futures"
    try:
        return str(choice_with_settings(METHODS)(name, evaluator))
    except OptionError as error:
        raise OptionError(f"{error.spelled(option_name)}{remedy(evaluator)}") from None


def make(
    method: str,
    setup: Setup,
    num_workers: int | None,
    isolation: str | None = None,
) -> Evaluator:
    """Make an evaluator of any method but mpi.

    Args:
        method: One of `METHODS`.
        setup: What to run.
        num_workers: Evaluations at the same time; None for the method's own default.
        isolation: `process`, `inline`, or None for what the method needs or, with a choice, `process`.
    """
    isolation = resolve_isolation(method, isolation)
    if setup.engine is not None and method != "futures":
        raise OptionError(
            f"{option_name('executor')} must be left out with {method}, got {setup.engine!r:.80}; "
            f"give {option_name('evaluator')} {EXAMPLE}"
        )
    if method in SHARING and setup.slot.gpus_per_eval:
        raise OptionError(
            f"{option_name('gpus_per_eval')} must be left out with {method}, {SHARING[method]}, "
            f"got {setup.slot.gpus_per_eval:g}; give {option_name('evaluator')} "
            + INSTEAD.get((method, "gpus_per_eval"), "processPool")
        )
    if method not in ("processPool", "subprocess") and setup.slot.ranks_per_eval > 1:
        raise OptionError(
            f"{option_name('ranks_per_eval')} must be 1 with {method}, got {setup.slot.ranks_per_eval}; "
            f"start ranks with mpirun, or give {option_name('evaluator')} "
            + INSTEAD.get((method, "ranks_per_eval"), "processPool")
        )
    if isolation == "process":
        setup = setup.named() if method == "balsam" else setup.portable()
    if method == "serial":
        if num_workers not in (None, 1):
            raise OptionError(
                f"{option_name('num_workers')} must be 1 here (one rank that evaluates itself), got {num_workers}; "
                f"start more ranks, or give {option_name('evaluator')} processPool"
            )
        executor = local_executor(setup, isolation)
        if isolation == "inline" and environment.launch().size <= 1:
            executor.connect = lambda round: GroupCommunicator(job.current().comm, (0,)).connect(round)
        return SerialEvaluator(executor, setup.slot)
    if method in ("threadPool", "futures") and is_program(setup.run):
        raise OptionError(
            f"{option_name('run')} must be a Python function with {method}, got {setup.run!r}; "
            f"give {option_name('evaluator')} subprocess"
        )
    return MAKERS[method](setup, num_workers)


def can_tell(method: str) -> bool:
    """Return whether a method can tell evaluations to stop while they run."""
    maker = MAKERS.get(method)
    return maker.can_tell if isinstance(maker, type) and issubclass(maker, Evaluator) else True


def resolve_isolation(method: str, isolation: str | None) -> str:
    """Return `process` or `inline`, checking that the method can do that."""
    wanted = isolation or ISOLATION.get(method, "process")
    if wanted != ISOLATION.get(method, wanted):
        raise OptionError(f"{option_name('isolation')} must be {ISOLATION[method]} with {method}, got {isolation}")
    return wanted
