"""Owner of a results file: the process that writes it, as others find it named."""

import os
import platform
import uuid
from pathlib import Path
from typing import NamedTuple


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
        """Whether it is running and not this process; None if that cannot be told from here."""
        here = Owner.current()
        if not self.place or self.started < 0 or (self.host, self.place) != (here.host, here.place):
            return None
        return self.pid != here.pid and self.started == _started(self.pid)


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
