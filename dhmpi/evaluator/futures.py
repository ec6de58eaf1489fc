"""Evaluator in an executor of `concurrent.futures`: a pool of Python, or an engine such as Dask, Parsl or mpi4py."""

import contextlib
import itertools
import logging
import os
import re
import sys
import time
from concurrent.futures import BrokenExecutor, CancelledError, Future
from queue import Empty, SimpleQueue
from typing import NamedTuple

from dhmpi.errors import EvaluatorError, LoadError
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator.engine import EXAMPLE, Engine
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.execution.engine_task import EngineJob, HostOutcome, evaluate, mark, owner
from dhmpi.execution.executor import Setup
from dhmpi.execution.runner import Outcome, Task
from dhmpi.support.loader import load_run
from dhmpi.support.options import integer
from dhmpi.support.place import Place

log = logging.getLogger(__name__)

# How long an evaluation whose time is over may take to end, before it is given up although it goes on [s].
GRACE = 5.0


class Submission(NamedTuple):
    """Submission of an evaluation to the engine.

    Attributes:
        id: The evaluation's.
        worker: A number that no other evaluation has at the same time.
        generation: How many engines there were before its own.
        number: One that no other submission has.
        submitted: When it was submitted [monotonic s].
        future: What the engine has returned.
    """

    id: int
    worker: int
    generation: int
    number: int
    submitted: float
    future: "Future[HostOutcome]"


class FuturesEvaluator(Evaluator):
    """Runs evaluations in an executor of `concurrent.futures`, of whatever library.

    An executor can neither end nor replace a worker. In a process of the engine, a time-out ends what a signal can
    interrupt; in a thread, Python code. What goes on is given up, and keeps its worker until it ends. When the engine
    breaks, one that a function makes is made anew, and what was running in it is evaluated again, one by one: what
    breaks it when it is alone is FAILED.

    Args:
        setup: What to run, and the engine.
        num_workers: Evaluations at the same time; by default as many as the engine has workers.
    """

    can_tell = False  # reports come with the result

    def __init__(self, setup: Setup, num_workers: int | None = None) -> None:
        super().__init__()
        self._setup = setup
        self._engine = Engine(setup.engine)
        self._num_workers = None if num_workers is None else int(integer(1)("num_workers", num_workers))
        self._job: EngineJob | None = None
        self._ended: SimpleQueue[Submission] = SimpleQueue()
        self._idle: list[int] = []  # numbers of workers
        self._running: dict[int, Submission] = {}  # by id; the first was submitted first
        self._generation, self._numbers = 0, itertools.count(time.time_ns())  # no other evaluator of an engine has them
        self._num_cautious = 0  # how many evaluations are to run alone, since one of them may have broken the engine
        self._is_loaded = self._has_warned = False
        self._broken = ""  # why no other engine can be made

    @property
    def num_workers(self) -> int:
        """The number of evaluations at the same time."""
        if self._num_workers is None:
            self._num_workers = self._engine.num_workers()
        return self._num_workers

    @property
    def num_idle(self) -> int:
        """Number of evaluations that can be submitted; none for workers with something that was given up."""
        return min(len(self._idle), 0 if self._running else 1) if self._num_cautious else len(self._idle)

    def start(self) -> None:
        """Make the engine, unless it is there, and the run function portable."""
        if self._job is not None:
            return
        setup = self._setup
        run = load_run(setup.run) if self._engine.shares_memory else setup.for_others().run
        path = dict.fromkeys(os.path.abspath(entry) for entry in [*sys.path, os.getcwd()])
        self._job = EngineJob(run, setup.timeout, os.path.abspath(setup.files), tuple(path), owner())
        self._idle = list(reversed(range(self.num_workers)))

    def _submit(self, task: Task) -> None:
        assert self._job is not None
        if self._broken:
            raise EvaluatorError(self._broken)
        worker, number = self._idle.pop(), next(self._numbers)
        place = Place(worker, worker, worker, self.num_workers)
        try:
            future = self._engine.executor.submit(evaluate, self._job, task, place, number)
        except LoadError:
            raise
        except Exception as error:  # whatever an engine raises that cannot go on
            future = Future()
            future.set_exception(_RefusedError(f"{type(error).__name__}: {error}"))
        submission = Submission(task.id, worker, self._generation, number, time.monotonic(), future)
        self._running[task.id] = submission
        future.add_done_callback(lambda _: self._ended.put(submission))

    def _gather(self, timeout: float) -> list[Evaluation]:
        evaluations, broken = [], None
        for submission in self._wait(0.0 if self._idle and not self._running else timeout):
            if submission.generation == self._generation:
                self._idle.append(submission.worker)
            if self._running.get(submission.id) is not submission:
                continue  # it has been given up
            error = _error_of(submission.future)
            if isinstance(error, BrokenExecutor):
                broken = error
            else:
                evaluations.append(self._judged(submission))
        if broken is not None:
            evaluations += self._broken_down(broken)
        evaluations += self._overdue()
        if not self._idle and not self._running:
            self._free_workers()
        return evaluations

    def _wait(self, timeout: float) -> list[Submission]:
        """Return the submissions that have ended; wait up to `timeout` seconds for the first."""
        try:
            ended = [self._ended.get(timeout=timeout)]
        except Empty:
            return []
        while not self._ended.empty():
            ended.append(self._ended.get())
        return ended

    def _judged(self, submission: Submission) -> Evaluation:
        """Conclude an evaluation that has ended, but not by the end of its engine."""
        self._forget(submission)
        error = _error_of(submission.future)
        if error is None:
            self._is_loaded = True
            result: object = submission.future.result()
            if not isinstance(result, HostOutcome):
                raise EvaluatorError(
                    "an executor must return what the functions return that are submitted to it, got "
                    f"{result!r:.80} from {type(self._engine.executor).__name__}; mend that executor"
                )
            return self._conclude(result.outcome, submission.worker, result.host)
        if isinstance(error, LoadError) and not self._is_loaded:
            raise error
        state = State.FAILED if isinstance(error, LoadError) else State.LOST
        return self._without_outcome(submission, state, _told("the executor has no result", error))

    def _broken_down(self, error: BrokenExecutor) -> list[Evaluation]:
        """Conclude all that was in an engine which is broken."""
        evaluations, victims = [], []
        for submission in list(self._running.values()):
            if submission.future.done() and not isinstance(_error_of(submission.future), BrokenExecutor):
                evaluations.append(self._judged(submission))
            else:
                victims.append(submission)
        suspects = [each for each in victims if not isinstance(_error_of(each.future), _RefusedError)]
        why = _told("the executor is broken", error)
        for submission in victims:
            self._forget(submission)
            state = State.FAILED if [submission] == suspects else State.LOST
            evaluations.append(self._without_outcome(submission, state, why))
        if self._engine.is_made:
            self._renew(f"the executor is broken: {_sentence(error)}")
            self._num_cautious = len(suspects) if len(suspects) > 1 else 0
        else:
            self._broken = f"the executor must not break, got {_sentence(error)}; give what can make another: {EXAMPLE}"
        return evaluations

    def _forget(self, submission: Submission) -> None:
        del self._running[submission.id]
        self._num_cautious = max(0, self._num_cautious - 1)
        if self._setup.timeout is not None:
            mark(self._setup.files, submission.id, submission.number).unlink(missing_ok=True)

    def _without_outcome(self, submission: Submission, state: State, error: str) -> Evaluation:
        """Conclude an evaluation of which no outcome will come."""
        [evaluation] = self._give_up([submission.id], state, error)
        return evaluation._replace(rank=submission.worker)

    def _renew(self, why: str) -> None:
        """Give the engine up; the next submission makes another one."""
        log.warning("another executor is made, since %s", why)
        self._engine.close(is_busy=True)
        self._generation += 1
        self._idle = list(reversed(range(self.num_workers)))

    def _overdue(self) -> list[Evaluation]:
        """Give up evaluations that should have ended long ago; those that have not begun may wait."""
        evaluations: list[Evaluation] = []
        limit = self._setup.timeout
        if limit is None:
            return evaluations
        for submission in list(self._running.values()):
            if time.monotonic() < submission.submitted + limit + GRACE:
                break
            file = mark(self._setup.files, submission.id, submission.number)
            try:
                begun, host = file.stat().st_mtime, file.read_text()
            except OSError:
                continue
            if time.time() > begun + limit + GRACE:
                self._forget(submission)
                error = f"ran longer than {limit:g} s, and may go on"
                outcome = Outcome(submission.id, State.TIMEOUT, None, begun, time.time(), error)
                evaluations.append(self._conclude(outcome, submission.worker, host))
        return evaluations

    def _free_workers(self) -> None:
        """Do what can be done when all workers are occupied by what has been given up."""
        if self._engine.is_made:
            self._renew("all its workers are occupied by evaluations that were given up")
        elif not self._has_warned:
            self._has_warned = True
            log.warning("all %d workers are occupied by evaluations that were given up; waiting", self.num_workers)

    def _cancel(self, timeout: float) -> list[Evaluation]:
        ended = self._gather(0.0)
        for submission in list(self._running.values()):
            self._forget(submission)
            _cancel(submission.future)
        return ended + self._give_up(self._pending, State.CANCELLED)

    def shutdown(self) -> None:
        """Cancel what has not begun; end the engine if it was made here."""
        for submission in self._running.values():
            _cancel(submission.future)
        self._running.clear()
        is_busy = self._job is not None and len(self._idle) < self.num_workers
        self._engine.close(is_busy)
        self._job = None


class _RefusedError(BrokenExecutor):
    """Refusal of a submission, which has never been in the engine."""


def _cancel(future: "Future[HostOutcome]") -> None:
    """Cancel what has not begun; what runs goes on."""
    with contextlib.suppress(NotImplementedError):  # Parsl's futures cannot
        future.cancel()


def _error_of(future: "Future[HostOutcome]") -> BaseException | None:
    """Return why a future that is done has no result, if so."""
    return CancelledError("cancelled by others") if future.cancelled() else future.exception()


def _told(what: str, error: BaseException) -> str:
    """Return what an engine says; of several lines, the one for people is the last, as in a traceback."""
    sentence = f"{what}: {_sentence(error)}"
    text = str(error).strip()
    return f"{text}\n{sentence}" if "\n" in text else sentence


def _sentence(error: BaseException) -> str:
    """Return the type of an error, and the first of its lines that has words."""
    text = next((line.strip() for line in str(error).splitlines() if re.search(r"\w", line)), "").rstrip(".")
    return text if isinstance(error, _RefusedError) else f"{type(error).__name__}: {text}".removesuffix(": ")
