"""Evaluator on the worker ranks of an MPI job."""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from dhmpi.errors import EvaluatorError, LoadError, option_name
from dhmpi.evaluation import Evaluation, Report, State, Worker
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.evaluator.mpi_protocol import SearchEnd, WorkerTag
from dhmpi.execution.context import Notice
from dhmpi.execution.executor import BATCH_TIME
from dhmpi.execution.runner import Outcome, Task, pack_tasks, unpack_outcomes
from dhmpi.mpi.job import Conversation, Loss
from dhmpi.mpi.roles import Roles

log = logging.getLogger(__name__)

# How long workers get to leave before they are left behind [s].
EXIT_WAIT = 2.0
# Evaluations of this length are not short; well above what a busy node's scheduler adds to one [s].
REAL_WORK = 0.05


class MPIEvaluator(Evaluator):
    """Runs evaluations on worker ranks, one at a time on each.

    Evaluations that take well below a millisecond travel in batches, so that messages do not cost more than they carry;
    what is longer is handed out one by one. A worker that dies, or that alone cannot load the run function, is given
    up: its evaluations come back LOST.

    Args:
        comm: Conversation of the campaign's ranks; the others run `mpi_protocol.WorkerEnd.serve`.
        has_heartbeats: Whether workers send heartbeats (those with a child do).
        roles: Those of all ranks of the campaign (default: the ranks of `comm` are all).
        workers: The ranks of `comm` that evaluate (default: all others).

    Attributes:
        stuck: Workers that did not answer when they were told to leave.
    """

    def __init__(
        self,
        comm: Conversation,
        has_heartbeats: bool,
        roles: Roles | None = None,
        workers: Iterable[int] | None = None,
    ) -> None:
        super().__init__()
        self.roles = roles or Roles.on_ranks(comm.size)
        self._comm = comm
        self._end = SearchEnd(comm, has_heartbeats, workers)
        self._usable = set(self._end.alive)
        self._running: dict[int, set[int]] = {}  # rank that is ready -> ids of its evaluations
        self._workers: dict[int, Worker] = {}
        self._outbox: dict[int, list[Task]] = {}
        self._free: deque[int] = deque()  # a rank for each further evaluation that it can take
        self._num_free: Counter[int] = Counter()  # how often each rank is there
        self._batches = BatchSize()
        self._anyone_ready = False
        self.stuck: list[int] = []

    @property
    def num_workers(self) -> int:
        """Number of worker ranks."""
        return len(self._usable)

    @property
    def num_idle(self) -> int:
        """Number of evaluations that the worker ranks can take."""
        return len(self._free)

    def start(self) -> None:
        """Wait for the first rank that can evaluate, or that reports why it cannot."""
        while not self._anyone_ready:
            self.gather(1.0)

    def _submit(self, task: Task) -> Worker:
        rank = self._free.popleft()
        self._num_free[rank] -= 1
        self._running[rank].add(task.id)
        self._outbox.setdefault(rank, []).append(task)
        return self._workers[rank]

    def _gather(self, timeout: float) -> list[Evaluation]:
        """Send what was submitted; return what has ended; wait up to `timeout` seconds for the first."""
        self._send_outbox()
        ended: list[Evaluation] = []
        begun = time.monotonic()
        is_waiting = bool(self._pending) or not self._free  # without an idle rank, for one to be ready
        events = self._end.receive(timeout if is_waiting else 0.0)
        if time.monotonic() - begun > REAL_WORK and self._batches.size > 1:
            self._batches.shrink()
            for rank in self._running:
                self._offer(rank)
        for event in events:
            rank, tag = event.rank, event.tag
            if tag is WorkerTag.OUTCOMES:
                ended += self._account(rank, unpack_outcomes(event.payload))
            elif tag is WorkerTag.REPORTS:
                running = self._running.get(rank, set())
                self._take_reports([Report(*row) for row in event.payload if row[0] in running])
            elif tag is WorkerTag.READY:
                if rank not in self._workers:  # else it is ready again
                    self._anyone_ready = True
                    self._running[rank] = set()
                    self._workers[rank] = Worker(rank, self._host(rank))
                    self._offer(rank)
            elif tag is not WorkerTag.LOADING and rank in self._usable:
                ended += self._retire(rank, tag, event.payload)
        return ended

    def _send_outbox(self) -> None:
        for rank, tasks in self._outbox.items():
            self._end.send_tasks(rank, pack_tasks(tasks))
        self._outbox.clear()

    def _account(self, rank: int, outcomes: list[Outcome]) -> list[Evaluation]:
        running, host = self._running.get(rank, set()), self._host(rank)
        # Those that are not there have been given up since.
        known = [outcome for outcome in outcomes if outcome.id in running]
        running.difference_update([outcome.id for outcome in known])
        self._batches.learn(known)
        self._offer(rank)
        return [self._conclude(outcome, rank, host) for outcome in known]

    def _offer(self, rank: int) -> None:
        """Let a rank have as many evaluations as travel together, those that it has not returned yet included.

        So it gets the next ones while it is busy with the last of the others, and never waits.
        """
        can_work = rank in self._usable and rank in self._running
        num = max(0, self._batches.size - len(self._running[rank])) if can_work else 0
        if num < self._num_free[rank]:
            self._free = deque(free for free in self._free if free != rank)
            self._num_free[rank] = 0
        self._free.extend([rank] * (num - self._num_free[rank]))
        self._num_free[rank] = num

    def _retire(self, rank: int, tag: WorkerTag, payload: Any) -> list[Evaluation]:
        if tag is WorkerTag.UNLOADABLE and not self._anyone_ready:
            raise LoadError(*payload)
        where = f"rank {rank} on {self._host(rank)}"
        error = f"{where} is gone"
        if tag is WorkerTag.GIVEN_UP:
            reason, error = payload, f"{where} is given up: {payload}"
        else:
            reason = payload[0] if tag is WorkerTag.UNLOADABLE else (payload or Loss.AHEAD).value
        log.warning("%s is no longer used: %s", where, reason)
        self._usable.remove(rank)
        self._offer(rank)
        if not self._usable:
            raise EvaluatorError(
                "at least one worker rank must be left, but all are gone",
                remedy=f"continue with {option_name('resume=True')}",
            )
        return self._give_up(self._running.pop(rank, set()), State.LOST, error)

    def _tell(self, rank: int, notice: Notice) -> None:
        if rank in self._running:
            self._end.tell(rank, notice)

    def _host(self, rank: int) -> str:
        return self._end.hosts.get(rank, "an unknown host")

    def _cancel(self, timeout: float) -> list[Evaluation]:
        """Ask all busy workers to stop, and give up what does not come back in time."""
        self._send_outbox()  # what comes after the CANCEL would be evaluated
        for rank, ids in self._running.items():
            if ids:
                self._end.cancel(rank)
        end = time.monotonic() + timeout
        evaluations: list[Evaluation] = []
        while self._pending and (left := end - time.monotonic()) > 0:
            evaluations += self._gather(left)
        # Ranks that have not answered may be stuck, and get nothing more.
        self._running = {rank: ids for rank, ids in self._running.items() if not ids}
        return evaluations + self._give_up(self._pending, State.CANCELLED)

    def shutdown(self) -> None:
        """Tell all workers to leave the campaign."""
        self.stuck = self._end.stop(EXIT_WAIT)

    @property
    def layout(self) -> str:
        """Layout of the ranks as a sentence."""
        return f"{self.roles}; {self._comm.library()}"

    def hosts(self) -> list[str]:
        """Return the names of the workers' hosts."""
        return sorted(set(self._end.hosts.values()))


class BatchSize:
    """Number of evaluations that a worker is given at once.

    Twice as many while a batch succeeds within `BATCH_TIME`, half as many when it takes twice that. One that takes as
    long as real work does brings the number down to one, and for a while, so that others do not wait behind another.
    Failures do not count: they may be quick where successes take hours.
    """

    LARGEST = 256
    PATIENCE = 1000  # short evaluations in a row before batches grow again

    def __init__(self) -> None:
        self.size = 1
        self._patience = 0

    def learn(self, outcomes: list[Outcome]) -> None:
        """Take note of how long a batch took."""
        durations = [outcome.ended - outcome.started for outcome in outcomes if outcome.state is State.DONE]
        if not durations:
            return
        total = sum(durations)
        if max(durations) > REAL_WORK:
            self.shrink()
        elif total > 2 * BATCH_TIME:
            self.size = max(1, self.size // 2)
        elif self._patience > 0:
            self._patience -= len(durations)
        elif total < BATCH_TIME:
            self.size = min(2 * self.size, self.LARGEST)

    def shrink(self) -> None:
        """Take note that something takes long; it may be known before it has ended, since nothing comes back."""
        self.size, self._patience = 1, self.PATIENCE
