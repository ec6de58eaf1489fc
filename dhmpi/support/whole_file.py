"""Files that people ask for, which are whole or as they were before."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from dhmpi.errors import OptionError, OutputError, option_name
from dhmpi.support.printing import escape


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
def whole_file(path: str, option: str, source: Path | None = None) -> Iterator[Path]:
    """Give a path to write to; what was written takes the place of a file when the block has ended without an error.

    A device or a pipe is written to directly.

    Args:
        path: The file.
        option: Name of the option that says so.
        source: A file that must not be replaced by it: the one that is read.

    Raises:
        OptionError: It is the source, or in no directory that exists.
        OutputError: It cannot be written.
    """
    is_direct = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    target = Path(path) if is_direct else Path(os.path.realpath(path))
    require_another(path, option, source)
    if not os.path.basename(path) or target.is_dir() or not target.parent.is_dir():
        raise OptionError(f"{option_name(option)} must be a file in a directory that exists, got {path!r}")
    written = target if is_direct else target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield written
        if not is_direct:
            os.replace(written, target)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if not is_direct:
            written.unlink(missing_ok=True)


def require_another(path: str, option: str, source: Path | None) -> None:
    """Check that a file is not the results file that is read.

    Args:
        path: The file.
        option: Name of the option that says so.
        source: The results file, if there is one.

    Raises:
        OptionError: It is.
    """
    if source is not None and os.path.exists(path) and source.exists() and os.path.samefile(path, source):
        raise OptionError(f"{option_name(option)} must not be the results file itself, got {path!r}; name another one")


@contextlib.contextmanager
def whole_text_file(path: str, option: str, source: Path | None = None) -> Iterator[TextFile]:
    """Give a text file to write to; see `whole_file`."""
    with (
        whole_file(path, option, source) as written,
        open(written, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        yield TextFile(stream)
