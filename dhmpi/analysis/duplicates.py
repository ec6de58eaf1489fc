"""Duplicates: evaluations of points that had been submitted before, and those that took no time of their own."""

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dhmpi.analysis.curves import in_order, is_final
from dhmpi.evaluation import State
from dhmpi.results import Results
from dhmpi.results.columns import Array, Columns
from dhmpi.support.json_text import dumps

_LOW = np.uint64(0xBF58476D1CE4E5B9)
_HIGH = np.uint64(0x94D049BB133111EB)


class Duplicates(NamedTuple):
    """Duplicates of a campaign, in the order of the ends of its evaluations.

    Attributes:
        rows: Rows of the evaluations that have ended for good, in the order of their ends.
        distinct: How many different points there were up to each of them.
        hits: How many of them had been answered by the outcome of an equal point.
        size: How many points the space has; None if it is not finite.
    """

    rows: Array
    distinct: Array
    hits: Array
    size: int | None


def duplicates(results: Results) -> Duplicates:
    """Return the duplicates of a campaign.

    A hit of the cache is an evaluation of a point that had been submitted before, and ended as it began. Agents do not
    submit what is known: their hits are in `curves.learning`.
    """
    columns, rows = results.columns, in_order(results)
    points = keys(columns)
    is_new = np.zeros(len(columns), bool)
    is_new[rows[np.unique(points[rows], return_index=True)[1]]] = True
    hits = cache_hits(results, points)
    return Duplicates(rows, np.cumsum(is_new[rows]), np.cumsum(hits[rows]), space_size(results))


def cache_hits(results: Results, points: Array | None = None) -> Array:
    """Return which evaluations were answered by the outcome of an equal point, bool, in order of id.

    Args:
        results: The campaign.
        points: Its `keys`, if they have been computed.
    """
    columns = results.columns
    is_repeated = np.ones(len(columns), bool)
    is_repeated[np.unique(keys(columns) if points is None else points, return_index=True)[1]] = False
    took_none: Array = (
        is_final(results) & (columns.started == columns.ended) & ~columns.is_in(State.CANCELLED, State.LOST)
    )
    hits: Array = is_repeated & took_none
    return hits


def space_size(results: Results) -> int | None:
    """Return how many points the space of a campaign has; None if it is not finite, or has rules."""
    if results.metadata.rules:
        return None
    size = 1
    for dimension in results.metadata.dimensions:
        choices, bounds = dimension.spec.get("choices"), dimension.spec.get("range")
        if choices is not None:
            size *= len({_key(choice) for choice in choices})
        elif dimension.dtype == "int64" and bounds is not None:
            size *= int(bounds[1]) - int(bounds[0]) + 1
        else:
            return None
    return size


def keys(columns: Columns) -> Array:
    """Return a number for each point, uint64: the same one for equal points, as `evaluator.cache` has them.

    Different points have different ones, but for a chance of about n**2 / 4e19.
    """
    found = np.zeros(len(columns), np.uint64)
    for name in columns.names:
        found = _mixed(found ^ _numbers(columns.values(name))) + np.uint64(1)
    return found


def _numbers(column: Array) -> Array:
    """Return a number for each value of a dimension, uint64, the same one for equal values."""
    if column.dtype == bool:
        return column.astype(np.uint64)
    if column.dtype.kind in "iu":
        as_float = column.astype(np.float64)
        return np.where(as_float.astype(np.int64) == column, _bits(as_float), column.view(np.uint64))
    if column.dtype.kind == "f":
        return _bits(column.astype(np.float64))
    return codes(column.tolist()).astype(np.uint64)


def codes(values: Sequence[Any]) -> Array:
    """Return for each value the place of the first one that equals it among those that differ."""
    places: dict[Hashable, int] = {}
    return np.array([places.setdefault(_key(value), len(places)) for value in values], np.int64)


def _key(value: Any) -> Hashable:
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return value if not math.isnan(value) else "nan"
    return ("text", value) if isinstance(value, str) else ("other", dumps(value))


def _bits(numbers: Array) -> Array:
    return np.ascontiguousarray(numbers + 0.0).view(np.uint64)  # -0.0 is 0.0


def _mixed(numbers: Array) -> Array:
    """Return numbers whose bits are mixed (the finaliser of SplitMix64, Steele, Lea and Flood 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * _LOW
    numbers = (numbers ^ (numbers >> np.uint64(27))) * _HIGH
    mixed: Array = numbers ^ (numbers >> np.uint64(31))
    return mixed
