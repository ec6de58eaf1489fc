"""Following of a campaign: what is new in its file, without reading again what is known.

A snapshot holds what the journal before it held, so whoever has read that journal to its end needs no snapshot: one is
read at the beginning, at the end of a run, and when something was missed.
"""

import contextlib
import json
import math
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import starmap
from typing import Protocol

from dhmpi.errors import ResultsError
from dhmpi.evaluation import Report
from dhmpi.results.files import journal_path
from dhmpi.results.journal import FINISHED, LEARNED, METADATA, REPORTED, SUBMITTED, Event, JournalTail
from dhmpi.results.metadata import Metadata
from dhmpi.results.owner import Owner
from dhmpi.results.places import traces
from dhmpi.results.reader import PathLike, Results, explained, older_than_journal, read_snapshot, resolve
from dhmpi.results.schema import PolicyRow
from dhmpi.results.table import FinishedRow, SubmittedRow, read_reported


class Listener(Protocol):
    """Listener to what happens in a campaign."""

    def begin(self, results: Results) -> None:
        """Forget everything, and begin with a snapshot."""

    def changed(self, metadata: Metadata) -> None:
        """Take other metadata."""

    def submitted(self, rows: Iterable[SubmittedRow]) -> None:
        """Take evaluations that were sent off, or that have ended already if a record was written twice."""

    def finished(self, rows: Iterable[FinishedRow]) -> None:
        """Take ends of evaluations; of a record that was written twice, once more."""

    def reported(self, reports: Iterable[Report]) -> None:
        """Take reports of running evaluations; of a record that was written twice, once more."""

    def learned(self, rows: Iterable[PolicyRow]) -> None:
        """Take updates of a policy; of a record that was written twice, once more."""


class Follower:
    """Reader that tells a listener what is new in a results file; it writes nothing, and takes no lock.

    Args:
        path: The results file.
        listener: Is told.

    Attributes:
        path: The file itself.
        num_reads: How many snapshots were read.
        num_campaigns: How many campaigns have been seen under the name.
    """

    def __init__(self, path: PathLike, listener: Listener) -> None:
        self.path, self._listener = resolve(path), listener
        self.num_reads = self.num_campaigns = 0
        self._metadata: Metadata | None = None  # until the first snapshot
        self._campaign, self._generation = "", -1
        self._tail: JournalTail | None = None
        self._seen: object = None
        self._doubt = ""

    @property
    def owner(self) -> Owner | None:
        """The process that writes the file, or has been killed; None after the regular end of a run."""
        return None if self._tail is None else self._tail.owner

    @property
    def heard(self) -> float | None:
        """Time of the last sign of life of the writer [s since 1970-01-01 UTC]; None without a journal."""
        with contextlib.suppress(OSError):  # the next call of `poll` finds that out
            return None if self._tail is None else self._tail.modified
        return None

    @property
    def dropped(self) -> str:
        """A sentence about damage; empty if there is none."""
        damage = f"{journal_path(self.path)} is damaged, and read no further"
        is_damaged = self._tail is not None and self._tail.is_damaged
        return "; ".join(filter(None, (self._doubt, damage if is_damaged else "")))

    def poll(self, seconds: float = math.inf) -> bool:
        """Tell the listener what is new.

        Args:
            seconds: About so long at most, but for a snapshot.

        Returns:
            Whether that was all.

        Raises:
            ResultsError: The file is missing, damaged or no results file; a later call may succeed.
        """
        until = time.monotonic() + seconds
        try:
            try:
                return self._poll(until)
            except OSError:  # on NFS, a journal that another host has replaced is gone
                self._forget()
                return self._poll(until)
        except OSError as error:
            self._forget()
            raise ResultsError(f"cannot read {journal_path(self.path)}: {error.strerror}") from error
        except ResultsError:
            self._forget()
            raise

    def close(self) -> None:
        """Close the journal."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None

    def _poll(self, until: float) -> bool:
        if not self.path.exists():
            raise ResultsError(f"{self.path} does not exist; check the name")
        if self._metadata is None:
            self._load()
        elif self._tail is None:
            if traces(self.path) != self._seen:
                self._go_on(self._open())
        elif not self._tail.is_in_place:
            # Nobody writes it any more, and its end is still there to be read.
            following = self._open()
            if self._tail is not None and not self._drain(until):
                _close(following)
                return False
            self._go_on(following)
        return self._tail is None or self._drain(until)

    def _go_on(self, following: JournalTail | None) -> None:
        """Follow another journal, if nothing was missed in between; else begin with the snapshot."""
        before = self._tail
        if following is None:
            is_next = False  # the end of a run, which the snapshot alone describes
        elif before is None:
            is_next = (following.campaign, following.generation) == (self._campaign, self._generation)
        else:
            whole = not before.is_damaged and not before.rest and before.owner.token == following.owner.token
            is_next = whole and (following.campaign, following.generation) == (self._campaign, self._generation + 1)
        if not is_next or following is None or (before is not None and not before.owner.token):
            _close(following)
            self._load()
            return
        self.close()
        self._tail, self._generation = following, following.generation

    def _load(self) -> None:
        """Begin with the snapshot, and the journal if that continues it."""
        self.close()
        # In the order of `reader`: a snapshot read later contains a journal that it has made obsolete.
        seen, tail = traces(self.path), self._open()
        try:
            content = read_snapshot(self.path)
            if tail is not None and tail.campaign == content.campaign and tail.generation > content.generation:
                raise older_than_journal(self.path, content.generation, tail.generation)
        except BaseException:
            _close(tail)
            raise
        self.num_reads += 1
        self.num_campaigns += content.campaign != self._campaign
        self._campaign, self._generation, self._metadata = content.campaign, content.generation, content.metadata
        self._doubt, self._seen = content.doubt, seen
        if tail is not None and tail.is_damaged:
            self._doubt = f"{journal_path(self.path)} has a damaged header and was left out"
        if tail is not None and (tail.campaign, tail.generation) == (content.campaign, content.generation):
            self._tail = tail
        else:
            _close(tail)
        self._listener.begin(
            Results(
                *(content.metadata, content.columns, content.doubt, content.policy, self.path, content.reports),
                content.knowledge,
            )
        )

    def _drain(self, until: float) -> bool:
        """Read what is in the journal now, or until a reading of the monotonic clock; return whether that was all.

        A writer that is faster than this is not run after.
        """
        assert self._tail is not None
        wanted = self._tail.size
        with explained(self.path):
            while self._tail.position < wanted and (events := self._tail.read()) is not None:
                self._tell(events)
                if time.monotonic() >= until:
                    return self._tail.is_damaged or self._tail.position >= wanted
        return True

    def _tell(self, events: Iterable[Event]) -> None:
        assert self._metadata is not None
        for kind, what in events:
            if kind == SUBMITTED:
                self._listener.submitted(starmap(SubmittedRow, what))
            elif kind == FINISHED:
                self._listener.finished(starmap(FinishedRow, what))
            elif kind == REPORTED:
                self._listener.reported(read_reported(what))
            elif kind == LEARNED:
                self._listener.learned(PolicyRow(*row) for row in what)
            elif kind == METADATA:
                self._metadata = replace(self._metadata, **json.loads(what))
                self._listener.changed(self._metadata)

    def _forget(self) -> None:
        self.close()
        self._metadata = None

    def _open(self) -> JournalTail | None:
        try:
            return JournalTail(journal_path(self.path))
        except FileNotFoundError:
            return None


def _close(tail: JournalTail | None) -> None:
    if tail is not None:
        tail.close()
