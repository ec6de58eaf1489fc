"""Sources of columns: where each is read when it is first wanted, such as a table in memory."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.results.beginnings import Beginnings
from dhmpi.results.table import EvaluationTable

Array = npt.NDArray[Any]

# What a row of a table holds, and its type.
NUMBERS = {
    **dict.fromkeys(("id", "order", "known", "fitted", "detail"), np.int64),
    **dict.fromkeys(("objective", "submitted", "started", "ended", "step"), np.float64),
    "rank": np.int32,
    "state": np.uint8,
}


class Texts(NamedTuple):
    """Texts of a column in which few occur often.

    Attributes:
        codes: For each row the place of its text in `names`, shape (num,).
        names: The texts that differ, in the order of their first rows.
    """

    codes: Array
    names: Sequence[str]

    @classmethod
    def of(cls, values: Iterable[str]) -> "Texts":
        """Return the texts of a column."""
        places: dict[str, int] = {}
        codes = [places.setdefault(value, len(places)) for value in values]
        return cls(np.array(codes, dtype=np.int32), list(places))

    def at(self, rows: Array) -> Array:
        """Return the texts of some rows."""
        return objects(self.names)[self.codes[rows]]


class ColumnSource(NamedTuple):
    """ColumnSource of columns: each is read when it is first wanted.

    Attributes:
        numbers: Returns a column of `NUMBERS`, by name.
        texts: Returns a column of `REPEATED`, or of some rows alone.
        sparse: Returns the texts of a column of `SPARSE` that are not empty, by row.
        values: Returns the values of a dimension, or of some rows alone: an array of its type, or of objects.
        earlier: Returns earlier beginnings.
        others: Returns the values of an objective after the first, by its number, to be small; NaN where there is none.
    """

    numbers: Callable[[str], Array]
    texts: Callable[[str, Array | None], Texts]
    sparse: Callable[[str], dict[int, str]]
    values: Callable[[str, Array | None], Array]
    earlier: Callable[[], Beginnings]
    others: Callable[[int], Array]


def objects(values: Sequence[Any]) -> Array:
    """Return an array of Python objects, which NumPy must not look into."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def source_of(table: EvaluationTable) -> ColumnSource:
    """Return the source of the columns of a table as it is now."""
    order = np.array(table.rows_by_id(), dtype=np.int64)
    places = {row: place for place, row in enumerate(order.tolist())}

    def sparse(name: str) -> dict[int, str]:
        return {places[row]: text for row, text in getattr(table, name).items()}

    def texts(name: str, rows: Array | None) -> Texts:
        column = getattr(table, name)
        return Texts.of(column[row] for row in (order if rows is None else order[rows]).tolist())

    def values(name: str, rows: Array | None) -> Array:
        column = table.names.index(name)
        return typed([table.points[row][column] for row in (order if rows is None else order[rows]).tolist()])

    return ColumnSource(
        numbers=lambda name: np.array(getattr(table, name), dtype=NUMBERS[name])[order],
        texts=texts,
        sparse=sparse,
        values=values,
        earlier=lambda: Beginnings.of(table.earlier),
        others=lambda number: np.array(table.others[number - 1])[order],
    )


def typed(values: Sequence[Any]) -> Array:
    """Return values as an array of numbers or truth values if they are all of one such type, else of objects."""
    kinds = {type(value) for value in values}
    if kinds == {bool} or kinds == {float} or (kinds == {int} and max(map(abs, values)) < 2**63):
        return np.array(values)
    return objects(values)
