"""Evaluators that are driven by hand: any number of requests, and their answers in any order.

Scripts import this, and so does each interpreter that runs their run functions: it imports little.
"""

import math
import time
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from types import TracebackType
from typing import ClassVar, Self

from dhmpi.errors import EvaluatorError, InputError
from dhmpi.evaluation import Evaluation, Point
from dhmpi.evaluator.cache import Cache, CacheKey, canonical_key
from dhmpi.evaluator.evaluator import Evaluator
from dhmpi.evaluator.retries import Retries

# How long a poll waits for the first result, and how long those that wait sleep between two looks at their time [s].
POLL_WAIT, WAIT = 0.01, 0.5
# How often an evaluation is begun again whose worker is lost.
RETRIES = 2


class HandDrivenEvaluator:
    """Drives an evaluator: queues requests, and answers each of them once.

    Call `add_eval` as often as you like, then `get_finished_evals` or `await_evals`, and `shutdown` or leave a `with`
    block. The first of these calls starts the evaluator.

    Args:
        evaluator: Where points are evaluated.
        cache_key: Returns the key that equal points have in common; each key is evaluated once. None: everything is.

    Attributes:
        evaluator: The same, for searches.
    """

    # Objective of a failure, for `get_finished_evals` and `await_evals`.
    FAIL_RETURN_VALUE: ClassVar[float] = Evaluator.FAIL_RETURN_VALUE

    def __init__(self, evaluator: Evaluator, cache_key: CacheKey | None = None) -> None:
        self.evaluator = evaluator
        if cache_key is not None:
            evaluator.cache = Cache(cache_key)
        self._has_started = False
        self._queue: deque[Evaluation] = deque()  # not submitted yet
        self._open: dict[int, tuple[Hashable, Point]] = {}  # requests without an answer, by id
        self._open_ids: dict[Hashable, deque[int]] = {}  # the same, by key
        self._ended: dict[int, float] = {}  # objectives of those among them that have ended
        self._latest: dict[Hashable, float] = {}  # a key's objective
        self._retries = Retries(RETRIES)
        self._num = 0

    @property
    def num_workers(self) -> int:
        """Number of evaluations that can run at the same time."""
        return self.evaluator.num_workers

    def add_eval(self, x: Point) -> None:
        """Request an evaluation; it begins when a worker is idle, or has been done before."""
        self.add_eval_batch([x])

    def add_eval_batch(self, xs: Iterable[Point]) -> None:
        """Request evaluations."""
        self._start()
        for point in xs:
            if not isinstance(point, dict):
                raise InputError(f"a point must be a dict of values by name, got {point!r:.200}")
            key, evaluation = canonical_key(point), Evaluation(self._num, dict(point))  # the caller's own may change
            self._num += 1
            self._open[evaluation.id] = (key, evaluation.point)
            self._open_ids.setdefault(key, deque()).append(evaluation.id)
            if self.evaluator.is_known(point):
                self.evaluator.submit(evaluation)
            else:
                self._queue.append(evaluation)
        self._submit()

    def get_finished_evals(self) -> Iterator[tuple[Point, float]]:
        """Yield the point and the objective of each request that has ended, once.

        If none has, wait 10 ms for the first: a loop around this must not take a core from the workers.
        """
        self._start()
        return self._finished()

    def _finished(self) -> Iterator[tuple[Point, float]]:
        self._collect(0.0 if self._ended else POLL_WAIT)
        for id in list(self._ended):
            if id in self._ended:  # else it has been answered meanwhile
                key, point = self._open[id]
                yield point, self._close(id, key)

    def await_evals(self, to_read: Iterable[Point], timeout: float | None = None) -> Iterator[tuple[Point, float]]:
        """Yield the points given and their objectives, in this order; wait until all have been evaluated.

        Args:
            to_read: Points that have been requested.
            timeout: How long to wait [s].

        Raises:
            KeyError: A point has never been requested.
            TimeoutError: The time is over; what has ended stays for `get_finished_evals`.
        """
        self._start()
        return self._awaited(to_read, timeout)

    def _awaited(self, points: Iterable[Point], timeout: float | None) -> Iterator[tuple[Point, float]]:
        wanted = [(canonical_key(point), point) for point in points]
        for key, point in wanted:
            if key not in self._open_ids:
                raise KeyError(f"a point must have been requested with add_eval, got {point!r:.200}")
        missing = {id for key, _ in wanted for id in self._open_ids[key]} - self._ended.keys()
        end = math.inf if timeout is None else time.monotonic() + timeout
        wait = 0.0
        while missing:
            missing.difference_update(self._collect(wait))
            if missing and not self._queue and not self.evaluator.num_pending:
                raise EvaluatorError(f"an evaluation must not be cancelled to be awaited, got {len(missing)} that were")
            wait = min(WAIT, end - time.monotonic())
            if missing and wait <= 0:
                num = len(missing)
                raise TimeoutError(f"all {len(wanted)} evaluations must end within {timeout:g} s, got {num} unfinished")
        for key, point in wanted:
            ids = self._open_ids[key]
            yield point, self._close(ids[0], key) if ids and ids[0] in self._ended else self._latest[key]

    def shutdown(self) -> None:
        """Stop the workers and release all resources."""
        self.evaluator.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.shutdown()

    def _start(self) -> None:
        if not self._has_started:
            self.evaluator.start()
            self._has_started = True

    def _close(self, id: int, key: Hashable) -> float:
        """Answer a request."""
        del self._open[id]
        self._open_ids[key].remove(id)
        return self._ended.pop(id)

    def _submit(self) -> None:
        while self._queue and self.evaluator.num_idle:
            self.evaluator.submit(self._queue.popleft())

    def _collect(self, timeout: float) -> list[int]:
        """Return the ids of requests that have just ended; wait up to `timeout` seconds for the first."""
        self._submit()
        ended = []
        for evaluation in map(self._retries.decide, self.evaluator.gather(timeout)):
            if evaluation.state.is_final:
                objective = self.FAIL_RETURN_VALUE if evaluation.objective is None else evaluation.objective
                key, _ = self._open[evaluation.id]
                self._ended[evaluation.id] = self._latest[key] = objective
                ended.append(evaluation.id)
            else:
                self._queue.append(evaluation)  # its worker is gone
        self._submit()
        return ended


def given_evaluator(evaluator: object) -> Evaluator | None:
    """Return the evaluator that the user has given, or drives by hand; None if there is only a name, or nothing."""
    if isinstance(evaluator, HandDrivenEvaluator):
        return evaluator.evaluator
    return evaluator if isinstance(evaluator, Evaluator) else None
