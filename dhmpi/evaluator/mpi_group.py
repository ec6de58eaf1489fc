"""Worker made of several ranks: to them its leader is what the search rank is to workers.

So both speak the protocol of `mpi_protocol`, in a conversation of their own.
"""

import math
import time
from collections.abc import Sequence

from dhmpi.errors import LoadError
from dhmpi.evaluation import State
from dhmpi.evaluator.mpi_protocol import SEARCH_RANK, SearchEnd, WorkerEnd, WorkerTag
from dhmpi.execution.context import Notice
from dhmpi.execution.executor import Executor, GroupLostError
from dhmpi.execution.group import AGREE_TIME, FREE_TIME, GroupExecutor, Members, News
from dhmpi.execution.group_parts import free_ports, parts_of
from dhmpi.execution.runner import Outcome, Task, pack_tasks, unpack_outcomes
from dhmpi.mpi import job
from dhmpi.mpi.comm import GroupCommunicator
from dhmpi.mpi.job import Conversation, Loss
from dhmpi.mpi.roles import Roles

# How long members get to leave [s]; less than their leader has itself.
EXIT_WAIT = 1.0
# How long a member waits for its child before it looks for messages again, for which others may wait [s].
MEMBER_WAIT = 0.01


def worker_end(comm: Conversation, executor: Executor, roles: Roles, isolation: str, rank: int) -> WorkerEnd:
    """Return this rank's end of the protocol: that of a worker, or of a member of one.

    Args:
        comm: Conversation with the rank that searches, number 0 there.
        executor: Where evaluations run on this rank.
        roles: What each rank does.
        isolation: `process` or `inline`.
        rank: This rank.
    """
    team = roles.team(rank)
    here = roles.group_of(rank) if roles.has_agents else range(roles.size)  # those of `comm`
    if len(team) == 1:
        if isolation == "inline":
            executor.connect = GroupCommunicator(job.current().comm, team).connect
        return WorkerEnd(comm, executor)
    members = job.current().converse(team, is_team=True)
    user_comm = GroupCommunicator(job.current().comm, team) if isolation == "inline" else None
    if user_comm is not None:
        executor.connect = user_comm.connect
    if rank != team[0]:
        return MemberEnd(members, executor, comm, here.index(team[0]), user_comm)
    timeout = executor.timeout
    ports = free_ports(roles.place(rank).local_rank) if isolation == "process" else None
    parts = parts_of([roles.host(each) for each in team])
    return WorkerEnd(comm, GroupExecutor(executor, RankMembers(members, user_comm), parts, ports, timeout))


class RankMembers(Members):
    """Members on ranks of their own.

    Args:
        comm: Conversation of the ranks that evaluate together; the leader is number 0 there.
        user_comm: The communicator that user code gets, or None.
    """

    def __init__(self, comm: Conversation, user_comm: GroupCommunicator | None) -> None:
        self._comm, self._user_comm = comm, user_comm
        self._end = SearchEnd(comm, has_heartbeats=user_comm is None)

    def load(self) -> None:
        """They load by themselves."""

    def submit(self, member: int, tasks: Sequence[Task]) -> None:
        """Send a member its tasks."""
        self._end.send_tasks(member, pack_tasks(tasks))

    def cancel(self, member: int) -> None:
        """Tell a member to stop."""
        self._end.cancel(member)

    def tell(self, notice: Notice) -> None:
        """Let user code in their own processes know what the leader has decided; others end by themselves."""
        if self._user_comm is not None:
            for member in self._end.alive:
                self._end.tell(member, notice)

    def news(self) -> list[News]:
        """Return what has come from them; see `Members`."""
        found = []
        for rank, tag, payload in self._end.receive(0.0):
            if tag is WorkerTag.OUTCOMES:
                found.append(News(rank, unpack_outcomes(payload)))
            elif tag in (WorkerTag.READY, WorkerTag.LOADING):
                found.append(News(rank, is_ready=tag is WorkerTag.READY))
            elif tag is WorkerTag.REPORTS:
                found.append(News(rank, has_joined=True))
            elif tag is WorkerTag.UNLOADABLE:
                raise LoadError(*payload)
            else:
                raise GroupLostError(f"rank {rank} of its {self._comm.size}: {(payload or Loss.AHEAD).value}")
        return found

    def settle_round(self) -> None:
        """Let all know that what they have done is over."""
        self._end.settle()

    def free(self) -> None:
        """Free those that wait for others in their communicator, where MPI is fault-tolerant."""
        if self._user_comm is not None:
            self._user_comm.revoke()

    def close(self) -> None:
        """Tell them to leave, and wait a little for that."""
        self._end.stop(EXIT_WAIT)


class MemberEnd(WorkerEnd):
    """The end of a rank that evaluates together with others, and does not lead them.

    Args:
        comm: Conversation of the ranks that evaluate together; their leader is number 0 there.
        executor: Where evaluations run on this rank.
        search: Conversation with the rank that searches, number 0 there.
        leader: The leader's number in that.
        user_comm: The communicator that user code gets, or None.
    """

    child_wait = MEMBER_WAIT

    def __init__(
        self,
        comm: Conversation,
        executor: Executor,
        search: Conversation,
        leader: int,
        user_comm: GroupCommunicator | None,
    ) -> None:
        super().__init__(comm, executor)
        self._search, self._leader, self._user_comm = search, leader, user_comm
        self._unsettled_since, self._is_freed = math.inf, False
        self._failure = ""
        executor.watch = self._is_stopped
        executor.join_with = lambda: self._send_reports(())

    def serve(self) -> Loss | None:
        """Evaluate what the leader says until it sends STOP; return the loss of the search rank, if it is lost."""
        if super().serve() is None:
            return None
        # Without a leader there is nothing to do, but this rank belongs to the campaign.
        while True:
            message = self._search.receive()
            if message is None:
                self._backoff.wait()
            elif message.tag == WorkerTag.LOST and message.source == SEARCH_RANK:
                loss: Loss = message.payload
                return loss

    def _is_stopped(self, id: int) -> bool:
        """Whether user code that is just running is to be stopped, whichever evaluation it does."""
        self._listen()
        return any(each.tag != WorkerTag.TASKS for each in self._early)

    def _note(self, message: object) -> None:
        self._unsettled_since, self._is_freed = math.inf, False

    def _send_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        super()._send_outcomes(outcomes)
        failures = [each.error for each in outcomes if each.state in (State.FAILED, State.TIMEOUT)]
        patience = 0.0 if failures else self._executor.timeout
        if self._user_comm is not None and patience is not None:
            self._failure = failures[0] if failures else "it took too long"
            self._unsettled_since = time.monotonic() + patience

    def _work(self) -> None:
        if not self._executor.ready:
            self._executor.load()  # what has ended is replaced at once: all begin when all are ready
        super()._work()
        waited = time.monotonic() - self._unsettled_since
        if waited >= FREE_TIME and not self._is_freed and self._user_comm is not None:
            self._is_freed = True
            self._user_comm.revoke()
        if waited >= AGREE_TIME:
            self._unsettled_since = math.inf
            sentence = f"it did not stop within {AGREE_TIME:g} s: {self._failure}"
            self._search.send(SEARCH_RANK, WorkerTag.GIVEN_UP, (self._leader, sentence))
