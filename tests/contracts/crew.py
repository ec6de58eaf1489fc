"""A search by agents within one process: real agents and coordinator, with evaluators that do as they are told."""

from collections import deque

from contracts.nas import problem

from dhmpi.agents.agent import AsyncAgent, SyncAgent
from dhmpi.agents.coordinator import Coordinator, Teaching, Team
from dhmpi.agents.exchange import ParameterServer
from dhmpi.agents.protocol import Start, is_for_agent
from dhmpi.control.budget import Budget, Limits
from dhmpi.control.progress import Progress
from dhmpi.evaluation import Report, State
from dhmpi.mpi.memory import Mailboxes
from dhmpi.mpi.roles import Roles
from dhmpi.results import Metadata, ResultsStore
from dhmpi.search.nas.ledger import Ledger
from dhmpi.search.nas.policy.rewards import Scale
from dhmpi.search.nas.ppo_a3c_async import NasPPOAsyncA3C
from dhmpi.search.nas.ppo_a3c_sync import NasPPOSyncA3C

CLASSES = {"async": NasPPOAsyncA3C, "sync": NasPPOSyncA3C}


def reward(values):
    """What most of these tests search with: the sum of the decisions."""
    return float(sum(values))


class Evaluator:
    """Ends evaluations in order, one at each look, but for those that are held back.

    With `num_steps` each reports its reward so many times, once at each look, or until it is told to stop.
    """

    seed, maximises = 0, False
    num_steps = 0

    def __init__(self, num_workers=1, evaluate=reward):
        self.num_workers, self.evaluate = num_workers, evaluate
        self.running = deque()
        self.held = set()  # ids
        self.num_begun = 0
        self.begun = []  # as they were submitted
        self.notices = {}  # the latest to each evaluation
        self.steps = {}  # of those that are running

    @property
    def num_idle(self):
        return self.num_workers - len(self.running)

    def hosts(self):
        return ["here"]

    def submit(self, evaluation, config=None):
        assert self.num_idle > 0
        assert config["arch_seq"] == list(evaluation.point.values())
        self.num_begun += 1
        self.begun.append(evaluation)
        self.steps[evaluation.id] = 0
        self.running.append(evaluation)

    def gather(self, timeout):
        for evaluation in self.running:
            if evaluation.id not in self.held:
                value = self.evaluate(tuple(evaluation.point.values()))
                if self.steps[evaluation.id] < self.num_steps and not isinstance(value, State):
                    return self.report(evaluation, value)
                self.running.remove(evaluation)
                if isinstance(value, State):
                    return [evaluation._replace(state=value, error="as told", rank=0, started=1.0, ended=2.0)]
                done = evaluation._replace(objective=-value, state=State.DONE, rank=0, started=1.0, ended=2.0)
                return [done._replace(extra={"own": 1})]
        return []

    def report(self, evaluation, value):
        id, notice = evaluation.id, self.notices.get(evaluation.id)
        if notice is not None and notice.must_save:
            self.running.remove(evaluation)
            paused = evaluation._replace(state=State.PAUSED, rank=0, started=1.0, ended=2.0)
            return [paused._replace(step=float(self.steps[id]) or None)]
        if notice is not None and notice.must_stop:
            self.running.remove(evaluation)
            stopped = evaluation._replace(objective=-value, state=State.STOPPED, rank=0, started=1.0, ended=2.0)
            return [stopped._replace(step=float(self.steps[id]))]
        self.steps[id] += 1
        self.on_reports([Report(id, float(self.steps[id]), -value, 1.0)])
        return []

    def tell(self, notice):
        self.notices[notice.id] = notice

    def cancel(self, timeout):
        running, self.running = self.running, deque()
        return [each._replace(state=State.CANCELLED) for each in running]

    def shutdown(self):
        assert not self.running


class Crew:
    """Who searches; `agents` and `evaluators` are by rank."""

    def __init__(
        self,
        mode,
        path,
        num_agents=2,
        num_workers=1,
        evaluate=reward,
        max_evals=16,
        num_episodes=None,
        target=None,
        earlier=None,
        patience=200,
        agent_timeout=None,
        limits=None,
        drain_seconds=0.0,
        num_steps=0,
        **options,
    ):
        self.now, self.signal = 0.0, ""
        has_server = mode == "async"
        options = {"seed": 3, "episodes_per_batch": 4, **options}
        self.search = CLASSES[mode](target or problem(), agents=num_agents, num_episodes=num_episodes, **options)
        own = self.search.own_options
        self.roles = Roles.of_agents(num_agents + has_server, num_agents, has_server, True)
        metadata = Metadata(self.search.name, "problem", self.search.space.specs(), maximises=True)
        if earlier is None:
            self.store = ResultsStore.create(path, metadata)
        else:
            self.store = ResultsStore.resume(path, metadata)
        self.store.begin_run(num_agents * num_workers, ["here"], str(self.roles))
        ranks = Mailboxes(self.roles.size)
        self.mailboxes = [ranks.of(rank) for rank in range(self.roles.size)]
        self.ledger = Ledger(max_evals, num_episodes, self.search.space.size, patience)
        before = self.store.evaluations
        self.ledger.restore(((each, self.search.space.key(each.point)) for each in before), len(before))
        state = self.search.first_state()
        if self.store.policy.state:
            state = type(state)(**self.store.policy.state, version=self.store.policy.version)
        stale = own.most_stale(num_agents)
        self.server = ParameterServer(state, own, Scale(), stale) if has_server else None
        self.evaluators, self.agents = {}, {}
        for rank in self.roles.agents:
            evaluator = self.evaluators[rank] = Evaluator(num_workers, evaluate)
            evaluator.num_steps = num_steps
            kind = AsyncAgent if has_server else SyncAgent
            self.agents[rank] = kind(self.search, evaluator, self.roles, self.mailboxes[rank], lambda: self.now)

        def start(rank):
            now = state if self.server is None else self.server.state()
            return Start(now, Scale(), stale, self.store.policy.num_updates(rank), len(before))

        limits = (limits or Limits())._replace(deadline=1000.0, drain_seconds=drain_seconds)
        self.budget = Budget(limits, before, lambda: self.signal, lambda: self.now)
        self.coordinator = Coordinator(
            Team(self.roles, self.mailboxes[0], num_agents * num_workers, agent_timeout),
            self.store,
            self.ledger,
            Teaching(start, self.server),
            self.budget,
            Progress(1, Limits(), None, quiet=True),
        )
        self.still = set()  # ranks that do nothing any more

    def step(self):
        """Let every rank take in its messages and work once; return whether anything happened."""
        moved = False
        for rank in range(self.roles.size):
            if rank in self.still:
                continue
            agent = self.agents.get(rank)
            while (message := self.mailboxes[rank].receive()) is not None:
                moved = True
                is_agents = agent is not None and (rank > 0 or is_for_agent(message.tag))
                (agent if is_agents else self.coordinator).take(message)
            if rank == 0:
                moved = self.coordinator.advance() or moved
            if agent is not None:
                moved = agent.advance() or moved
        return moved

    def run(self, num_steps=20_000):
        """Run it to its end."""
        for _ in range(num_steps):
            self.step()
            if self.coordinator.is_over:
                break
        else:
            raise AssertionError("it did not end")
        self.coordinator.cancel_rest()
        self.store.set_statistics(self.coordinator.statistics())
        self.store.close(self.coordinator.why, self.coordinator.is_complete)
        return self

    def settle(self, num_steps=200):
        """Let it go on until nothing happens any more."""
        for _ in range(num_steps):
            if not self.step():
                return self
        return self

    @property
    def evaluations(self):
        return self.store.evaluations
