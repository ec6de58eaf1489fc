"""Making evaluators by the name of their method."""

import os
from collections.abc import Callable

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import ISOLATIONS, METHODS
from dhmpi.evaluator.balsam import BalsamEvaluator
from dhmpi.evaluator.cache import CacheKey, canonical_key
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.evaluator.mpi_ranks import join
from dhmpi.evaluator.pool import ProcessPoolEvaluator, SerialEvaluator, SubprocessEvaluator
from dhmpi.evaluator.threads import ThreadPoolEvaluator
from dhmpi.execution.choice import local_executor
from dhmpi.execution.executor import Resources, Setup
from dhmpi.execution.program import is_program
from dhmpi.execution.runner import RunFunction
from dhmpi.mpi import job
from dhmpi.support.options import check_names, choice, integer, number

CLASSES: dict[str, Callable[[Setup, CacheKey | None, int | None], Evaluator]] = {
    "threadPool": ThreadPoolEvaluator,
    "processPool": ProcessPoolEvaluator,
    "subprocess": SubprocessEvaluator,
    "balsam": BalsamEvaluator,
}
# Whether user code runs in a process of its own, where the method leaves no choice.
ISOLATION = {"threadPool": "inline", "processPool": "process", "subprocess": "process", "balsam": "process"}


def create(
    run_function: RunFunction | str,
    cache_key: CacheKey | None = None,
    method: str = "subprocess",
    num_workers: int | None = None,
    *,
    timeout: float | None = None,
    files: str = "results.h5.files",
    isolation: str | None = None,
    **resources: int,
) -> Evaluator:
    """Make an evaluator that is driven by hand; see `Evaluator`.

    With `mpi`, all ranks call this; it returns on rank 0 only. The others evaluate, also for all evaluators and
    searches that follow on rank 0, and exit when its program ends.

    Args:
        run_function: The run function, or its name.
        cache_key: Returns what equal points have in common; each of these is evaluated once (default: the point
            itself, whatever the order of its names and the types of its numbers).
        method: mpi, serial, threadPool, processPool, subprocess or balsam.
        num_workers: Evaluations at the same time (default: one per core; per worker rank; what Balsam's launcher has).
        timeout: Seconds that an evaluation may take (default: no limit).
        files: Directory for what evaluations print and write.
        isolation: `process` or, to run user code in the worker itself with mpi or serial, `inline` (default: what the
            method needs, or process).
        **resources: With balsam, num_nodes, ranks_per_node, threads_per_rank, node_packing_count; see `Resources`.

    Raises:
        InputError: An argument cannot be used.
    """
    method = choice(METHODS)("method", method)
    if num_workers is not None:
        num_workers = integer(1)("num_workers", num_workers)
    if timeout is not None:
        timeout = number(0, exclusive=True)("timeout", timeout)
    if isolation is not None:
        isolation = choice(ISOLATIONS)("isolation", isolation)
    check_names([Resources], resources)
    setup = Setup(run_function, timeout, os.path.abspath(files), Resources(**resources))
    key = canonical_key if cache_key is None else cache_key
    try:
        return _create(method, setup, num_workers, key, isolation)
    except OptionError as error:
        raise OptionError(error.spelled(_argument)) from error.__cause__


def _create(method: str, setup: Setup, num_workers: int | None, key: CacheKey, isolation: str | None) -> Evaluator:
    if method != "mpi":
        return make(method, setup, num_workers, key, isolation)
    isolation = resolve_isolation(method, isolation)
    setup = setup.named() if isolation == "process" else setup
    job.current().call(_join, setup, isolation)
    found = _join(setup, isolation, key)
    if found is None:
        job.current().serve()
    job.current().keep_servants()
    if num_workers not in (None, found.num_workers):
        found.shutdown()
        raise OptionError(f"num_workers must be {found.num_workers} here ({found.layout}), got {num_workers}")
    return found


def _join(setup: Setup, isolation: str, cache_key: CacheKey | None = None) -> Evaluator | None:
    job.current().begin_campaign()
    return join(setup, isolation, cache_key)


def _argument(name: str) -> str:
    """Return how `create` calls an option."""
    return {"run": "run_function", "evaluator": "method"}.get(name, name)


def make(
    method: str,
    setup: Setup,
    num_workers: int | None,
    cache_key: CacheKey | None = None,
    isolation: str | None = None,
) -> Evaluator:
    """Make an evaluator of any method but mpi.

    Args:
        method: One of `METHODS`.
        setup: What to run.
        num_workers: Evaluations at the same time; None for the method's own default.
        cache_key: See `Evaluator`.
        isolation: `process`, `inline`, or None for what the method needs or, with a choice, `process`.
    """
    isolation = resolve_isolation(method, isolation)
    if isolation == "process":
        setup = setup.named() if method == "balsam" else setup.portable()
    if method == "serial":
        if num_workers not in (None, 1):
            raise OptionError(
                f"{option_name('num_workers')} must be 1 here (one rank that evaluates itself), got {num_workers}; "
                f"start more ranks, or give {option_name('evaluator')} processPool"
            )
        return SerialEvaluator(local_executor(setup, isolation), cache_key)
    if method == "threadPool" and is_program(setup.run):
        raise OptionError(
            f"{option_name('run')} must be a Python function with threadPool, got {setup.run!r}; "
            f"give {option_name('evaluator')} subprocess"
        )
    return CLASSES[method](setup, cache_key, num_workers)


def resolve_isolation(method: str, isolation: str | None) -> str:
    """Return `process` or `inline`, checking that the method can do that."""
    wanted = isolation or ISOLATION.get(method, "process")
    if wanted != ISOLATION.get(method, wanted):
        raise OptionError(f"{option_name('isolation')} must be {ISOLATION[method]} with {method}, got {isolation}")
    return wanted
