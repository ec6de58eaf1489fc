"""All ranks of a job from start to end: campaigns that follow each other, and how they exit.

Each rank counts campaigns, and every message carries the number of its campaign. So no message of one campaign is
received in another: those of an earlier one are dropped, those of a later one are kept until that begins here. A rank
that sends messages of a later campaign has left the earlier ones, for whatever reason; no rank waits for it there. Rank
0 and the others tell each other when they begin one:

    BEGIN    number   <-> the campaign has begun here

An evaluator that is driven by hand is driven on rank 0 alone. The others cannot go on with the program meanwhile, and
do not know how far rank 0 has come when it has finished. So from then on they do what rank 0 calls:

                       <- CALL      a function and its arguments

At the end of its process each rank sends END, and waits for rank 0's answer:

    rank                  rank 0
    END                -> it will send nothing more
                       <- END       nothing more will begin
                       <- FINALIZE  all have sent END, and go to MPI_Finalize
                       <- LEAVE     a rank has died, for which MPI_Finalize could wait for ever: leave without it

If a rank has not ended in time, or has ended with an exception, all are ended by MPI_Abort.
"""

import atexit
import functools
import math
import pickle
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, IntEnum
from types import TracebackType
from typing import Any, NoReturn

from dhmpi.errors import EXIT_FAILURE, EXIT_SEARCH_RANK_LOST, OptionError, ProtocolError
from dhmpi.mpi.comm import LOST, NUM_TAGS, Backoff, Communicator, Message, connect, leave_at_once
from dhmpi.support import environment

# How long rank 0 waits for the others to end when its own process ends [s].
EXIT_WAIT = 8.0
# How long it stays until they have left; the death of rank 0 could reach them before its last message does [s].
LAST_WAIT = 2.0
# How long a rank that leaves without MPI_Finalize waits for its last message to be on its way [s].
FLUSH_TIME = 0.5
# A campaign's conversations: of all its ranks, of groups that do not overlap, of teams within these.
NUM_CONVERSATIONS = 3


class JobTag(IntEnum):
    """Kind of a message of the job itself."""

    LOST = LOST  # never sent; the news that a rank has died
    END = 1
    FINALIZE = 2
    LEAVE = 3
    CALL = 4
    BEGIN = 5


class Loss(Enum):
    """Loss of a rank, and its reason: the payload of the news `LOST`."""

    DEAD = "it is gone"
    SILENT = "it has been silent for too long"
    ENDED = "its program has ended"
    AHEAD = "it has gone on to another campaign"


def follow(loss: Loss | None) -> None:
    """Leave as rank 0 has left, if it is lost to the campaign.

    Raises:
        SystemExit: Its program has ended; its exit status is the job's.
    """
    if loss is Loss.DEAD:
        leave_at_once(EXIT_SEARCH_RANK_LOST)
    if loss is Loss.ENDED:
        raise SystemExit


class Conversation:
    """Conversation between the ranks of one campaign, or some of them; no other messages are received here.

    The news that a rank has left comes as a message with the tag `LOST`, after everything that this rank has sent.

    Args:
        job: The job.
        channel: The conversation's number in the job.
        ranks: Ranks in the job of those who take part; their order here is their rank here.
    """

    def __init__(self, job: "Job", channel: int, ranks: Sequence[int]) -> None:
        self._job, self._channel, self._ranks = job, channel, ranks
        self._rank_of = {rank: number for number, rank in enumerate(ranks)}
        self._inbox: deque[Message] = deque()
        self.rank, self.size = self._rank_of[job.rank], len(ranks)

    def send(self, destination: int, tag: int, payload: Any = None) -> None:
        """Send without waiting for the receiver; see `Communicator.send`."""
        self._job.send(self._ranks[destination], self._channel, tag, payload)

    def receive(self) -> Message | None:
        """Return a message that has arrived, from whatever rank, or None."""
        while not self._inbox and self._job.receive():
            pass
        return self._inbox.popleft() if self._inbox else None

    def deliver(self, source: int, tag: int, payload: Any) -> None:
        """Take a message in from a rank of the job, if it takes part here."""
        if source in self._rank_of:
            self._inbox.append(Message(self._rank_of[source], tag, payload))

    def miss(self, rank: int, loss: Loss) -> None:
        """Take note that a rank of the job has left; where rank 0 has, a group has no leader any more."""
        self.deliver(self._ranks[0] if rank == 0 else rank, LOST, loss)

    def give_up(self, ranks: Iterable[int]) -> None:
        """Take note of ranks that have not answered: only those that send again are waited for at the end."""
        self._job.give_up(self._ranks[rank] for rank in ranks)

    def library(self) -> str:
        """Return the name and version of the MPI library."""
        return self._job.library()


class Job:
    """The ranks that one launcher has started.

    Args:
        connect: Starts MPI and returns all ranks; called before the first message.

    Attributes:
        status: Exit status of this process, as campaigns have set it.
    """

    def __init__(self, connect: Callable[[], Communicator] = connect) -> None:
        self._connect = connect
        self._comm: Communicator | None = None
        self._campaign = 0
        self._open: dict[int, Conversation] = {}
        self._early: list[Message] = []  # of campaigns, or groups, that have not begun here
        # The latest campaign of which a message has come from each rank; infinite if it has left.
        self._reached: dict[int, float] = {}
        self._dead: set[int] = set()
        self._ended: set[int] = set()
        self._stuck: set[int] = set()
        self._word: JobTag | None = None
        self._has_servants = False
        self._calls: deque[bytes] = deque()
        self.status = 0

    @property
    def comm(self) -> Communicator:
        """All ranks; MPI starts when this is first asked for.

        Raises:
            ProtocolError: It cannot.
        """
        if self._comm is None:
            self._comm = self._connect()
            if self._comm.size > 1:
                atexit.register(self.leave)
                sys.excepthook = functools.partial(self._end_by_exception, sys.excepthook)
        return self._comm

    @property
    def rank(self) -> int:
        """This rank."""
        return self.comm.rank

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self.comm.size

    def library(self) -> str:
        """Return the name and version of the MPI library."""
        return self.comm.library()

    # --- campaigns

    def begin_campaign(self) -> None:
        """Count a campaign; all ranks call this for each of them, even if it then fails on some of them."""
        self._campaign += 1
        self._open.clear()
        self._early = [each for each in self._early if self._campaign_of(each.tag // NUM_TAGS) >= self._campaign]

    def converse(self, ranks: Sequence[int] | None = None, is_team: bool = False) -> Conversation:
        """Open a conversation of the campaign that has begun.

        Args:
            ranks: A group of ranks with this one among them, each rank being in one such group at most; by default all.
            is_team: Whether they evaluate together.

        Raises:
            ProtocolError: There have been too many campaigns.
        """
        is_group = ranks is not None
        channel = NUM_CONVERSATIONS * (self._campaign - 1) + 1 + is_group + is_team
        most = (self.comm.num_conversations - 1) // NUM_CONVERSATIONS
        if self._campaign > most:
            raise ProtocolError(
                f"a job must have at most {most} campaigns with this MPI, got one more; start another job"
            )
        if ranks is None:
            for rank in range(1, self.size) if self.rank == 0 else (0,):
                self.send(rank, 0, JobTag.BEGIN, self._campaign)
        conversation = Conversation(self, channel, range(self.size) if ranks is None else ranks)
        self._open[channel] = conversation
        early, self._early = self._early, []
        for message in early:
            self._deliver(message)
        for rank, campaign in self._reached.items():
            if campaign > self._campaign:
                conversation.miss(rank, self._loss(rank))
        return conversation

    def give_up(self, ranks: Iterable[int]) -> None:
        """Take note of ranks that seem to hang; see `Conversation.give_up`."""
        self._stuck.update(ranks)

    @staticmethod
    def _campaign_of(channel: int) -> int:
        return (channel - 1) // NUM_CONVERSATIONS + 1

    def send(self, destination: int, channel: int, tag: int, payload: Any) -> None:
        """Send to a rank, in a conversation."""
        self.comm.send(destination, NUM_TAGS * channel + tag, payload)

    def receive(self) -> bool:
        """Take in a message that has arrived, from whatever rank, and hand it to its conversation.

        Returns:
            Whether there was one.
        """
        message = self.comm.receive()
        if message is None:
            return False
        rank, tag, payload = message.source, message.tag, message.payload
        self._stuck.discard(rank)
        if tag >= NUM_TAGS:
            self._deliver(message)
        elif tag == JobTag.LOST:
            self._dead.add(rank)
            self._note(rank, math.inf)
        elif tag == JobTag.END:
            self._ended.add(rank)
            self._note(rank, math.inf)
        elif tag == JobTag.BEGIN:
            self._note(rank, payload)
        elif tag == JobTag.CALL:
            self._calls.append(payload)
        else:
            self._word = JobTag(tag)
        return True

    def _deliver(self, message: Message) -> None:
        channel, tag = divmod(message.tag, NUM_TAGS)
        campaign = self._campaign_of(channel)
        self._note(message.source, campaign)
        if channel in self._open:
            self._open[channel].deliver(message.source, tag, message.payload)
        elif campaign >= self._campaign:
            self._early.append(message)

    def _note(self, rank: int, campaign: float) -> None:
        """Take note of a rank's latest campaign, and of its loss to the earlier ones."""
        if campaign <= self._reached.get(rank, 0):
            return
        self._reached[rank] = campaign
        for channel, conversation in self._open.items():
            if campaign > self._campaign_of(channel):
                conversation.miss(rank, self._loss(rank))

    def _loss(self, rank: int) -> Loss:
        return Loss.DEAD if rank in self._dead else Loss.ENDED if rank in self._ended else Loss.AHEAD

    # --- calls

    def keep_servants(self) -> None:
        """Take note, on rank 0, that the others `serve` from now on."""
        self._has_servants = self.size > 1

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Let the others call a function, if they `serve`; they would have called it by themselves otherwise.

        Raises:
            OptionError: One of the arguments cannot be sent.
        """
        if not self._has_servants:
            return
        try:
            payload = pickle.dumps((function, arguments))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise OptionError(
                f"what follows an evaluator that is driven by hand must be made of what can be imported, got {error}; "
                "let it come first, or define its functions at the top of a module"
            ) from error
        for rank in range(1, self.size):
            self.send(rank, 0, JobTag.CALL, payload)

    def serve(self) -> NoReturn:
        """Do what rank 0 calls, until its program ends, and then end this one.

        Raises:
            SystemExit: That is now.
        """
        backoff = Backoff()
        while True:
            if self._calls:
                function, arguments = pickle.loads(self._calls.popleft())
                function(*arguments)
                backoff.reset()
            elif self.receive():
                backoff.reset()
            elif 0 in self._reached and self._reached[0] == math.inf:
                follow(self._loss(0))
            else:
                backoff.wait()

    # --- the end

    def leave(self) -> None:
        """Tell the others that this process ends. MPI_Finalize follows unless a rank would wait in it for ever."""
        if self.comm.is_finalized:
            return
        word = self._end_job() if self.rank == 0 else self._wait_for_rank0()
        if word is JobTag.LEAVE:
            self.comm.flush(FLUSH_TIME)
            leave_at_once(self.status)

    def _end_job(self) -> JobTag:
        others = set(range(1, self.size))
        for rank in others - self._dead:
            self.send(rank, 0, JobTag.END, None)
        end, backoff = time.monotonic() + EXIT_WAIT, Backoff()
        while (has_come := self.receive()) or (
            others - self._ended - self._dead - self._stuck and time.monotonic() < end
        ):
            if not has_come:
                backoff.wait()
        if missing := others - self._ended - self._dead:
            self._end_others(missing)
        word = JobTag.LEAVE if self._dead else JobTag.FINALIZE
        for rank in others - self._dead:
            self.send(rank, 0, word, None)
        end = time.monotonic() + LAST_WAIT
        while word is JobTag.LEAVE and not others <= self._dead and time.monotonic() < end:
            if not self.receive():  # those that leave are noticed in the same way as those that die
                backoff.wait()
        return word

    def _end_others(self, missing: set[int]) -> None:
        names = f"rank{'s' * (len(missing) > 1)} {', '.join(map(str, sorted(missing)))}"
        print(f"{names} did not end in time, and will be killed", file=sys.stderr)
        self.comm.abort(self.status)

    def _wait_for_rank0(self) -> JobTag:
        self.send(0, 0, JobTag.END, None)
        backoff = Backoff()
        while self._word is None:
            if self.receive():
                backoff.reset()
            elif 0 in self._dead:
                leave_at_once(EXIT_SEARCH_RANK_LOST)
            else:
                backoff.wait()
        return self._word

    def _end_by_exception(
        self,
        show: Callable[[type[BaseException], BaseException, TracebackType | None], object],
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
    ) -> None:
        """Show an uncaught exception, and end all ranks: they would wait for this one for ever."""
        show(kind, error, trace)
        if not self.comm.is_finalized:
            self.comm.abort(EXIT_FAILURE)


@functools.cache
def current() -> Job:
    """Return the job that this process belongs to; there is one, as there is one MPI."""
    return Job()


def num_ranks(needs_mpi: bool = False) -> int:
    """Return how many ranks there are, as the launcher says: what user code runs in is to start before MPI does.

    Args:
        needs_mpi: Whether MPI will start anyway; it is asked now if the launcher says nothing of several ranks.
    """
    size = environment.launch().size
    return size if size > 1 or (size == 1 and not needs_mpi) else current().size
