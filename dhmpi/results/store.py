"""Store of a campaign: a snapshot that is always whole, and a journal of what came after it."""

import contextlib
import copy
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dhmpi.errors import ResultsError, StorageError, option_name
from dhmpi.evaluation import Evaluation, Report, State
from dhmpi.results.files import journal_path, replace_file, sync_directory
from dhmpi.results.journal import FINISHED, LEARNED, METADATA, REPORTED, SUBMITTED, Event, JournalWriter
from dhmpi.results.knowledge import NO_KNOWLEDGE, Knowledge
from dhmpi.results.metadata import Metadata
from dhmpi.results.ownership import BEAT_INTERVAL, Ownership, Pause, require_free
from dhmpi.results.places import require_absent, require_place, require_present, require_writable, traces
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.reader import PathLike, Recovered, Results, recover, resolve
from dhmpi.results.schema import PolicyRow
from dhmpi.results.table import STATES, EvaluationTable
from dhmpi.support.collection import no_collection
from dhmpi.support.json_text import dumps, plain

SYNC_INTERVAL = 1.0  # s
SNAPSHOT_INTERVAL = 5.0  # s
SNAPSHOT_SHARE = 50  # a snapshot may cost 1/50 of the time


class ResultsStore:
    """Keep everything that happens in a campaign; made by `create` or `resume`.

    The order of calls is `begin_run`, then in every pass of the loop `submitted` and `finished` as often as needed
    and `commit` once, at last `close`. What was committed survives the death of the process; a crash of the machine
    costs at most the last second.

    Attributes:
        path: The results file.
        metadata: The campaign as a whole.
        policy: What agents have learned.
        reports: What evaluations have reported.
        knowledge: What the campaign knew from earlier ones when it began.
        dropped: A sentence about what a torn or damaged journal lost; empty if nothing.
    """

    def __init__(self, path: Path, state: Recovered, ownership: Ownership) -> None:
        self.path = path
        self._ownership = ownership
        self.metadata, self.policy, self.dropped = state.metadata, state.policy, state.dropped
        self.reports, self.knowledge = state.reports, state.knowledge
        self._table, self._campaign, self._generation = state.table, state.campaign, state.generation
        self._journal: JournalWriter | None = None
        self._events: list[Event] = []
        self._evaluations: list[Evaluation] | None = None
        self._changed = self._unsynced = False
        self._clock_offset = time.time() - time.monotonic()
        self._synced = self._current = time.monotonic()
        self._cost = 0.0
        self.snapshot()
        threading.Thread(target=_beat, args=(weakref.ref(self), BEAT_INTERVAL), name="heartbeat", daemon=True).start()

    @classmethod
    def check(cls, path: PathLike, overwrite: bool = False, resume: bool = False) -> None:
        """Check whether `create` or `resume` can succeed, as far as that is known at once, without touching anything.

        Args:
            path: The file.
            overwrite: Whether an existing file may be replaced. Default: False.
            resume: Whether it is to be continued. Default: False.

        Raises:
            ResultsError: The file exists, does not, is being written by another process, or cannot be written.
            StorageError: The file system takes no more.
        """
        path = resolve(path)
        require_place(path)
        require_free(path)
        if resume:
            require_present(path)
        else:
            require_absent(path, overwrite)
            require_writable(path)

    @classmethod
    def create(
        cls,
        path: PathLike,
        metadata: Metadata,
        overwrite: bool = False,
        pause: Pause = time.sleep,
        knowledge: Knowledge = NO_KNOWLEDGE,
    ) -> "ResultsStore":
        """Start the file of a new campaign.

        Args:
            path: The file; its directory must exist.
            metadata: The campaign as a whole.
            overwrite: Replace an existing file. Default: False.
            pause: Sleeps so many seconds, where it must be seen whether the file is being written elsewhere.
            knowledge: What the campaign knows from earlier ones.

        Raises:
            ResultsError: The file exists, does not, is being written by another process, or cannot be written.
            StorageError: The file system takes no more.
        """
        from dhmpi.results.report_log import ReportLog  # numpy is slow to import

        path = resolve(path)
        cls.check(path, overwrite)
        names = [dimension.name for dimension in metadata.dimensions]
        table = EvaluationTable(names, metadata.optional, metadata.objectives)
        ownership = Ownership.take(path, pause)
        try:
            require_absent(path, overwrite)
            # A crash between the new snapshot and the new journal is harmless: the old journal names another campaign.
            begun = Recovered(metadata, table, uuid.uuid4().hex, 0, PolicyLog(), ReportLog(), "", knowledge)
            return cls(path, begun, ownership)
        except BaseException:
            ownership.release()
            raise

    @classmethod
    def resume(cls, path: PathLike, metadata: Metadata, pause: Pause = time.sleep) -> "ResultsStore":
        """Continue the file of a campaign, whatever ended it.

        Args:
            path: The file.
            metadata: Search and space must be those of the file; options, version and command replace the stored ones.
            pause: Sleeps so many seconds, where it must be seen whether the file is being written elsewhere.

        Raises:
            ResultsError: There is no such file, it is damaged or being written by another process, or the campaign
                is another one.
            StorageError: The file system takes no more.
        """

        def change(found: Recovered) -> Recovered:
            return found._replace(metadata=found.metadata.resumed(metadata))

        return cls.reopen(resolve(path), change, pause)

    @classmethod
    def reopen(cls, path: Path, change: Callable[[Recovered], Recovered], pause: Pause = time.sleep) -> "ResultsStore":
        """Become the writer of a file that exists, and change what it says; see `resume`."""
        cls.check(path, resume=True)
        content = traces(path)
        changed = change(recover(path))  # a process that has to wait has valid input
        ownership = Ownership.take(path, pause)
        try:
            if traces(path) != content:  # somebody has written it meanwhile
                changed = change(recover(path))
            return cls(path, changed, ownership)
        except BaseException:
            ownership.release()
            raise

    @property
    def evaluations(self) -> list[Evaluation]:
        """All evaluations in order of id; those that were submitted and have not ended are RUNNING."""
        if self._evaluations is None:
            with no_collection():
                self._evaluations = self._table.evaluations()
        return self._evaluations

    @property
    def results(self) -> Results:
        """The results as they are now."""
        from dhmpi.results.columns import Columns  # numpy is slow to import

        # A copy: whoever gets them, a callback perhaps, may do to them what he likes.
        more = self.policy, None, self.reports.history, self.knowledge
        return Results(copy.deepcopy(self.metadata), Columns.of(self._table), "", *more)

    @property
    def counts(self) -> dict[State, int]:
        """The number of evaluations in each state."""
        return dict(zip(STATES, self._table.counts, strict=True))

    def begin_run(
        self,
        num_workers: int,
        hosts: Sequence[str],
        layout: str,
        roles: Mapping[str, Any] | None = None,
        started: float | None = None,
        limit: float | None = None,
    ) -> None:
        """Enter a start of the campaign.

        Args:
            num_workers: Evaluations that can run at once.
            hosts: Names of the hosts.
            layout: The roles of the ranks, for people.
            roles: The same for programs; JSON values.
            started: When it began [s since 1970-01-01 UTC]. Default: now.
            limit: When its time ends [s since 1970-01-01 UTC], if it does.
        """
        started = time.time() if started is None else started
        self._clock_offset = started - time.monotonic()
        begun = self.metadata.begin_run(started, num_workers, hosts, layout, roles, limit)
        self._change(begun, "runs", "complete")

    def end_run(self, why: str, ended: float | None = None) -> None:
        """Enter the end of the latest run.

        Args:
            why: Why it ended.
            ended: When [s since 1970-01-01 UTC]. Default: now, by the monotonic clock since it began.
        """
        ended = self._clock_offset + time.monotonic() if ended is None else ended
        self._change(self.metadata.end_run(ended, why), "runs")

    def set_statistics(self, statistics: Mapping[str, Any]) -> None:
        """Replace the statistics of the campaign by others (JSON values)."""
        self._change(replace(self.metadata, statistics=plain(statistics)), "statistics")

    def submitted(self, evaluations: Iterable[Evaluation]) -> None:
        """Note evaluations that were sent off, also once more after CANCELLED or LOST.

        Raises:
            ResultsError: A point does not have the dimensions of the space, or the evaluation has ended for good.
        """
        if rows := self._table.submit(evaluations):
            self._evaluations = None
            self._events.append((SUBMITTED, rows))

    def finished(self, evaluations: Iterable[Evaluation]) -> None:
        """Note evaluations that have ended, in whatever state.

        Raises:
            ResultsError: One was never submitted.
        """
        if rows := self._table.finish(evaluations):
            self._evaluations = None
            self._events.append((FINISHED, rows))

    def reported(self, reports: Sequence[Report]) -> None:
        """Note what evaluations report while they run."""
        if reports:
            order = self._table.num_ordered
            self.reports.append(reports, order)
            self._table.note_steps(reports)
            self._evaluations = None
            self._events.append((REPORTED, [(*each, order) for each in reports]))

    def learned(self, rows: Sequence[PolicyRow]) -> None:
        """Note updates of a policy."""
        if rows:
            self.policy.append(rows)
            self._events.append((LEARNED, [list(row) for row in rows]))

    def keep_policy(self, state: Mapping[str, Any], version: int) -> None:
        """Let the next snapshots hold a policy; the journal does not.

        Args:
            state: Float32 arrays by the names of `STATE_COLUMNS`, which do not change any more.
            version: How many steps it has taken.
        """
        self.policy.state, self.policy.version = state, version
        self._changed = True

    def commit(self, now: float | None = None) -> None:
        """Make what was noted safe: one record in the journal, a sync at least once a second, a snapshot when due.

        Args:
            now: Reading of the monotonic clock [s]. Default: read it.

        Raises:
            StorageError: The file system takes no more, or another process has taken the file over.
        """
        now = time.monotonic() if now is None else now
        if self._journal is None:
            raise ResultsError(f"{self.path} must be open to be written, and it was closed")
        try:  # in every pass of the loop, so without the cost of a context manager
            if self._events:
                self._append(self._journal)
            if self._unsynced and now - self._synced >= SYNC_INTERVAL:
                self._journal.sync()
                self._unsynced, self._synced = False, now
                if not self._ownership.check():
                    self.snapshot()
        except OSError as error:
            raise self._explanation(error) from error
        if self._changed and now - self._current >= max(SNAPSHOT_INTERVAL, SNAPSHOT_SHARE * self._cost):
            self.snapshot()

    def snapshot(self) -> None:
        """Write everything to the results file and start an empty journal.

        Raises:
            StorageError: The file system takes no more, or another process has taken the file over; file and journal
                are as they were.
        """
        began = time.monotonic()
        with self._explained():
            if self._journal is not None and self._events:
                self._append(self._journal)  # for those who follow the journal instead of reading snapshots
            # Made first: if it cannot be, file and journal stay as they were.
            owner = self._ownership.owner
            journal = JournalWriter(journal_path(self.path), self._generation + 1, self._campaign, owner)
            try:
                self._write_snapshot()
            except BaseException:
                journal.discard()
                raise
            if self._journal is not None:
                self._journal.close()  # from now on it is not read
            journal.put_in_place()
            self._ownership.settle()
        self._journal = journal
        self._current = self._synced = time.monotonic()
        self._cost = self._current - began

    def close(self, why: str, complete: bool = False) -> None:
        """End the run, write the last snapshot and remove the journal; a second time does nothing.

        Args:
            why: Why the run ended.
            complete: Whether the campaign came to its end, with nothing left to resume. Default: False.

        Raises:
            StorageError: The file system takes no more, or another process has taken the file over; what was committed
                is in the journal.
        """
        if self._journal is None:
            return
        self.end_run(why)
        self.commit()
        self.metadata = replace(self.metadata, complete=complete)
        self.leave()

    def leave(self) -> None:
        """Write the last snapshot and remove the journal, without ending a run."""
        assert self._journal is not None
        with self._explained():
            self._write_snapshot()
            self._ownership.check()
            self._journal.close()
            self._journal = None
            journal_path(self.path).unlink(missing_ok=True)
            sync_directory(self.path.parent)
        self._ownership.release()

    def abandon(self) -> None:
        """Write no more, and leave file and journal as they are; after `close` it does nothing."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._ownership.release()

    def _append(self, journal: JournalWriter) -> None:
        journal.append(self._events)
        self._events.clear()
        self._changed = self._unsynced = True

    def _change(self, metadata: Metadata, *names: str) -> None:
        self.metadata = metadata
        self._events.append((METADATA, dumps({name: getattr(metadata, name) for name in names})))

    def _write_snapshot(self) -> None:
        from dhmpi.results import snapshot  # h5py is slow to import

        state = snapshot.Snapshot(
            *(self.metadata, self._table, self._campaign, self._generation + 1, self.policy),
            *(self.reports.history(), self.knowledge),
        )
        replace_file(self.path, snapshot.dump(state), self._ownership.owner.token, self._require_sole_writer)
        self._generation += 1
        self._events.clear()
        self._changed = self._unsynced = False

    def _require_sole_writer(self) -> None:
        self._ownership.check()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._explanation(error) from error

    def _explanation(self, error: OSError) -> StorageError:
        with contextlib.suppress(OSError):
            self._ownership.check()  # a successor removes temporary files
        reason = error.strerror or error
        return StorageError(f"cannot write {self.path}: {reason}; make room, then use {option_name('resume=True')}")


def _beat(reference: "weakref.ref[ResultsStore]", interval: float) -> None:
    """Have a heartbeat every few seconds, however long nothing happens."""
    while (store := reference()) is not None and (journal := store._journal) is not None:
        with contextlib.suppress(OSError):  # the next commit fails, too, and reports it
            journal.beat()
        del store, journal
        time.sleep(interval)
