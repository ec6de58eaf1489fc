"""Putting a campaign together on all ranks: the place where names become objects."""

import atexit
import dataclasses
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable

import dhmpi
from dhmpi import environ, results
from dhmpi.campaign import Campaign
from dhmpi.errors import EXIT_FAILURE, EXIT_INPUT, InputError, OptionError, ResultsError
from dhmpi.evaluator import Evaluator, SerialEvaluator
from dhmpi.evaluator.child import ChildExecutor
from dhmpi.evaluator.executor import Executor, InlineExecutor, Setup
from dhmpi.evaluator.mpi import MPIEvaluator
from dhmpi.loader import load_run, run_name
from dhmpi.mpi.comm import Communicator, connect, leave_at_once
from dhmpi.mpi.protocol import WorkerEnd
from dhmpi.options import as_flag
from dhmpi.progress import Progress
from dhmpi.results import Metadata, Results, ResultsStore
from dhmpi.search import Search
from dhmpi.search.options import CampaignOptions
from dhmpi.signals import Stopped, StopRequest, leave_to_search_rank

log = logging.getLogger(__name__)

Label = Callable[[str], str]
ONE_RANK = "1 rank, which searches and evaluates"


def run_search(search: Search) -> Results | None:
    """Run a search that has been made on every rank; see `Search.main`."""
    return run(lambda options: search, search.run_target, search.evaluator_target, search.options, str)


def run(
    make_search: Callable[[CampaignOptions], Search],
    run_target: object,
    evaluator: object,
    options: CampaignOptions,
    label: Label = as_flag,
) -> Results | None:
    """Run a campaign; every rank of the job calls this.

    Args:
        make_search: Makes the search; called on rank 0 only.
        run_target: The run function, or its name.
        evaluator: `mpi`, `serial`, an Evaluator, or None for the one that fits the number of ranks.
        options: What every search has.
        label: How an option is called in errors.

    Returns:
        The results on rank 0, None on the other ranks.

    Raises:
        DhmpiError: Something keeps the campaign from running; on rank 0 only, and the other ranks have left.
    """
    launch = environ.launch()
    if isinstance(evaluator, Evaluator):
        if launch.rank > 0:
            return None
        return _SearchRank(options, label, "an evaluator of one's own").run(make_search, evaluator)
    try:
        setup = _setup(run_target, options, label)
    except OptionError:
        if launch.rank > 0:
            return None  # rank 0 says it
        raise
    with_mpi = evaluator == "mpi" or (evaluator is None and launch.found and launch.size != 1)
    if not with_mpi:
        if launch.rank > 0:
            return None  # one rank is enough for the evaluators that need no MPI
        return _SearchRank(options, label, ONE_RANK).run(make_search, _serial(setup, options))
    return _run_on_ranks(make_search, setup, options, label)


def _setup(run_target: object, options: CampaignOptions, label: Label) -> Setup:
    target = run_target
    if options.isolation == "process" and not isinstance(target, str):
        target = run_name(target)
        if target is None:
            raise OptionError(
                f"{label('run')} must be a function that another interpreter can import, got {run_target!r}; "
                f"define it at the top of a module, or set {label('isolation')} to 'inline'"
            )
    files = os.path.abspath(f"{options.output}.files")  # user code may change the directory
    return Setup(target, options.timeout, files)  # type: ignore[arg-type]  # checked when loaded


def _executor(setup: Setup, options: CampaignOptions, redirect: bool) -> Executor:
    if options.isolation == "process":
        return ChildExecutor(setup)
    return InlineExecutor(setup, load_run, redirect)


def _serial(setup: Setup, options: CampaignOptions) -> SerialEvaluator:
    return SerialEvaluator(_executor(setup, options, redirect=False))


def _run_on_ranks(
    make_search: Callable[[CampaignOptions], Search], setup: Setup, options: CampaignOptions, label: Label
) -> Results | None:
    executor = None
    if environ.launch().rank > 0:
        executor = _executor(setup, options, redirect=True)
        if options.isolation == "process":
            executor.load()  # before MPI starts, since a later child could inherit parts of it
    comm = connect()
    if comm.rank > 0:
        _worker_rank(comm, executor or _executor(setup, options, redirect=True))
        return None
    if comm.size == 1:
        return _SearchRank(options, label, ONE_RANK).run(make_search, _serial(setup, options))
    evaluator = MPIEvaluator(comm, signs=options.isolation == "process")
    layout = f"{comm.size} ranks: rank 0 searches, ranks 1 to {comm.size - 1} evaluate; {comm.library()}"
    status = EXIT_FAILURE
    try:
        found = _SearchRank(options, label, layout).run(make_search, evaluator)
        status = 0
        return found
    except InputError:
        status = EXIT_INPUT
        raise
    finally:
        # MPI_Finalize would wait for ranks that are stuck or gone; at exit, because the results are still to be shown.
        if not evaluator.all_left:
            atexit.register(comm.abort, status)
        elif comm.has_losses:
            atexit.register(leave_at_once, status)


def _worker_rank(comm: Communicator, executor: Executor) -> None:
    """Evaluate for the search rank until it says stop."""
    leave_to_search_rank(executor.interrupt)
    with os.fdopen(os.dup(2), "w") as stderr:  # inline, the rank's own becomes the evaluations' output
        try:
            WorkerEnd(comm, executor).serve()
        except BaseException:
            # Both MPIs would wait for this rank for ever if it went on to MPI_Finalize.
            traceback.print_exc(file=stderr)
            stderr.flush()
            leave_at_once(EXIT_FAILURE)


class _SearchRank:
    """Rank 0: makes the search, opens the results, runs the campaign."""

    def __init__(self, options: CampaignOptions, label: Label, layout: str) -> None:
        self._options, self._label, self._layout = options, label, layout

    def run(self, make_search: Callable[[CampaignOptions], Search], evaluator: Evaluator) -> Results | None:
        """Run the campaign from the first check to the last evaluation."""
        options = self._options
        deadline = None if options.max_minutes is None else time.monotonic() + 60 * options.max_minutes
        stop = StopRequest(evaluator.interrupt)
        try:
            with stop:
                search = make_search(options)
                self._check(search, evaluator)
                earlier = self._earlier(search)
                evaluator.seed = search.seed
                with stop.interruptible():
                    evaluator.start()
                store = self._open(search)
                if earlier is not None:
                    search.resume(earlier.metadata.seed, earlier.evaluations)
                return self._campaign(search, evaluator, store, deadline, stop)
        except Stopped:
            log.warning("stopped by %s before the first evaluation", stop.signal_name)
            return None
        finally:
            evaluator.shutdown()

    def _check(self, search: Search, evaluator: Evaluator) -> None:
        wanted, there = self._options.num_workers, evaluator.num_workers
        if wanted not in (None, there):
            remedy = "start another number of ranks, or leave it out"
            raise OptionError(
                f"{self._label('num_workers')} must be {there} here ({self._layout}), got {wanted}; {remedy}"
            )
        if self._options.resume and self._options.overwrite:
            raise OptionError(f"{self._label('resume')} and {self._label('overwrite')} exclude each other; give one")
        if not self._options.resume:
            ResultsStore.check(self._options.output, self._options.overwrite)

    def _earlier(self, search: Search) -> Results | None:
        """Read what is resumed."""
        if not self._options.resume:
            return None
        earlier = results.read(self._options.output)
        earlier.metadata.resumed(self._metadata(search))
        seed = self._options.seed
        if seed not in (None, earlier.metadata.seed):
            raise OptionError(f"{self._label('seed')} must be {earlier.metadata.seed} as in the file, got {seed}")
        if earlier.dropped:
            log.warning("%s", earlier.dropped)
        search.seed = earlier.metadata.seed
        return earlier

    def _open(self, search: Search) -> ResultsStore:
        options, metadata = self._options, self._metadata(search)
        if options.resume:
            return ResultsStore.resume(options.output, metadata)
        return ResultsStore.create(options.output, metadata, options.overwrite)

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
        )

    def _campaign(
        self, search: Search, evaluator: Evaluator, store: ResultsStore, deadline: float | None, stop: StopRequest
    ) -> Results:
        options = self._options
        store.begin_run(evaluator.num_workers, evaluator.hosts(), self._layout)
        if not options.quiet:
            print(self._layout, file=sys.stderr, flush=True)
        num_before = sum(each.state.is_final for each in store.evaluations)
        terminal = environ.terminal()
        progress = Progress(evaluator.num_workers, options.eval_limit, deadline, terminal, options.quiet, num_before)
        campaign = Campaign(search, evaluator, store, options.eval_limit, deadline, stop, progress)
        try:
            why = campaign.run()
        except Exception as error:
            if not isinstance(error, ResultsError):
                store.close(f"{type(error).__name__}: {error}")
            raise
        finally:
            progress.close()
        seconds = {f"{name}_seconds": seconds for name, seconds in campaign.seconds.items()}
        store.set_statistics({**seconds, "busy_share": campaign.busy_share, **search.statistics()})
        store.close(why, campaign.is_complete)
        return Results(store.metadata, store.evaluations)
