"""Owner of a results file: the process that writes it, as others find it named."""

import os
import platform
import uuid
from pathlib import Path
from typing import NamedTuple

# Tokens of this process's own writers: a process sees no other by its process id that is its own.
_WRITERS: set[str] = set()


class Owner(NamedTuple):
    """The process that writes a campaign.

    Attributes:
        host: Name of its host.
        pid: Its process id there.
        started: When it started, in clock ticks since the host's boot; -1 where the system does not tell.
        place: The boot of the host, and the namespace in which the process id holds; empty where that is unknown.
        token: A unique name of this writer of this file; empty in older files.
    """

    host: str
    pid: int = -1
    started: int = -1
    place: str = ""
    token: str = ""

    @classmethod
    def current(cls) -> "Owner":
        """Return this process, with a new token."""
        return cls(platform.node(), os.getpid(), _started(os.getpid()), _place(), uuid.uuid4().hex)

    @property
    def is_alive(self) -> bool | None:
        """Whether it is writing; None if that cannot be told from here."""
        here = Owner.current()
        if not self.place or self.started < 0 or (self.host, self.place) != (here.host, here.place):
            return None
        if self.pid == here.pid:  # the same process, or an earlier one of this id
            return self.token in _WRITERS
        return self.started == _started(self.pid)

    @property
    def is_here(self) -> bool:
        """Whether it is a writer of this process."""
        return self.pid == os.getpid() and self.token in _WRITERS

    def begin(self) -> None:
        """Let this process, too, know that it writes."""
        _WRITERS.add(self.token)

    def end(self) -> None:
        """Take note that it writes no more."""
        _WRITERS.discard(self.token)


def _started(pid: int) -> int:
    try:
        # The command, second field, is in parentheses and may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return -1
    state, start = fields[0], int(fields[19])  # fields 3 and 22 of proc(5)
    return -1 if state in "ZX" else start  # a zombie writes no more


def _place() -> str:
    try:
        # Containers have process ids of their own.
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
