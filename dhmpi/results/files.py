"""Files that are whole or absent, and the process that owns them."""

import contextlib
import os
import platform
from pathlib import Path
from typing import NamedTuple


def temporary(path: Path) -> Path:
    """Return where the successor of a file is written; a killed run may leave it behind."""
    return path.with_name(f".{path.name}.tmp")


def open_new(path: Path) -> int:
    """Open the temporary file of a path for writing; a leftover is removed first."""
    name = temporary(path)
    name.unlink(missing_ok=True)
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def write_all(fd: int, data: bytes) -> None:
    """Write all bytes, however few the system takes at once."""
    written = os.write(fd, data)
    if written < len(data):
        view = memoryview(data)
        while written < len(data):
            written += os.write(fd, view[written:])


def put_in_place(path: Path) -> None:
    """Rename the temporary file of a path to the path, durably."""
    os.replace(temporary(path), path)
    sync_directory(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file by new content: at any moment, a reader and a crash see all of the old or all of the new.

    Raises:
        OSError: The old file is still there, untouched.
    """
    fd = open_new(path)
    try:
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        put_in_place(path)
    except BaseException:
        temporary(path).unlink(missing_ok=True)
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


class Owner(NamedTuple):
    """The process that writes a campaign.

    Attributes:
        host: Name of its host.
        pid: Its process id there.
        started: When it started, in clock ticks since the host's boot; -1 where the system does not tell.
    """

    host: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> "Owner":
        """Return this very process."""
        return cls(platform.node(), os.getpid(), _started(os.getpid()))

    @property
    def is_another(self) -> bool:
        """Whether it is alive on this host and not this process; unknown counts as no."""
        here = Owner.current()
        return self.host == here.host and self.pid != here.pid and -1 < self.started == _started(self.pid)


def _started(pid: int) -> int:
    try:
        # The command, second field, is in parentheses and may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return -1
    state, start = fields[0], int(fields[19])  # fields 3 and 22 of proc(5)
    return -1 if state in "ZX" else start  # a zombie writes no more
