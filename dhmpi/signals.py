"""What SIGINT, SIGTERM and SIGUSR1 do to the search rank and to a worker rank."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
# Seconds that a second signal leaves for what has just finished to be written.
LAST_MOMENT = 0.3


class Stopped(BaseException):
    """Raised by a signal inside an interruptible part of the search rank's work."""


class StopRequest:
    """Whether a signal has asked the campaign to stop; a context manager that handles the signals.

    The first signal asks for an orderly end, the second one ends this process at once.

    Args:
        interrupt: Called at the first signal, to stop user code that runs in this process.
    """

    def __init__(self, interrupt: Callable[[], None] = lambda: None) -> None:
        self._interrupt = interrupt
        self._is_interruptible = False
        self._is_writing = False
        self._exit_status: int | None = None
        self.signal_name = ""

    def __enter__(self) -> "StopRequest":
        self._before = {signum: signal.signal(signum, self._handle) for signum in STOP_SIGNALS}
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.signal_name:
            self._leave(128 + signum)
            return
        self.signal_name = signal.Signals(signum).name
        if self._is_interruptible:
            raise Stopped
        self._interrupt()

    def _leave(self, status: int) -> None:
        if not self._is_writing:
            os._exit(status)
        self._exit_status = status
        signal.signal(signal.SIGALRM, lambda signum, frame: os._exit(status))
        signal.setitimer(signal.ITIMER_REAL, LAST_MOMENT)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the first signal raise Stopped in this block, for computations that may take long."""
        try:
            self._is_interruptible = True
            if self.signal_name:  # one that came before
                raise Stopped
            yield
        finally:
            self._is_interruptible = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let a second signal wait for the end of this block, in which results are received and written."""
        self._is_writing = True
        try:
            yield
        finally:
            self._is_writing = False
            if self._exit_status is not None:
                os._exit(self._exit_status)


def leave_to_search_rank(interrupt: Callable[[], None]) -> None:
    """Let a worker rank outlive the signals, since the search rank tells it when to stop.

    Args:
        interrupt: Called at a signal, to stop user code that runs in this process.
    """
    for signum in STOP_SIGNALS:
        signal.signal(signum, lambda signum, frame: interrupt())
