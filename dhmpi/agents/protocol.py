"""Protocol between agents and rank 0, apart from the exchange of the policy (`agents.exchange`).

    agent                           rank 0
    READY      workers, hosts    -> its evaluator has started
    UNLOADABLE sentence, details -> it cannot: the run function does not load
                                 <- START     the policy, the rewards so far
    CLAIMS     architectures     -> may they be evaluated?
                                 <- ANSWERS   run it; it is known; wait; nothing more
    REPORTS    of what runs      -> and which of it has begun again
                                 <- NOTICES    whether it goes on
    OUTCOMES   evaluations       -> have ended; with them, which worker has what has begun
    LEARNED    figures           -> an update has ended
    STATE      policy            -> the same, where there is no server: to be kept
    ALIVE                        -> nothing else to say for a while
    FINISHED                     -> has nothing left to do
    FAILED     sentence          -> will do nothing more, and waits for the end
                                 <- DONE      all is done
                                 <- ABORT     stop what is running, send its outcomes, leave
    BYE                          -> the agent leaves

All of it is point to point and polled. Rank 0 talks to itself in the same way where it is an agent, too.
"""

from collections import deque
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from dhmpi.agents.exchange import TO_SERVER
from dhmpi.mpi.comm import LOST, Backoff, Message
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.rewards import Scale

Clock = Callable[[], float]

# An agent sends a heartbeat after so many seconds of silence.
ALIVE_INTERVAL = 5.0


class AgentTag(IntEnum):
    """Kind of a message; those of the exchange have tags of their own."""

    LOST = LOST  # never sent; the news that a rank has died, or has left the campaign unexpectedly
    READY = 20
    UNLOADABLE = 21
    CLAIMS = 22
    OUTCOMES = 23
    LEARNED = 24
    STATE = 25
    ALIVE = 26
    FINISHED = 27
    FAILED = 28
    BYE = 29
    REPORTS = 30
    START = 40
    ANSWERS = 41
    DONE = 42
    ABORT = 43
    NOTICES = 44


TO_AGENT = (AgentTag.START, AgentTag.ANSWERS, AgentTag.DONE, AgentTag.ABORT, AgentTag.NOTICES)
# What user code waits for; it is followed even while that runs on the same rank.
URGENT = (AgentTag.REPORTS, AgentTag.NOTICES)


class Start(NamedTuple):
    """State that an agent begins with.

    Attributes:
        state: The policy.
        scale: The rewards of all agents so far.
        max_staleness: Steps that the policy may have taken since what is still learned from.
        num_updates: How many updates this agent has made before.
        num_before: How many evaluations there are already; the agent's random numbers depend on it.
    """

    state: PolicyState
    scale: Scale
    max_staleness: int
    num_updates: int
    num_before: int


class Mailbox(Protocol):
    """Mailbox: `mpi.job.Conversation`, or one in memory."""

    @property
    def rank(self) -> int:
        """This rank."""

    def send(self, destination: int, tag: int, payload: Any = None) -> None:
        """Send without waiting for the receiver."""

    def receive(self) -> Message | None:
        """Return a message that has arrived, or None."""

    def give_up(self, ranks: Iterable[int]) -> None:
        """Take note of ranks that have not answered."""


class Participant(Protocol):
    """An agent, or the coordinator.

    Attributes:
        is_over: Whether it has left.
        look: Called while user code runs in this process, to look for what is urgent.
    """

    is_over: bool
    look: Callable[[], object]

    def take(self, message: Message) -> None:
        """Take a message in."""

    def advance(self) -> bool:
        """Do what can be done without waiting; return whether something was."""


def drive(mailbox: Mailbox, member: Participant, agent: Participant | None = None) -> None:
    """Let the members that live on this rank work until the first is over.

    Args:
        mailbox: Delivers messages.
        member: The coordinator, or an agent.
        agent: The agent beside the coordinator.
    """
    members = [member] if agent is None else [member, agent]
    delivery = Delivery(mailbox, member, agent)
    for each in members:
        each.look = delivery.hand_out_urgent
    backoff = Backoff()
    while not member.is_over:
        moved = delivery.hand_out()
        for each in members:
            moved = each.advance() or moved
        if moved:
            backoff.reset()
        else:
            backoff.wait()


class Delivery:
    """Delivery of what arrives to the members that live on this rank.

    Args:
        mailbox: Where it arrives.
        member: The coordinator, or an agent.
        agent: The agent beside the coordinator.
    """

    def __init__(self, mailbox: Mailbox, member: Participant, agent: Participant | None = None) -> None:
        self._mailbox, self._member, self._agent = mailbox, member, agent
        self._early: deque[Message] = deque()  # that have come while user code was running in this process

    def hand_out(self) -> bool:
        """Hand out what has arrived; return whether something had."""
        moved = False
        while (message := self._early.popleft() if self._early else self._mailbox.receive()) is not None:
            moved = True
            self._give(message)
        return moved

    def hand_out_urgent(self) -> None:
        """Hand out what is urgent, and keep everything else for later."""
        while (message := self._mailbox.receive()) is not None:
            if message.tag in URGENT:
                self._give(message)
            else:
                self._early.append(message)

    def _give(self, message: Message) -> None:
        (self._agent if self._agent is not None and is_for_agent(message.tag) else self._member).take(message)


def is_for_agent(tag: int) -> bool:
    """Return whether a message is for an agent, on a rank where the coordinator is, too."""
    return tag in TO_AGENT or (tag >= min(TO_SERVER) and tag not in TO_SERVER)
