"""Putting a search by agents together on all ranks; the counterpart of `compose`."""

import logging
import time
from collections.abc import Callable

from dhmpi.agents.agent import Agent, AsyncAgent, SyncAgent
from dhmpi.agents.coordinator import FAREWELL, Coordinator
from dhmpi.agents.layout import AgentLayout
from dhmpi.agents.ledger import Ledger
from dhmpi.agents.protocol import AgentTag, Start, drive
from dhmpi.agents.ranks import RankResources, take_place
from dhmpi.campaign.failures import Failures
from dhmpi.campaign.progress import Progress
from dhmpi.campaign.signals import Stopped, StopRequest
from dhmpi.campaign.start import SearchRank, call_others, given_evaluator, make_setup
from dhmpi.campaign.walltime import Drain
from dhmpi.errors import (
    EXIT_FAILURE,
    EXIT_INPUT,
    InputError,
    LoadError,
    OptionError,
    ResultsError,
    StorageError,
    option_name,
    reason,
)
from dhmpi.evaluation import METHODS, Evaluation, State, turned
from dhmpi.evaluator.factory import resolve_isolation
from dhmpi.mpi import job
from dhmpi.mpi.comm import Backoff, Message
from dhmpi.results import Results, ResultsStore
from dhmpi.search import Search
from dhmpi.search.campaign_options import CampaignOptions
from dhmpi.search.nas.agent.exchange import ParameterServer, PolicyState
from dhmpi.search.nas.agent.rewards import Scale
from dhmpi.search.nas.ppo import PPOSearch
from dhmpi.support import environment
from dhmpi.support.loader import check_problem
from dhmpi.support.options import choice
from dhmpi.support.printing import tell

log = logging.getLogger(__name__)

# How long the other agents get to be ready when the first one is [s]; later ones join in.
MUSTER_WAIT = 30.0


def run_search(search: PPOSearch) -> Results | None:
    """Run a search that has been made on every rank; see `Search.main`."""
    call_others(search)
    return run(lambda options: search, search.run_target, search.evaluator_target, search.options)


def run(
    make_search: Callable[[CampaignOptions], Search],
    run_target: object,
    evaluator: object,
    options: CampaignOptions,
    begun: float | None = None,
) -> Results | None:
    """Run a search by agents; every rank of the job calls this.

    Args:
        make_search: Makes the search; called on every rank.
        run_target: The run function, or its name.
        evaluator: Name of the method by which agents evaluate, an evaluator of this rank, or None for what fits.
        options: What every search has.
        begun: When a program began that does nothing else [monotonic s].

    Returns:
        The results on rank 0, None on the other ranks.

    Raises:
        DhmpiError: Something keeps the campaign from running; on rank 0, and on the others if they can know it.
    """
    launch = environment.launch()
    job.current().begin_campaign()
    given = given_evaluator(evaluator)
    opener = SearchRank(options, begun)
    search = make_search(options)
    assert isinstance(search, PPOSearch)
    layout, method = _roles(search, evaluator, launch.size if launch.found and launch.size else 1)
    isolation = "inline" if given else resolve_isolation(method, options.isolation)
    setup = make_setup(run_target, options, isolation)
    if launch.rank == 0 and layout.size == 1:
        opener.check_file()  # with several ranks, the others wait to be told
        check_problem(search.problem)
    place = take_place(layout, setup, method, isolation, given, options.num_workers)
    if place.rank > 0:
        place.work(lambda: _make_agent(search, layout, place))
        return None
    # Where user code runs in an agent's own process, silence says nothing.
    has_signs = isolation == "process" or bool(layout.groups[0])
    return _Rank0(search, layout, place, opener, has_signs).run()


def _roles(search: PPOSearch, evaluator: object, size: int) -> tuple[AgentLayout, str]:
    """Return who does what, and by which method agents evaluate."""
    is_given = given_evaluator(evaluator) is not None
    wanted = None if evaluator is None or is_given else choice(METHODS)(option_name("evaluator"), evaluator)
    may_have_groups = not is_given and wanted in (None, "mpi")
    layout = AgentLayout.of(size, search.own_options.agents, search.has_server, may_have_groups)
    if wanted == "mpi" and not layout.groups[0]:
        raise OptionError(
            f"{option_name('evaluator')} mpi must have ranks that evaluate, got none ({layout}); "
            f"give fewer {option_name('agents')}, or start more ranks"
        )
    return layout, "mpi" if layout.groups[0] else wanted or "serial"


def _make_agent(search: PPOSearch, layout: AgentLayout, place: RankResources) -> Agent:
    assert place.evaluator is not None
    make = AsyncAgent if layout.has_server else SyncAgent
    return make(search, place.evaluator, place.worker_ranks, place.post, place.dismiss, layout.agents)


class _Rank0:
    """Coordinates the agents, and lets its own one work where there is no server."""

    def __init__(
        self,
        search: PPOSearch,
        layout: AgentLayout,
        place: RankResources,
        opener: SearchRank,
        has_signs: bool,
    ) -> None:
        self._search, self._layout, self._place, self._opener = search, layout, place, opener
        self._options, self._own, self._post = search.options, search.own_options, place.post
        self._has_signs = has_signs
        self._agent: Agent | None = None

    def run(self) -> Results | None:
        """Run the campaign from the first check to the last evaluation."""
        end = self._opener.end()
        deadline = None if end is None else time.monotonic() + end.time - time.time()
        stop = StopRequest(self._place.interrupt)
        status, coordinator = EXIT_FAILURE, None
        try:
            with stop:
                self._opener.check_file()
                if self._layout.size > 1:
                    with stop.interruptible():
                        check_problem(self._search.problem)
                earlier = self._opener.earlier(self._search)
                state = self._state(earlier)
                with stop.interruptible():
                    news = self._muster()
                if end is not None and not self._options.quiet:
                    tell(str(end))
                store = self._opener.open(self._search, stop)
                if earlier is not None:  # and what has come since that was read
                    earlier = Results(store.metadata, store.evaluations, policy=store.policy)
                    state = self._state(earlier)
                coordinator = self._coordinator(store, earlier, state, deadline, stop, news)
                found = self._work(coordinator, store, news, stop)
                status = 0
                return found
        except Stopped:
            log.warning("stopped by %s before the first evaluation", stop.signal_name)
            status = 0
            return None
        except InputError:
            status = EXIT_INPUT
            raise
        finally:
            if coordinator is None or not coordinator.is_over:
                self._dismiss()
            job.current().status = status

    def _state(self, earlier: Results | None) -> PolicyState:
        """Return where the policy begins."""
        first, own = self._search.first_state(), self._own
        if earlier is None or not earlier.policy.state:
            return first
        kept = PolicyState(**earlier.policy.state, version=earlier.policy.version)
        options = earlier.metadata.options
        policy, units = options.get("policy"), options.get("units")
        if (own.policy, own.units) != (policy, units):
            raise OptionError(
                f"{option_name('policy')} and {option_name('units')} must be {policy} and {units} as in the file, "
                f"got {own.policy} and {own.units}"
            )
        if len(kept.parameters) != len(first.parameters):
            num = len(first.parameters)
            raise ResultsError(f"the policy in the file must have {num} parameters, got {len(kept.parameters)}")
        return kept

    def _muster(self) -> list[Message]:
        """Wait until the agents can begin, for late ones not too long; return what they have said."""
        if self._place.unloadable is not None:
            raise self._place.unloadable
        if self._place.evaluator is not None:
            self._agent = _make_agent(self._search, self._layout, self._place)
        missing, news, until = set(self._layout.agents), [], float("inf")
        backoff = Backoff()
        while missing and time.monotonic() < until:
            if self._agent is not None:
                self._agent.advance()
            message = self._post.receive()
            if message is None:
                backoff.wait()
                continue
            backoff.reset()
            if message.tag == AgentTag.UNLOADABLE and until == float("inf"):
                raise LoadError(*message.payload)
            if message.tag != AgentTag.ALIVE:
                news.append(message)
                is_agents = message.source in self._layout.agents
                missing.discard(message.source)
                until = min(until, time.monotonic() + (MUSTER_WAIT if is_agents else 0.0))
        return news

    def _coordinator(
        self,
        store: ResultsStore,
        earlier: Results | None,
        state: PolicyState,
        deadline: float | None,
        stop: StopRequest,
        news: list[Message],
    ) -> Coordinator:
        search, layout, options, own = self._search, self._layout, self._options, self._own
        evaluations = [] if earlier is None else earlier.evaluations
        num_workers = self._begin_run(store, news)
        limit = None if options.max_evals is None and own.num_episodes is not None else options.eval_limit
        ledger = Ledger(limit, own.num_episodes, search.space.size)
        played = 0 if earlier is None else earlier.metadata.statistics.get("episodes", 0)
        if not isinstance(played, int):
            raise ResultsError(f"the number of episodes in the file must be an integer, got {played!r:.80}")
        ledger.restore(((each, search.space.key(each.point)) for each in evaluations), max(played, len(evaluations)))
        scale = self._scale(evaluations)._replace(progress=ledger.progress)
        stale = own.most_stale(len(layout.agents))
        server = ParameterServer(state, own, scale, stale) if layout.has_server else None

        def start(rank: int) -> Start:
            now, rewards = (state, scale) if server is None else (server.state(), server.scale)
            return Start(now, rewards, stale, store.policy.num_updates(rank), len(evaluations))

        terminal = environment.terminal()
        progress = Progress(
            max(num_workers, 1), limit, deadline, terminal, options.quiet, ledger.num_final, search.maximises
        )
        timeout = own.agent_timeout if self._has_signs else None
        return Coordinator(
            layout,
            self._post,
            search.space.names,
            num_workers,
            store,
            ledger,
            start,
            server,
            Drain(deadline, options.drain_seconds),
            lambda: stop.signal_name,
            progress,
            timeout,
            failures=Failures(options.max_failures, evaluations),
        )

    def _begin_run(self, store: ResultsStore, news: list[Message]) -> int:
        """Enter the beginning of the run, and show the roles; return how many evaluations can run at once."""
        ready = [message.payload for message in news if message.tag == AgentTag.READY]
        num_workers = sum(int(num) for num, _ in ready)
        comm = self._place.comm
        layout = str(self._layout) if comm is None else f"{self._layout}; {comm.library()}"
        store.begin_run(num_workers, sorted({host for _, hosts in ready for host in hosts}), layout)
        if not self._options.quiet:
            tell(layout)
        return num_workers

    def _scale(self, evaluations: list[Evaluation]) -> Scale:
        """Return the scale of the rewards of an earlier run."""
        objectives = [each.objective for each in evaluations if each.state is State.DONE]
        rewards = [turned(objective, self._search.maximises) for objective in objectives]
        return Scale.of([reward for reward in rewards if reward is not None])

    def _work(self, coordinator: Coordinator, store: ResultsStore, news: list[Message], stop: StopRequest) -> Results:
        try:
            for message in news:
                coordinator.take(message)
            drive(self._post, coordinator, self._agent)
            coordinator.cancel_rest()
        except Exception as error:
            if not isinstance(error, StorageError):
                store.close(f"{type(error).__name__}: {reason(error)}")
            raise
        finally:
            coordinator.close()
        store.set_statistics(coordinator.statistics())
        if coordinator.error is not None:
            store.close(coordinator.why)
            raise coordinator.error
        is_stopped = bool(stop.signal_name)
        return self._opener.close(store, coordinator.why, coordinator.is_complete, coordinator.failures, is_stopped)

    def _dismiss(self) -> None:
        """Tell all agents to leave, before or after an error, and wait until they have, but not for long."""
        missing = set(self._layout.agents) - {self._place.rank}
        for rank in missing:
            self._post.send(rank, AgentTag.ABORT)
        end, backoff = time.monotonic() + FAREWELL, Backoff()
        self._place.dismiss()
        while missing and time.monotonic() < end:
            message = self._post.receive()
            if message is None:
                backoff.wait()
            elif message.tag in (AgentTag.BYE, AgentTag.LOST):
                missing.discard(message.source)
                self._post.give_up(message.payload if message.tag == AgentTag.BYE else ())
        self._post.give_up(missing)
