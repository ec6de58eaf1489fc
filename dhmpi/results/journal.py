"""The journal: what happened since the last snapshot, appended and checked.

A file is a magic number and frames: length and CRC-32 of the payload (u32 each, little endian), then the payload. The
first payload is the header, JSON whatever the version. Each other one is a record, the events of one pass of the loop:
a mark, by which it is found behind damage, and a MessagePack list, or a string of JSON if MessagePack cannot hold it.
"""

import contextlib
import json
import os
import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]  # it has no types

from dhmpi.errors import ResultsError
from dhmpi.results.files import open_new, put_in_place, temporary, write_all
from dhmpi.results.owner import Owner
from dhmpi.support.json_text import dumps

MAGIC = b"\x89DHJ\r\n\x1a\n"  # as PNG's: damage by text conversion shows
VERSION, OLDEST = 4, 2
MAX_LENGTH = 1 << 30
_HEAD = struct.Struct("<II")
_MARK = b"\xc1REC"  # no MessagePack object begins with 0xC1

# The kinds of events; with them go rows of `table`, reports, rows of `policy_log`, or changed fields of the metadata as
# JSON text.
SUBMITTED, FINISHED, REPORTED, LEARNED, METADATA = "s", "f", "r", "l", "m"
Event = Sequence[Any]


def _frame(payload: bytes) -> bytes:
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


_EMPTY = _frame(_MARK + msgpack.packb([]))


class JournalWriter:
    """Append events to a new journal, under a temporary name until it takes the place of an older one.

    Args:
        path: Where `put_in_place` puts it.
        generation: Number of the snapshot that it continues.
        campaign: Identifier of the campaign.
        owner: The process that writes.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, generation: int, campaign: str = "", owner: Owner | None = None) -> None:
        header = {"version": VERSION, "generation": generation, "campaign": campaign, "owner": owner}
        data = MAGIC + _frame(dumps(header).encode("ascii"))
        self._packer = msgpack.Packer()
        self._path, self._token = path, owner.token if owner else ""
        self._size, self._last_size = len(data), 0
        self._lock = threading.Lock()
        self._fd = open_new(path, self._token)
        try:
            write_all(self._fd, data)
            os.fsync(self._fd)
        except BaseException:
            self.discard()
            raise

    def put_in_place(self) -> None:
        """Rename the file to its path, durably."""
        put_in_place(self._path, self._token)

    def discard(self) -> None:
        """Remove the file, which is not yet in place."""
        self.close()
        temporary(self._path, self._token).unlink(missing_ok=True)

    def append(self, events: Sequence[Event]) -> None:
        """Append one record.

        Args:
            events: All events of one pass of the loop, each its kind and what happened; tuples come back as lists.

        Raises:
            OSError: Nothing was appended.
        """
        try:
            packed = self._packer.pack(events)
        except (TypeError, ValueError, OverflowError):  # a lone surrogate, more than 64 bits, a strange object
            packed = self._packer.pack(dumps(events))
        record = _frame(_MARK + packed)
        with self._lock:
            self._write(record)

    def _write(self, record: bytes) -> None:
        try:
            write_all(self._fd, record)
        except OSError:
            # A later record behind half of this one could not be found again.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, self._size, os.SEEK_SET)
            raise
        self._size += len(record)

    def beat(self) -> None:
        """Append an empty record if nothing has been appended since the last call; another thread may call it.

        A heartbeat: the size tells others that this writer is alive.

        Raises:
            OSError: Nothing was appended.
        """
        with self._lock:
            if self._fd >= 0 and self._size == self._last_size:
                self._write(_EMPTY)
                self.sync()
            self._last_size = self._size

    def sync(self) -> None:
        """Make everything appended safe from a crash of the machine."""
        getattr(os, "fdatasync", os.fsync)(self._fd)  # macOS has only fsync

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


@dataclass(frozen=True)
class Journal:
    """Journal as far as it could be read.

    Attributes:
        generation: Number of the snapshot that it continues; -1 if the header is damaged.
        events: Every intact event from the beginning.
        dropped_bytes: Bytes that were not read.
        reason: Why: "" (none were dropped), "torn" (the end of the last record is missing, as after a kill) or
            "damaged" (the header is broken, or intact records follow a broken one).
        campaign: Identifier of the campaign.
        owner: The process that writes, or wrote, it.
    """

    generation: int
    events: list[Event] = field(default_factory=list)
    dropped_bytes: int = 0
    reason: str = ""
    campaign: str = ""
    owner: Owner | None = None


def read_owner(path: Path) -> tuple[Owner | None, tuple[int, ...]]:
    """Return the writer of a journal, and numbers that change while it is written.

    Raises:
        OSError: The file cannot be read.
        ResultsError: A dhmpi with another format wrote it.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        header = _header(file.read(1 << 16), path)
    owner = Owner("an unknown host") if header is None else header.owner
    return owner, (status.st_ino, status.st_size, status.st_mtime_ns)


def read_journal(path: Path) -> Journal:
    """Read every intact record of a journal, up to the first that is not.

    Raises:
        OSError: The file cannot be read.
        ResultsError: A dhmpi with another format wrote it.
    """
    data = path.read_bytes()
    header = _header(data, path)
    if header is None:
        return Journal(-1, dropped_bytes=len(data), reason="damaged")
    events: list[Event] = []
    position = header.size
    while (payload := _payload(data, position)) is not None:
        events += _unpack(payload[len(_MARK) :])
        position += _HEAD.size + len(payload)
    dropped = len(data) - position
    reason = "" if not dropped else "damaged" if _goes_on(data, position + 1) else "torn"
    return Journal(header.generation, events, dropped, reason, header.campaign, header.owner)


class JournalTail:
    """Journal that is read while it is written: what is new, again and again.

    The file stays open, so that its end can still be read when another one has taken its place.

    Args:
        path: The journal.

    Attributes:
        generation: Number of the snapshot that it continues; -1 if the header is damaged.
        campaign: Identifier of the campaign.
        owner: The process that writes it.
        position: Where the next record begins, in bytes.
        is_damaged: Whether intact records follow a broken one; it is read no further.

    Raises:
        OSError: The file cannot be read.
        ResultsError: A dhmpi with another format wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            header = _header(os.pread(self._fd, 1 << 16, 0), path)
        except BaseException:
            self.close()
            raise
        self.is_damaged = header is None
        self.generation, self.campaign, self.owner = -1, "", Owner("an unknown host")
        self.position = 0
        if header is not None:
            self.generation, self.campaign, self.position = header.generation, header.campaign, header.size
            self.owner = header.owner or self.owner

    @property
    def size(self) -> int:
        """Bytes that the file has now."""
        return os.fstat(self._fd).st_size

    @property
    def rest(self) -> int:
        """Bytes that have not been read: at the end of a journal that nobody writes any more, a torn record."""
        return self.size - self.position

    @property
    def modified(self) -> float:
        """Time of the last change [s since 1970-01-01 UTC], by the clock of the file system."""
        return os.fstat(self._fd).st_mtime

    @property
    def is_in_place(self) -> bool:
        """Whether the path still leads to this file."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def read(self, num_bytes: int = 1 << 18) -> list[Event] | None:
        """Return the events of the next whole records; a torn one is read again when it is whole.

        Args:
            num_bytes: About so many at most, but for a record that is longer.

        Returns:
            The events; None at the end.
        """
        if self.is_damaged:
            return None
        data = os.pread(self._fd, num_bytes, self.position)
        if _payload(data, 0) is None and len(data) == num_bytes:
            data = os.pread(self._fd, self.rest, self.position)
        events: list[Event] = []
        position = 0
        while (payload := _payload(data, position)) is not None:
            events += _unpack(payload[len(_MARK) :])
            position += _HEAD.size + len(payload)
        self.position += position
        self.is_damaged = not position and _goes_on(data, 1)
        return events if position else None

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Header(NamedTuple):
    generation: int
    campaign: str
    owner: Owner | None
    size: int  # of all that stands before the first record


def _header(data: bytes, path: Path) -> _Header | None:
    """Return the header of a journal, or None if there is no intact one."""
    payload = _payload(data, len(MAGIC)) if data.startswith(MAGIC) else None
    if payload is None:
        return None
    found = json.loads(payload)
    if not OLDEST <= found["version"] <= VERSION:
        wanted = f"version {OLDEST} to {VERSION}"
        raise ResultsError(f"{path} must have {wanted}, got {found['version']}; use the dhmpi that wrote it")
    owner = Owner(*found["owner"]) if found["owner"] else None
    return _Header(found["generation"], found["campaign"], owner, len(MAGIC) + _HEAD.size + len(payload))


def _unpack(packed: bytes) -> list[Event]:
    found = msgpack.unpackb(packed, strict_map_key=False, object_pairs_hook=_mapping)
    events: list[Event] = json.loads(found) if isinstance(found, str) else found
    return events


def _mapping(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """Make keys text, as JSON does."""
    return {key if isinstance(key, str) else dumps(key): value for key, value in pairs}


def _payload(data: bytes, position: int) -> bytes | None:
    """Return the payload of the frame at a position, or None if there is no intact one."""
    start = position + _HEAD.size
    if start > len(data):
        return None
    length, crc = _HEAD.unpack_from(data, position)
    # Zeros, as a file system may leave them at the end, would be an empty record with a right sum.
    if not 1 <= length <= min(MAX_LENGTH, len(data) - start):
        return None
    payload = data[start : start + length]
    return payload if zlib.crc32(payload) == crc else None


def _goes_on(data: bytes, position: int) -> bool:
    """Whether an intact record starts anywhere at or after a position."""
    found = data.find(_MARK, position + _HEAD.size)
    while found >= 0:
        if _payload(data, found - _HEAD.size) is not None:
            return True
        found = data.find(_MARK, found + 1)
    return False
