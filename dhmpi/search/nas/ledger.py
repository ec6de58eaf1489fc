"""Ledger of the architectures of all agents: each is evaluated once, and not one too many."""

from collections import deque
from collections.abc import Hashable, Iterable
from enum import IntEnum
from typing import NamedTuple

from dhmpi.evaluation import Evaluation
from dhmpi.support.wording import counted

# A campaign ends when so many episodes in a row have chosen what was known.
PATIENCE = 2000


class Claim(NamedTuple):
    """An agent's wish to have an architecture evaluated.

    Attributes:
        agent: Number of the agent.
        number: Of the episode, among those of this agent; -1 for an evaluation that is done again for another agent.
        values: The decisions.
        key: What equal architectures have in common.
        update: How many updates the agent had begun when it chose.
        version: How many steps the policy had taken.
        log_probability: Of the architecture under it.
    """

    agent: int
    number: int
    values: tuple[int, ...]
    key: Hashable
    update: int = 0
    version: int = 0
    log_probability: float = 0.0

    def description(self, version: int) -> dict[str, float]:
        """Return what is known of the choice, for the extras of the evaluation.

        Args:
            version: How many steps the policy has taken by now.
        """
        if not self.values or self.number < 0:
            return {"agent": self.agent}
        return {
            "agent": self.agent,
            "update": self.update,
            "version": self.version,
            "staleness": version - self.version,
            "log_probability": self.log_probability,
        }


class ClaimVerdict(IntEnum):
    """Verdict on a claim."""

    RUN = 0  # the agent evaluates it
    KNOWN = 1  # it has been evaluated
    WAIT = 2  # it is being evaluated, and will be known
    REDO = 3  # another one is to be evaluated, which a lost agent has left; the episode is forgotten
    OVER = 4  # nothing will be evaluated any more


class Answer(NamedTuple):
    """Answer to the agent of a claim.

    Attributes:
        agent: Number of the agent.
        number: Of its episode.
        verdict: What becomes of it.
        id: With RUN and REDO, the number of the evaluation.
        objective: With KNOWN, that of the evaluation; None if it failed.
        values: With REDO, the decisions.
        is_again: With RUN and REDO, whether the evaluation has begun before.
        step: The last step that it reported then, if it did.
    """

    agent: int
    number: int
    verdict: ClaimVerdict
    id: int = -1
    objective: float | None = None
    values: tuple[int, ...] = ()
    is_again: bool = False
    step: float | None = None


class _Running:
    """An evaluation that an agent has been told to run, and who else waits for it."""

    def __init__(self, id: int, claim: Claim) -> None:
        self.id, self.claim = id, claim
        self.waiting: list[Claim] = []


class Ledger:
    """Answers the claims of all agents.

    Args:
        eval_limit: How many evaluations there may be, or None.
        episode_limit: How many episodes there may be, or None.
        size: How many distinct architectures there are, or None if that is not known.
        patience: After how many episodes in a row that chose something known no more are played, or None.

    Attributes:
        num_episodes: Claims, without those that were forgotten or came too late.
        num_hits: Claims that were answered from what had been evaluated.
        num_shared: Claims that waited for what another one had begun.
    """

    def __init__(
        self, eval_limit: int | None, episode_limit: int | None, size: int | None, patience: int | None = PATIENCE
    ) -> None:
        self._eval_limit, self._episode_limit, self._size, self._patience = eval_limit, episode_limit, size, patience
        self._known: dict[Hashable, float | None] = {}
        self._running: dict[Hashable, _Running] = {}
        self._keys: dict[int, Hashable] = {}  # of what is running, by id
        self._left: deque[tuple[int, Hashable, tuple[int, ...]]] = deque()  # to be run again
        self._num_begun = self._num_final = self._in_a_row = 0
        self._is_closed = False
        self.num_episodes = self.num_hits = self.num_shared = 0

    def restore(self, evaluations: Iterable[tuple[Evaluation, Hashable]], num_episodes: int) -> None:
        """Take over what an earlier run has left: evaluations and their keys, and how many episodes it has played."""
        for evaluation, key in evaluations:
            self._num_begun = max(self._num_begun, evaluation.id + 1)
            if evaluation.state.is_final:
                self._known[key] = evaluation.objective
                self._num_final += 1
            else:
                self._left.append((evaluation.id, key, tuple(evaluation.point.values())))
        self.num_episodes = num_episodes

    @property
    def num_running(self) -> int:
        """Number of evaluations that agents have been told to run."""
        return len(self._running)

    @property
    def num_final(self) -> int:
        """Number of evaluations that have ended for good."""
        return self._num_final

    @property
    def may_begin(self) -> bool:
        """Whether anything may be begun."""
        return not self._is_closed and (bool(self._left) or not self.why())

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be evaluated."""
        return not self._running and not self._left and bool(self.why())

    def why(self) -> str:
        """Return why nothing new may be begun, or nothing if it may."""
        if self._eval_limit is not None and self._num_begun >= self._eval_limit:
            return f"{counted(self._eval_limit, 'evaluation')} {'is' if self._eval_limit == 1 else 'are'} complete"
        if self._episode_limit is not None and self.num_episodes >= self._episode_limit:
            return f"{counted(self._episode_limit, 'episode')} {'is' if self._episode_limit == 1 else 'are'} complete"
        if self._size is not None and len(self._known) + len(self._running) + len(self._left) >= self._size:
            return "every architecture of the space has been evaluated"
        if self._patience is not None and self._in_a_row >= self._patience:
            return f"the policy has converged: {self._patience} episodes in a row have chosen what was known"
        return ""

    @property
    def progress(self) -> float:
        """Share of the budget that has been spent, 0 to 1; 0 without a limit."""
        parts = [(self._num_final, self._eval_limit), (self.num_episodes, self._episode_limit)]
        return max([num / limit for num, limit in parts if limit], default=0.0)

    def close(self) -> None:
        """Let nothing new begin."""
        self._is_closed = True

    def claim(self, claim: Claim) -> Answer:
        """Say what becomes of an architecture that an agent has chosen."""
        agent, number = claim.agent, claim.number
        if self._is_closed:
            return Answer(agent, number, ClaimVerdict.OVER)
        if self._left:
            return self._redo(claim)
        if self.why():
            return Answer(agent, number, ClaimVerdict.OVER)
        self.num_episodes += 1
        if claim.key in self._known:
            self.num_hits += 1
            self._in_a_row += 1
            return Answer(agent, number, ClaimVerdict.KNOWN, objective=self._known[claim.key])
        if claim.key in self._running:
            self.num_shared += 1
            self._in_a_row += 1
            self._running[claim.key].waiting.append(claim)
            return Answer(agent, number, ClaimVerdict.WAIT)
        self._in_a_row = 0
        id = self._num_begun
        self._num_begun += 1
        self._begin(id, claim)
        return Answer(agent, number, ClaimVerdict.RUN, id)

    def redo(self, agent: int) -> Answer | None:
        """Let an agent that asks for nothing run what a lost agent has left, if there is something."""
        if self._is_closed or not self._left:
            return None
        return self._redo(Claim(agent, -1, (), None))

    def _redo(self, claim: Claim) -> Answer:
        id, key, values = self._left.popleft()
        # It is no episode of this agent, and what is known of the one that is forgotten does not belong to it.
        self._begin(id, claim._replace(number=-1, key=key, values=values))
        return Answer(claim.agent, claim.number, ClaimVerdict.REDO, id, values=values, is_again=True)

    def _begin(self, id: int, claim: Claim) -> None:
        self._running[claim.key] = _Running(id, claim)
        self._keys[id] = claim.key

    def is_running(self, key: Hashable) -> bool:
        """Return whether an architecture is being evaluated."""
        return key in self._running

    def agent_of(self, id: int) -> int:
        """Return which agent runs an evaluation, one of those that are running."""
        return self._running[self._keys[id]].claim.agent

    def claim_of(self, id: int, agent: int) -> Claim | None:
        """Return the claim for which an agent runs an evaluation; None if it is not, or no longer, that agent's."""
        running = self._running.get(self._keys.get(id))
        return running.claim if running is not None and running.claim.agent == agent else None

    def conclude(self, id: int, objective: float | None) -> list[Answer]:
        """Take note of an evaluation that has ended, and return what those who waited for it get to know."""
        _, *waiting = self.enter(self._keys[id], objective)
        return [Answer(each.agent, each.number, ClaimVerdict.KNOWN, objective=objective) for each in waiting]

    def enter(self, key: Hashable, objective: float | None) -> list[Claim]:
        """Enter the result of an architecture, which all agents share.

        Returns:
            The claims for it: of its evaluation first, then of those that wait; none if it has not been claimed.
        """
        self._known[key] = objective
        self._num_final += 1
        running = self._running.pop(key, None)
        if running is None:
            return []
        del self._keys[running.id]
        return [running.claim, *running.waiting]

    def lose(self, agent: int) -> tuple[list[int], list[Answer]]:
        """Give up an agent.

        Returns:
            The evaluations that it had been told to run, and what those get to know who waited for them: the first one
            of each runs it instead.
        """
        lost, answers = [], []
        for key, running in list(self._running.items()):
            running.waiting = [claim for claim in running.waiting if claim.agent != agent]
            if running.claim.agent != agent:
                continue
            lost.append(running.id)
            del self._running[key], self._keys[running.id]
            if running.waiting:
                heir, *others = running.waiting
                self._begin(running.id, heir)
                self._running[key].waiting = others
                answers.append(Answer(heir.agent, heir.number, ClaimVerdict.RUN, running.id, is_again=True))
            else:
                self._left.append((running.id, key, running.claim.values))
        return lost, answers
