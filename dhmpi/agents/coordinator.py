"""Rank 0 of a search by agents: answers claims, keeps the results, and sees to it that all ends."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dhmpi.agents.exchange import ParameterServer
from dhmpi.agents.protocol import AgentTag, Mailbox, Start
from dhmpi.agents.running import RunningEvaluations
from dhmpi.control.budget import Budget
from dhmpi.control.callbacks import Callbacks
from dhmpi.control.campaign_log import CampaignLog
from dhmpi.control.progress import Progress
from dhmpi.errors import DhmpiError, EvaluatorError, option_name
from dhmpi.evaluation import NO_WORKER, Evaluation, State, Worker
from dhmpi.execution.context import Notice
from dhmpi.mpi.comm import FIRST_RAW_TAG, Message
from dhmpi.mpi.job import Loss
from dhmpi.mpi.roles import Roles
from dhmpi.results import ResultsStore
from dhmpi.results.schema import STATE_COLUMNS, PolicyRow
from dhmpi.search.nas.ledger import Answer, Claim, Ledger
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.support.wording import counted

log = logging.getLogger(__name__)

SILENCE_CHECK_INTERVAL = 0.5
REMEDY = f"continue with {option_name('resume=True')}"
# How long agents get to leave; longer than they give their own evaluators [s].
EXIT_WAIT = 5.0
# How often the file learns how things stand [s].
STATISTICS_INTERVAL = 5.0
# Longest time between two commits [s], which also make the file current.
COMMIT_INTERVAL = 0.5


class Team(NamedTuple):
    """The agents of a campaign, as rank 0 knows them.

    Attributes:
        roles: What each rank does.
        mailbox: Delivers messages.
        num_workers: Evaluations that can run at the same time.
        timeout: Silence after which an agent is given up [s]; None where agents cannot send heartbeats.
    """

    roles: Roles
    mailbox: Mailbox
    num_workers: int
    timeout: float | None = None


class Teaching(NamedTuple):
    """The policy, as far as rank 0 deals with it.

    Attributes:
        start: Returns what an agent begins with, by its rank.
        server: The parameter server; None where agents add up their gradients themselves.
    """

    start: Callable[[int], Start]
    server: ParameterServer | None = None


class Coordinator:
    """The coordinator of a search by agents, and its parameter server if there is one.

    Args:
        team: The agents.
        store: Where the results go; the run has begun.
        ledger: What may be evaluated.
        teaching: What agents begin with, and who keeps the policy.
        budget: What may be used; the number of evaluations is the ledger's.
        progress: What is shown meanwhile.

    Attributes:
        is_over: Whether all agents have left, or have been given up.
        error: What ended the campaign before its time, or None.
        why: Why it ended, for people.
        lost: Why agents were given up, by rank.
        callbacks: What is called for each result and report; nothing unless it is set.
        running: What agents have been told to evaluate.
        look: As of any participant; no user code runs in this one.
    """

    def __init__(
        self,
        team: Team,
        store: ResultsStore,
        ledger: Ledger,
        teaching: Teaching,
        budget: Budget,
        progress: Progress,
    ) -> None:
        self.is_over, self.why = False, ""
        self._roles, self._mailbox = team.roles, team.mailbox
        self._num_workers, self._agent_timeout = team.num_workers, team.timeout
        self._store, self._ledger, self._budget, self._progress = store, ledger, budget, progress
        self._start, self._server = teaching.start, teaching.server
        self._clock = clock = budget.clock
        self.error: DhmpiError | None = None
        self.lost: dict[int, str] = {}
        self.callbacks = Callbacks()
        self.look: Callable[[], object] = tuple
        self._at_work = set(team.roles.agents)
        self._present = set(team.roles.agents)  # those that have not left
        self._started: set[int] = set()
        self._finished: set[int] = set()
        self._heard = dict.fromkeys(team.roles.agents, clock())
        self._claims: list[Claim] = []
        self._answers: dict[int, list[Answer]] = {}
        self._pushes: list[tuple[int, int, bytes]] = []
        self._workers: dict[int, Worker] = {}  # of agents that have only one
        self.running = RunningEvaluations(store, ledger, budget)
        self._begun = clock()
        self._is_dirty, self._next_commit, self._next_check, self._next_statistics = False, 0.0, 0.0, 0.0
        self._is_drained, self._leave_until = False, math.inf
        self._log = CampaignLog(store.metadata.main_objective, team.roles.name_of_workers)
        self._handlers: Mapping[int, Callable[[int, Any], None]] = {
            AgentTag.LOST: lambda rank, payload: self._lose(rank, payload.value, is_present=False),
            AgentTag.READY: self._take_ready,
            AgentTag.UNLOADABLE: self._take_unloadable,
            AgentTag.CLAIMS: self._take_claims,
            AgentTag.REPORTS: self._take_reports,
            AgentTag.OUTCOMES: self._take_outcomes,
            AgentTag.LEARNED: self._take_learned,
            AgentTag.STATE: lambda rank, payload: self._keep(payload),
            AgentTag.FINISHED: lambda rank, payload: self._finished.add(rank),
            AgentTag.FAILED: lambda rank, payload: self._lose(rank, payload),
            AgentTag.BYE: self._take_bye,
        }

    # --- messages

    def take(self, message: Message) -> None:
        """Take a message in."""
        rank, tag, payload = message.source, message.tag, message.payload
        self._heard[rank] = self._clock()
        if tag == AgentTag.LOST and rank not in self._roles.agents:
            self._miss(rank, payload)
            return
        if tag == AgentTag.LOST and rank not in self._present:
            return  # it has left here
        if rank in self.lost and tag not in (AgentTag.BYE, AgentTag.LOST):
            return  # what it says is too late: others have been given its work
        if tag >= FIRST_RAW_TAG:
            self._pushes.append((rank, tag, payload))
        elif tag in self._handlers:
            self._handlers[tag](rank, payload)

    def _take_ready(self, rank: int, payload: tuple[int, list[str]]) -> None:
        ranks = self._roles.group_of(rank)[1:] or (rank,)
        if len(ranks) == len(payload[1]) == 1:
            self._workers[rank] = Worker(ranks[0], payload[1][0])
        if not self.why:
            self._started.add(rank)
            self._mailbox.send(rank, AgentTag.START, self._start(rank))

    def _take_unloadable(self, rank: int, payload: tuple[str, str]) -> None:
        self._lose(rank, payload[0])

    def _take_claims(self, rank: int, claims: list[tuple[Any, ...]]) -> None:
        if not self._budget.may_begin():
            self._is_drained = True  # for good, even if evaluations should get shorter: agents have been told
            self._ledger.close()
        if self._budget.is_spent:
            self._ledger.close()
        self._claims += [Claim(*claim) for claim in claims]
        self._answer_claims()

    def _answer_claims(self) -> None:
        """Answer what agents have asked for, unless so much has failed that what runs must be DONE first."""
        failures = self._budget.failures
        longest = max(self.running.seconds(), default=0.0) if failures.are_many else 0.0
        if not failures.are_many or failures.are_outlived(longest) or self.why:
            claims, self._claims = self._claims, []
            for claim in claims:
                if claim.agent not in self.lost:
                    self._answer(self._ledger.claim(claim))

    def _answer(self, answer: Answer) -> None:
        if answer.id >= 0:
            claim = self._ledger.claim_of(answer.id, answer.agent)
            assert claim is not None
            step = self._store.reports.last_step(answer.id) if answer.is_again else None
            answer = answer._replace(step=step)
            self.running.begin(answer.id, claim, self._workers.get(answer.agent, NO_WORKER), step)
            self._is_dirty = True
        self._answers.setdefault(answer.agent, []).append(answer)

    def _take_reports(self, rank: int, payload: tuple[list[int], list[tuple[Any, ...]]]) -> None:
        """Keep what evaluations report, and let their agent know at once whether they go on."""
        self._is_dirty = True
        self._tell(rank, self.running.report(rank, *payload, self.callbacks))

    def _tell(self, rank: int, notices: list[Notice]) -> None:
        if notices:
            self._mailbox.send(rank, AgentTag.NOTICES, [tuple(notice) for notice in notices])

    def _take_outcomes(self, rank: int, evaluations: list[Evaluation]) -> None:
        for evaluation in evaluations:
            claim = self._ledger.claim_of(evaluation.id, rank)
            if claim is None:
                continue
            self._is_dirty = True
            if evaluation.state is State.RUNNING:
                self.running.locate(evaluation)
                continue
            version = claim.version if self._server is None else self._server.version
            extra = {**evaluation.extra, **claim.description(version)}
            evaluation = self.running.finish(evaluation._replace(point=self.running.point(claim), extra=extra))
            if evaluation.state is State.CANCELLED:
                self._budget.lost.cancel(evaluation)
            elif evaluation.state.is_final:
                for answer in self._ledger.conclude(evaluation.id, evaluation.objective):
                    self._answer(answer)
                self._budget.note(evaluation)
                self._log.note([evaluation])
                self.callbacks.note([evaluation])

    def _take_learned(self, rank: int, row: PolicyRow) -> None:
        self._store.learned([row])
        num = counted(len(self._store.policy), "time")
        self._log.note_model(lambda: f"policy updated {num}; agent {rank} has a mean reward of {row.reward_mean:.4g}")
        self._is_dirty = True
        if self._server is not None:
            self._keep(self._server.state())

    def _keep(self, state: PolicyState) -> None:
        arrays = {column.name: getattr(state, column.name) for column in STATE_COLUMNS}
        self._store.keep_policy(arrays, state.version)

    def _take_bye(self, rank: int, stuck: list[int]) -> None:
        self._present.discard(rank)
        self._mailbox.give_up(stuck)

    def _miss(self, rank: int, loss: Loss) -> None:
        """Do without the worker of an agent, which has noticed; unless it has never been there."""
        if rank not in self._roles.spare and loss is not Loss.DEAD and not self.why:
            self.fail(
                EvaluatorError(f"all ranks must take part in a search by agents, but not rank {rank}: {loss.value}")
            )

    def _lose(self, rank: int, reason: str, is_present: bool = True) -> None:
        """Give an agent up; others are given its work, or all end where they need each other."""
        if not is_present:
            self._present.discard(rank)
        if rank not in self._at_work:
            return
        self._at_work.discard(rank)
        self.lost[rank] = reason
        if self.why:
            return
        sentence = f"agent {rank} is given up: {reason}"
        if self._server is None and len(self._roles.agents) > 1:
            self.fail(EvaluatorError(f"all agents must go on where they search in step, but {sentence}", remedy=REMEDY))
        elif not self._at_work:
            self.fail(EvaluatorError(f"at least one agent must be left, but {sentence}", remedy=REMEDY))
        else:
            log.warning("%s; the others go on", sentence)
            lost, answers = self._ledger.lose(rank)
            for id in lost:
                self.running.finish(Evaluation(id, {}, state=State.LOST, error=sentence, rank=rank))
                self._is_dirty = True
            for answer in answers:
                self._answer(answer)

    # --- work

    def advance(self) -> bool:
        """Serve what has come, and see whether it is time to end; return whether something was done."""
        moved = bool(self._answers or self._pushes)
        now = self._clock()
        if self._pushes and self._server is not None:
            pushes, self._pushes = self._pushes, []
            self._server.scale = self._server.scale._replace(progress=self._progress_made())
            self._server.serve(pushes, self._mailbox.send)
        if self._claims:
            self._answer_claims()
        if self._is_dirty or now >= self._next_commit:
            self._is_dirty, self._next_commit = False, now + COMMIT_INTERVAL
            self._store.commit()
        self._send_answers()
        self.callbacks.call()
        if self.why:
            if not self._present or now >= self._leave_until:
                self._mailbox.give_up(self._present)
                self.is_over = True
            return moved
        self._look_around(now)
        return moved

    def _send_answers(self) -> None:
        answers, self._answers = self._answers, {}
        progress = self._progress_made() if answers else 0.0
        for rank, each in answers.items():
            if rank not in self.lost:
                self._mailbox.send(rank, AgentTag.ANSWERS, (progress, [tuple(answer) for answer in each]))

    def _progress_made(self) -> float:
        """Return the share of the budget or of the time that has been spent, 0 to 1."""
        return max(self._ledger.progress, self._budget.share_of_steps, self._budget.drain.spent(self._begun))

    def _look_around(self, now: float) -> None:
        """End the campaign if it is time, and give up agents that are silent."""
        num_running = self._ledger.num_running
        self._budget.lost.update(0 if self._ledger.may_begin else self._num_workers - num_running)
        if self._budget.pauses.is_due():
            for rank, notices in self.running.save().items():
                self._tell(rank, notices)
        if why := self._budget.must_end(num_running):
            self.end(why, AgentTag.ABORT)
        elif num_running and self._is_drained and not any(self.running):  # all that is left has been paused
            self.end(self._budget.too_late(), AgentTag.DONE)
        elif not num_running and self._finished >= self._at_work & self._started:
            if self._ledger.is_complete:
                self.end(self._ledger.why(), AgentTag.DONE)
            elif self._is_drained:
                self.end(self._budget.too_late(), AgentTag.DONE)
        elif now >= self._next_check:
            self._next_check = now + SILENCE_CHECK_INTERVAL
            self._give_up_silent_ones(now)
            self._hand_out_what_is_left()
            if now >= self._next_statistics:
                self._next_statistics = now + STATISTICS_INTERVAL
                self._store.set_statistics(self.statistics())
            if self._progress.is_due():
                counts, budget, seconds = self._store.counts, self._budget, sum(self.running.seconds())
                self._progress.update(counts, self._ledger.num_running, budget.best, budget.busy + seconds)

    def _give_up_silent_ones(self, now: float) -> None:
        if self._agent_timeout is None:
            return
        for rank in list(self._at_work):
            if now - self._heard[rank] > self._agent_timeout:
                self._lose(rank, f"it has been silent for {self._agent_timeout:g} s")

    def _hand_out_what_is_left(self) -> None:
        """Let agents that have finished run what lost ones have left."""
        for rank in list(self._finished & self._at_work):
            answer = self._ledger.redo(rank)
            if answer is None:
                return
            self._finished.discard(rank)
            self._answer(answer)

    def fail(self, error: DhmpiError) -> None:
        """End the campaign with an error."""
        self.error = self.error or error
        self.end(str(error), AgentTag.ABORT)

    def end(self, why: str, tag: AgentTag) -> None:
        """Tell all agents to leave."""
        self.why = self.why or why
        self._ledger.close()
        self._leave_until = min(self._leave_until, self._clock() + EXIT_WAIT)
        for rank in self._present:
            self._mailbox.send(rank, tag)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to resume; nor is it done if nothing is DONE."""
        has_all = self._ledger.is_complete or self._budget.is_spent
        return self.error is None and has_all and not self._budget.failures.are_all

    def cancel_rest(self) -> None:
        """Note that evaluations which have not come back are to be run again."""
        self.running.cancel()
        self._budget.lost.update(0)

    def close(self) -> None:
        """Show nothing any more."""
        self._log.close()
        self._progress.close()

    def statistics(self) -> dict[str, float]:
        """Return what is known of the campaign as a whole."""
        ledger, server = self._ledger, self._server
        found: dict[str, float] = {
            "agents": len(self._roles.agents),
            "lost_agents": len(self.lost),
            "episodes": ledger.num_episodes,
            "hits": ledger.num_hits,
            "shared": ledger.num_shared,
            "updates": len(self._store.policy),
            **self._budget.statistics(),
        }
        if server is not None:
            num = server.num_applied + server.num_refused
            found |= {
                "gradients": num,
                "refused_gradients": server.num_refused,
                "gradient_staleness_mean": server.sum_staleness / max(num, 1),
                "gradient_staleness_max": server.largest_staleness,
            }
        return found
