"""Runner in a thread, which no signal reaches: another thread raises an exception in it when its time is over."""

import ctypes
from collections.abc import Mapping
from threading import RLock, Timer, get_ident
from typing import Any

from dhmpi.evaluation import Point, State
from dhmpi.execution.runner import Interrupted, Runner


def raise_in_thread(ident: int, kind: type[BaseException] | None) -> None:
    """Raise an exception in a thread at its next Python instruction; None takes back what has not been raised yet."""
    exception = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), exception)


class ThreadRunner(Runner):
    """Calls one run function in a thread that goes on afterwards; see `Runner`.

    A time-out ends Python code, while other code goes on to its end.
    """

    def _call_user_code(self, point: Point, more: Mapping[str, Any]) -> object:
        if self._timeout is None:
            return super()._call_user_code(point, more)
        limit = _Limit(self._timeout)
        try:
            try:
                return super()._call_user_code(point, more)
            finally:
                limit.disarm()
        except _Overdue:  # wherever above it was raised; it is raised once
            limit.disarm()
            self._interruption = Interrupted(State.TIMEOUT)
            raise self._interruption from None


class _Overdue(BaseException):
    """Raised inside a thread whose evaluation takes too long; no `except Exception` of the user's catches it."""


class _Limit:
    """Raises `_Overdue` in the thread that makes it, after some seconds, unless it is disarmed before.

    Args:
        seconds: How many.
    """

    def __init__(self, seconds: float) -> None:
        self._thread, self._is_armed = get_ident(), True
        self._lock = RLock()  # the exception may come while this thread has it
        self._timer = Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self) -> None:
        with self._lock:
            if self._is_armed:
                raise_in_thread(self._thread, _Overdue)

    def disarm(self) -> None:
        """Raise nothing from now on."""
        self._timer.cancel()
        with self._lock:
            self._is_armed = False
            raise_in_thread(self._thread, None)
