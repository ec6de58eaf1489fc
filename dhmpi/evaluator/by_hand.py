"""Driving an evaluator by hand: any number of requests, and their answers in any order."""

import math
import time
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING

from dhmpi.errors import EvaluatorError, InputError
from dhmpi.evaluation import Evaluation, Point
from dhmpi.evaluator.cache import canonical_key
from dhmpi.evaluator.retries import Retries

if TYPE_CHECKING:
    from dhmpi.evaluator.evaluator import Evaluator

# How long a poll waits for the first result, and how long those who wait do between two looks at their time [s].
POLL_WAIT, WAIT = 0.01, 0.5
# How often an evaluation is begun again whose worker is lost.
RETRIES = 2


class Requests:
    """Queues requests for an evaluator that has been started, and answers each of them once.

    Args:
        evaluator: Where points are evaluated.
        failure: What stands for the objective of a failure.
    """

    def __init__(self, evaluator: "Evaluator", failure: float) -> None:
        self._evaluator, self._failure = evaluator, failure
        self._queue: deque[Evaluation] = deque()  # not submitted yet
        self._open: dict[int, tuple[Hashable, Point]] = {}  # requests without an answer, by id
        self._open_ids: dict[Hashable, deque[int]] = {}  # the same, by key
        self._ended: dict[int, float] = {}  # objectives of those among them that have ended
        self._latest: dict[Hashable, float] = {}  # a key's objective
        self._retries = Retries(RETRIES)
        self._num = 0

    def add(self, points: Iterable[Point]) -> None:
        """Request evaluations."""
        for point in points:
            if not isinstance(point, dict):
                raise InputError(f"a point must be a dict of values by name, got {point!r:.200}")
            key, evaluation = canonical_key(point), Evaluation(self._num, dict(point))  # the caller's own may change
            self._num += 1
            self._open[evaluation.id] = (key, evaluation.point)
            self._open_ids.setdefault(key, deque()).append(evaluation.id)
            if self._evaluator.is_known(point):
                self._evaluator.submit(evaluation)
            else:
                self._queue.append(evaluation)
        self._submit()

    def finished(self) -> Iterator[tuple[Point, float]]:
        """Yield the point and the objective of each open request that has ended."""
        self._collect(0.0 if self._ended else POLL_WAIT)
        for id in list(self._ended):
            if id in self._ended:  # else it has been answered meanwhile
                key, point = self._open[id]
                yield point, self._close(id, key)

    def awaited(self, points: Iterable[Point], timeout: float | None) -> Iterator[tuple[Point, float]]:
        """Wait for requests, and yield them; see `Evaluator.await_evals`."""
        wanted = [(canonical_key(point), point) for point in points]
        for key, point in wanted:
            if key not in self._open_ids:
                raise KeyError(f"a point must have been requested with add_eval, got {point!r:.200}")
        missing = {id for key, _ in wanted for id in self._open_ids[key]} - self._ended.keys()
        end = math.inf if timeout is None else time.monotonic() + timeout
        wait = 0.0
        while missing:
            missing.difference_update(self._collect(wait))
            if missing and not self._queue and not self._evaluator.num_pending:
                raise EvaluatorError(f"an evaluation must not be cancelled to be awaited, got {len(missing)} that were")
            wait = min(WAIT, end - time.monotonic())
            if missing and wait <= 0:
                num = len(missing)
                raise TimeoutError(f"all {len(wanted)} evaluations must end within {timeout:g} s, got {num} unfinished")
        for key, point in wanted:
            ids = self._open_ids[key]
            yield point, self._close(ids[0], key) if ids and ids[0] in self._ended else self._latest[key]

    def _close(self, id: int, key: Hashable) -> float:
        """Answer a request."""
        del self._open[id]
        self._open_ids[key].remove(id)
        return self._ended.pop(id)

    def _submit(self) -> None:
        while self._queue and self._evaluator.num_idle:
            self._evaluator.submit(self._queue.popleft())

    def _collect(self, timeout: float) -> list[int]:
        """Return the ids of requests that have just ended; wait up to `timeout` seconds for the first."""
        self._submit()
        ended = []
        for evaluation in map(self._retries.decide, self._evaluator.gather(timeout)):
            if evaluation.state.is_final:
                objective = self._failure if evaluation.objective is None else evaluation.objective
                key, _ = self._open[evaluation.id]
                self._ended[evaluation.id] = self._latest[key] = objective
                ended.append(evaluation.id)
            else:
                self._queue.append(evaluation)  # its worker is gone
        self._submit()
        return ended
