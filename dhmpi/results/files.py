"""Files that are whole or absent."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path


def journal_path(path: Path) -> Path:
    """Return the path of the journal of a results file."""
    return path.with_name(f"{path.name}.journal")


def temporary(path: Path, token: str) -> Path:
    """Return the temporary path to which a writer writes the successor of a file; a killed one may leave it behind.

    Args:
        path: The file.
        token: The writer's; so that no writer takes the file of another one for its own.
    """
    return path.with_name(f".{path.name}.{token}.tmp")


def open_new(path: Path, token: str) -> int:
    """Open a writer's temporary file of a path; a leftover is removed first."""
    name = temporary(path, token)
    name.unlink(missing_ok=True)
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def write_all(fd: int, data: bytes) -> None:
    """Write all bytes, however few the system takes at once."""
    written = os.write(fd, data)
    if written < len(data):
        view = memoryview(data)
        while written < len(data):
            written += os.write(fd, view[written:])


def put_in_place(path: Path, token: str) -> None:
    """Rename a writer's temporary file of a path to the path, durably."""
    os.replace(temporary(path, token), path)
    sync_directory(path.parent)


def replace_file(path: Path, data: bytes, token: str, check: Callable[[], None]) -> None:
    """Replace a file by new content: at any moment, a reader and a crash see all of the old or all of the new.

    Args:
        path: The file.
        data: Its new content.
        token: The writer's.
        check: Raises an exception if this is no longer the writer. It is called when the temporary file is there, which
            a successor removes: so either the successor is noticed, or the file cannot take the place of its own.

    Raises:
        OSError: The old file is still there, untouched.
    """
    fd = open_new(path, token)
    try:
        try:
            check()
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        put_in_place(path, token)
    except BaseException:
        temporary(path, token).unlink(missing_ok=True)
        raise


def sync_directory(path: Path) -> None:
    """Make renames and removals in a directory durable, where the file system can."""
    # Not every directory can be read, and some network file systems know no fsync of one.
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
