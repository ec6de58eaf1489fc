"""Screen of a terminal, and its keys."""

import contextlib
import curses
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from dhmpi.analysis.top.live_page import Line

# A terminal that has been resized is noticed within this time [s].
_SLICE = 0.1
_COLOURS = {"good": curses.COLOR_GREEN, "bad": curses.COLOR_RED}
_NAMES = {"\x1b": "Esc", "\n": "Enter", "\r": "Enter", "\x7f": "Backspace", "\x08": "Backspace", "\x03": "Ctrl-C"}


class Terminated(Exception):  # noqa: N818  # no error: somebody wants this to end
    """The end that a signal asks for.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Closed(Exception):  # noqa: N818  # as Terminated
    """The end of the terminal's input."""


def why_not() -> str:
    """Return why standard output and input cannot be a screen; nothing if they can."""
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stdout.isatty():
        return "standard input and output must be a terminal to watch a campaign"
    name = os.environ.get("TERM", "")
    try:
        curses.setupterm(fd=sys.stdout.fileno())
    except curses.error:
        return f"TERM must name a terminal that is known here, got {name!r}"
    if not curses.tigetstr("cup") or not curses.tigetstr("clear"):
        return f"TERM must name a terminal whose cursor can be moved, got {name!r}"
    return ""


class LiveScreen:
    """Screen of a terminal that has been taken over; made by `taken`."""

    def __init__(self, window: "curses.window") -> None:
        self._window = window
        self._styles = {"title": curses.A_BOLD, "good": curses.A_NORMAL, "bad": curses.A_BOLD, "dim": curses.A_NORMAL}
        window.keypad(True)
        window.nodelay(True)
        with contextlib.suppress(curses.error):  # a terminal whose cursor cannot be hidden
            curses.curs_set(0)
        if not os.environ.get("NO_COLOR") and curses.has_colors():
            curses.start_color()
            curses.use_default_colors()
            for pair, (style, colour) in enumerate(_COLOURS.items(), start=1):
                curses.init_pair(pair, colour, -1)
                self._styles[style] = curses.color_pair(pair)

    @classmethod
    @contextlib.contextmanager
    def taken(cls) -> Iterator["LiveScreen"]:
        """Take the terminal over, and give it back as it was, whatever happens."""
        handlers: dict[int, Callable[[int, FrameType | None], Any]] = dict.fromkeys(
            (signal.SIGTERM, signal.SIGHUP), _terminate
        )
        # A shell's background jobs ignore Ctrl-C; who presses it here wants this to end.
        handlers[signal.SIGINT] = signal.default_int_handler
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        os.environ.setdefault("ESCDELAY", "25")  # ms that curses waits for the rest of a key after Esc
        try:
            window = curses.initscr()
            try:
                curses.noecho()
                curses.cbreak()
                yield cls(window)
            finally:
                window.keypad(False)
                curses.nocbreak()
                curses.echo()
                curses.endwin()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @property
    def rows(self) -> int:
        """Rows of the terminal."""
        return self._window.getmaxyx()[0]

    @property
    def columns(self) -> int:
        """Columns of the terminal."""
        return self._window.getmaxyx()[1]

    def draw(self, lines: Sequence[Line], foot: Line) -> None:
        """Show some lines, and one at the foot."""
        self._window.erase()
        rows, columns = self.rows, self.columns
        for row, line in enumerate([*lines[: rows - 1], *[Line()] * (rows - 1 - len(lines)), foot]):
            # Writing into the last column of the last row is an error; so is a terminal that has just become smaller.
            with contextlib.suppress(curses.error):
                self._window.addnstr(row, 0, line.text, columns - (row == rows - 1), self._styles.get(line.style, 0))
        self._window.refresh()

    def keys(self, seconds: float) -> Iterator[str]:
        """Yield the keys that are pressed within some time, each at once.

        Args:
            seconds: How long it waits.

        Yields:
            A character, or the name of a key: Esc, Enter, Backspace, Ctrl-C, Resize.

        Raises:
            Closed: Nobody can press a key any more.
            Terminated: A signal has come.
        """
        until = time.monotonic() + seconds
        while True:
            left = max(0.0, until - time.monotonic())
            is_ready = bool(select.select([sys.stdin], [], [], min(left, _SLICE))[0])
            try:
                key = self._window.get_wch()
            except curses.error:  # no key
                if is_ready and not os.isatty(sys.stdin.fileno()):
                    raise Closed from None
                if is_ready and left:
                    time.sleep(min(left, _SLICE))  # half of a key; or a terminal that is gone, which a signal follows
                if not left:
                    return
                continue
            if key == curses.KEY_RESIZE:
                yield "Resize"
            elif key in (curses.KEY_BACKSPACE, curses.KEY_ENTER):
                yield "Enter" if key == curses.KEY_ENTER else "Backspace"
            elif isinstance(key, str):
                yield _NAMES.get(key, key)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
