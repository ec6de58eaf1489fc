"""Evaluator in threads of this process."""

import contextlib
import math
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Thread

from dhmpi.evaluation import Evaluation, Report, State, Worker
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.execution.context import Channel, Link, Notice
from dhmpi.execution.executor import STOP_GRACE, Setup
from dhmpi.execution.executor_choice import count_workers
from dhmpi.execution.runner import Outcome, RunFunction, Runner, Task
from dhmpi.execution.thread_runner import raise_in_thread
from dhmpi.mpi.slots import Sharers, deal
from dhmpi.support import environment
from dhmpi.support.gpus import visible
from dhmpi.support.loader import load_run
from dhmpi.support.place import Place
from dhmpi.support.resources import SlotOptions

# All threads see all GPUs.
LEFT_ALONE = SlotOptions(gpus_per_eval=0)
Answer = tuple["_Worker", Outcome]
# What threads put into one queue: answers, and reports of what they do.
Message = Answer | Sequence[Report]


class ThreadEvaluator(Evaluator):
    """Runs evaluations in threads of this process: for run functions that wait, or compute outside of Python.

    Threads share the memory, and the interpreter's lock: pure Python code is no faster in several of them. What they
    print goes where this process prints, since it cannot be told which of them has printed it. An evaluation that takes
    too long is given up and its thread replaced; an exception in the old one ends Python code, while other code goes on
    to its end, unnoticed.

    Args:
        run: The run function or its name, or a setup with more about it.
        num_workers: Threads; by default one per core that this process may use.
    """

    def __init__(self, run: RunFunction | str | Setup, num_workers: int | None = None) -> None:
        super().__init__()
        self.name = "ThreadPoolEvaluator"
        self._setup = Setup.of(run)
        self._num_workers = count_workers(num_workers)
        self._host = environment.hostname()
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self._idle: list[_Worker] = []
        self._busy: dict[int, _Worker] = {}  # by the id of its evaluation; the first has begun first

    @property
    def num_workers(self) -> int:
        """The number of threads."""
        return self._num_workers

    def start(self) -> None:
        """Load the run function, and start the threads."""
        if self._idle or self._busy:
            return
        self._run = load_run(self._setup.run)
        everyone = Sharers(self._host, tuple(range(self._num_workers)), visible())
        self.roles = self.roles._replace(gpus=deal([everyone], LEFT_ALONE))
        self._idle = [self._worker(rank) for rank in range(self._num_workers)]

    def _worker(self, rank: int) -> "_Worker":
        place = Place(rank, rank, rank, self._num_workers, self.roles.gpus.slots[rank].gpus)
        setup, channel = self._setup, _ThreadChannel(self._messages)
        runner = Runner(self._run, setup.timeout, setup.files, place, None, Link(channel, setup.feedback))
        return _Worker(rank, runner, channel, self._messages)

    def _submit(self, task: Task) -> Worker:
        worker = self._idle.pop()
        self._busy[task.id] = worker
        worker.begin(task)
        return Worker(worker.rank, self._host)

    def _gather(self, timeout: float) -> list[Evaluation]:
        if not self._busy:
            return []
        evaluations = [
            self._conclude(outcome, self._released(outcome.id).rank, self._host)
            for worker, outcome in self._wait(min(timeout, self._seconds_left()))
            if self._busy.get(outcome.id) is worker  # else it has been abandoned
        ]
        return evaluations + self._overdue()

    def _wait(self, timeout: float) -> list[Answer]:
        """Return what threads have answered; wait up to `timeout` seconds for the first message."""
        try:
            messages = [self._messages.get(timeout=timeout)]
        except Empty:
            return []
        while not self._messages.empty():
            messages.append(self._messages.get())
        answers = []
        for message in messages:
            if isinstance(message, tuple):
                answers.append(message)
            else:
                self._take_reports(message)
        return answers

    def _tell(self, rank: int, notice: Notice) -> None:
        worker = self._busy.get(notice.id)
        if worker is not None:
            worker.channel.latest = notice
            if notice.must_stop:
                worker.stop_by = min(worker.stop_by, time.monotonic() + STOP_GRACE)

    def _seconds_left(self) -> float:
        """Return after how long the next time-out is due."""
        limit = math.inf if self._setup.timeout is None else self._setup.timeout
        first = next(iter(self._busy.values())).begun + limit
        return max(0.0, min(first, *(worker.stop_by for worker in self._busy.values())) - time.monotonic())

    def _released(self, id: int) -> "_Worker":
        worker = self._busy.pop(id)
        self._idle.append(worker)
        return worker

    def _overdue(self) -> list[Evaluation]:
        """Give up the evaluations whose time is over, or which do not stop."""
        now, ended, limit = time.monotonic(), time.time(), self._setup.timeout
        given_up = []
        for id, worker in list(self._busy.items()):
            age = now - worker.begun
            if limit is not None and age >= limit:
                outcome = Outcome(id, State.TIMEOUT, None, ended - age, ended, f"ran longer than {limit:g} s")
            elif now >= worker.stop_by:
                outcome = Outcome(id, State.STOPPED, None, ended - age, ended)
            else:
                continue
            given_up.append(self._conclude(outcome, self._replaced(id).rank, self._host))
        return given_up

    def _replaced(self, id: int) -> "_Worker":
        """Abandon a thread, and let a new one take its place."""
        worker = self._busy.pop(id)
        worker.abandon()
        self._idle.append(self._worker(worker.rank))
        return worker

    def _cancel(self, timeout: float) -> list[Evaluation]:
        ended = self._gather(0.0)
        for id in list(self._busy):
            self._replaced(id)
        return ended + self._give_up(self._pending, State.CANCELLED)

    def shutdown(self) -> None:
        """Let idle threads end, and abandon the others."""
        for worker in self._idle:
            worker.end()
        for worker in self._busy.values():
            worker.abandon()
        self._idle.clear()
        self._busy.clear()

    def hosts(self) -> list[str]:
        """Return this host's name."""
        return [self._host]


class _Abandoned(SystemExit):
    """Raised inside a thread whose evaluation has been given up; an `except Exception` does not catch it.

    A SystemExit, since threading keeps silent about those: it may hit the thread anywhere.
    """


class _ThreadChannel(Channel):
    """Channel of user code in a thread.

    Args:
        messages: Where reports go.

    Attributes:
        latest: The latest notice to its evaluation.
    """

    def __init__(self, messages: SimpleQueue[Message]) -> None:
        self._messages = messages
        self.latest = Notice(-1)

    def send(self, reports: Sequence[Report]) -> None:
        """Send reports of the running evaluation."""
        self._messages.put(list(reports))

    def notice(self, id: int) -> Notice:
        """Return the latest notice to an evaluation."""
        latest = self.latest
        return latest if latest.id == id else Notice(id)


class _Worker(Thread):
    """A thread that evaluates one task after the other.

    Args:
        rank: Its number among the threads.
        runner: Calls the run function.
        channel: Where it reports.
        messages: Where outcomes go.

    Attributes:
        channel: The same.
    """

    def __init__(self, rank: int, runner: Runner, channel: _ThreadChannel, messages: SimpleQueue[Message]) -> None:
        super().__init__(name=f"evaluations-{rank}", daemon=True)
        self.rank, self.channel = rank, channel
        self.begun = 0.0  # when it got the running task [monotonic s]
        self.stop_by = math.inf  # when that is given up if it does not stop [monotonic s]
        self._runner, self._messages = runner, messages
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self.start()

    def begin(self, task: Task) -> None:
        """Begin to evaluate a task."""
        self.begun, self.stop_by = time.monotonic(), math.inf
        self._tasks.put(task)

    def end(self) -> None:
        """End after the running task."""
        self._tasks.put(None)

    def abandon(self) -> None:
        """Stop Python code at its next instruction, and end."""
        self.end()
        raise_in_thread(self.ident or 0, _Abandoned)

    def run(self) -> None:
        """Evaluate what comes."""
        with contextlib.suppress(_Abandoned):
            while (task := self._tasks.get()) is not None:
                self._messages.put((self, self._runner(task)))
