"""Protocol between the search rank and the worker ranks, both ends side by side.

::

    worker                      search rank
    HELLO   host             -> the rank is there
    READY                    -> it can evaluate
    UNLOADABLE sentence, ... -> it cannot: the run function does not load
                             <- TASKS   to be evaluated one after the other
    REPORTS of what runs     ->
                             <- NOTICE  whether it goes on
    OUTCOMES of some of them ->
    ALIVE                    -> heartbeat, where nothing else is sent for a while
                             <- CANCEL  stop what is running, send its outcome
                             <- STOP    nothing more will come
    LOADING                  -> it cannot evaluate for a while: what user code runs in is replaced
    GIVEN_UP rank, sentence  -> a worker's ranks have lost each other; it says so, or one of them in its place
    BYE                      -> the worker leaves the campaign
                             <- SETTLED what has not ended well is over (from the leader of several ranks)

All of it is point to point and polled, on one thread, so that ranks may be slow or die without taking others along.
"""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from dhmpi.errors import LoadError
from dhmpi.evaluation import Report
from dhmpi.execution.context import ANSWER_WAIT, Notice
from dhmpi.execution.executor import Executor, GroupLostError
from dhmpi.execution.runner import Outcome, pack_outcomes, unpack_tasks
from dhmpi.mpi.comm import LOST, Backoff, Message
from dhmpi.mpi.job import Conversation, Loss
from dhmpi.support import environment

SEARCH_RANK = 0
# A worker sends a heartbeat after so many seconds of silence, and counts as gone after so many.
ALIVE_INTERVAL = 20.0
SILENCE_LIMIT = 120.0
SILENCE_CHECK_INTERVAL = 5.0
# How long a worker waits for its child before it looks for messages again [s]; the child's answer ends the wait.
CHILD_WAIT = 0.02
# And while the child waits for a message.
ANSWERED_WAIT = 0.0005


class WorkerTag(IntEnum):
    """Kind of a message."""

    LOST = LOST  # never sent; the news that a rank has died, or has left the campaign unexpectedly
    HELLO = 1
    READY = 2
    UNLOADABLE = 3
    TASKS = 4
    OUTCOMES = 5
    ALIVE = 6
    CANCEL = 7
    STOP = 8
    BYE = 9
    LOADING = 10
    SETTLED = 11
    GIVEN_UP = 12
    REPORTS = 13
    NOTICE = 14


class Event(NamedTuple):
    """News of a worker rank.

    Attributes:
        rank: The worker rank.
        tag: READY, LOADING, UNLOADABLE, REPORTS, OUTCOMES, GIVEN_UP, BYE or LOST.
        payload: Reports; outcomes; the (sentence, traceback) of what does not load; why it is given up, a sentence; or
            why it is lost, a `Loss`.
    """

    rank: int
    tag: WorkerTag
    payload: Any = None


class SearchEnd:
    """The search rank's end of the protocol.

    Args:
        comm: Conversation of the campaign's ranks.
        has_heartbeats: Whether workers send heartbeats. They cannot where user code runs in the rank's own process;
            silence then means nothing.
        workers: The ranks that evaluate (default: all others).
    """

    def __init__(self, comm: Conversation, has_heartbeats: bool, workers: Iterable[int] | None = None) -> None:
        self._comm = comm
        self._has_heartbeats = has_heartbeats
        self._backoff = Backoff()
        self._news_from: set[int] = set()  # since the last check
        self._heard: dict[int, float] = {}
        self._next_check = 0.0
        self.hosts: dict[int, str] = {}
        self.alive = set(range(1, comm.size) if workers is None else workers)

    def send_tasks(self, rank: int, tasks: list[Any]) -> None:
        """Send a worker its next tasks; it evaluates them one after the other."""
        self._comm.send(rank, WorkerTag.TASKS, tasks)

    def receive(self, timeout: float) -> list[Event]:
        """Return all news there are; wait up to `timeout` seconds for the first."""
        end = time.monotonic() + timeout
        events: list[Event] = []
        self._backoff.reset()
        while True:
            while (message := self._comm.receive()) is not None:
                self._note(message, events)
            now = time.monotonic()
            if self._has_heartbeats and now >= self._next_check:
                self._next_check = now + SILENCE_CHECK_INTERVAL
                events += self._silent_ranks(now)
            if events or now >= end:
                return events
            self._backoff.wait()

    def _silent_ranks(self, now: float) -> list[Event]:
        for rank in self._news_from:
            self._heard[rank] = now
        self._news_from.clear()
        silent = [rank for rank, heard in self._heard.items() if now - heard > SILENCE_LIMIT]
        for rank in silent:
            del self._heard[rank]  # but it stays alive, and is told to stop at the end: it may only hang
        return [Event(rank, WorkerTag.LOST, Loss.SILENT) for rank in silent]

    def _note(self, message: Message, events: list[Event]) -> None:
        rank, tag, payload = message.source, message.tag, message.payload
        self._news_from.add(rank)
        if tag == WorkerTag.OUTCOMES:
            events.append(Event(rank, WorkerTag.OUTCOMES, payload))
        elif tag == WorkerTag.HELLO:
            self.hosts[rank] = payload
        elif tag == WorkerTag.GIVEN_UP:
            events.append(Event(payload[0], WorkerTag.GIVEN_UP, payload[1]))
        elif tag in (WorkerTag.BYE, WorkerTag.LOST):
            if rank in self.alive:
                self.alive.remove(rank)
                events.append(Event(rank, WorkerTag(tag), payload))
        elif tag != WorkerTag.ALIVE:
            events.append(Event(rank, WorkerTag(tag), payload))

    def cancel(self, rank: int) -> None:
        """Ask a worker to stop what it is doing; its outcome still comes."""
        self._comm.send(rank, WorkerTag.CANCEL)

    def tell(self, rank: int, notice: Notice) -> None:
        """Give what a worker is doing a notice."""
        self._comm.send(rank, WorkerTag.NOTICE, tuple(notice))

    def settle(self) -> None:
        """Let all workers know that what has not ended well is over."""
        for rank in self.alive:
            self._comm.send(rank, WorkerTag.SETTLED)

    def stop(self, timeout: float) -> list[int]:
        """Tell all workers that nothing more comes, and wait until they have left.

        Returns:
            Those that have not left the campaign.
        """
        for rank in self.alive:
            self._comm.send(rank, WorkerTag.STOP)
        end = time.monotonic() + timeout
        while self.alive and (left := end - time.monotonic()) > 0:
            self.receive(left)
        self._comm.give_up(self.alive)
        return sorted(self.alive)


class WorkerEnd:
    """A worker rank's end of the protocol.

    Args:
        comm: Conversation of the campaign's ranks.
        executor: Where evaluations run; it has begun to load.
    """

    child_wait = CHILD_WAIT

    def __init__(self, comm: Conversation, executor: Executor) -> None:
        self._comm = comm
        self._executor = executor
        executor.hear(self._send_reports, self._listen)
        self._early: deque[Message] = deque()  # that have come while user code was running in this process
        self._backoff = Backoff()
        self._announced = False
        self._loss: Loss | None = None  # of the search rank
        self._answer_by = 0.0  # until when user code waits for an answer [monotonic s]
        self._last_sign = time.monotonic()

    def interrupt(self) -> None:
        """Stop user code that runs in this very process; called by a signal handler."""
        self._executor.interrupt()

    def serve(self) -> Loss | None:
        """Evaluate the search rank's tasks until it sends STOP; return its loss, if it is lost."""
        self._comm.send(SEARCH_RANK, WorkerTag.HELLO, environment.hostname())
        try:
            self._executor.load()
            while not self._is_over():
                self._work()
        except LoadError as error:
            self._comm.send(SEARCH_RANK, WorkerTag.UNLOADABLE, (str(error), error.details))
            self._wait_for_end()
        except GroupLostError as error:
            self._comm.send(SEARCH_RANK, WorkerTag.GIVEN_UP, (self._comm.rank, str(error)))
            self._wait_for_end()
        self._executor.close()
        if self._loss is None:
            self._comm.send(SEARCH_RANK, WorkerTag.BYE)
        return self._loss

    def _wait_for_end(self) -> None:
        while not self._is_over():
            self._backoff.wait()

    def _is_over(self) -> bool:
        """Take in a message if one has come, and return whether the campaign is over."""
        message = self._early.popleft() if self._early else self._comm.receive()
        if message is None:
            return False
        self._backoff.reset()
        self._note(message)
        if message.tag == WorkerTag.TASKS:
            self._executor.submit(unpack_tasks(message.payload))
        elif message.tag == WorkerTag.CANCEL:
            self._executor.cancel()
        elif message.tag == WorkerTag.NOTICE:
            self._answer_by = 0.0
            self._executor.tell(Notice(*message.payload))
        elif message.tag == WorkerTag.LOST and message.source == SEARCH_RANK:
            self._loss = message.payload
            return True
        return message.tag == WorkerTag.STOP

    def _listen(self) -> None:
        """Follow notices that come while user code runs in this process; keep everything else for later."""
        while (message := self._comm.receive()) is not None:
            if message.tag == WorkerTag.NOTICE:
                self._executor.tell(Notice(*message.payload))
            else:
                self._early.append(message)

    def _send_reports(self, reports: Sequence[Report]) -> None:
        self._send(WorkerTag.REPORTS, [tuple(report) for report in reports])
        if self._executor.has_answers:
            self._answer_by = time.monotonic() + ANSWER_WAIT

    def _note(self, message: Message) -> None:
        """Take note of a message before it is followed."""

    def _work(self) -> None:
        executor = self._executor
        if executor.ready and not self._announced:
            self._announced = True
            self._send(WorkerTag.READY)
        elif executor.busy or not executor.ready:
            is_waiting = self._answer_by > time.monotonic()
            outcomes = executor.poll(ANSWERED_WAIT if is_waiting else self.child_wait)
            if self._announced and not executor.ready:
                self._announced = False
                self._send(WorkerTag.LOADING)
            if outcomes:
                self._send_outcomes(outcomes)
        else:
            self._backoff.wait()
        if time.monotonic() - self._last_sign > ALIVE_INTERVAL:
            self._send(WorkerTag.ALIVE)

    def _send_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        self._send(WorkerTag.OUTCOMES, pack_outcomes(outcomes))

    def _send(self, tag: WorkerTag, payload: object = None) -> None:
        self._comm.send(SEARCH_RANK, tag, payload)
        self._last_sign = time.monotonic()
        self._backoff.reset()
