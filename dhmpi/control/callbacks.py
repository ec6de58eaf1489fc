"""Callbacks: methods of the user's objects that are called while a campaign runs."""

import inspect
import logging
import reprlib
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from os import _exit, getpid  # as they are before user code is loaded
from typing import Any

from dhmpi.control.signals import Stopped, StopRequest
from dhmpi.errors import OptionError, did_you_mean
from dhmpi.evaluation import Evaluation
from dhmpi.support.wording import counted

log = logging.getLogger(__name__)

METHODS = ("on_begin", "on_report", "on_result", "on_end")


class Callbacks:
    """Callbacks of a campaign, which are called on rank 0, one after the other.

    One that raises an exception costs nothing but what it was to do: the first traceback of each method is logged, and
    how often it has failed is logged in the end.

    Args:
        objects: Each has any of the methods `on_begin(results)`, when evaluations can begin; `on_report(evaluation,
            step, value)`, for each report of a run function when it arrives;
            `on_result(evaluation)`, after each one that has ended for good; `on_end(results)`, when the results file is
            closed, for whatever reason.

    Raises:
        OptionError: One has none of these methods, or others that begin with `on_`.
    """

    def __init__(self, objects: Iterable[object] = ()) -> None:
        if not isinstance(objects, Iterable) or isinstance(objects, str | bytes):
            raise OptionError(f"callbacks must be a list of objects, got {reprlib.repr(objects)}")
        self._methods: dict[str, list[Any]] = {name: [] for name in METHODS}
        for each in objects:
            for name in _checked(each):
                self._methods[name].append(getattr(each, name))
        self._waiting: deque[Evaluation | tuple[Evaluation, float, float]] = deque()  # reports with step and value
        self._failures: Counter[str] = Counter()
        self._stop: StopRequest | None = None
        self._pid = getpid()

    def __bool__(self) -> bool:
        return any(self._methods.values())

    def begin(self, results: object, stop: StopRequest) -> None:
        """Tell that evaluations can begin.

        Args:
            results: What is in the file by now.
            stop: Interrupts callbacks at a signal.
        """
        self._stop = stop
        with suppress(Stopped), stop.interruptible():
            self._call("on_begin", results)

    def note(self, evaluations: Iterable[Evaluation]) -> None:
        """Take note of evaluations; `call` tells of those that have ended for good."""
        if self._methods["on_result"]:
            self._waiting.extend(each for each in evaluations if each.state.is_final)

    def note_report(self, evaluation: Evaluation, step: float, value: float) -> None:
        """Take note of a report of an evaluation; the value is what the run function has given."""
        if self._methods["on_report"]:
            self._waiting.append((evaluation, step, value))

    def call(self) -> None:
        """Tell of the evaluations that have been noted; a signal ends this, as the campaign will see."""
        if self._waiting and self._stop is not None:
            with suppress(Stopped), self._stop.interruptible():
                self._call_waiting()

    def _call_waiting(self) -> None:
        while self._waiting:
            each = self._waiting.popleft()
            evaluation, *report = (each,) if isinstance(each, Evaluation) else each
            # Copies: what a callback does to them must not reach the search.
            told = evaluation._replace(point=dict(evaluation.point), extra=dict(evaluation.extra))
            self._call("on_report" if report else "on_result", told, *report)

    def end(self, results: object) -> None:
        """Tell of the evaluations that are left, and of the end, if the beginning was told.

        A first signal interrupts this, too; if there has been one before, this is how the campaign ends in order.

        Args:
            results: What is in the file, which has been closed.
        """
        stop, self._stop = self._stop, None
        if stop is None:
            return
        with suppress(Stopped), nullcontext() if stop.signal_name else stop.interruptible():
            self._call_waiting()
            self._call("on_end", results)
        for name, num in self._failures.items():
            log.warning("callback %s has raised %s", name, counted(num, "exception"))
        self._failures.clear()

    def _call(self, name: str, *arguments: object) -> None:
        for method in self._methods[name]:
            try:
                method(*arguments)
            except (Exception, SystemExit):
                where = f"{type(method.__self__).__name__}.{name}" if inspect.ismethod(method) else name
                self._failures[where] += 1
                if self._failures[where] == 1:
                    log.warning("callback %s has raised an exception; the campaign goes on", where, exc_info=True)
            if getpid() != self._pid:
                _exit(0)  # a fork of the callback's own, which must not run the campaign, too


def _checked(callback: object) -> list[str]:
    """Return which methods a callback has."""
    if isinstance(callback, type):
        raise OptionError(f"callbacks must be objects, got the class {callback.__name__}; write {callback.__name__}()")
    found = [name for name in dir(callback) if name.startswith("on_") and callable(getattr(callback, name))]
    unknown = [name for name in found if name not in METHODS]
    if not found or unknown:
        got = f"{unknown[0]}; {did_you_mean(unknown[0], METHODS)}" if unknown else f"none in {reprlib.repr(callback)}"
        raise OptionError(f"a callback must have methods among {', '.join(METHODS)}, got {got}")
    for name in found:
        if inspect.iscoroutinefunction(getattr(callback, name)):
            raise OptionError(f"methods of callbacks must be plain functions, got the coroutine {name}; write def")
    return found
