"""The contract of all evaluators."""

import logging
import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dhmpi.evaluation import (
    NO_WORKER,
    Evaluation,
    Objective,
    Point,
    Report,
    State,
    Worker,
    all_objectives,
    seed_of,
    turned,
)
from dhmpi.evaluator.cache import Cache, CacheKey
from dhmpi.evaluator.killed import KilledEvaluations
from dhmpi.evaluator.returned import measured
from dhmpi.execution.context import Notice
from dhmpi.execution.runner import Outcome, RunFunction, Task
from dhmpi.mpi.roles import Roles

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from dhmpi.evaluator.by_hand import HandDrivenEvaluator

log = logging.getLogger(__name__)


class Evaluator(ABC):
    """Runs evaluations somewhere, at most `num_workers` at a time.

    A campaign calls in this order: `start` once; `submit` at most `num_idle` times, `gather`, and again; `cancel` when
    it must end early; `shutdown` at the end, also after an error. A failure of user code comes back from `gather` as an
    evaluation, never as an exception. People may also drive an evaluator by hand, through a `HandDrivenEvaluator`.

    Attributes:
        name: Its name in messages.
        roles: What each rank does in a campaign whose search rank has this evaluator.
        seed: The campaign's seed, from which each evaluation gets one of its own.
        maximises: Whether run functions return rewards, which are maximised; objectives are minimised.
        objectives: Those that the problem has declared; of several, the first is the one that `maximises` is about.
        cache: Answers evaluations of equal points with the outcome of the first; None: everything is evaluated.
        on_reports: Takes what evaluations report, as soon as it comes, values as objectives; called by `gather`.
        look: Called while user code runs in this process, which may be for long, to look for what to `tell` it.
    """

    # Whether evaluations can be told to stop while they run.
    can_tell: ClassVar[bool] = True
    # Objective of a failure, for evaluators that are driven by hand.
    FAIL_RETURN_VALUE: ClassVar[float] = sys.float_info.max

    def __init__(self) -> None:
        self.name = type(self).__name__
        self.roles = Roles.local()
        self.seed = 0
        self.maximises = False
        self.objectives: Sequence[Objective] = ()
        self.cache: Cache | None = None
        self._pending: dict[int, Evaluation] = {}
        self._warnings: set[str] = set()  # each is given once
        self._submitted_at: dict[int, float] = {}  # when they were submitted [s, monotonic clock]
        self._killed = KilledEvaluations()
        self.on_reports: Callable[[Sequence[Report]], object] = list
        self.look: Callable[[], object] = tuple
        self._latest: dict[int, Report] = {}  # of the evaluations that are pending
        self._trouble: Exception | None = None  # met while user code was running in this process

    @property
    @abstractmethod
    def num_workers(self) -> int:
        """Number of evaluations that can run at the same time."""

    @property
    def layout(self) -> str:
        """Layout of the ranks as a sentence: which of them search, and which evaluate."""
        return self.roles.sentence(f"; {self.name} evaluates with {self.num_workers} workers")

    @property
    def num_pending(self) -> int:
        """Number of evaluations that have been submitted and not gathered."""
        return len(self._pending) + len(self._killed) + (self.cache.num_waiting if self.cache else 0)

    def running_seconds(self) -> float:
        """Return how long the pending evaluations have been running, all of them together."""
        return len(self._submitted_at) * time.monotonic() - sum(self._submitted_at.values())

    def longest_running_seconds(self) -> float:
        """Return how long ago the first of the pending evaluations was submitted; 0 if there is none."""
        first = next(iter(self._pending.values()), None)
        return 0.0 if first is None or first.submitted is None else time.time() - first.submitted

    @property
    def num_idle(self) -> int:
        """Number of evaluations that can be submitted now."""
        return self.num_workers - len(self._pending)

    def start(self) -> None:  # noqa: B027  # not all have something to start
        """Start the workers and wait until one of them can evaluate.

        Raises:
            LoadError: The run function cannot be loaded.
            EvaluatorError: The workers cannot start.
        """

    def submit(self, evaluation: Evaluation, config: Point | None = None) -> Evaluation:
        """Start an evaluation on an idle worker; one that `is_known` needs none.

        Args:
            evaluation: One that is not running yet; its id is not among those that are.
            config: What the run function gets (default: the point).

        Returns:
            The evaluation, RUNNING; with its worker, if that is known.
        """
        if not self.num_idle and not self.is_known(evaluation.point):
            raise ValueError(f"an evaluator takes one evaluation per idle worker, got one more: {evaluation}")
        id, point, origin = evaluation.id, evaluation.point, evaluation.origin
        begun = time.time()
        if self.cache:
            running = Evaluation(id, point, None, State.RUNNING, begun, origin=origin)
            if not self.cache.admit(running):
                return running
        self._pending[id] = evaluation
        self._submitted_at[id] = time.monotonic()
        is_again = evaluation.state is not State.PENDING
        config = point if config is None else config
        worker = self._submit(Task(id, config, seed_of(self.seed, id), None, is_again, evaluation.step))
        rank, host = worker or NO_WORKER
        started = begun if worker else None
        running = Evaluation(
            id, point, None, State.RUNNING, begun, started, None, rank, host, origin=origin, step=evaluation.step
        )
        self._pending[id] = running
        return running

    def is_known(self, point: Point) -> bool:
        """Return whether a point has been evaluated, or is being evaluated, and need not be again."""
        return self.cache is not None and self.cache.knows(point)

    @abstractmethod
    def _submit(self, task: Task) -> Worker | None:
        """Hand a task to an idle worker; return which one it is, or None if that is not known yet."""

    def gather(self, timeout: float) -> list[Evaluation]:
        """Return the evaluations that have ended; wait up to `timeout` seconds for the first.

        Raises:
            EvaluatorError: No worker is left.
        """
        if not self.cache:
            return self._sifted(timeout)
        return self.cache.answer(self._sifted(0.0 if self.cache.has_answers else timeout))

    def _sifted(self, timeout: float) -> list[Evaluation]:
        """Gather, but keep back for a moment evaluations that the end of the job may have killed."""
        if self._killed:
            timeout = min(timeout, self._killed.seconds_left)
            if not self._pending:
                time.sleep(timeout)
        ended = self._gather(timeout)
        if self._trouble is not None:
            raise self._trouble
        return self._killed.sift(ended)

    @abstractmethod
    def _gather(self, timeout: float) -> list[Evaluation]:
        """Gather evaluations that have been handed to a worker; see `gather`."""

    def cancel(self, timeout: float) -> list[Evaluation]:
        """Stop all running evaluations and return them, CANCELLED or as they ended, within about `timeout` seconds."""
        ended = self._killed.cancel(self._cancel(timeout))
        return self.cache.answer(ended) if self.cache else ended

    @abstractmethod
    def _cancel(self, timeout: float) -> list[Evaluation]:
        """Cancel evaluations that have been handed to a worker; see `cancel`."""

    @property
    def running_ids(self) -> list[int]:
        """Numbers of the evaluations that have been submitted and not gathered."""
        return list(self._pending)

    def running(self, id: int) -> Evaluation:
        """Return an evaluation that has been submitted and not gathered."""
        return self._pending[id]

    def tell(self, notice: Notice) -> None:
        """Give an evaluation that is running a notice; one that has just ended needs none."""
        if notice.id in self._pending:
            self._tell(self._pending[notice.id].rank, notice)

    def _tell(self, rank: int, notice: Notice) -> None:  # noqa: B027  # not all can reach what is running
        """Give what a worker is doing a notice."""

    def interrupt(self) -> None:  # noqa: B027  # most run user code elsewhere
        """Stop user code that runs in this process; called by a signal handler."""

    def shutdown(self) -> None:  # noqa: B027  # not all have something to stop
        """Stop the workers and release all resources."""

    def hosts(self) -> list[str]:
        """Return the names of the hosts on which evaluations run."""
        return []

    @staticmethod
    def create(
        run_function: RunFunction | str,
        cache_key: CacheKey | None = None,
        method: "str | Executor" = "subprocess",
        num_workers: int | None = None,
        **options: Any,
    ) -> "HandDrivenEvaluator":
        """Make an evaluator that is driven by hand, by its method; see `dhmpi.evaluator.methods.create`."""
        from dhmpi.evaluator.methods import create  # the documented way to make one

        return create(run_function, cache_key, method, num_workers, **options)

    # --- for subclasses

    def _conclude(self, outcome: Outcome, rank: int, host: str) -> Evaluation:
        """Take an evaluation off the pending ones."""
        outcome = measured(outcome, self.objectives)
        id, warning = outcome.id, outcome.warning
        if warning and warning not in self._warnings:
            self._warnings.add(warning)
            log.warning("evaluation %d on %s: %s; others may fail in the same way", id, host, warning)
        if outcome.reports:
            self._take_reports(outcome.reports)
        pending, latest = self._pending.pop(id), self._latest.pop(id, None)
        del self._submitted_at[id]
        started, ended = outcome.started, outcome.ended
        objective = turned(outcome.objective, self.maximises)
        if outcome.state is State.STOPPED:
            if latest is not None and math.isfinite(latest.value):
                objective = latest.value
            else:
                outcome = outcome._replace(state=State.FAILED, error=_unmeasured(latest))
        return Evaluation(
            id=id,
            point=pending.point,
            objective=objective,
            state=outcome.state,
            submitted=pending.submitted,
            started=started,
            ended=ended if ended > started else started,  # its clock may have been set back
            rank=rank,
            host=host,
            error=outcome.error,
            extra=outcome.extra,
            step=pending.step if latest is None else latest.step,
            objectives=all_objectives(objective, outcome.extra, self.objectives) if outcome.state is State.DONE else (),
        )

    def _take_reports(self, reports: Sequence[Report]) -> None:
        """Pass reports on; what that meets is raised by `gather`, since user code may have called this."""
        known = [each for each in reports if each.id in self._pending]
        if self.maximises:
            known = [each._replace(value=-each.value) for each in known]
        self._latest |= {each.id: each for each in known}
        try:
            self.on_reports(known)
        except Exception as error:
            self._trouble = self._trouble or error

    def _look_around(self) -> None:
        """Look for notices; what that meets is raised by `gather`, since user code calls this."""
        try:
            self.look()
        except Exception as error:
            self._trouble = self._trouble or error

    def _give_up(self, ids: Iterable[int], state: State, error: str = "") -> list[Evaluation]:
        """Take evaluations off the pending ones of which no outcome will come."""
        now, given_up = time.monotonic(), []
        for id in list(ids):
            pending, seconds = self._pending.pop(id), now - self._submitted_at.pop(id)
            latest = self._latest.pop(id, None)
            step = pending.step if latest is None else latest.step
            ended = None if pending.submitted is None else pending.submitted + seconds
            # It is not known when it began, if it did; what has reported did, soon after it was sent off.
            started = None if latest is None else pending.submitted
            given_up.append(pending._replace(state=state, started=started, ended=ended, error=error, step=step))
        return given_up


def _unmeasured(latest: Report | None) -> str:
    """Return why an evaluation that was stopped has no objective."""
    if latest is None:
        return "what is told to stop must have reported a value, got none"
    return "it diverged: the last value that it reported was no finite number"  # no value and no step: one cause
