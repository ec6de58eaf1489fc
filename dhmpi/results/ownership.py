"""Ownership of a results file: exactly one campaign writes it, whichever start at the same moment, on any host.

The journal names its writer by a token that is never used again. Each writer can have one successor: the process that
makes the claim, a symbolic link that is called after the writer's token and holds the successor's name. A file system
makes such a link, with what it holds, for one process only, also over a network; no lock is needed. So the journal and
the claims are a chain whose last member is the writer; once the journal names it, the claims that led to it are
removed. A process that is late and makes one of these again sees that the journal has gone on, and takes it back.
Campaigns of one process, as of its threads or callbacks, have tokens of their own and exclude each other likewise.
"""

import errno
import json
import logging
import os
import re
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dhmpi.errors import DhmpiError, ResultsError, StorageError, option_name
from dhmpi.results.files import journal_path, sync_directory
from dhmpi.results.journal import read_owner
from dhmpi.results.owner import Owner
from dhmpi.support.json_text import dumps

log = logging.getLogger(__name__)

# A writer has a heartbeat every so many seconds; one that has had none for so many is succeeded [s].
BEAT_INTERVAL = 3.0
PATIENCE = 60.0
LOOK_INTERVAL = 0.5
# What a file system says that takes no more: of space, of a quota, or at all.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)

Pause = Callable[[float], None]


class Traces(NamedTuple):
    """Traces of a file's writers: its owner, and the claims to succeed it.

    Attributes:
        owner: The last of the chain; None if the file has no writer.
        claims: The claims that lead to it.
        heartbeat: Numbers that change while the journal is written.
    """

    owner: Owner | None
    claims: tuple[Path, ...]
    heartbeat: tuple[int, ...]

    @property
    def is_alive(self) -> bool | None:
        """Whether there is a writer; None if that cannot be told at a glance."""
        return False if self.owner is None else self.owner.is_alive

    @classmethod
    def of(cls, path: Path) -> "Traces":
        """Look at a results file.

        Raises:
            OSError: The journal or a claim cannot be read.
            ResultsError: A claim says nothing, or a dhmpi with another format wrote the journal.
        """
        try:
            owner, heartbeat = read_owner(journal_path(path))
        except FileNotFoundError:
            owner, heartbeat = None, ()
        claims: list[Path] = []
        while (claim := claim_path(path, owner)) not in claims:
            try:
                owner = Owner(*json.loads(os.readlink(claim)))
            except FileNotFoundError:
                break
            except (ValueError, TypeError) as error:
                raise ResultsError(
                    f"{claim} must name the process that is about to write {path}, got {error}; remove it"
                ) from error
            claims.append(claim)
        return cls(owner, tuple(claims), heartbeat)


def claim_path(path: Path, owner: Owner | None) -> Path:
    """Return how the claim to succeed a writer is called."""
    return path.with_name(f".{path.name}.{owner.token if owner else ''}.claim")


def require_free(path: Path) -> None:
    """Check that no process is known to be writing a results file.

    Raises:
        ResultsError: A process on this host is, maybe this one.
    """
    traces = look(path)
    if traces.is_alive:
        raise _occupied(path, traces.owner)


class Ownership:
    """The right to write a results file; made by `take`.

    Attributes:
        owner: This process, as others see it.
    """

    def __init__(self, path: Path, owner: Owner, chain: tuple[Path, ...]) -> None:
        self.owner = owner
        self._path, self._chain = path, chain
        self._file: os.stat_result | None = None
        weakref.finalize(self, owner.end)  # however it is given up

    @classmethod
    def take(cls, path: Path, pause: Pause = time.sleep) -> "Ownership":
        """Become the writer of a file that has none; what exists is not touched.

        A writer that cannot be asked, as it is on another host, is watched for a while.

        Args:
            path: The results file.
            pause: Sleeps so many seconds; it may raise an exception instead.

        Raises:
            ResultsError: The file has a writer, or its directory cannot be written.
            StorageError: The file system takes no more.
        """
        owner = Owner.current()
        owner.begin()  # before others can see its claim
        try:
            return cls._taken(path, owner, pause)
        except BaseException:
            owner.end()
            raise

    @classmethod
    def _taken(cls, path: Path, owner: Owner, pause: Pause) -> "Ownership":
        watched, until = None, 0.0
        while True:
            traces = look(path)
            is_alive = traces.is_alive
            if is_alive is None:
                if watched is None:
                    watched, until = traces, time.monotonic() + PATIENCE
                    warn_of_waiting(path, traces.owner, PATIENCE)
                if traces != watched:
                    is_alive = True
                elif time.monotonic() < until:
                    pause(LOOK_INTERVAL)
                    continue
            if is_alive:
                raise _occupied(path, traces.owner)
            if (taken := cls._claimed(path, owner, traces)) is not None:
                return taken

    @classmethod
    def _claimed(cls, path: Path, owner: Owner, traces: Traces) -> "Ownership | None":
        """Claim to succeed the writer that has been seen; None if another process was faster."""
        claim = claim_path(path, traces.owner)
        try:
            os.symlink(dumps(owner), claim)
        except FileExistsError:
            return None
        except OSError as error:
            raise unwritable(path, error) from error
        chain = (*traces.claims, claim)
        if look(path) != Traces(owner, chain, traces.heartbeat):
            claim.unlink(missing_ok=True)
            return None
        sync_directory(path.parent)
        _sweep(path)
        return cls(path, owner, chain)

    def settle(self) -> None:
        """Note that file and journal are this writer's now, and remove the claims that have led here."""
        self._file = os.stat(self._path)
        for claim in self._chain:
            claim.unlink(missing_ok=True)
        self._chain = ()

    def release(self) -> None:
        """Give the right back, when all has been written or before anything has been."""
        if self._chain and not self._is_succeeded:
            self._chain[-1].unlink(missing_ok=True)
        self.owner.end()

    def check(self) -> bool:
        """Check that this is still the writer, and return whether its journal is still there.

        Raises:
            OSError: The journal cannot be read.
            StorageError: Another process has taken this one for dead, and its place.
        """
        # In this order: a successor makes the claim first and removes it last.
        if not self._is_succeeded:
            traces = Traces.of(self._path)
            if traces.owner == self.owner:
                return True
            if traces.owner is None and self._has_last_written():
                return False
        raise StorageError(f"{self._path} must have one writer, and another process has taken it over")

    def _has_last_written(self) -> bool:
        """Whether this process was the last to put a results file in place, if the file is still there at all."""
        try:
            return self._file is not None and os.path.samestat(self._file, os.stat(self._path))
        except FileNotFoundError:
            return True

    @property
    def _is_succeeded(self) -> bool:
        return os.path.lexists(claim_path(self._path, self.owner))


def _sweep(path: Path) -> None:
    """Remove the temporary files of predecessors, so that one that is alive after all can put nothing in place."""
    pattern = re.compile(rf"\.{re.escape(path.name)}(\.journal)?(\.([0-9a-f]{{32}})?)?\.tmp")
    for name in os.listdir(path.parent):
        if pattern.fullmatch(name):
            path.with_name(name).unlink(missing_ok=True)


def look(path: Path) -> Traces:
    """Look at the writers of a results file.

    Raises:
        ResultsError: The journal or a claim cannot be read, or says what no dhmpi of this version has written.
    """
    try:
        return Traces.of(path)
    except OSError as error:
        raise ResultsError(f"cannot read {journal_path(path)}: {error.strerror}") from error


def unwritable(path: Path, error: OSError) -> DhmpiError:
    """Return the error that a results file cannot be made where it is to be."""
    if error.errno in FULL:
        return StorageError(
            f"cannot write {path}: {error.strerror}; make room, or use {option_name('output')} for another file"
        )
    message = f"directory of the results file must be writable, got {path.parent} ({error.strerror})"
    return ResultsError(f"{message}; use {option_name('output')} for another file")


def _occupied(path: Path, owner: Owner | None) -> ResultsError:
    return ResultsError(
        f"{path} must have one writer, and {_named(owner)} is writing it",
        remedy=f"wait for its end, or use {option_name('output')} for another file",
    )


def warn_of_waiting(path: Path, owner: Owner | None, seconds: float) -> None:
    """Warn that a writer is watched, for so many seconds at most."""
    log.warning(
        "%s may have a writer, %s, which cannot be asked from here; waiting up to %g s to see whether it goes on",
        *(path, _named(owner), seconds),
    )


def _named(owner: Owner | None) -> str:
    if owner is None:
        return "another process"
    return "this process" if owner.is_here else f"process {owner.pid} on {owner.host}"
