"""Signals that ask for an end, on the search rank and on worker ranks."""

import atexit
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import _exit  # as it is before user code is loaded
from types import FrameType
from typing import Any

from dhmpi.errors import OptionError
from dhmpi.support.environment import END_SIGNALS

# The same signal may come several times: to this process, to its launcher, which passes it on, and to their group.
# Within so many seconds it counts once.
REPEAT_TIME = 1.0
# Seconds that a second signal leaves for what has just finished to be written.
LAST_MOMENT = 0.3


class Stopped(BaseException):
    """Raised by a signal inside an interruptible part of the search rank's work."""


class StopRequest:
    """Request of a signal to stop the campaign; a context manager that handles the signals.

    The first signal asks for an orderly end, the second one ends this process at once; but one that only repeats the
    first does nothing, also if it comes when the campaign has ended.

    Args:
        interrupt: Called at the first signal, to stop user code that runs in this process.
    """

    def __init__(self, interrupt: Callable[[], None] = lambda: None) -> None:
        self._interrupt = interrupt
        self._is_interruptible = False
        self._is_writing = False
        self._exit_status: int | None = None
        self._before: dict[int, Any] = {}
        self._came: list[_Signal] = []

    @property
    def signal_name(self) -> str:
        """Name of the first signal, or nothing."""
        return signal.Signals(self._came[0].signum).name if self._came else ""

    def __enter__(self) -> "StopRequest":
        if (thread := threading.current_thread()) is not threading.main_thread():
            raise OptionError(
                f"a campaign must run in the main thread, which gets the signals, got {thread.name}; "
                "start it there, or in a process of its own"
            )
        self._before = {signum: signal.getsignal(signum) for signum in _end_signals()}
        for signum in self._before:
            signal.signal(signum, self._handle)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        if self._came:
            self._came[0].outlast(self._before[self._came[0].signum])

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        before = self._before[signum]
        if isinstance(before, _Signal) and before.is_repeated_by(signum):
            return
        this = _Signal(signum)
        self._came.append(this)  # at once: the next signal may come within this call
        if this is not self._came[0]:
            if not self._came[0].is_repeated_by(signum):
                self._leave(128 + signum)
        elif self._is_interruptible:
            raise Stopped
        else:
            self._interrupt()

    def _leave(self, status: int) -> None:
        if not self._is_writing:
            _exit(status)
        self._exit_status = status
        signal.signal(signal.SIGALRM, lambda signum, frame: _exit(status))
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
                _exit(self._exit_status)


class _Signal:
    """Signal that has asked for an end.

    Args:
        signum: Its number.
    """

    def __init__(self, signum: int) -> None:
        self.signum = signum
        self._came = time.monotonic()
        self._handler: Any = None

    def is_repeated_by(self, signum: int) -> bool:
        """Return whether a signal that has just come is the same once more."""
        return signum == self.signum and time.monotonic() - self._came < REPEAT_TIME

    def outlast(self, handler: Any) -> None:
        """Keep the signal from doing anything for as long as it may be repeated; then a handler gets it."""
        self._handler = handler
        signal.signal(self.signum, self)
        atexit.register(self._outlast_python)

    def _outlast_python(self) -> None:
        """Ignore the signal while Python ends: it drops its handlers before MPI ends, which takes a moment."""
        handler: object = signal.getsignal(self.signum)
        if handler is self and self.is_repeated_by(self.signum):
            signal.signal(self.signum, signal.SIG_IGN)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Handle the signal after the end."""
        if not self.is_repeated_by(signum):
            signal.signal(signum, self._handler)
            signal.raise_signal(signum)


def _end_signals() -> list[signal.Signals]:
    """Return the signals to be handled: a SIGHUP that nohup has had ignored stays so."""
    return [each for each in END_SIGNALS if each != signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN]


def leave_to_search_rank(interrupt: Callable[[], None]) -> None:
    """Let a worker rank outlive the signals, since the search rank tells it when to stop.

    Args:
        interrupt: Called at a signal, to stop user code that runs in this process.
    """
    for signum in _end_signals():
        signal.signal(signum, lambda signum, frame: interrupt())
