"""Rank 0 of a campaign, from the first check to the last evaluation."""

import contextlib
import dataclasses
import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from shlex import quote
from typing import NamedTuple

import dhmpi
from dhmpi import results
from dhmpi.campaign import problem_source
from dhmpi.campaign.loop import Campaign
from dhmpi.campaign.preflight import (
    check_feedback,
    check_file,
    check_single,
    end_of_earlier,
    remove_files,
    remove_leftovers,
)
from dhmpi.control import walltime
from dhmpi.control.budget import Budget, Limits
from dhmpi.control.campaign_log import log_begin, log_end, log_resumed
from dhmpi.control.progress import Progress
from dhmpi.control.signals import Stopped, StopRequest
from dhmpi.errors import (
    EXIT_FAILURE,
    EXIT_INPUT,
    CampaignError,
    DhmpiError,
    InputError,
    OptionError,
    StorageError,
    option_name,
    reason,
)
from dhmpi.evaluation import turned
from dhmpi.evaluator import Evaluator
from dhmpi.execution.program import check_placeholders, is_program
from dhmpi.mpi import job
from dhmpi.results import Metadata, Results, ResultsStore, rank_table
from dhmpi.results.knowledge import NO_KNOWLEDGE
from dhmpi.search.campaign_options import CampaignOptions
from dhmpi.search.search import Search
from dhmpi.support import environment, logs
from dhmpi.support.loader import check_problem
from dhmpi.support.printing import tell
from dhmpi.support.wording import counted

log = logging.getLogger(__name__)


class CampaignEnd(NamedTuple):
    """End of a campaign.

    Attributes:
        why: Why it ended, for people.
        is_complete: Whether nothing is left to resume.
        statistics: What it has measured of itself, by name.
        error: What ended it before its time, or None.
    """

    why: str
    is_complete: bool
    statistics: Mapping[str, float | str]
    error: DhmpiError | None = None


class Rank0(ABC):
    """Rank 0 of a campaign: makes the search, opens the results, lets the search work, closes the results.

    Args:
        options: What every search has.
        begun: When a program began that does nothing else [monotonic s].
    """

    def __init__(self, options: CampaignOptions, begun: float | None = None) -> None:
        self._options, self._begun = options, begun
        self._knowledge = NO_KNOWLEDGE

    @abstractmethod
    def _make_search(self) -> Search:
        """Return the search."""

    @abstractmethod
    def _check(self, search: Search) -> None:
        """Check what can be checked before anything starts."""

    @abstractmethod
    def _prepare(self, search: Search, earlier: Results | None) -> None:
        """Check what is resumed, and take it into account, before anything starts."""

    @abstractmethod
    def _wait(self, search: Search) -> None:
        """Wait until evaluations can begin."""

    @abstractmethod
    def _work(self, search: Search, store: ResultsStore, budget: Budget, stop: StopRequest) -> CampaignEnd:
        """Run the campaign; the results file is open."""

    @abstractmethod
    def _release(self) -> None:
        """Release all that takes part, however it has ended."""

    def _interrupt(self) -> None:  # noqa: B027  # user code runs elsewhere
        """Stop user code that runs in this process; called by a signal handler."""

    def run(self) -> Results | None:
        """Run the campaign.

        Returns:
            The results; None if a signal came before the first evaluation.

        Raises:
            CampaignError: It came to its end by itself, and nothing is DONE.
            DhmpiError: Something keeps it from running.
        """
        end = self._end()
        deadline = None if end is None else time.monotonic() + end.time - time.time()
        stop = StopRequest(self._interrupt)
        try:
            with stop:
                search = self._make_search()
                self._check(search)
                check_file(self._options)
                with stop.interruptible():
                    self._check_problem(search)
                earlier = self._earlier(search)
                self._warm_start(search, earlier)
                self._prepare(search, earlier)
                with stop.interruptible():
                    self._wait(search)
                if end is not None and not self._options.quiet:
                    tell(str(end))
                store = self._open(search, stop)
                logs.keep()
                budget = self._budget(search, store, deadline, stop)
                return self._finish(search, store, budget, stop)
        except Stopped:
            log.warning("stopped by %s before the first evaluation", stop.signal_name)
            return None
        finally:
            self._release()

    def _end(self) -> walltime.End | None:
        """Return when the time ends."""
        starting = 0.0 if self._begun is None else time.monotonic() - self._begun
        return walltime.earliest(self._options.max_minutes, self._options.end_time, starting=starting)

    def _check_problem(self, search: Search) -> None:
        """Let the problem check itself."""
        check_problem(search.problem)

    def _earlier(self, search: Search) -> Results | None:
        """Read what is resumed."""
        if not self._options.resume:
            return None
        earlier = results.read(self._options.output)
        now = _metadata(search)
        earlier.metadata.resumed(now)
        if changed := problem_source.difference(earlier.metadata.source, now.source):
            log.warning("%s", changed)
        if changed := earlier.metadata.changed_options(dataclasses.asdict(search.own_options)):
            log.warning("%s", changed)
        seed = self._options.seed
        if seed not in (None, earlier.metadata.seed):
            raise OptionError(f"{option_name('seed')} must be {earlier.metadata.seed} as in the file, got {seed}")
        if earlier.dropped:
            log.warning("%s", earlier.dropped)
        search.seed = earlier.metadata.seed
        return earlier

    def _warm_start(self, search: Search, earlier: Results | None) -> None:
        """Let the search know what earlier campaigns have found; one that is resumed knows what it knew."""
        names = getattr(search.own_options, "warm_start", None)
        if earlier is not None:
            self._knowledge = earlier.knowledge
            if names and not self._knowledge.sources:
                log.warning("the option warm_start counts when a campaign begins, and this one began without")
        elif names:
            from dhmpi.campaign.warm_start import gather  # most campaigns do without

            self._knowledge, lines = gather(search, names)
            for line in lines if not self._options.quiet else ():
                tell(line)
        if self._knowledge.observations:
            search.prime(self._knowledge.observations)

    def _open(self, search: Search, stop: StopRequest) -> ResultsStore:
        """Open the results file for writing, perhaps after a wait for a writer that may be gone."""
        options, metadata = self._options, _metadata(search)

        def pause(seconds: float) -> None:
            with stop.interruptible():
                time.sleep(seconds)

        if options.resume:
            store = ResultsStore.resume(options.output, metadata, pause)
            try:
                remove_leftovers(options.files, store.evaluations)
            except OSError as error:
                log.warning("files of evaluations that begin anew cannot be removed: %s", error)
            return store
        earlier = end_of_earlier(options.output)
        store = ResultsStore.create(options.output, metadata, options.overwrite, pause, self._knowledge)
        try:
            remove_files(options.files, earlier)  # of a campaign that has been overwritten: logs would be appended to
        except OSError as error:
            log.warning("logs of an earlier campaign cannot be removed: %s", error)
        return store

    def _tell_begin(self, store: ResultsStore, evaluator: str, layout: str) -> None:
        """Log what begins, and show who does what; if several ranks do it together or their GPUs differ, in a table."""
        metadata, workers = store.metadata, counted(store.metadata.runs[-1]["num_workers"], "worker")
        where = f"{workers}, {evaluator} ({layout})"
        log_begin(metadata.search, metadata.problem, metadata.seed, where, self._options.output)
        if self._options.resume:
            log_resumed(store.counts)
        if self._options.quiet:
            return
        tell(layout)
        table = rank_table.rows(store.metadata.runs[-1])
        evaluating = [row for row in table if row.worker]
        if len({row.gpus for row in evaluating}) > 1 or len({row.worker for row in evaluating}) < len(evaluating):
            for line in rank_table.lines(table, rank_table.MOST_SHOWN):
                tell(line)

    def _eval_limit(self, search: Search) -> int | None:
        """Return the number of evaluations at which the campaign is complete."""
        return self._options.max_evals if search.is_list else self._options.eval_limit

    def _budget(self, search: Search, store: ResultsStore, deadline: float | None, stop: StopRequest) -> Budget:
        options = self._options
        target = turned(options.target, store.metadata.maximises)
        limits = Limits(
            self._eval_limit(search),
            deadline,
            options.drain_seconds,
            options.max_failures,
            options.retries,
            options.max_steps_total,
            target,
            options.patience,
            store.metadata.statistics.get("pause_seconds"),
        )
        return Budget(limits, store.evaluations, lambda: stop.signal_name)

    def _progress(self, budget: Budget, num_workers: int, eval_limit: int | None, maximises: bool) -> Progress:
        limits, terminal = budget.limits._replace(evals=eval_limit), environment.terminal()
        return Progress(num_workers, limits, terminal, self._options.quiet, budget.num_final, maximises)

    def _begin_callbacks(self, search: Search, store: ResultsStore, stop: StopRequest) -> None:
        """Tell the callbacks that evaluations can begin."""
        if search.callbacks:
            search.callbacks.begin(store.results, stop)

    def _finish(self, search: Search, store: ResultsStore, budget: Budget, stop: StopRequest) -> Results:
        """Run the campaign, close the results file, and tell the callbacks."""
        num_runs = len(store.metadata.runs)
        try:
            return self._close(search, store, budget, stop)
        finally:
            store.abandon()  # where it could not be closed
            for run in store.metadata.runs[num_runs:]:
                seconds = (run["ended"] or time.time()) - run["started"]
                log_end(run["why"] or "the results file cannot be written", store.counts, seconds)
            if search.callbacks:
                search.callbacks.end(store.results)

    def _close(self, search: Search, store: ResultsStore, budget: Budget, stop: StopRequest) -> Results:
        """Run the campaign, and close the results file."""
        try:
            ending = self._work(search, store, budget, stop)
        except Exception as error:
            if not isinstance(error, StorageError):
                store.close(f"{type(error).__name__}: {reason(error)}")
            raise
        store.set_statistics(ending.statistics)
        if ending.error is not None:
            store.close(ending.why)
            raise ending.error
        is_vain = budget.failures.are_all and not stop.signal_name
        why = budget.failures.sentence() if is_vain else ending.why
        store.close(why, ending.is_complete)
        found = store.results
        if is_vain:
            remedy = f"mend that, then dhmpi redo {quote(self._options.output)}, and continue with " + option_name(
                "resume=True"
            )
            raise CampaignError(why, found, remedy=remedy)
        return found


class EvaluatingRank0(Rank0):
    """Rank 0 of a campaign whose search is here, and whose evaluator has the workers.

    Args:
        options: What every search has.
        begun: When a program began that does nothing else [monotonic s].
        make_search: Makes the search.
        evaluator: Where points are evaluated; it has not been started.
    """

    def __init__(
        self,
        options: CampaignOptions,
        begun: float | None,
        make_search: Callable[[], Search],
        evaluator: Evaluator,
    ) -> None:
        super().__init__(options, begun)
        self._make, self._evaluator = make_search, evaluator

    def _make_search(self) -> Search:
        return self._make()

    def _check(self, search: Search) -> None:
        run, evaluator = search.run_target, self._evaluator
        check_feedback(self._options, evaluator.name, evaluator.can_tell)
        if isinstance(run, str) and is_program(run):
            check_placeholders(run, search.space.names)
            check_single(search.objectives)
        wanted = self._options.num_workers
        if wanted is not None and wanted != (there := evaluator.num_workers):
            remedy = "start another number of ranks, or leave it out"
            raise OptionError(
                f"{option_name('num_workers')} must be {there} here ({evaluator.layout}), got {wanted}; {remedy}"
            )

    def _prepare(self, search: Search, earlier: Results | None) -> None:
        evaluator = self._evaluator
        evaluator.seed, evaluator.maximises, evaluator.objectives = search.seed, search.maximises, search.objectives

    def _wait(self, search: Search) -> None:
        self._evaluator.start()

    def _work(self, search: Search, store: ResultsStore, budget: Budget, stop: StopRequest) -> CampaignEnd:
        evaluator = self._evaluator
        if self._options.resume:  # with what has come since the file was read
            search.resume(store.metadata.seed, store.evaluations, store.reports.history().ordered())
        roles = evaluator.roles.as_json()
        store.begin_run(evaluator.num_workers, evaluator.hosts(), evaluator.layout, roles, limit=budget.end_time)
        search.begin_run(evaluator.num_workers)
        self._tell_begin(store, evaluator.name, evaluator.layout)
        self._begin_callbacks(search, store, stop)
        progress = self._progress(budget, evaluator.num_workers, budget.limits.evals, search.maximises)
        campaign = Campaign(search, evaluator, store, budget, stop, progress)
        try:
            why = campaign.run()
        finally:
            progress.close()
        seconds = {f"{name}_seconds": seconds for name, seconds in campaign.seconds.items()}
        statistics = {**seconds, **budget.statistics(), "busy_share": campaign.busy_share, **search.statistics()}
        return CampaignEnd(why, campaign.is_complete, statistics)

    def _release(self) -> None:
        self._evaluator.shutdown()

    def _interrupt(self) -> None:
        self._evaluator.interrupt()


@contextlib.contextmanager
def exit_status() -> Iterator[None]:
    """Tell the job with which status its ranks end, should they have to be ended."""
    status = EXIT_FAILURE
    try:
        yield
        status = 0
    except InputError:
        status = EXIT_INPUT
        raise
    finally:
        job.current().status = status


def _metadata(search: Search) -> Metadata:
    target = search.problem_target
    return Metadata(
        search=search.name,
        problem=target if isinstance(target, str) else type(target).__name__,
        space=search.space.specs(),
        rules=search.space.rules.specs(),
        options=dataclasses.asdict(search.options) | dataclasses.asdict(search.own_options),
        seed=search.seed,
        created=time.time(),
        version=dhmpi.__version__,
        command=sys.argv,
        maximises=search.maximises,
        objectives=search.objectives,
        labels=dict(getattr(search.problem, "labels", {})),
        beliefs={name: belief.spec() for name, belief in search.space.beliefs.items()},
        source=problem_source.record(target, search.problem),
    )
