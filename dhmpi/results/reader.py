"""Reader of results files: the snapshot, and what the journal adds."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, turned
from dhmpi.results.files import journal_path
from dhmpi.results.journal import FINISHED, LEARNED, METADATA, REPORTED, SUBMITTED, Event, Journal, read_journal
from dhmpi.results.knowledge import NO_KNOWLEDGE, Knowledge
from dhmpi.results.metadata import Metadata
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.schema import PolicyRow
from dhmpi.results.table import EvaluationTable, read_finished, read_reported, read_submitted

if TYPE_CHECKING:
    from dhmpi.results.columns import Columns
    from dhmpi.results.report_log import ReportHistory, ReportLog, Reports
    from dhmpi.results.snapshot_reader import Content

PathLike = str | os.PathLike[str]
# What every HDF5 file begins with.
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, repr=False)
class Results:
    """Results of a campaign: its file and the journal together.

    Attributes:
        metadata: The campaign as a whole.
        columns: All evaluations in order of id, as arrays; RUNNING ones were submitted and have not ended.
        dropped: Sentences about what a torn or damaged journal lost, or a checksum that is gone; empty if nothing.
        policy: What agents have learned; empty for a search without any.
        path: The results file, if they were read from one.
        report_source: Returns what `report_history` is; None if there is nothing.
        knowledge: What the campaign knew from earlier ones when it began.
    """

    metadata: Metadata
    columns: "Columns"
    dropped: str = ""
    policy: PolicyLog = field(default_factory=PolicyLog)
    path: Path | None = field(default=None, compare=False)
    report_source: "Callable[[], ReportHistory] | None" = field(default=None, compare=False)
    knowledge: Knowledge = NO_KNOWLEDGE

    @classmethod
    def of(cls, metadata: Metadata, evaluations: Sequence[Evaluation], **more: Any) -> "Results":
        """Return the results that consist of some evaluations.

        Args:
            metadata: The campaign as a whole.
            evaluations: They have the dimensions of its space.
            more: Other attributes.
        """
        from dhmpi.results.columns import Columns

        names, optional, objectives = tuple(metadata.space), metadata.optional, metadata.objectives
        return cls(metadata, Columns.of_evaluations(names, evaluations, optional, objectives), **more)

    def __repr__(self) -> str:
        best, (name, maximises) = self.best, self.metadata.main_objective
        found = None if best is None else turned(best.objective, maximises)
        counted = f"{len(self.columns)} evaluations, best {name} {found}"
        return f"<Results of {self.metadata.search} on {self.metadata.problem}: {counted}>"

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """All evaluations as records."""
        return self.columns.evaluations()

    @property
    def reports(self) -> "Reports":
        """Reports of evaluations while they ran, in the order in which they came."""
        return self.report_history.current

    @cached_property
    def report_history(self) -> "ReportHistory":
        """Reports, and those that the search has known beside them."""
        from dhmpi.results.report_log import ReportHistory  # numpy is slow to import

        return ReportHistory() if self.report_source is None else self.report_source()

    @cached_property
    def best(self) -> Evaluation | None:
        """The evaluation with the smallest objective; None before one is DONE."""
        row = self.columns.best()
        return None if row is None else self.columns.evaluations([row])[0]

    @cached_property
    def pareto_set(self) -> list[Evaluation]:
        """Evaluations that are DONE and dominated by no other one, the best of the first objective first."""
        is_pareto = self.columns.is_pareto
        return self.columns.evaluations(row for row in self.columns.ranked().tolist() if is_pareto[row])

    @cached_property
    def pareto_ids(self) -> frozenset[int]:
        """Numbers of those evaluations."""
        return frozenset(self.columns.id[self.columns.is_pareto].tolist())

    def ranked(self, num: int) -> list[Evaluation]:
        """Return the best evaluations that are DONE, the best one first, equals in order of id.

        Args:
            num: How many, if there are as many.
        """
        return self.columns.evaluations(self.columns.ranked()[:num])


class Recovered(NamedTuple):
    """Results that a run continues."""

    metadata: Metadata
    table: EvaluationTable
    campaign: str
    generation: int
    policy: PolicyLog
    reports: "ReportLog"
    dropped: str
    knowledge: Knowledge = NO_KNOWLEDGE


def read(path: PathLike) -> Results:
    """Read a campaign, whether or not it is still being written.

    Args:
        path: The results file.

    Raises:
        ResultsError: It is missing, damaged, or no results file.
    """
    found = _find(resolve(path))
    metadata, columns, dropped = found.content.metadata, found.content.columns, found.dropped
    if found.events:
        # What has not changed since the snapshot stays in its columns.
        with explained(found.path):
            table = columns.table(columns.rows_of(_ids(found.events)))
        metadata = _replayed(found, table)
        columns = columns.changed(table)
    more = found.content.policy, Path(path).absolute(), found.reports, found.content.knowledge
    return Results(metadata, columns, dropped, *more)


def is_results_file(path: PathLike) -> bool:
    """Return whether a file is one of HDF5, as results files are, whatever its name."""
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False


def resolve(path: PathLike) -> Path:
    """Return the file itself: a link would be replaced instead of what it points to, and the journal lie elsewhere.

    Raises:
        ResultsError: The path is empty, which would stand for the working directory.
    """
    if not os.fspath(path):
        raise ResultsError("a results file must have a name, got none; name one")
    return Path(os.path.realpath(path))


def open_journal(path: Path) -> Journal | None:
    """Read the journal of a results file, if there is one.

    Raises:
        ResultsError: It cannot be read, or a dhmpi with another format wrote it.
    """
    journal = journal_path(path)
    try:
        return read_journal(journal)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultsError(f"cannot read {journal}: {error.strerror}") from error


def recover(path: Path) -> Recovered:
    """Read a snapshot and replay its journal.

    Raises:
        ResultsError: The file is missing, damaged, or no results file, or the journal continues a later one.
    """
    found = _find(path)
    content, table = found.content, found.content.columns.table()
    metadata = _replayed(found, table)
    with explained(found.path):
        reports = found.report_log()
    campaign, generation = content.campaign, content.generation
    return Recovered(metadata, table, campaign, generation, content.policy, reports, found.dropped, content.knowledge)


class _Found(NamedTuple):
    """A snapshot, and what its journal adds."""

    path: Path
    content: "Content"
    events: list[Event]
    dropped: str

    def report_log(self) -> "ReportLog":
        """Return all reports."""
        from dhmpi.results.report_log import ReportLog  # numpy is slow to import

        log = ReportLog(self.content.reports())
        for rows in (rows for kind, rows in self.events if kind == REPORTED):
            for row, report in zip(rows, read_reported(rows), strict=True):
                log.append([report], row[-1] if len(row) > len(report) else -1)
        return log

    def reports(self) -> "ReportHistory":
        """Return all reports by column."""
        if not any(kind == REPORTED for kind, _ in self.events):
            return self.content.reports()
        with explained(self.path):
            return self.report_log().history()


def read_snapshot(path: Path) -> "Content":
    """Read a results file without its journal.

    Raises:
        ResultsError: It is missing, damaged, or no results file.
    """
    from dhmpi.results import snapshot_reader  # h5py is slow to import

    return snapshot_reader.parse(_read_bytes(path), path)


def _find(path: Path) -> _Found:
    # The journal first: a snapshot read later contains a journal that it has made obsolete, so that a writer who
    # replaces both in the meantime does no harm. The other way round, events could be missed.
    journal = open_journal(path)
    content, name = read_snapshot(path), journal_path(path)
    events: list[Event] = []
    dropped = ""
    if journal is None:
        pass
    elif journal.generation < 0:
        dropped = f"{name} has a damaged header and was left out ({journal.dropped_bytes} bytes)"
    elif journal.campaign != content.campaign:
        dropped = f"{name} belongs to another campaign and was left out"
    elif journal.generation > content.generation:
        raise older_than_journal(path, content.generation, journal.generation)
    elif journal.generation == content.generation:
        events, dropped = journal.events, _dropped(name, journal)
    return _Found(path, content, events, "; ".join(filter(None, (content.doubt, dropped))))


def older_than_journal(path: Path, snapshot: int, journal: int) -> ResultsError:
    """Return the error of a results file whose journal continues a later snapshot."""
    return ResultsError(
        f"{path} must be snapshot {journal} as its journal, got {snapshot}; "
        f"restore the file, or remove {journal_path(path)} to do without what came later"
    )


def _replayed(found: _Found, table: EvaluationTable) -> Metadata:
    with explained(found.path):
        return replay(found.events, found.content.metadata, table, found.content.policy)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Make one sentence of what goes wrong with events that cannot be."""
    try:
        yield
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise ResultsError(
            f"{journal_path(path)} holds what no dhmpi has written ({error}); remove it to do without what came later"
        ) from error


def _ids(events: list[Event]) -> set[int]:
    """Return the evaluations that events are about."""
    return {row[0] for kind, rows in events if kind in (SUBMITTED, FINISHED, REPORTED) for row in rows}


def replay(events: list[Event], metadata: Metadata, table: EvaluationTable, policy: PolicyLog) -> Metadata:
    """Apply the events of a journal to a table and a policy, and return the metadata they leave."""
    changes: dict[str, Any] = {}
    # A writer that was interrupted between writing and forgetting may have written a record twice.
    for kind, what in events:
        if kind == SUBMITTED:
            table.submit(each for each in read_submitted(what, table.names) if not table.has_ended(each.id))
        elif kind == FINISHED:
            table.finish(read_finished(what))
        elif kind == REPORTED:
            table.note_steps(read_reported(what))
        elif kind == LEARNED:
            policy.append(PolicyRow(*row) for row in what)
        elif kind == METADATA:
            changes |= json.loads(what)
    return replace(metadata, **changes)


def _read_bytes(path: Path) -> bytes:
    require_regular(path)
    try:
        with open(path, "rb") as file:
            begin = file.read(len(_SIGNATURE))
            return begin + file.read() if begin == _SIGNATURE else begin
    except FileNotFoundError as error:
        raise ResultsError(f"{path} does not exist; check the name") from error
    except MemoryError as error:
        raise ResultsError(f"{path} must fit in memory, got {path.stat().st_size} bytes") from error
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}") from error


def require_regular(path: Path) -> None:
    """Check that a results file, if it is there, is a file as others are: a pipe has no end, and is not replaced.

    Raises:
        ResultsError: It is something else.
    """
    if path.exists() and not path.is_file():
        kind = "a directory" if path.is_dir() else "a device or a pipe"
        raise ResultsError(f"{path} must be a file, got {kind}; check the name")


def _dropped(name: Path, journal: Journal) -> str:
    if journal.reason == "torn":
        return f"{name} ends in an unfinished record; its {journal.dropped_bytes} bytes were left out"
    if journal.reason == "damaged":
        return f"{name} is damaged; the last {journal.dropped_bytes} bytes, with intact records, were left out"
    return ""
