"""Rank 0 of a campaign of agents, and how their ranks come together."""

import time
from collections.abc import Callable

from dhmpi.agents.agent import Agent, AsyncAgent, SyncAgent
from dhmpi.agents.coordinator import EXIT_WAIT, Coordinator, Teaching, Team
from dhmpi.agents.exchange import ParameterServer
from dhmpi.agents.protocol import AgentTag, Start, drive
from dhmpi.agents.ranks import RankResources, prepare_rank
from dhmpi.campaign.preflight import check_feedback, check_file
from dhmpi.campaign.rank0 import CampaignEnd, Rank0, exit_status
from dhmpi.control.budget import Budget
from dhmpi.control.signals import StopRequest
from dhmpi.errors import LoadError, OptionError, ResultsError, option_name
from dhmpi.evaluation import MEASURED_STATES, Evaluation, turned
from dhmpi.evaluator import given_evaluator
from dhmpi.evaluator.factory import can_tell, method_of, resolve_isolation
from dhmpi.execution.executor import Setup
from dhmpi.mpi import job
from dhmpi.mpi.comm import Backoff, Message
from dhmpi.mpi.roles import COORDINATOR, Roles
from dhmpi.results import Results, ResultsStore
from dhmpi.search.campaign_options import CampaignOptions
from dhmpi.search.nas.ledger import Ledger
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.rewards import Scale
from dhmpi.search.nas.ppo import PPOSearch
from dhmpi.search.search import Search
from dhmpi.search.steering import make_stopper
from dhmpi.support.loader import check_problem

# How long the other agents get to be ready when the first one is [s]; later ones join in.
READY_WAIT = 30.0


def run_agents(
    make_search: Callable[[], Search],
    make_setup: Callable[[str], Setup],
    evaluator: object,
    options: CampaignOptions,
    begun: float | None,
) -> Results | None:
    """Run a search by agents; every rank of the job calls this.

    Args:
        make_search: Makes the search; called on every rank.
        make_setup: Returns what is run, for an isolation.
        evaluator: Name of the method by which agents evaluate, an evaluator of this rank, an executor of
            `concurrent.futures`, or None for what fits.
        options: What every search has.
        begun: When a program began that does nothing else [monotonic s].

    Returns:
        The results on rank 0, None on the other ranks.
    """
    job.current().begin_campaign()
    given = given_evaluator(evaluator)
    search = make_search()
    assert isinstance(search, PPOSearch)
    roles, method = _roles(search, evaluator)
    check_feedback(options, given.name if given else method, given.can_tell if given else can_tell(method))
    isolation = "inline" if given else resolve_isolation(method, options.isolation)
    setup = make_setup(isolation)
    if roles.size == 1:  # before the evaluator starts; with several ranks, the others wait
        check_file(options)
        check_problem(search.problem)
    resources = prepare_rank(roles, setup, method, isolation, given, options.num_workers)
    if resources.mailbox.rank != COORDINATOR:
        resources.work(lambda: _make_agent(search, resources))
        return None
    # Where user code runs in an agent's own process, silence says nothing.
    has_heartbeats = isolation == "process" or bool(roles.workers)
    with exit_status():
        return AgentsRank0(search, resources, has_heartbeats, begun).run()


def _roles(search: PPOSearch, evaluator: object) -> tuple[Roles, str]:
    """Return who does what, and by which method agents evaluate."""
    is_given = given_evaluator(evaluator) is not None
    wanted = None if evaluator is None or is_given else method_of(option_name("evaluator"), evaluator)
    may_have_workers = not is_given and wanted in (None, "mpi")
    roles = Roles.of_agents(job.num_ranks(), search.own_options.agents, search.has_server, may_have_workers)
    if wanted == "mpi" and not roles.workers:
        raise OptionError(
            f"{option_name('evaluator')} mpi must have ranks that evaluate, got none ({roles}); "
            f"give fewer {option_name('agents')}, or start more ranks"
        )
    if wanted == "futures" and roles.size > 1:
        raise OptionError(
            f"{option_name('evaluator')} futures must have one agent, on one rank, got {roles.size} ranks; "
            "start it without mpirun, or let agents evaluate on ranks or in pools of their own"
        )
    return roles, "mpi" if roles.workers else wanted or "serial"


def _make_agent(search: PPOSearch, resources: RankResources) -> Agent:
    assert resources.evaluator is not None
    make = AsyncAgent if resources.roles.has_server else SyncAgent
    return make(search, resources.evaluator, resources.roles, resources.mailbox)


class AgentsRank0(Rank0):
    """Rank 0 of a campaign of agents: coordinates them, and lets its own one work where there is no server.

    Args:
        search: The search.
        resources: Those of rank 0.
        has_heartbeats: Whether agents send heartbeats while they evaluate.
        begun: When a program began that does nothing else [monotonic s].
    """

    def __init__(
        self,
        search: PPOSearch,
        resources: RankResources,
        has_heartbeats: bool,
        begun: float | None,
    ) -> None:
        super().__init__(search.options, begun)
        self._search, self._resources, self._has_heartbeats = search, resources, has_heartbeats
        self._own, self._roles, self._mailbox = search.own_options, resources.roles, resources.mailbox
        self._agent: Agent | None = None
        self._news: list[Message] = []
        self._coordinator: Coordinator | None = None

    def _make_search(self) -> Search:
        return self._search

    def _check(self, search: Search) -> None:
        """Check nothing else."""

    def _check_problem(self, search: Search) -> None:
        if self._roles.size > 1:  # else that has been done before the evaluator started
            super()._check_problem(search)

    def _prepare(self, search: Search, earlier: Results | None) -> None:
        self._state(earlier)  # it may not fit

    def _interrupt(self) -> None:
        self._resources.interrupt()

    def _eval_limit(self, search: Search) -> int | None:
        return None  # it is the ledger's

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
                f"{option_name('policy')} must be {policy}:units={units} as in the file, "
                f"got {own.policy}:units={own.units}"
            )
        if len(kept.parameters) != len(first.parameters):
            num = len(first.parameters)
            raise ResultsError(f"the policy in the file must have {num} parameters, got {len(kept.parameters)}")
        return kept

    def _wait(self, search: Search) -> None:
        """Wait until the agents can begin, for late ones not too long; keep what they have said."""
        if self._resources.unloadable is not None:
            raise self._resources.unloadable
        if self._resources.evaluator is not None:
            self._agent = _make_agent(self._search, self._resources)
        missing, news, until = set(self._roles.agents), self._news, float("inf")
        backoff = Backoff()
        while missing and time.monotonic() < until:
            if self._agent is not None:
                self._agent.advance()
            message = self._mailbox.receive()
            if message is None:
                backoff.wait()
                continue
            backoff.reset()
            if message.tag == AgentTag.UNLOADABLE and until == float("inf"):
                raise LoadError(*message.payload)
            if message.tag != AgentTag.ALIVE and message.source not in self._roles.spare:
                news.append(message)
                is_agents = message.source in self._roles.agents
                missing.discard(message.source)
                until = min(until, time.monotonic() + (READY_WAIT if is_agents else 0.0))

    def _work(self, search: Search, store: ResultsStore, budget: Budget, stop: StopRequest) -> CampaignEnd:
        earlier = store.results if self._options.resume else None
        self._coordinator = coordinator = self._made_coordinator(store, earlier, budget)
        coordinator.callbacks, options = search.callbacks, self._options
        steering = coordinator.running.steer(make_stopper(options), options.feedback.has_answers)
        if options.resume:
            steering.recall(store.evaluations, store.reports.records())
        self._begin_callbacks(search, store, stop)
        try:
            for message in self._news:
                coordinator.take(message)
            drive(self._mailbox, coordinator, self._agent)
            coordinator.cancel_rest()
        finally:
            coordinator.close()
        return CampaignEnd(coordinator.why, coordinator.is_complete, coordinator.statistics(), coordinator.error)

    def _made_coordinator(self, store: ResultsStore, earlier: Results | None, budget: Budget) -> Coordinator:
        search, roles, options, own = self._search, self._roles, self._options, self._own
        evaluations, state = store.evaluations, self._state(earlier)
        num_workers = self._begin_run(store, budget.end_time)
        limit = None if options.max_evals is None and own.num_episodes is not None else options.eval_limit
        ledger = self._ledger(limit, earlier)
        scale = self._scale(evaluations)._replace(progress=ledger.progress)
        stale = own.most_stale(len(roles.agents))
        server = ParameterServer(state, own, scale, stale) if roles.has_server else None

        def start(rank: int) -> Start:
            now, rewards = (state, scale) if server is None else (server.state(), server.scale)
            return Start(now, rewards, stale, store.policy.num_updates(rank), len(evaluations))

        progress = self._progress(budget, max(num_workers, 1), limit, search.maximises)
        team = Team(roles, self._mailbox, num_workers, own.agent_timeout if self._has_heartbeats else None)
        return Coordinator(team, store, ledger, Teaching(start, server), budget, progress)

    def _ledger(self, eval_limit: int | None, earlier: Results | None) -> Ledger:
        """Return the ledger with what has been evaluated in earlier runs."""
        space = self._search.space
        ledger = Ledger(eval_limit, self._own.num_episodes, space.size)
        if earlier is not None:
            evaluations, played = earlier.evaluations, earlier.metadata.statistics.get("episodes", 0)
            if not isinstance(played, int):
                raise ResultsError(f"the number of episodes in the file must be an integer, got {played!r:.80}")
            ledger.restore(((each, space.key(each.point)) for each in evaluations), max(played, len(evaluations)))
        return ledger

    def _begin_run(self, store: ResultsStore, limit: float | None) -> int:
        """Enter the beginning of the run, and show the roles; return how many evaluations can run at once."""
        ready = [message.payload for message in self._news if message.tag == AgentTag.READY]
        num_workers = sum(int(num) for num, _ in ready)
        layout = f"{self._roles}; {job.current().library()}" if self._roles.nodes else str(self._roles)
        hosts = sorted({host for _, hosts in ready for host in hosts})
        store.begin_run(num_workers, hosts, layout, self._roles.as_json(), limit=limit)
        self._tell_begin(store, "agents", layout)
        return num_workers

    def _scale(self, evaluations: list[Evaluation]) -> Scale:
        """Return the scale of the rewards of an earlier run."""
        objectives = [each.objective for each in evaluations if each.state in MEASURED_STATES]
        rewards = [turned(objective, self._search.maximises) for objective in objectives]
        return Scale.of([reward for reward in rewards if reward is not None])

    def _release(self) -> None:
        """Tell all agents to leave if they have not, and wait until they have, but not for long."""
        if self._coordinator is not None and self._coordinator.is_over:
            return
        missing = set(self._roles.agents) - {COORDINATOR}
        for rank in missing:
            self._mailbox.send(rank, AgentTag.ABORT)
        end, backoff = time.monotonic() + EXIT_WAIT, Backoff()
        self._resources.dismiss()
        while missing and time.monotonic() < end:
            message = self._mailbox.receive()
            if message is None:
                backoff.wait()
            elif message.tag in (AgentTag.BYE, AgentTag.LOST):
                missing.discard(message.source)
                self._mailbox.give_up(message.payload if message.tag == AgentTag.BYE else ())
        self._mailbox.give_up(missing)
