"""Evaluators that are driven by hand, by their method: `create`, and the classes that DeepHyper documented."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, ClassVar

from dhmpi.errors import OptionError
from dhmpi.evaluation import ISOLATIONS
from dhmpi.evaluator.by_hand import HandDrivenEvaluator
from dhmpi.evaluator.cache import CacheKey, canonical_key
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.evaluator.factory import make, method_of, resolve_isolation
from dhmpi.evaluator.mpi_ranks import join
from dhmpi.execution.executor import Setup
from dhmpi.execution.runner import RunFunction
from dhmpi.mpi import job
from dhmpi.support.options import build, check_names, choice, integer, name_alone, number, unfolded
from dhmpi.support.resources import EngineOptions, MethodSettings, Resources, SlotOptions


class MethodEvaluator(HandDrivenEvaluator):
    """Drives an evaluator of one method; by default every request is evaluated, equal points too.

    Args:
        run_function: The run function or its name, or a setup with more about it.
        cache_key: See `HandDrivenEvaluator`.
        num_workers: Evaluations at the same time (default: one per core; what Balsam's launcher has).
    """

    method: ClassVar[str]

    def __init__(
        self,
        run_function: Callable[..., Any] | str | Setup,
        cache_key: CacheKey | None = None,
        num_workers: int | None = None,
    ) -> None:
        with _as_arguments():
            super().__init__(make(self.method, Setup.of(run_function), num_workers), cache_key)


class ThreadPoolEvaluator(MethodEvaluator):
    """Drives threads of this process."""

    method = "threadPool"


class ProcessPoolEvaluator(MethodEvaluator):
    """Drives children that stay."""

    method = "processPool"


class SubprocessEvaluator(MethodEvaluator):
    """Drives a fresh interpreter for each evaluation."""

    method = "subprocess"


class BalsamEvaluator(MethodEvaluator):
    """Drives jobs in the active Balsam database."""

    method = "balsam"


# The classes of the methods that have one of their own.
DRIVEN: dict[str, type[MethodEvaluator]] = {
    each.method: each for each in (ThreadPoolEvaluator, ProcessPoolEvaluator, SubprocessEvaluator, BalsamEvaluator)
}


def create(
    run_function: RunFunction | str,
    cache_key: CacheKey | None = None,
    method: str | Executor = "subprocess",
    num_workers: int | None = None,
    *,
    timeout: float | None = None,
    files: str = "results.h5.files",
    isolation: str | None = None,
    **resources: float | str,
) -> HandDrivenEvaluator:
    """Make an evaluator that is driven by hand.

    With `mpi`, all ranks call this; it returns on rank 0 only. The others evaluate, also for all evaluators and
    searches that follow on rank 0, and exit when its program ends.

    Args:
        run_function: The run function, or its name.
        cache_key: Returns the key that equal points have in common; each key is evaluated once (default: the point
            itself, whatever the order of its names and the types of its numbers).
        method: mpi, serial, threadPool, processPool, subprocess, balsam, launch or futures; or an executor
            of `concurrent.futures`, which whoever has made it shuts down.
        num_workers: Evaluations at the same time (default: one per core; per worker rank; what Balsam's launcher,
            the nodes or the executor have room for).
        timeout: Seconds that an evaluation may take (default: no limit).
        files: Directory for what evaluations print and write.
        isolation: `process` or, to run user code in the worker itself with mpi or serial, `inline` (default: what the
            method needs, or process).
        **resources: With balsam, num_nodes, ranks_per_node, threads_per_rank, node_packing_count, and with launch
            num_nodes, ranks_per_node, gpus_per_rank, launcher; see `Resources`. They may be in `method`, too:
            balsam:nodes=2,packing=4, and so is futures:executor=my_engines.py:make. With the others ranks_per_eval,
            gpus_per_eval and gpus_per_node; see `SlotOptions`.

    Raises:
        InputError: An argument cannot be used.
    """
    name = method_of("method", method)
    if num_workers is not None:
        num_workers = integer(1)("num_workers", num_workers)
    if timeout is not None:
        timeout = number(0, exclusive=True)("timeout", timeout)
    if isolation is not None:
        isolation = choice(ISOLATIONS)("isolation", isolation)
    check_names([MethodSettings, SlotOptions], resources)
    key = canonical_key if cache_key is None else cache_key
    with _as_arguments():
        values = unfolded(MethodSettings, resources | {"evaluator": name})
        name = name_alone(name)
        engine = method if isinstance(method, Executor) else build(EngineOptions, values).executor
        given, slot = build(Resources, values), build(SlotOptions, values)
        setup = Setup(run_function, timeout, os.path.abspath(files), given, slot=slot, engine=engine)
        isolation = resolve_isolation(name, isolation)
        if name in DRIVEN:
            return DRIVEN[name](setup, key, num_workers)
        if name == "mpi":
            return HandDrivenEvaluator(_make_on_ranks(setup, num_workers, isolation), key)
        return HandDrivenEvaluator(make(name, setup, num_workers, isolation), key)


@contextmanager
def _as_arguments() -> Iterator[None]:
    """Let errors call options as the arguments of `create` are called."""
    try:
        yield
    except OptionError as error:
        raise OptionError(error.spelled(_argument)) from error.__cause__


def _make_on_ranks(setup: Setup, num_workers: int | None, isolation: str) -> Evaluator:
    setup = setup.named() if isolation == "process" else setup
    job.current().call(_join, setup, isolation)
    try:
        found = _join(setup, isolation)
    finally:
        if job.current().rank == 0:
            job.current().keep_servants()
    if found is None:
        job.current().serve()
    if num_workers not in (None, found.num_workers):
        found.shutdown()
        raise OptionError(f"num_workers must be {found.num_workers} here ({found.layout}), got {num_workers}")
    return found


def _join(setup: Setup, isolation: str) -> Evaluator | None:
    job.current().begin_campaign()
    return join(setup, isolation)


def _argument(name: str) -> str:
    """Return how `create` calls an option."""
    return {"run": "run_function", "evaluator": "method"}.get(name, name)
