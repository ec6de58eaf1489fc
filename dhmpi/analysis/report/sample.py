"""Choice of the evaluations that a report shows one by one: of many, those that people look for."""

from typing import NamedTuple

import numpy as np

from dhmpi.evaluation import State
from dhmpi.results.columns import Array, Columns

# Evaluations that charts show as points, those with the best results in the table, and failures there.
MOST_DRAWN = 5000
MOST_BEST = 1000
MOST_FAILED = 2000
# Values of all evaluations together, in a report; points of many dimensions take more room.
MOST_VALUES = 200_000
FAILURES = (State.FAILED, State.TIMEOUT)


class Sample(NamedTuple):
    """Evaluations that are shown one by one.

    Attributes:
        rows: Their rows, ascending.
        is_drawn: Which of them charts show, bool, shape (len(rows),).
    """

    rows: Array
    is_drawn: Array


def choose(columns: Columns, improvements: Array, share: float = 1.0) -> Sample:
    """Choose evaluations: all of them if they are few, else improvements, extremes, the best, failures, and others.

    Args:
        columns: All evaluations.
        improvements: Rows of those that were the best when they ended.
        share: Of the room that a report has, what this campaign gets, 0 to 1.
    """
    room = max(50, min(MOST_DRAWN, MOST_VALUES // (2 * (len(columns.names) + 8))) * share)
    most = int(room)
    drawn = _drawn(columns, improvements, most)
    best = _best(columns, min(MOST_BEST, most))
    failed = spread(np.flatnonzero(columns.is_in(*FAILURES)), min(MOST_FAILED, most))
    rows = np.unique(np.concatenate([drawn, best, failed]))
    return Sample(rows, np.isin(rows, drawn))


def spread(rows: Array, most: int) -> Array:
    """Return at most so many of some rows, evenly spread, the first and the last among them."""
    if len(rows) <= most:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(np.int64))]


def _drawn(columns: Columns, improvements: Array, most: int) -> Array:
    if len(columns) <= most:
        return np.arange(len(columns))
    parts = [
        spread(improvements, most // 4),
        spread(np.flatnonzero(columns.is_in(*FAILURES)), most // 8),
        _extremes(columns, most // 16),
    ]
    if len(columns.objectives) > 1:
        parts.append(spread(np.flatnonzero(columns.is_pareto), most // 4))
    kept = np.unique(np.concatenate(parts))
    return np.union1d(kept, spread(np.arange(len(columns)), most - len(kept)))


def _extremes(columns: Columns, num: int) -> Array:
    """Return the rows of the smallest and the largest objective in each of so many parts of a campaign."""
    done = np.flatnonzero(columns.is_in(State.DONE))
    parts = [part for part in np.array_split(done, num) if len(part)]
    values = columns.objective
    found = [part[pick(values[part])] for part in parts for pick in (np.argmin, np.argmax)]
    return np.array(found, dtype=np.int64)


def _best(columns: Columns, num: int) -> Array:
    done = np.flatnonzero(columns.is_in(State.DONE))
    if len(done) <= num:
        return done
    return done[np.argpartition(columns.objective[done], num)[:num]]
