"""Putting a campaign together on all ranks: the place where names become objects."""

import dataclasses
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dhmpi
from dhmpi import results
from dhmpi.campaign import walltime, whereabouts
from dhmpi.campaign.failures import Failures
from dhmpi.campaign.loop import Campaign
from dhmpi.campaign.progress import Progress
from dhmpi.campaign.signals import Stopped, StopRequest, leave_to_search_rank
from dhmpi.errors import (
    EXIT_FAILURE,
    EXIT_INPUT,
    CampaignError,
    InputError,
    OptionError,
    StorageError,
    option_name,
    reason,
)
from dhmpi.evaluation import METHODS
from dhmpi.evaluator import Evaluator, HandDrivenEvaluator
from dhmpi.evaluator.factory import make, resolve_isolation
from dhmpi.evaluator.mpi_ranks import join
from dhmpi.execution.executor import Resources, Setup
from dhmpi.execution.program import check_placeholders, is_program
from dhmpi.mpi import job
from dhmpi.results import Metadata, Results, ResultsStore
from dhmpi.search import Search
from dhmpi.search.campaign_options import CampaignOptions
from dhmpi.support import environment
from dhmpi.support.loader import check_problem
from dhmpi.support.options import choice
from dhmpi.support.printing import tell

log = logging.getLogger(__name__)


def run_search(search: Search) -> Results | None:
    """Run a search that has been made on every rank; see `Search.main`."""
    if given_evaluator(search.evaluator_target) is None:
        call_others(search)
    return run(lambda options: search, search.run_target, search.evaluator_target, search.options)


def call_others(search: Search) -> None:
    """Let the other ranks take part in a search that they have not come across, if they wait for that."""
    search.run_target = search.complete(search.problem_target, search.run_target).run
    targets = search.problem_target, search.run_target, search.evaluator_target
    job.current().call(_take_part, type(search), *targets, search.options, search.own_options)


def _take_part(
    search_class: type[Search], problem: Any, run: Any, evaluator: Any, options: CampaignOptions, own_options: Any
) -> None:
    search_class.from_options(problem, run, evaluator, options, own_options).main()


def run(
    make_search: Callable[[CampaignOptions], Search],
    run_target: object,
    evaluator: object,
    options: CampaignOptions,
    begun: float | None = None,
) -> Results | None:
    """Run a campaign; every rank of the job calls this.

    Args:
        make_search: Makes the search; called on rank 0 only.
        run_target: The run function, or its name.
        evaluator: Name of a method, an evaluator, or None for what fits the number of ranks.
        options: What every search has.
        begun: When a program began that does nothing else [monotonic s].

    Returns:
        The results on rank 0, None on the other ranks.

    Raises:
        DhmpiError: Something keeps the campaign from running; on rank 0, and on the others if they can know it.
    """
    launch = environment.launch()
    given = given_evaluator(evaluator)
    if given is not None:
        if launch.rank > 0:
            return None
        return SearchRank(options, begun).run(make_search, given)
    method = choice(METHODS)(option_name("evaluator"), evaluator or _default_method(launch))
    if method == "mpi":
        job.current().begin_campaign()
    elif launch.rank > 0:
        return None  # one rank is enough for the evaluators that need no MPI
    isolation = resolve_isolation(method, options.isolation)
    setup = make_setup(run_target, options, isolation)
    if method == "mpi":
        return _run_on_ranks(make_search, setup, isolation, SearchRank(options, begun))
    local = make(method, setup, options.num_workers, isolation=isolation)
    return SearchRank(options, begun).run(make_search, local)


def given_evaluator(evaluator: object) -> Evaluator | None:
    """Return the evaluator that somebody has made, by hand or not; None if there is only a name, or nothing."""
    if isinstance(evaluator, HandDrivenEvaluator):
        return evaluator.evaluator
    return evaluator if isinstance(evaluator, Evaluator) else None


def _default_method(launch: environment.Launch) -> str:
    return "mpi" if launch.found and launch.size != 1 else "serial"


def make_setup(run_target: object, options: CampaignOptions, isolation: str) -> Setup:
    """Return what is run, and with what, as the options say."""
    resources = Resources(
        options.num_nodes, options.ranks_per_node, options.threads_per_rank, options.node_packing_count
    )
    files = _files(options)
    setup = Setup(run_target, options.timeout, files, resources, options.logs)  # type: ignore[arg-type]  # checked when loaded
    return setup.portable() if isolation == "process" else setup


def _files(options: CampaignOptions) -> str:
    """Return the directory of what evaluations print and write, whole, since user code may change the current one."""
    return os.path.abspath(f"{options.output}.files")


def _remove_files(directory: str) -> None:
    for path in Path(directory).glob("evaluation-*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _run_on_ranks(
    make_search: Callable[[CampaignOptions], Search],
    setup: Setup,
    isolation: str,
    search_rank: "SearchRank",
) -> Results | None:
    evaluator = join(setup, isolation, prepare=leave_to_search_rank)
    if evaluator is None:
        return None
    status = EXIT_FAILURE
    try:
        found = search_rank.run(make_search, evaluator)
        status = 0
        return found
    except InputError:
        status = EXIT_INPUT
        raise
    finally:
        job.current().status = status


class SearchRank:
    """Rank 0: makes the search, opens the results, runs the campaign.

    Args:
        options: What every search has.
        begun: When a program began that does nothing else [monotonic s].
    """

    def __init__(self, options: CampaignOptions, begun: float | None = None) -> None:
        self._options, self._begun = options, begun

    def end(self) -> walltime.End | None:
        """Return when the time ends."""
        starting = 0.0 if self._begun is None else time.monotonic() - self._begun
        return walltime.earliest(self._options.max_minutes, self._options.end_time, starting=starting)

    def run(self, make_search: Callable[[CampaignOptions], Search], evaluator: Evaluator) -> Results | None:
        """Run the campaign from the first check to the last evaluation."""
        options = self._options
        end = self.end()
        deadline = None if end is None else time.monotonic() + end.time - time.time()
        stop = StopRequest(evaluator.interrupt)
        try:
            with stop:
                search = make_search(options)
                self.check(search, evaluator)
                with stop.interruptible():
                    check_problem(search.problem)
                earlier = self.earlier(search)
                evaluator.seed, evaluator.maximises = search.seed, search.maximises
                with stop.interruptible():
                    evaluator.start()
                if end is not None and not options.quiet:
                    tell(str(end))
                store = self.open(search, stop)
                if earlier is not None:  # and what has come since that was read
                    search.resume(store.metadata.seed, store.evaluations)
                return self._campaign(search, evaluator, store, deadline, stop)
        except Stopped:
            log.warning("stopped by %s before the first evaluation", stop.signal_name)
            return None
        finally:
            evaluator.shutdown()

    def check(self, search: Search, evaluator: Evaluator) -> None:
        """Check what can be checked before anything starts."""
        run = search.run_target
        if isinstance(run, str) and is_program(run):
            check_placeholders(run, search.space.names)
        wanted, there = self._options.num_workers, evaluator.num_workers
        if wanted not in (None, there):
            remedy = "start another number of ranks, or leave it out"
            raise OptionError(
                f"{option_name('num_workers')} must be {there} here ({evaluator.layout}), got {wanted}; {remedy}"
            )
        self.check_file()

    def check_file(self) -> None:
        """Check whether the results can be written, without touching what exists."""
        if self._options.resume and self._options.overwrite:
            raise OptionError(f"{option_name('resume')} and {option_name('overwrite')} exclude each other; give one")
        ResultsStore.check(self._options.output, self._options.overwrite, self._options.resume)

    def earlier(self, search: Search) -> Results | None:
        """Read what is resumed."""
        if not self._options.resume:
            return None
        earlier = results.read(self._options.output)
        now = self._metadata(search)
        earlier.metadata.resumed(now)
        if changed := whereabouts.difference(earlier.metadata.source, now.source):
            log.warning("%s", changed)
        seed = self._options.seed
        if seed not in (None, earlier.metadata.seed):
            raise OptionError(f"{option_name('seed')} must be {earlier.metadata.seed} as in the file, got {seed}")
        if earlier.dropped:
            log.warning("%s", earlier.dropped)
        search.seed = earlier.metadata.seed
        return earlier

    def open(self, search: Search, stop: StopRequest) -> ResultsStore:
        """Open the results file for writing, which may mean to wait until it is known that nobody else writes it."""
        options, metadata = self._options, self._metadata(search)

        def pause(seconds: float) -> None:
            with stop.interruptible():
                time.sleep(seconds)

        if options.resume:
            return ResultsStore.resume(options.output, metadata, pause)
        store = ResultsStore.create(options.output, metadata, options.overwrite, pause)
        try:
            _remove_files(_files(options))  # of a campaign that has been overwritten: logs would be appended to
        except OSError as error:
            log.warning("logs of an earlier campaign cannot be removed: %s", error)
        return store

    def _metadata(self, search: Search) -> Metadata:
        target = search.problem_target
        return Metadata(
            search=search.name,
            problem=target if isinstance(target, str) else type(target).__name__,
            space=search.space.specs(),
            options=dataclasses.asdict(search.options) | dataclasses.asdict(search.own_options),
            seed=search.seed,
            created=time.time(),
            version=dhmpi.__version__,
            command=sys.argv,
            maximises=search.maximises,
            source=whereabouts.record(target, search.problem),
        )

    def _campaign(
        self, search: Search, evaluator: Evaluator, store: ResultsStore, deadline: float | None, stop: StopRequest
    ) -> Results:
        options = self._options
        store.begin_run(evaluator.num_workers, evaluator.hosts(), evaluator.layout)
        search.begin_run(evaluator.num_workers)
        if not options.quiet:
            tell(evaluator.layout)
        num_before = sum(each.state.is_final for each in store.evaluations)
        terminal = environment.terminal()
        progress = Progress(
            evaluator.num_workers,
            options.eval_limit,
            deadline,
            terminal,
            options.quiet,
            num_before,
            search.maximises,
        )
        campaign = Campaign(
            search,
            evaluator,
            store,
            options.eval_limit,
            deadline,
            stop,
            progress,
            options.retries,
            options.drain_seconds,
            options.max_failures,
        )
        try:
            why = campaign.run()
        except Exception as error:
            if not isinstance(error, StorageError):
                store.close(f"{type(error).__name__}: {reason(error)}")
            raise
        finally:
            progress.close()
        seconds = {f"{name}_seconds": seconds for name, seconds in campaign.seconds.items()}
        lost = {"lost_idle_seconds": campaign.lost.idle, "lost_cancelled_seconds": campaign.lost.cancelled}
        store.set_statistics({**seconds, **lost, "busy_share": campaign.busy_share, **search.statistics()})
        return self.close(store, why, campaign.is_complete, campaign.failures, bool(stop.signal_name))

    def close(self, store: ResultsStore, why: str, is_complete: bool, failures: Failures, is_stopped: bool) -> Results:
        """Close the results file.

        Args:
            store: The results.
            why: Why the campaign ended, for people.
            is_complete: Whether nothing is left to resume.
            failures: Whether anything is DONE, or why nothing is.
            is_stopped: Whether somebody has stopped it.

        Raises:
            CampaignError: It came to its end by itself, and nothing is DONE.
        """
        is_vain = failures.are_all and not is_stopped
        why = failures.sentence() if is_vain else why
        store.close(why, is_complete)
        found = Results(store.metadata, store.evaluations, policy=store.policy)
        if is_vain:
            remedy = f"mend that, then dhmpi redo {self._options.output} and the same command with --resume"
            raise CampaignError(f"{why}; {remedy}", found)
        return found
