"""Rehearsal of a campaign: a few evaluations, and the first of them again, before an allocation is spent."""

import logging
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, NoReturn
from uuid import uuid4

from dhmpi.campaign import start
from dhmpi.errors import EXIT_FAILURE, CampaignError
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Results
from dhmpi.search.campaign_options import CampaignOptions
from dhmpi.search.registry import find
from dhmpi.search.search import Search
from dhmpi.support import environment
from dhmpi.support.loader import load_problem
from dhmpi.support.printing import tell

# Searches that draw points at random, for the two kinds of problems.
HYPERPARAMETERS, ARCHITECTURES = "hps-random", "nas-random"


class Rehearsal(NamedTuple):
    """Rehearsal of a campaign, and what it has measured.

    Attributes:
        search: The search, which knows the problem.
        evaluations: Evaluations of the starting point and of random points, in the order of their ids.
        repeated: The first of them once more, in a new process and with the same seed; None if it was not DONE.
        num_workers: Number of evaluations at the same time.
        layout: Layout of the ranks as a sentence.
        load_seconds: How long the problem took to be imported [s].
        start_seconds: How long it took until the first evaluation began [s].
        has_fresh_interpreters: Whether each evaluation starts an interpreter.
        printed: What evaluations have printed, all together [bytes]; None if that was on other ranks.
        memory: The most that a process with evaluations has had in memory [bytes]; None if that was on other ranks.
        warnings: What was said on the way.
    """

    search: Search
    evaluations: list[Evaluation]
    repeated: Evaluation | None
    num_workers: int
    layout: str
    load_seconds: float
    start_seconds: float
    has_fresh_interpreters: bool
    printed: int | None
    memory: int | None
    warnings: list[str]


def rehearse(problem: object, run: object, evaluator: object, options: CampaignOptions, num: int) -> Rehearsal | None:
    """Evaluate the starting point of a problem and some random points as a campaign would, and the first once more.

    Every rank of the job calls this.

    Args:
        problem: The problem, or its name.
        run: The run function, its name, or None for that beside the problem, or what trains architectures.
        evaluator: Name of a method, an evaluator, or None for what fits the number of ranks.
        options: What every search has; `max_evals`, `output`, `overwrite`, `quiet` and `logs` do not matter.
        num: Number of random points, at least 1.

    Returns:
        What was measured, on rank 0; None on the other ranks, and if a signal came before anything began.

    Raises:
        InputError: Something cannot be used, or data are missing.
    """
    stage, is_rank0 = _Stage(problem, run, evaluator), environment.launch().rank == 0
    with _scratch(is_rank0) as directory, _told_exit(directory, is_rank0), _heard() as warnings:
        logs = "all" if is_rank0 else "none"  # files elsewhere could not be found
        options = replace(options, output=f"{directory}/results.h5", overwrite=True, quiet=True, logs=logs)
        begun = time.time()
        found = stage.play(replace(options, max_evals=num + 1))
        printed = sum(path.stat().st_size for path in directory.glob("results.h5.files/*.log"))
        again = None
        if not is_rank0 or (found and any(each.id == 0 and each.state is State.DONE for each in found.evaluations)):
            again = stage.play(replace(options, max_evals=1))
    if found is None or stage.search is None:
        return None
    is_here = environment.launch().size == 1
    last_run = found.metadata.runs[-1]
    return Rehearsal(
        search=stage.search,
        evaluations=found.evaluations,
        repeated=again.evaluations[0] if again is not None else None,
        num_workers=last_run["num_workers"],
        layout=last_run["layout"],
        load_seconds=stage.load_seconds,
        start_seconds=min((each.started for each in found.evaluations if each.started), default=begun) - begun,
        has_fresh_interpreters=evaluator == "subprocess",
        printed=printed if is_here else None,
        memory=_peak_memory() if is_here else None,
        warnings=warnings,
    )


class _Stage:
    """Stage of small campaigns of one problem.

    Args:
        problem: See `rehearse`.
        run: See `rehearse`.
        evaluator: See `rehearse`.
    """

    def __init__(self, problem: object, run: object, evaluator: object) -> None:
        self._problem, self._run, self._evaluator = problem, run, evaluator
        # All ranks have to know the run function, and rank 0 alone the kind of problem.
        kind = ARCHITECTURES if problem is not None else HYPERPARAMETERS  # a run function alone may lack its problem
        self._run_target = find(kind).complete(problem, run).run
        self.search: Search | None = None
        self.load_seconds = 0.0

    def play(self, options: CampaignOptions) -> Results | None:
        """Run a campaign; every rank calls this.

        Returns:
            The results on rank 0, also if nothing is DONE; None on the others.
        """
        try:
            return start.run(lambda: self._make(options), self._run_target, self._evaluator, options)
        except CampaignError as error:
            found: Results = error.results
            return found

    def _make(self, options: CampaignOptions) -> Search:
        if self.search is None:
            begun = time.perf_counter()
            problem = load_problem(self._problem)
            self.load_seconds = time.perf_counter() - begun
            is_space = "create_structure" in problem.space and not hasattr(problem, "dimensions")
            self._class = find(ARCHITECTURES if is_space else HYPERPARAMETERS)
            self._class.complete(self._problem, self._run)  # hyperparameters need a run function
        # A small space is evaluated as a whole.
        self.search = self._class.from_options(
            self._problem, self._run_target, self._evaluator, replace(options, max_evals=None), self._class.Options()
        )
        return self.search


@contextmanager
def _scratch(is_made: bool) -> Iterator[Path]:
    """Name a directory that is gone afterwards.

    Args:
        is_made: Whether it is made at once, or only when something is written to it: ranks may be killed at the end.
    """
    directory = Path(tempfile.gettempdir(), f"dhmpi-check-{uuid4().hex}")
    if is_made:
        directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _told_exit(directory: Path, is_told: bool) -> Iterator[None]:
    """Have `os._exit`, by which user code would end a check that has said nothing, say so and be a failure.

    Args:
        directory: Is removed first.
        is_told: Whether this is so in this process; on other ranks, the search finds that a rank is lost.
    """
    leave, own = os._exit, os.getpid()

    def tell_and_leave(status: int) -> NoReturn:
        if os.getpid() == own:  # processes that user code has forked end in this way
            shutil.rmtree(directory, ignore_errors=True)
            constraint = "the problem and its run function must not end the process"
            tell(f"dhmpi check: error: {constraint}, got os._exit({status!r}); return or raise instead")
            leave(EXIT_FAILURE)
        leave(status)

    os._exit = tell_and_leave if is_told else leave
    try:
        yield
    finally:
        os._exit = leave


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what is logged as a warning, instead of showing it."""
    heard: list[str] = []
    handler = _Listener(heard)
    logger = logging.getLogger("dhmpi")
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    try:
        yield heard
    finally:
        logger.propagate = propagates
        logger.removeHandler(handler)


class _Listener(logging.Handler):
    """Appends the texts of warnings to a list.

    Args:
        heard: The list.
    """

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        """Append a text, unless it is there."""
        if (text := record.getMessage()) not in self._heard:
            self._heard.append(text)


def _peak_memory() -> int:
    """Return the most that a child of this process has had in memory, or this process if it had none [bytes]."""
    children, own = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    return 1024 * (children or own)
