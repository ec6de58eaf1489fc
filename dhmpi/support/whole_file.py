"""Files that people ask for, which are whole or as they were before."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from dhmpi.errors import OptionError, OutputError, UnreadError, option_name
from dhmpi.support.printing import escape

# The first bytes of an HDF5 file, which results files are.
HDF5 = b"\x89HDF\r\n\x1a\n"


class TextFile:
    """Text file that holds what `Printer` would print, as UTF-8.

    Args:
        stream: Where it goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write text, without control characters."""
        self._stream.write(escape(text))

    def flush(self) -> None:
        """See to it that what was written arrives."""
        self._stream.flush()


@contextlib.contextmanager
def whole_file(path: str, option: str) -> Iterator[Path]:
    """Give a path to write to; what was written takes the place of a file when the block has ended without an error.

    A device or a pipe is written to directly. The path that is given ends as the file's name does.

    Args:
        path: The file.
        option: Name of the option that says so.

    Raises:
        OptionError: It is a results file, or in no directory that exists, or a pipe that nobody reads.
        UnreadError: It is a pipe that nobody reads any more.
        OutputError: It cannot be written.
    """
    is_direct = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    target = Path(path) if is_direct else Path(os.path.realpath(path))
    require_no_results(path, option)
    if not os.path.basename(path) or os.path.isdir(target) or not os.path.isdir(target.parent):
        raise OptionError(f"{option_name(option)} must be a file in a directory that exists, got {path!r}")
    # A name that is not longer than a file's may be.
    written = target if is_direct else target.with_name(f".{secrets.token_hex(4)}{target.suffix[:10]}")
    try:
        with _reader_of(path, option):
            yield written
        if not is_direct:
            os.replace(written, target)
    except BrokenPipeError as error:
        raise UnreadError(f"{path} must be read to its end, got a pipe that was closed") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if not is_direct:
            written.unlink(missing_ok=True)


@contextlib.contextmanager
def _reader_of(path: str, option: str) -> Iterator[None]:
    """Check that a named pipe has a reader, which is not to see its end before the block has ended."""
    fd = -1
    if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # else it would wait for a reader, maybe for ever
        except OSError as error:
            raise OptionError(
                f"{option_name(option)} must be a file, or a pipe that is being read, got {path!r} ({error.strerror})"
            ) from error
    try:
        yield
    finally:
        if fd >= 0:
            os.close(fd)


def require_no_results(path: str, option: str) -> None:
    """Check that a file that is to be written is no results file: nothing but a campaign replaces one.

    Args:
        path: The file, or a link to it.
        option: Name of the option that says so.

    Raises:
        OptionError: It is.
    """
    if not os.path.isfile(path):
        return
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        if stream.read(len(HDF5)) == HDF5:
            raise OptionError(f"{option_name(option)} must not be a results file, got {path!r}; name another one")


@contextlib.contextmanager
def whole_text_file(path: str, option: str) -> Iterator[TextFile]:
    """Give a text file to write to; see `whole_file`."""
    with (
        whole_file(path, option) as written,
        open(written, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        yield TextFile(stream)
