"""Causes of failures: how many evaluations each has ended, which, and what these have printed."""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dhmpi.analysis import curves
from dhmpi.analysis.timeline import Timeline
from dhmpi.evaluation import State
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.support.printing import escape, in_short
from dhmpi.support.terminal_text import as_shown

# Of a log, what is read [bytes] and what is shown [characters]; of all logs together [characters].
READ_BACK, LONGEST_TAIL, MOST_TEXT = 20_000, 4000, 400_000
# Logs of evaluations with the same cause, and causes that are told apart.
LOGS_OF_CAUSE, MOST_CAUSES = 3, 50
# Evaluations of a cause whose logs are looked for: those that are not there cost a look each.
MOST_LOOKED_FOR = 30
# Logs of the ranks that were one worker, of an evaluation.
MOST_MEMBERS = 4
_BLAMED = re.compile(r"^on rank (\d+) of \d+: ", re.MULTILINE)
# Characters of an error, and of a list of evaluations.
LONGEST_ERROR, LONGEST_IDS = 6000, 300


@dataclass(frozen=True)
class LogTail:
    """The last that an evaluation has printed.

    Attributes:
        id: The evaluation.
        text: Its text, without control characters.
        is_whole: Whether nothing was printed before that.
        member: The rank of a group that has printed it; None without a group.
    """

    id: int
    text: str
    is_whole: bool
    member: int | None = None


@dataclass(frozen=True)
class Cause:
    """A cause of failures.

    Attributes:
        state: FAILED or TIMEOUT.
        line: What the error of the first one says in one line.
        count: How many evaluations it has ended.
        ids: Which, as `dhmpi redo --ids` takes them; shortened if they are many.
        error: All that the first one says.
        logs: What some of them have printed.
    """

    state: State
    line: str
    count: int
    ids: str
    error: str
    logs: Sequence[LogTail]


@dataclass(frozen=True)
class Causes:
    """All causes of failures of a campaign.

    Attributes:
        causes: The most frequent ones first, `MOST_CAUSES` at most.
        num_more: How many others there are.
        of_row: For each evaluation the place of its cause in `causes`; -1 for one of the others, and without any.
        seconds: For each of `causes`, when its evaluations ended [s of the campaign's runs].
    """

    causes: Sequence[Cause]
    num_more: int
    of_row: Array
    seconds: Sequence[Array]

    @property
    def num(self) -> int:
        """Number of causes."""
        return len(self.causes) + self.num_more


def causes_of(results: Results, timeline: Timeline) -> Causes:
    """Group the failures of a campaign by their causes, and read the ends of their logs."""
    columns, reader = results.columns, _LogReader(results.path)
    groups = curves.failures(results, timeline)
    of_row = np.full(len(columns), -1, np.int64)
    found = []
    for place, group in enumerate(groups[:MOST_CAUSES]):
        of_row[group.rows] = place
        ids = columns.id[group.rows].tolist()
        error = _shortened(as_shown(columns.error.get(int(group.rows[0]), "")), LONGEST_ERROR)
        line = escape(group.line or "no error", keep="")
        logs = reader.tails(ids, [columns.error.get(row, "") for row in group.rows[:MOST_LOOKED_FOR].tolist()])
        found.append(Cause(group.state, line, len(ids), _in_short(ids), error, logs))
    return Causes(found, len(groups) - len(found), of_row, [group.seconds for group in groups[:MOST_CAUSES]])


class _LogReader:
    """Reader of the ends of logs, which may be huge, binary, or anything else under such a name.

    Args:
        path: The results file; beside it are the logs.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._left = MOST_TEXT

    def tails(self, ids: Sequence[int], errors: Sequence[str]) -> list[LogTail]:
        """Return the ends of the logs of some evaluations, as far as there are any, and room for them.

        Args:
            ids: The evaluations.
            errors: What the first ones of them say.
        """
        found: list[LogTail] = []
        num = 0
        for id, error in zip(ids, errors, strict=False):
            if num == LOGS_OF_CAUSE:
                break
            tails = self._tails(id, error)
            found += tails
            num += bool(tails)
        return found

    def _tails(self, id: int, error: str) -> list[LogTail]:
        """Return the ends of the logs of an evaluation: of a group, of the ranks first that its error names."""
        members = dict.fromkeys([*map(int, _BLAMED.findall(error)), *range(MOST_MEMBERS)])
        found: list[LogTail] = []
        for member in members:
            if len(found) < MOST_MEMBERS and self._left > 0 and (tail := self._tail(id, member)) is not None:
                self._left -= len(tail.text)
                found.append(tail)
        is_group = any(tail.member for tail in found)
        return found if is_group else [replace(tail, member=None) for tail in found]

    def _tail(self, id: int, member: int) -> LogTail | None:
        if self._path is None:
            return None
        name = f"evaluation-{id:06d}{f'-rank{member}' if member else ''}.log"
        read = _end_of(Path(f"{self._path}.files") / name)
        if read is None:
            return None
        data, is_whole = read
        text = escape(as_shown(data.decode(errors="replace")))
        is_whole = is_whole and len(text) <= LONGEST_TAIL
        return LogTail(id, text[-LONGEST_TAIL:], is_whole, member) if text.strip() else None


def _end_of(path: Path) -> tuple[bytes, bool] | None:
    """Return the last bytes of a file, and whether these are all; None if it is no file that can be read."""
    try:
        # A pipe would be waited for.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None
        begin = max(0, status.st_size - READ_BACK)
        return os.pread(fd, READ_BACK, begin), begin == 0
    except OSError:
        return None
    finally:
        os.close(fd)


def _shortened(text: str, most: int) -> str:
    """Return a text without control characters, and without its middle if it is long."""
    text = escape(text)
    return text if len(text) <= most else f"{text[: most // 2]}\n[...]\n{text[-most // 2 :]}"


def _in_short(ids: Sequence[int]) -> str:
    # A run of ids takes one character at least, so that no more than these are needed.
    text = in_short(ids[: LONGEST_IDS + 1])
    if len(text) <= LONGEST_IDS and len(ids) <= LONGEST_IDS:
        return text
    return f"{text[:LONGEST_IDS].rpartition(',')[0] or text[:LONGEST_IDS]}, ..."
