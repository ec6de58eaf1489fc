"""Preprocessing as arithmetic: what a fitted scaler does to each column, if that is to multiply and add."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.errors import ProblemError

Array = npt.NDArray[Any]
Values = npt.NDArray[np.float64]

# How far from the line a value may be, as a share of what the column spans; rounding to single precision comes on top.
TOLERANCE = 1e-5
# What the rounding of raw data to single precision may change, as a share of what the column spans.
MAX_ROUNDING = 0.01
EPSILON = float(np.finfo(np.float32).eps)
# Rows that are shuffled, to tell columns from what they go along with in the data.
NUM_SHUFFLED = 1000
BLOCK = 4096


class Affine(NamedTuple):
    """For each column, (value - center) * scale + offset: the first difference loses nothing to rounding.

    Attributes:
        center: Middle of the column, shape (num_columns,).
        scale: Factor, shape (num_columns,).
        offset: What the center becomes, shape (num_columns,).
    """

    center: Values
    scale: Values
    offset: Values

    def __call__(self, rows: Array) -> Array:
        """Return rows transformed, in their precision."""
        center, scale, offset = (each.astype(rows.dtype) for each in self)
        result: Array = (rows - center) * scale + offset
        return result


def affine(transform: Callable[[Any], Any], rows: Array, name: str) -> Affine:
    """Return what a transformation does to each column.

    It is looked at on the data, on their columns shuffled one by one, and outside of their range: new data may lie
    there, where a scaler that clips, for instance, gives itself away.

    Args:
        transform: Takes and returns rows.
        rows: All the data there are, shape (num, num_columns), finite.
        name: What the data are called in errors.

    Raises:
        ProblemError: It does something else than to multiply each column and add to it.
    """
    low, high = _ends(rows)
    span = np.where(high > low, high - low, np.maximum(1.0, np.abs(low)))
    center = np.where(high > low, low + span / 2, low)
    first, last = _transformed(transform, np.stack([low, low + span]), name)
    found = Affine(center, (last - first) / span, first + (center - low) / span * (last - first))
    shuffled = np.random.default_rng(0).permuted(rows[:NUM_SHUFFLED].astype(np.float64), axis=0)
    for probe in chain(_blocks(rows), (shuffled, np.stack([low - span, high + span]))):
        _check_line(found, probe, _transformed(transform, probe, name), span, name)
    return found


def _ends(rows: Array) -> tuple[Values, Values]:
    return rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)


def _blocks(rows: Array) -> Iterator[Values]:
    """Yield some rows after the others in double precision, which all of them together might have no room for."""
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK].astype(np.float64)


def _transformed(transform: Callable[[Any], Any], rows: Values, name: str) -> Values:
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(transform(rows.copy()), np.float64)
    except Exception as error:  # scalers may be the user's code
        reason = " ".join(str(error).split())
        raise ProblemError(f"preprocessing of {name} must take any numbers, got {reason:.200}") from error
    if result.shape != rows.shape:
        raise ProblemError(f"preprocessing must keep the shape of {name}, {_row(rows.shape)}, got {_row(result.shape)}")
    return result


def _check_line(found: Affine, rows: Values, transformed: Values, span: Values, name: str) -> None:
    """Check that what was found for each column is what the transformation does."""
    size = np.abs(found.scale) * span
    rounding = np.abs(found.scale) * np.abs(rows).max(axis=0) + np.abs(transformed).max(axis=0)
    error = np.abs(found(rows) - transformed).max(axis=0)
    fits = error <= TOLERANCE * size + 4 * EPSILON * rounding  # not so if one of them is NaN
    if not fits.all():
        got = f"something else for {_column(name, int(np.argmin(fits)))}"
        raise ProblemError(f"preprocessing must only multiply each column and add to it, got {got}")


def check_precision(raw: Array, name: str) -> None:
    """Check that single precision, in which models calculate, can tell raw data apart: scaled before, it could.

    Args:
        raw: All the data there are, in their own units, shape (num, num_columns).
        name: What they are called in errors.

    Raises:
        ProblemError: It cannot.
    """
    low, high = _ends(raw)
    with np.errstate(over="ignore"):
        error = np.max([np.abs(block.astype(np.float32) - block).max(axis=0) for block in _blocks(raw)], axis=0)
    fits = (error <= MAX_ROUNDING * (high - low)) | ((low == high) & (error < np.inf))
    if not fits.all():
        column = int(np.argmin(fits))
        got = f"{_column(name, column)} from {low[column]:.12g} to {high[column]:.12g}"
        raise ProblemError(f"raw data must be told apart in single precision, in which models calculate, got {got}")


def _column(name: str, number: int) -> str:
    return f"{name}[:, {number}]"


def _row(shape: tuple[int, ...]) -> str:
    return f"(num, {', '.join(map(str, shape[1:]))})" if len(shape) > 1 else str(shape)
