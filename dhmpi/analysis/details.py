"""Lists that `show` prints: the errors of a campaign, grouped, and the running evaluations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote

from dhmpi.evaluation import FINAL_STATES, MEASURED_STATES, Evaluation, State
from dhmpi.results.columns import Columns
from dhmpi.results.table import STATES
from dhmpi.support.error_lines import error_kind, error_line
from dhmpi.support.printing import Stream, escape, in_short

# Kinds of errors that `show` lists if not all are wanted.
NUM_KINDS = 5
# Running evaluations that it lists.
NUM_RUNNING = 10


@dataclass(frozen=True)
class ErrorKind:
    """Failures that differ at most in the values of points.

    Attributes:
        state: FAILED or TIMEOUT.
        line: What the error of the first one says in one line.
        ids: Numbers of the evaluations, ascending.
        error: All that the error of the first one says.
        rows: Rows of the evaluations, ascending.
    """

    state: State
    line: str
    ids: Sequence[int]
    error: str
    rows: Sequence[int]


def kinds_of_errors(columns: Columns) -> list[ErrorKind]:
    """Group failures by what the last lines of their errors say; the most frequent kind comes first."""
    groups: dict[tuple[int, str], list[int]] = {}
    lines: dict[str, str] = {}  # of errors: many are the same
    kinds: dict[str, str] = {}  # and of their lines
    ended = columns.is_in(*FINAL_STATES) & ~columns.is_in(*MEASURED_STATES)
    rows = ended.nonzero()[0]
    for row, code in zip(rows.tolist(), columns.state[rows].tolist(), strict=True):
        error = columns.error.get(row, "")
        line = lines.get(error)
        if line is None:
            line = lines[error] = error_line(error)
        if line not in kinds:
            kinds[line] = error_kind(line)
        groups.setdefault((code, kinds[line]), []).append(row)
    ids, found = columns.id.tolist(), []
    for (code, _), members in groups.items():
        error = columns.error.get(members[0], "")
        found.append(ErrorKind(STATES[code], lines[error], [ids[row] for row in members], error, members))
    return sorted(found, key=lambda kind: (-len(kind.ids), kind.ids[0]))


def print_errors(columns: Columns, path: str, stream: Stream) -> None:
    """Print the most frequent kinds of errors, each in one line; nothing without errors."""
    kinds = kinds_of_errors(columns)
    if not kinds:
        return
    print("errors:", file=stream)
    width = len(str(len(kinds[0].ids)))
    for kind in kinds[:NUM_KINDS]:
        first = kind.ids[0]
        print(f"  {len(kind.ids):{width}} x {_said(kind)} (evaluation {first}; {_log(path, first)})", file=stream)
    more = f"{len(kinds) - NUM_KINDS} more kinds, and " if len(kinds) > NUM_KINDS else ""
    print(f"  {more}all that they say: dhmpi show --errors {quote(str(path))}\n", file=stream)


def print_all_errors(columns: Columns, path: str, stream: Stream) -> None:
    """Print all kinds of errors, with the ids of their evaluations and all that the first one says."""
    kinds = kinds_of_errors(columns)
    if not kinds:
        print("no evaluation has failed", file=stream)
    for kind in kinds:
        first = kind.ids[0]
        print(f"{len(kind.ids)} x {_said(kind)}", file=stream)
        print(f"  evaluations  {in_short(kind.ids)}", file=stream)
        print(f"  log of {first:<6}{_log(path, first)}", file=stream)
        for line in kind.error.splitlines():
            print(f"    {line}", file=stream)
        print(file=stream)


def print_running(columns: Columns, now: float | None, stream: Stream, worker: str = "rank") -> None:
    """Print what is running, what has been for longest first; nothing if nothing is.

    Args:
        columns: All evaluations.
        now: The time [s since 1970-01-01 UTC]; None if the campaign was killed.
        stream: Where it is printed.
        worker: What workers are called.
    """
    running = columns.evaluations(columns.is_in(State.RUNNING).nonzero()[0])
    if not running:
        return
    print("running:" if now is not None else "running when it was killed, and begun again by --resume:", file=stream)
    running.sort(key=lambda each: (_begun(each), each.id))
    width = len(str(max(each.id for each in running[:NUM_RUNNING])))
    for each in running[:NUM_RUNNING]:
        where = f" on {worker} {each.rank} ({escape(each.host, keep='')})" if each.rank >= 0 else ""
        step = "" if each.step is None else f", step {each.step:g}"
        print(f"  evaluation {each.id:{width}}{_age(_begun(each), now)}{where}{step}", file=stream)
    if len(running) > NUM_RUNNING:
        print(f"  and {len(running) - NUM_RUNNING} more", file=stream)
    print(file=stream)


def _begun(evaluation: Evaluation) -> float:
    return next((moment for moment in (evaluation.started, evaluation.submitted) if moment is not None), math.inf)


def _age(begun: float, now: float | None) -> str:
    if math.isinf(begun):
        return ""
    if now is None:
        return f" since {datetime.fromtimestamp(begun):%Y-%m-%d %H:%M:%S}"
    return f" for {timedelta(seconds=max(0, round(now - begun)))}"


def _said(kind: ErrorKind) -> str:
    return f"{kind.state}: {escape(kind.line or 'no error', keep='')}"


def _log(path: str, id: int) -> str:
    log = Path(f"{path}.files") / f"evaluation-{id:06d}.log"
    return str(log) if log.exists() else "no log"
