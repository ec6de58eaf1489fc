"""Printing for people: text without control characters, on streams that may be closed or full."""

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Protocol, TextIO

from dhmpi.errors import OutputError, UnreadError

# All that can move the cursor, set a title, fill the clipboard, or turn the direction of writing.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Stream(Protocol):
    """Stream that text is written to."""

    def write(self, text: str, /) -> object:
        """Write some text."""

    def flush(self) -> None:
        """See to it that it arrives."""


def escape(text: str, keep: str = "\n\t") -> str:
    """Return text whose control characters are written out, as in JSON.

    Args:
        text: Any; names and errors may hold whatever user code, files and other people like.
        keep: Those that stay.
    """
    return _CONTROL.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


def in_short(numbers: Iterable[int]) -> str:
    """Return ascending numbers as `dhmpi redo --ids` takes them: 3,7-9."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


class Printer:
    """Standard output, for what the user has asked for."""

    def write(self, text: str) -> None:
        """Write text, without control characters and as the encoding allows.

        Raises:
            UnreadError: It is a pipe that nobody reads any more.
            OutputError: It cannot be written for another reason.
        """
        stream = sys.stdout
        if stream is None or sys.__stdout__ is None:  # what it leads to then is a stand-in
            raise OutputError("standard output must be open to be written, got it closed")
        encoding = getattr(stream, "encoding", None) or "utf-8"
        with _explained():
            stream.write(escape(text).encode(encoding, "backslashreplace").decode(encoding))

    def flush(self) -> None:
        """See to it that what was written arrives.

        Raises:
            OutputError: It does not.
        """
        if sys.stdout is not None:
            with _explained():
                sys.stdout.flush()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        _discard(sys.stdout)
        raise UnreadError("standard output must be read to its end, got a pipe that was closed") from error
    except OSError as error:
        _discard(sys.stdout)
        raise OutputError(f"standard output cannot be written: {error.strerror}") from error


def tell(text: str) -> None:
    """Print a line on standard error; one that cannot be written is dropped, since nothing depends on it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{escape(text)}\n")
            sys.stderr.flush()


def tell_written(path: str) -> None:
    """Print on standard error that a file has been written."""
    tell(f"wrote {escape(path, keep='')}")


def flush() -> None:
    """Write out what is left, lest the interpreter complain at its end.

    Raises:
        OutputError: Standard output cannot be written.
    """
    if sys.stderr is not None:
        try:
            sys.stderr.flush()
        except OSError:
            _discard(sys.stderr)
    Printer().flush()


def _discard(stream: TextIO) -> None:
    """Let what a stream still holds, and all that follows, go nowhere."""
    with contextlib.suppress(OSError):  # a stream without a descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
