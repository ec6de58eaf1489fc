"""An agent at work: plays episodes, has them evaluated, and learns."""

import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from dhmpi.agents.exchange import RemoteExchange, ServerExchange, TreeExchange
from dhmpi.agents.policy_rows import policy_row
from dhmpi.agents.protocol import ALIVE_INTERVAL, AgentTag, Clock, Mailbox, Start
from dhmpi.control.budget import CANCEL_WAIT
from dhmpi.evaluation import Evaluation, Report, State, turned
from dhmpi.evaluator import Evaluator
from dhmpi.evaluator.mpi import MPIEvaluator
from dhmpi.evaluator.retries import Retries
from dhmpi.execution.context import Notice
from dhmpi.mpi.comm import FIRST_RAW_TAG, Message
from dhmpi.mpi.job import Loss
from dhmpi.mpi.roles import COORDINATOR, Roles
from dhmpi.search.nas.ledger import Answer, Claim, ClaimVerdict
from dhmpi.search.nas.policy.ppo_learner import Episode, LearnerSettings, PPOLearner
from dhmpi.search.nas.ppo import SMALLEST_BATCH, PPOSearch

# Batches of episodes that may have ended, or wait for what others evaluate, before no more are played.
MOST_BATCHES = 4


def dismiss(evaluator: Evaluator, group: Sequence[int]) -> list[int]:
    """Tell the workers of an agent to leave.

    Args:
        evaluator: The agent's.
        group: The agent and the ranks that evaluate for it, or nothing.

    Returns:
        The ranks that have not answered.
    """
    evaluator.shutdown()
    return [group[number] for number in evaluator.stuck] if isinstance(evaluator, MPIEvaluator) else []


class Agent(ABC):
    """Base of both kinds of agents.

    Args:
        search: The space, the run function's arguments, the options and the seed.
        evaluator: Where architectures are evaluated; it need not have started.
        roles: What each rank does.
        mailbox: Delivers messages.
        clock: Tells the time [s].

    Attributes:
        is_over: Whether the agent has left.
        loss: The loss of rank 0, if it is lost.
        look: Called while user code runs in this process, to look for what is urgent.
        batch_size: Episodes that it learns from at once.
    """

    def __init__(
        self,
        search: PPOSearch,
        evaluator: Evaluator,
        roles: Roles,
        mailbox: Mailbox,
        clock: Clock = time.monotonic,
    ) -> None:
        self.is_over = False
        self.loss: Loss | None = None
        self.look: Callable[[], object] = tuple
        self._search, self._evaluator, self._agents, self._mailbox = search, evaluator, roles.agents, mailbox
        self._reports: list[Report] = []
        self._begun_again: list[int] = []  # what rank 0 thinks is running since it was told so
        evaluator.on_reports, evaluator.look = self._reports.extend, self._look
        # By the evaluator's own numbers; nothing if it runs on this rank.
        self._ranks = roles.group_of(mailbox.rank) if roles.workers else ()
        self._clock = clock
        self._options = search.own_options
        self.batch_size = self._options.episodes_per_batch or max(self._smallest_batch(), evaluator.num_workers)
        self._retries = Retries(search.options.retries)
        self._claims: dict[int, Episode] = {}  # not answered yet
        self._waiting: dict[int, Episode] = {}  # for what others evaluate
        self._running: dict[int, Episode | None] = {}  # by the evaluation's number
        self._ready: deque[Evaluation] = deque()
        self._outcomes: list[Evaluation] = []
        self._begun: dict[int, Evaluation] = {}  # what rank 0 does not know the worker of
        self._num_episodes = 0
        self._learner: PPOLearner | None = None
        self._is_ready = self._has_finished = False
        self._last_sign = clock()

    # --- what differs

    def _smallest_batch(self) -> int:
        """Return how many episodes are learned from at once by default, if there are few workers."""
        return SMALLEST_BATCH

    @abstractmethod
    def _make_exchange(self, start: Start) -> RemoteExchange:
        """Return what asks the other agents, or their server, for what an update needs."""

    @abstractmethod
    def _wants(self) -> int:
        """Return how many more episodes are to be played now."""

    @abstractmethod
    def _is_due(self, learner: PPOLearner) -> bool:
        """Return whether an update is to begin."""

    @abstractmethod
    def _note_over(self) -> None:
        """Take note that nothing new will be evaluated."""

    @abstractmethod
    def _is_done(self, learner: PPOLearner) -> bool:
        """Return whether no update will follow."""

    def _note_forgotten(self) -> None:  # noqa: B027  # only one kind counts what it plays
        """Take note that an episode is forgotten, because something else is evaluated in its place."""

    def _note_learned(self) -> None:  # noqa: B027  # only one kind waits for it
        """Take note that an update has ended."""

    # --- messages

    def take(self, message: Message) -> None:
        """Take a message in."""
        source, tag, payload = message.source, message.tag, message.payload
        if tag >= FIRST_RAW_TAG:
            self._exchange.take(source, tag, payload)
        elif tag == AgentTag.START:
            self._begin(payload)
        elif tag == AgentTag.ANSWERS:
            progress, answers = payload
            self._take_progress(progress)
            for answer in answers:
                self._take_answer(Answer(*answer))
        elif tag == AgentTag.NOTICES:
            for notice in payload:
                self._evaluator.tell(Notice(*notice))
        elif tag in (AgentTag.DONE, AgentTag.ABORT):
            self._leave(tag == AgentTag.ABORT)
        elif tag == AgentTag.LOST and source == COORDINATOR:
            self.is_over, self.loss = True, payload

    def _begin(self, start: Start) -> None:
        search, rank = self._search, self._mailbox.rank
        # Another stream for each agent, and another one for each time that the campaign is continued.
        rng = np.random.default_rng((search.seed, rank, start.num_before))
        self._exchange = self._make_exchange(start)
        settings = LearnerSettings(search.policy, self._options, start.max_staleness)
        self._learner = PPOLearner(settings, start.state, self._exchange, rng, start.num_updates)
        self._evaluator.seed, self._evaluator.maximises = search.seed, search.maximises

    def _take_progress(self, progress: float) -> None:  # noqa: B027  # a server knows it already
        """Take note of the share of the budget that has been spent."""

    def _take_answer(self, answer: Answer) -> None:
        episode = self._claims.pop(answer.number, None)
        if episode is None:
            episode = self._waiting.pop(answer.number, None)
        verdict = ClaimVerdict(answer.verdict)
        if verdict is ClaimVerdict.OVER:
            self._note_over()
        elif verdict is ClaimVerdict.REDO:
            self._has_finished = False
            if episode is not None:
                self._note_forgotten()
            self._get_ready(answer, answer.values, None)
        elif episode is None:
            return
        elif verdict is ClaimVerdict.RUN:
            self._get_ready(answer, episode.actions.tolist(), episode)
        elif verdict is ClaimVerdict.WAIT:
            self._waiting[answer.number] = episode
        else:
            self._finish(episode, answer.objective, is_hit=True)

    def _get_ready(self, answer: Answer, values: Sequence[int], episode: Episode | None) -> None:
        self._running[answer.id] = episode
        point = dict(zip(self._search.space.names, values, strict=True))
        state = State.CANCELLED if answer.is_again else State.PENDING
        self._ready.append(Evaluation(answer.id, point, state=state, step=answer.step))

    def _finish(self, episode: Episode, objective: float | None, is_hit: bool) -> None:
        assert self._learner is not None
        reward = turned(objective, self._search.maximises)
        self._learner.finish(episode, math.nan if reward is None else reward, is_hit)

    def _send(self, tag: AgentTag, payload: object = None) -> None:
        self._mailbox.send(COORDINATOR, tag, payload)
        self._last_sign = self._clock()

    # --- work

    def advance(self) -> bool:
        """Do what can be done without waiting; return whether something was."""
        if self.is_over:
            return False
        moved = self._gather()
        learner = self._learner
        if learner is not None:
            moved = self._submit() or moved
            moved = self._learn(learner) or moved
            moved = self._claim(learner) or moved
            if not self._has_finished and self._is_done(learner) and not self._num_open():
                self._has_finished = moved = True
                self._send(AgentTag.FINISHED)
        elif not self._is_ready and self._evaluator.num_idle:
            self._is_ready = moved = True
            self._send(AgentTag.READY, (self._evaluator.num_workers, self._evaluator.hosts()))
        if self._clock() - self._last_sign > ALIVE_INTERVAL:
            self._flush(is_due=True)
        return moved

    def _num_open(self) -> int:
        return len(self._claims) + len(self._waiting) + len(self._running)

    def _gather(self) -> bool:
        evaluations = [self._retries.decide(each) for each in self._evaluator.gather(0.0)]
        for evaluation in evaluations:
            if evaluation.state is State.LOST:
                self._ready.append(evaluation)
            else:
                self._conclude(evaluation)
        self._flush()
        return bool(evaluations)

    def _conclude(self, evaluation: Evaluation) -> None:
        self._outcomes.append(self._as_told(evaluation))
        self._begun.pop(evaluation.id, None)
        episode = self._running.pop(evaluation.id, None)
        if evaluation.state.is_final and episode is not None:
            self._finish(episode, evaluation.objective, is_hit=False)

    def _as_told(self, evaluation: Evaluation) -> Evaluation:
        """Return an evaluation for rank 0, which knows the point, and calls ranks by other numbers."""
        rank = self._ranks[evaluation.rank] if self._ranks and evaluation.rank >= 0 else self._mailbox.rank
        return evaluation._replace(point={}, rank=rank)

    def _flush(self, is_due: bool = False) -> None:
        """Send what has ended, and with it what has begun; that alone only if a message is due."""
        self._send_reports()
        if self._outcomes or (is_due and self._begun):
            self._send(AgentTag.OUTCOMES, [*map(self._as_told, self._begun.values()), *self._outcomes])
            self._outcomes = []
            self._begun.clear()
        elif is_due:
            self._send(AgentTag.ALIVE)

    def _send_reports(self) -> None:
        if self._reports or self._begun_again:
            self._send(AgentTag.REPORTS, (list(self._begun_again), [tuple(report) for report in self._reports]))
            self._reports.clear()
            self._begun_again.clear()

    def _look(self) -> None:
        """Say what user code reports that runs in this process, and look for what it waits for."""
        self._send_reports()
        self.look()

    def _submit(self) -> bool:
        num = min(len(self._ready), self._evaluator.num_idle)
        for _ in range(num):
            evaluation = self._ready.popleft()
            if evaluation.state is State.LOST:
                self._begun_again.append(evaluation.id)
            running = self._evaluator.submit(evaluation, self._search.config(evaluation.point))
            if len(self._ranks) > 2:  # else there is one worker only
                self._begun[evaluation.id] = running
        return num > 0

    def _claim(self, learner: PPOLearner) -> bool:
        idle = self._evaluator.num_idle - len(self._ready) - len(self._claims)
        num = min(idle, self._wants())
        if num <= 0:
            return False
        claims = []
        space, rank = self._search.space, self._mailbox.rank
        for episode in learner.play(num):
            number, values = self._num_episodes, tuple(episode.actions.tolist())
            self._num_episodes += 1
            self._claims[number] = episode
            key = space.key(dict(zip(space.names, values, strict=True)))
            log_probability = float(episode.log_probabilities.sum())
            claims.append(tuple(Claim(rank, number, values, key, episode.update, episode.version, log_probability)))
        self._send(AgentTag.CLAIMS, claims)
        return True

    def _learn(self, learner: PPOLearner) -> bool:
        if not learner.is_updating:
            if not self._is_due(learner):
                return False
            learner.learn(self.batch_size)
        learned = learner.advance()
        if learned is not None:
            self._send(AgentTag.LEARNED, policy_row(self._mailbox.rank, learned))
            self._note_learned()
        return learned is not None

    def _leave(self, is_aborted: bool) -> None:
        if self.is_over:
            return
        self.is_over = True
        if is_aborted:
            for evaluation in self._evaluator.cancel(CANCEL_WAIT):
                self._conclude(evaluation)
            self._flush()
        self._send(AgentTag.BYE, dismiss(self._evaluator, self._ranks))


class AsyncAgent(Agent):
    """Plays without a pause, with the policy that it has; learns from each batch as soon as it is there."""

    _is_denied = False

    def _make_exchange(self, start: Start) -> RemoteExchange:
        return ServerExchange(COORDINATOR, self._mailbox.send, start.scale, start.state.version)

    def _wants(self) -> int:
        assert self._learner is not None
        most = MOST_BATCHES * self.batch_size
        if self._is_denied or self._learner.num_ended >= most:
            return 0
        return most - len(self._waiting)

    def _is_due(self, learner: PPOLearner) -> bool:
        return learner.num_ended >= self.batch_size

    def _note_over(self) -> None:
        self._is_denied = True

    def _is_done(self, learner: PPOLearner) -> bool:
        return self._is_denied and not learner.is_updating and not self._is_due(learner)


class SyncAgent(Agent):
    """Plays one batch, waits until all agents have ended theirs, and learns with them."""

    def _make_exchange(self, start: Start) -> RemoteExchange:
        self._tree = TreeExchange(
            self._agents, self._mailbox.rank, self._mailbox.send, start.state, self._options, start.scale
        )
        self._num_left = self.batch_size
        return self._tree

    def _take_progress(self, progress: float) -> None:
        self._tree.progress = progress

    def _wants(self) -> int:
        return self._num_left - len(self._claims) if not self._is_learning() else 0

    def _smallest_batch(self) -> int:
        return math.ceil(SMALLEST_BATCH / len(self._agents))  # of all of them together

    def _is_learning(self) -> bool:
        return self._learner is not None and self._learner.is_updating

    def _take_answer(self, answer: Answer) -> None:
        if answer.number in self._claims:
            self._num_left -= 1
        super()._take_answer(answer)

    def _note_forgotten(self) -> None:  # only one kind counts what it plays
        self._num_left += 1

    def _note_over(self) -> None:
        self._num_left = 0
        self._tree.has_none_left = True

    def _is_due(self, learner: PPOLearner) -> bool:
        has_open = self._claims or self._waiting or any(each is not None for each in self._running.values())
        return self._num_left <= 0 and not has_open and not self._tree.is_over

    def _is_done(self, learner: PPOLearner) -> bool:
        return self._tree.is_over and not learner.is_updating

    def _note_learned(self) -> None:
        if not self._tree.is_over:
            self._num_left = self.batch_size
        if self._mailbox.rank == self._agents[0]:
            self._send(AgentTag.STATE, self._tree.state())
