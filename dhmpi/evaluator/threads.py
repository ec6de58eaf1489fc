"""Evaluator in threads of this process."""

import contextlib
import math
import time
from queue import Empty, SimpleQueue
from threading import Thread

from dhmpi.evaluation import Evaluation, State, Worker
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.execution.executor import Setup
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
        self._answers: SimpleQueue[Answer] = SimpleQueue()
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
        runner = Runner(self._run, self._setup.timeout, self._setup.files, place)
        return _Worker(rank, runner, self._answers)

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
        return evaluations if self._setup.timeout is None else evaluations + self._overdue(self._setup.timeout)

    def _wait(self, timeout: float) -> list[Answer]:
        """Return what threads have answered; wait up to `timeout` seconds for the first."""
        try:
            answers = [self._answers.get(timeout=timeout)]
        except Empty:
            return []
        while not self._answers.empty():
            answers.append(self._answers.get())
        return answers

    def _seconds_left(self) -> float:
        """Return after how long the next time-out is due."""
        if self._setup.timeout is None:
            return math.inf
        first = next(iter(self._busy.values()))
        return max(0.0, first.begun + self._setup.timeout - time.monotonic())

    def _released(self, id: int) -> "_Worker":
        worker = self._busy.pop(id)
        self._idle.append(worker)
        return worker

    def _overdue(self, limit: float) -> list[Evaluation]:
        """Give up the evaluations whose time is over."""
        now, ended, error = time.monotonic(), time.time(), f"ran longer than {limit:g} s"
        ages = {id: now - worker.begun for id, worker in self._busy.items()}
        return [
            self._conclude(
                Outcome(id, State.TIMEOUT, None, ended - age, ended, error), self._replaced(id).rank, self._host
            )
            for id, age in ages.items()
            if age >= limit
        ]

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


class _Worker(Thread):
    """A thread that evaluates one task after the other.

    Args:
        rank: Its number among the threads.
        runner: Calls the run function.
        answers: Where outcomes go.
    """

    def __init__(self, rank: int, runner: Runner, answers: SimpleQueue[Answer]) -> None:
        super().__init__(name=f"evaluations-{rank}", daemon=True)
        self.rank = rank
        self.begun = 0.0  # when it got the running task [monotonic s]
        self._runner, self._answers = runner, answers
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self.start()

    def begin(self, task: Task) -> None:
        """Begin to evaluate a task."""
        self.begun = time.monotonic()
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
                self._answers.put((self, self._runner(task)))
