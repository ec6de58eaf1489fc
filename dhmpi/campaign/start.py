"""Start of a campaign on all ranks: the place where names become objects."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dhmpi.control.signals import leave_to_search_rank
from dhmpi.errors import option_name
from dhmpi.evaluator import Evaluator, given_evaluator
from dhmpi.evaluator.factory import make, method_of, resolve_isolation
from dhmpi.evaluator.mpi_ranks import join
from dhmpi.execution.executor import Setup
from dhmpi.mpi import job
from dhmpi.mpi.roles import Roles
from dhmpi.search.campaign_options import CampaignOptions
from dhmpi.search.search import Search
from dhmpi.support import environment, logs

if TYPE_CHECKING:
    from dhmpi.results import Results


def run_search(search: Search) -> "Results | None":
    """Run a search that has been made on every rank; see `Search.main`."""
    is_here = given_evaluator(search.evaluator_target) is not None or isinstance(search.evaluator_target, Executor)
    if search.has_agents or not is_here:
        search.run_target = search.complete(search.problem_target, search.run_target).run
        targets = search.problem_target, search.run_target, search.evaluator_target
        job.current().call(_take_part, type(search), *targets, search.options, search.own_options)
    return run(lambda: search, search.run_target, search.evaluator_target, search.options, search.has_agents)


def _take_part(
    search_class: type[Search], problem: Any, run: Any, evaluator: Any, options: CampaignOptions, own_options: Any
) -> None:
    """Take part in a search that rank 0 has made, on a rank that `serve`s."""
    search_class.from_options(problem, run, evaluator, options, own_options).main()


def run(
    make_search: Callable[[], Search],
    run_target: object,
    evaluator: object,
    options: CampaignOptions,
    has_agents: bool = False,
    begun: float | None = None,
) -> "Results | None":
    """Run a campaign; every rank of the job calls this.

    Args:
        make_search: Makes the search; called on rank 0, and on every rank if it has agents.
        run_target: The run function, or its name.
        evaluator: Name of a method, an evaluator, an executor of `concurrent.futures`, or None for what fits the number
            of ranks.
        options: What every search has.
        has_agents: Whether several ranks search.
        begun: When a program began that does nothing else [monotonic s].

    Returns:
        The results on rank 0, None on the other ranks.

    Raises:
        DhmpiError: Something keeps the campaign from running; on rank 0, and on the others if they can know it.
    """
    with logs.of_campaign(options.log_level, environment.launch().rank, options.log_json, options.log_files):
        return _run(make_search, run_target, evaluator, options, has_agents, begun)


def _run(
    make_search: Callable[[], Search],
    run_target: object,
    evaluator: object,
    options: CampaignOptions,
    has_agents: bool,
    begun: float | None,
) -> "Results | None":
    """Run a campaign; see `run`."""

    def make_setup(isolation: str) -> Setup:
        setup = _setup(run_target, options, isolation)
        return replace(setup, engine=evaluator) if isinstance(evaluator, Executor) else setup

    if has_agents:
        from dhmpi.campaign.agents_rank0 import run_agents  # numpy and networks, which other campaigns do without

        return run_agents(make_search, make_setup, evaluator, options, begun)
    found = _evaluator(make_setup, evaluator, options)
    if found is None:
        return None
    from dhmpi.campaign.rank0 import EvaluatingRank0, exit_status  # results and progress, which this rank alone has

    with exit_status():
        return EvaluatingRank0(options, begun, make_search, found).run()


def _evaluator(make_setup: Callable[[str], Setup], evaluator: object, options: CampaignOptions) -> Evaluator | None:
    """Return the evaluator on the rank that searches; None on the others, when there is nothing more to evaluate."""
    launch = environment.launch()
    is_spare = launch.rank in Roles.local().spare  # one rank is enough for the evaluators that need no MPI
    given = given_evaluator(evaluator)
    if given is not None:
        return None if is_spare else given
    method = _default_method(launch) if evaluator is None else method_of(option_name("evaluator"), evaluator)
    if method == "mpi":
        job.current().begin_campaign()
    elif is_spare:
        return None
    isolation = resolve_isolation(method, options.isolation)
    setup = make_setup(isolation)
    if method != "mpi":
        return make(method, setup, options.num_workers, isolation=isolation)
    return join(setup, isolation, prepare=leave_to_search_rank)


def _default_method(launch: environment.Launch) -> str:
    return "mpi" if launch.found and launch.size != 1 else "serial"


def _setup(run_target: object, options: CampaignOptions, isolation: str) -> Setup:
    """Return what is run, and with what, as the options say."""
    setup = Setup(run_target, options.timeout, options.files, options.resources, options.logs, options.slot)  # type: ignore[arg-type]  # checked when loaded
    setup = replace(setup, engine=options.executor, feedback=options.feedback)
    return setup.portable() if isolation == "process" else setup
