"""Executor of evaluations that several ranks do together, each in an executor of its own.

The rank that leads has this one, which hands every task to all members and asks for all answers. An evaluation is DONE
when all have ended well, and its result is the leader's; it is over as soon as one has failed, and then the others are
stopped. Those that cannot be stopped cost the whole group.
"""

import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from dhmpi.errors import LoadError
from dhmpi.evaluation import State
from dhmpi.execution.ballot import LEADER, Ballot
from dhmpi.execution.context import ANSWER_WAIT, Notice
from dhmpi.execution.executor import Executor, GroupLostError, OnReports, readable
from dhmpi.execution.runner import Outcome, Task
from dhmpi.mpi.comm import Backoff
from dhmpi.support.place import GroupPart

# After a failure the others get so long to end by themselves [s]; an exception that all of them meet costs no child.
# Where a failure makes others fail, it must not be the last of them to be told: see `data_parallel.CAUSE_TIME`.
FOLLOW_TIME = 0.1
# How long members that have been stopped may be silent until they are freed from what may hold them, and until the
# group is given up; the end of a child takes up to `LONG_GRACE` and `PATIENCE` [s].
FREE_TIME, AGREE_TIME = 1.0, 10.0


class News(NamedTuple):
    """News of a member.

    Attributes:
        member: Its number in the group.
        outcomes: Of its tasks.
        is_ready: Whether it can evaluate; None: as before.
        has_joined: Whether what it does reports, too.
    """

    member: int
    outcomes: Sequence[Outcome] = ()
    is_ready: bool | None = None
    has_joined: bool = False


class Members(ABC):
    """The members of a group other than its leader; they are numbered from 1."""

    @abstractmethod
    def load(self) -> None:
        """Let them load the run function."""

    @abstractmethod
    def submit(self, member: int, tasks: Sequence[Task]) -> None:
        """Let a member begin with tasks."""

    @abstractmethod
    def cancel(self, member: int) -> None:
        """Let a member stop; its outcomes still come."""

    def tell(self, notice: Notice) -> None:  # noqa: B027  # some end by themselves, without harm
        """Let those that report know what the leader has decided."""

    @abstractmethod
    def news(self) -> list[News]:
        """Return what has come from them, without waiting.

        Raises:
            LoadError: One cannot load the run function.
            GroupLostError: One is gone.
        """

    def settle_round(self) -> None:  # noqa: B027  # not all wait for it
        """Let all know that what they have done is over, where it has not ended well or has a time limit."""

    def free(self) -> None:  # noqa: B027  # not all can be
        """Free those that wait for others of the group, as far as that is possible."""

    @abstractmethod
    def close(self) -> None:
        """Let them end."""


class GroupExecutor(Executor):
    """Runs each evaluation on a leader and its members at once.

    Args:
        own: The leader's executor.
        members: The others.
        parts: What the part of each is, the leader's first.
        ports: Free ports, for members to find each other by; None: they need not.
        timeout: Seconds that an evaluation may take, or None. Members see to that by themselves, but may be held up.
    """

    def __init__(
        self,
        own: Executor,
        members: Members,
        parts: Sequence[GroupPart],
        ports: Iterator[int] | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__()
        self._own, self._members, self._parts, self._ports = own, members, parts, ports
        self._patience = math.inf if timeout is None else timeout + FREE_TIME
        self._last_news = time.monotonic()
        self._ready_members: set[int] = set()
        self._ballots: dict[int, Ballot] = {}  # of the tasks that have begun, in their order
        self._round = 0
        self._is_stopping = False
        self._has_news = self._has_failures = False
        self._over_since, self._is_freed = math.inf, False
        self._stopped: set[int] = set()
        self._trouble: Exception | None = None  # met while user code was running
        self._joined: set[int] = set()  # members that report in this evaluation
        self._has_waited = False  # for members to do so
        self._backoff = Backoff()
        own.watch, own.decide_with = self._is_over_elsewhere, self._decide

    @property
    def ready(self) -> bool:  # type: ignore[override]  # others set it; here it follows from what runs
        """Whether the run function is loaded on all of them."""
        return self._own.ready and len(self._ready_members) == len(self._parts) - 1

    @property
    def busy(self) -> bool:
        """Whether there are tasks without an outcome."""
        return bool(self._tasks or self._ballots)

    @property
    def has_answers(self) -> bool:
        """Whether user code waits for notices."""
        return self._own.has_answers

    def open(self) -> None:
        """Start what must run before MPI starts."""
        self._own.open()

    def load(self) -> None:
        """Begin to load the run function everywhere."""
        self._members.load()
        self._own.load()

    def submit(self, tasks: Sequence[Task]) -> None:
        """Begin with tasks, in their order."""
        self._tasks.extend(tasks)
        self._begin()

    def poll(self, timeout: float) -> list[Outcome]:
        """Return the outcomes there are; wait up to `timeout` seconds for the first.

        Raises:
            LoadError: The run function cannot be loaded somewhere.
            GroupLostError: A member is gone, or cannot be stopped.
        """
        end, was_ready = time.monotonic() + timeout, self.ready
        while True:
            if self._own.busy or not self._own.ready:
                self._own.load()  # what has ended is replaced at once: all begin when all are ready
                self._count(LEADER, self._own.poll(0.0))
            if self._trouble is not None:
                raise self._trouble
            self._listen()
            self._press()
            outcomes = self._concluded()
            self._begin()
            if outcomes or self.ready != was_ready or time.monotonic() >= end:
                return outcomes
            self._backoff.wait(self._sleep)

    def _sleep(self, seconds: float) -> None:
        """Sleep so long, or until there is news of the leader's own process."""
        descriptor = self._own.descriptor
        if descriptor is None:
            time.sleep(seconds)
        else:
            readable([descriptor], seconds)

    def cancel(self) -> None:
        """Stop all that runs; `poll` then returns all tasks, CANCELLED unless they have just ended."""
        self._is_stopping = self.busy

    def interrupt(self) -> None:
        """Stop user code that runs in this process."""
        self._own.interrupt()

    def hear(self, on_reports: OnReports, listen: Callable[[], None] | None = None) -> None:
        """Say who takes the leader's reports; see `Executor`."""
        self._own.hear(on_reports, listen)

    def tell(self, notice: Notice) -> None:
        """Give the leader a notice; when it ends, the others do."""
        self._own.tell(notice)

    def close(self) -> None:
        """Let all of them end."""
        self._members.close()
        self._own.close()

    def _begin(self) -> None:
        """Hand tasks to all when they have nothing else to do."""
        if self._ballots or not self._tasks or not self.ready or self._is_stopping:
            return
        # A communicator must not be used for two evaluations at once.
        num = 1 if self._own.wants_comm or self.has_answers else len(self._tasks)
        tasks = [self._tasks.popleft() for _ in range(num)]
        addresses = [self._addresses() for _ in tasks]
        self._last_news = time.monotonic()
        self._joined.clear()
        self._has_waited = False
        self._ballots = {task.id: Ballot(task, len(self._parts)) for task in tasks}
        for member, part in reversed(list(enumerate(self._parts))):  # the leader's own may run at once
            same = part._replace(addresses=[], round=self._round)
            given = [
                task._replace(part=same._replace(addresses=each) if each else same)
                for task, each in zip(tasks, addresses, strict=True)
            ]
            if member == LEADER:
                self._own.submit(given)
            else:
                self._members.submit(member, given)

    def _addresses(self) -> list[str]:
        """Return an address for each member."""
        if self._ports is None:
            return []
        return [f"{part.addresses[0]}:{next(self._ports)}" for part in self._parts]

    def _listen(self) -> None:
        for member, outcomes, is_ready, has_joined in self._members.news():
            if is_ready is not None:
                (self._ready_members.add if is_ready else self._ready_members.discard)(member)
            if has_joined:
                self._joined.add(member)
                self._free_followers()
            self._count(member, outcomes)

    def _count(self, member: int, outcomes: Sequence[Outcome]) -> None:
        if outcomes:
            self._last_news = time.monotonic()
            self._has_news = True
            self._backoff.reset()
        for outcome in outcomes:
            if outcome.id in self._ballots:
                self._ballots[outcome.id].answers[member] = outcome
                self._has_failures |= outcome.state is not State.DONE
        if outcomes and member == LEADER:
            self._free_followers()

    def _free_followers(self) -> None:
        """Let members that wait for the leader's next report know that there will be none, if it has ended."""
        for id, ballot in self._ballots.items():
            if self._joined and LEADER in ballot.answers:
                has_stopped = ballot.answers[LEADER].state is not State.DONE
                self._members.tell(Notice(id, sys.maxsize, has_stopped))

    def _decide(self, notice: Notice) -> bool:
        """Let members know whether the leader wants to end, which all do or none; called by its user code.

        Without members that report it goes on: they may wait for it in their communicator, where nobody reaches them.
        """
        num_others, end = len(self._parts) - 1, time.monotonic() + ANSWER_WAIT
        if notice.must_stop and not self._has_waited:
            while len(self._joined) < num_others and self._trouble is None and time.monotonic() < end:
                self._overhear()
            self._has_waited = True
        all_end = notice.must_stop and len(self._joined) == num_others
        self._members.tell(notice._replace(must_stop=all_end))
        return all_end

    def _is_over_elsewhere(self, id: int) -> bool:
        """Whether the leader's own user code is to be stopped, which is just running.

        Args:
            id: Of the evaluation that it does.
        """
        self._overhear()
        return self._trouble is not None or not self._ballots[id].is_unanimous

    def _overhear(self) -> None:
        """Listen while user code runs, which must not meet the end of a member."""
        try:
            self._listen()
        except (LoadError, GroupLostError) as error:
            self._trouble = error

    def _press(self) -> None:
        """Stop those that go on with an evaluation that is over; give the group up if they cannot be stopped.

        Raises:
            GroupLostError: They cannot.
        """
        is_overdue = bool(self._ballots) and time.monotonic() - self._last_news > self._patience
        if not (self._has_failures or self._is_stopping or is_overdue):
            return
        # A member may be further than its answers, which come together if they are quick: what it does is not known.
        late = {
            member: ballot
            for ballot in self._ballots.values()
            if self._is_stopping or is_overdue or not ballot.is_unanimous
            for member in ballot.missing
        }
        if not late:
            self._over_since = math.inf
            return
        now = time.monotonic()
        self._over_since = min(self._over_since, now)
        waited = now - self._over_since
        if self._is_stopping or waited >= FOLLOW_TIME:
            for member in late.keys() - self._stopped:
                self._stopped.add(member)
                if member == LEADER:
                    self._own.cancel()
                else:
                    self._members.cancel(member)
        if waited >= FREE_TIME and not self._is_freed:
            self._is_freed = True
            self._members.free()
        if waited >= AGREE_TIME:
            reason = next((each.outcome().error for each in late.values() if each.failures), "it took too long")
            raise GroupLostError(f"{_ranks(late)} of an evaluation did not stop within {AGREE_TIME:g} s: {reason}")

    @property
    def due(self) -> float:
        """Moment at which `poll` has something to do although nothing has come [s, monotonic clock]; or infinity."""
        steps = [] if self._stopped else [FOLLOW_TIME]
        steps += [] if self._is_freed else [FREE_TIME]
        return self._over_since + min([*steps, AGREE_TIME])

    def _begin_waiting(self) -> None:
        """Nobody is waited for."""
        self._has_failures = False
        self._over_since, self._is_freed = math.inf, False
        self._stopped.clear()

    def _concluded(self) -> list[Outcome]:
        """Return the outcomes of evaluations that all have answered."""
        if not (self._has_news or self._is_stopping):
            return []
        self._has_news = False
        over = [ballot for ballot in self._ballots.values() if not ballot.missing]
        if len(over) < len(self._ballots) and not all(ballot.is_unanimous for ballot in over):
            return []  # what follows is over in a moment, too
        outcomes, again = [], []
        for ballot in over:
            del self._ballots[ballot.task.id]
            outcome = ballot.outcome()
            if outcome.state is State.CANCELLED and not self._is_stopping:
                again.append(ballot.task._replace(is_again=True))  # only because another one has failed
            else:
                outcomes.append(outcome)
        self._tasks.extendleft(reversed(again))
        if self._ballots:
            return outcomes
        has_failed = not all(ballot.is_unanimous for ballot in over)
        self._round += has_failed
        if has_failed or self._patience < math.inf:
            self._members.settle_round()
        self._begin_waiting()
        if self._is_stopping:
            self._is_stopping = False
            outcomes += self._cancelled()
        return outcomes


def _ranks(numbers: Collection[int]) -> str:
    return f"rank{'s' * (len(numbers) > 1)} {', '.join(map(str, sorted(numbers)))}"
