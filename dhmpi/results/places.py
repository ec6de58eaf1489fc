"""Places of results files: what must be there, or must not, before one is written."""

import contextlib
import os
import uuid
from pathlib import Path

from dhmpi.errors import ResultsError, option_name
from dhmpi.results.files import journal_path, open_new, temporary
from dhmpi.results.ownership import unwritable
from dhmpi.results.reader import require_regular


def traces(path: Path) -> list[tuple[int, ...]]:
    """Return what changes whenever a results file, or its journal, is written."""
    found: list[tuple[int, ...]] = []
    for each in (path, journal_path(path)):
        with contextlib.suppress(FileNotFoundError):
            status = each.stat()
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return found


def require_place(path: Path) -> None:
    """Check that a results file may be there."""
    if path.is_dir():
        raise ResultsError(f"results file must not be a directory, got {path}; name a file in it")
    require_regular(path)
    if not path.parent.is_dir():
        raise ResultsError(f"directory of the results file must exist, got {path.parent}; create it first")


def require_absent(path: Path, overwrite: bool) -> None:
    """Check that there is no results file yet, or that it may be replaced."""
    found = [each for each in (path, journal_path(path)) if each.exists()]
    if found and not overwrite:
        raise ResultsError(
            f"{found[0].name} exists; use {option_name('resume=True')} to continue it, "
            f"{option_name('overwrite=True')} to replace it, or {option_name('output')} for another file"
        )


def require_present(path: Path) -> None:
    """Check that there is a results file."""
    if not path.exists():
        remedy = f"check the name, or start a new campaign without {option_name('resume=True')}"
        raise ResultsError(f"{path} does not exist", remedy=remedy)


def require_writable(path: Path) -> None:
    """Try to write: permissions tell nothing about root, quotas and read-only file systems."""
    token = uuid.uuid4().hex
    try:
        os.close(open_new(path, token))
        temporary(path, token).unlink(missing_ok=True)  # another process may have become the writer, and removed it
    except OSError as error:
        raise unwritable(path, error) from error
