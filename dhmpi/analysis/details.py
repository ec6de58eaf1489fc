"""Lists that `show` prints: the errors of a campaign, grouped, and the running evaluations."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote

from dhmpi.evaluation import Evaluation, State
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
        evaluations: All of them, in order of id.
    """

    state: State
    line: str
    evaluations: Sequence[Evaluation]


def kinds_of_errors(evaluations: Iterable[Evaluation]) -> list[ErrorKind]:
    """Group failures by what the last lines of their errors say; the most frequent kind comes first."""
    groups: dict[tuple[State, str], list[Evaluation]] = {}
    for each in evaluations:
        if each.state.is_final and each.state is not State.DONE:
            groups.setdefault((each.state, error_kind(error_line(each.error))), []).append(each)
    kinds = [ErrorKind(state, error_line(group[0].error), group) for (state, _), group in groups.items()]
    return sorted(kinds, key=lambda kind: (-len(kind.evaluations), kind.evaluations[0].id))


def print_errors(evaluations: Iterable[Evaluation], path: str, stream: Stream) -> None:
    """Print the most frequent kinds of errors, each in one line; nothing without errors."""
    kinds = kinds_of_errors(evaluations)
    if not kinds:
        return
    print("errors:", file=stream)
    width = len(str(len(kinds[0].evaluations)))
    for kind in kinds[:NUM_KINDS]:
        first = kind.evaluations[0].id
        print(
            f"  {len(kind.evaluations):{width}} x {_said(kind)} (evaluation {first}; {_log(path, first)})", file=stream
        )
    more = f"{len(kinds) - NUM_KINDS} more kinds, and " if len(kinds) > NUM_KINDS else ""
    print(f"  {more}all that they say: dhmpi show --errors {quote(str(path))}\n", file=stream)


def print_all_errors(evaluations: Iterable[Evaluation], path: str, stream: Stream) -> None:
    """Print all kinds of errors, with the ids of their evaluations and all that the first one says."""
    kinds = kinds_of_errors(evaluations)
    if not kinds:
        print("no evaluation has failed", file=stream)
    for kind in kinds:
        first, ids = kind.evaluations[0], [each.id for each in kind.evaluations]
        print(f"{len(ids)} x {_said(kind)}", file=stream)
        print(f"  evaluations  {in_short(ids)}", file=stream)
        print(f"  log of {first.id:<6}{_log(path, first.id)}", file=stream)
        for line in first.error.splitlines():
            print(f"    {line}", file=stream)
        print(file=stream)


def print_running(evaluations: Iterable[Evaluation], now: float | None, stream: Stream) -> None:
    """Print what is running, what has been for longest first; nothing if nothing is.

    Args:
        evaluations: All evaluations.
        now: The time [s since 1970-01-01 UTC]; None if the campaign was killed.
        stream: Where it is printed.
    """
    running = [each for each in evaluations if each.state is State.RUNNING]
    if not running:
        return
    print("running:" if now is not None else "running when it was killed, and begun again by --resume:", file=stream)
    running.sort(key=lambda each: (_begun(each), each.id))
    width = len(str(max(each.id for each in running[:NUM_RUNNING])))
    for each in running[:NUM_RUNNING]:
        where = f" on rank {each.rank} ({escape(each.host, keep='')})" if each.rank >= 0 else ""
        print(f"  evaluation {each.id:{width}}{_age(_begun(each), now)}{where}", file=stream)
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
