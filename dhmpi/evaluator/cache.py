"""Cache of outcomes, by which equal points are evaluated once."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from dhmpi.evaluation import Evaluation, Point

CacheKey = Callable[[Point], Hashable]


def canonical_key(point: Point) -> Hashable:
    """Return the key that equal points have in common.

    The order of the names does not matter; numbers are equal if their values are, as 1, 1.0 and a numpy scalar; a text,
    a boolean and a number never are. Nothing is rounded.
    """
    return _canonical(point)


def _canonical(value: Any) -> Hashable:
    if isinstance(value, str):
        return "text", value
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return value if value == value else "nan"  # NaN, which is no key: it differs from itself
    if isinstance(value, Mapping):
        return "mapping", frozenset((_canonical(name), _canonical(each)) for name, each in value.items())
    if isinstance(value, set | frozenset):
        return "set", frozenset(map(_canonical, value))
    if isinstance(value, list | tuple):
        return "list", tuple(map(_canonical, value))
    if callable(getattr(value, "tolist", None)) and not isinstance(value, type):  # numpy, without importing it
        return _canonical(value.tolist())
    return type(value).__qualname__, repr(value)


class Cache:
    """Knows which evaluations have a key in common, and answers all of them with the outcome of the first.

    Only final outcomes are kept: what was lost or cancelled is evaluated again when it is submitted again.

    Args:
        key: Returns a point's key.
    """

    def __init__(self, key: CacheKey) -> None:
        self._key = key
        self._known: dict[Hashable, Evaluation] = {}
        self._running: dict[int, Hashable] = {}  # ids and keys; user code may change what a point holds
        self._waiting: dict[Hashable, list[Evaluation]] = {}  # a key for each that is running, those who wait for it
        self._answers: list[Evaluation] = []

    @property
    def num_waiting(self) -> int:
        """Number of evaluations that wait for others to end, or to be gathered."""
        return len(self._answers) + sum(map(len, self._waiting.values()))

    @property
    def has_answers(self) -> bool:
        """Whether there are evaluations to be gathered."""
        return bool(self._answers)

    def knows(self, point: Point) -> bool:
        """Return whether an evaluation of a point need not run, since another has ended or is running."""
        key = self._key(point)
        return key in self._known or key in self._waiting

    def admit(self, evaluation: Evaluation) -> bool:
        """Return whether a submitted evaluation must run; if not, its answer comes from `answer`."""
        key = self._key(evaluation.point)
        if key in self._known:
            self._answers.append(_as(evaluation, self._known[key]))
        elif key in self._waiting:
            self._waiting[key].append(evaluation)
        else:
            self._running[evaluation.id] = key
            self._waiting[key] = []
            return True
        return False

    def answer(self, ended: Iterable[Evaluation]) -> list[Evaluation]:
        """Return the evaluations that have ended, and all others that need not run any more."""
        answers, self._answers = self._answers, []
        for evaluation in ended:
            key = self._running.pop(evaluation.id)
            if evaluation.state.is_final:
                self._known[key] = evaluation
            answers.append(evaluation)
            answers += [_as(waiting, evaluation) for waiting in self._waiting.pop(key)]
        return answers


def _as(waiting: Evaluation, ended: Evaluation) -> Evaluation:
    """Return the outcome of an evaluation as that of another, which took no time of its own."""
    begun = max(ended.ended or 0.0, waiting.submitted or 0.0)
    return ended._replace(id=waiting.id, point=waiting.point, submitted=waiting.submitted, started=begun, ended=begun)
