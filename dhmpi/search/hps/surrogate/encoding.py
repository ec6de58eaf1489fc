"""Points as rows of numbers."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.evaluation import Point
from dhmpi.space.space import Categorical, Dimension, Integer, Real, Space

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


class Encoding:
    """Turns points into rows of numbers from 0 to 1: ranges scaled by their prior, categories one-hot.

    Dimensions with a single value are left out. Beside the rows, which models see, there are units, from which
    `Space.from_unit` makes points: one number per dimension.

    Args:
        space: The space of the points.

    Attributes:
        num_columns: Length of a row.
        columns_of: Which dimension of the space each column stands for, shape (num_columns,).
        owners: The same, counting only dimensions that have columns, shape (num_columns,).
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        widths = [_width(dim) for dim in space.dimensions]
        spans = [slice(*span) for span in pairwise(np.cumsum([0, *widths]).tolist())]
        self._columns = [
            (index, name, dim, span)
            for index, (name, dim, span) in enumerate(zip(space.names, space.dimensions, spans, strict=True))
            if dim.size != 1
        ]
        self.num_columns = sum(widths)
        self.columns_of: Indices = np.repeat(np.arange(len(widths)), widths)
        self.owners: Indices = np.unique(self.columns_of, return_inverse=True)[1]

    def encode(self, points: Sequence[Point]) -> Matrix:
        """Return the rows of some points, shape (num, num_columns)."""
        rows = np.zeros((len(points), self.num_columns))
        for _, name, dim, span in self._columns:
            _fill(rows[:, span], dim, [point[name] for point in points])
        return rows

    def decode(self, units: Matrix) -> tuple[list[list[Any]], Matrix]:
        """Return the values of each dimension, one per unit, shape (num, num_dimensions), and the rows that they make.

        That is `encode(space.from_unit(units))`, without a dict per point.
        """
        values = [dim.from_unit(column) for dim, column in zip(self.space.dimensions, units.T, strict=True)]
        rows = np.zeros((len(units), self.num_columns))
        for index, _, dim, span in self._columns:
            _fill(rows[:, span], dim, values[index])
        return values, rows

    def rows(self, units: Matrix) -> Matrix:
        """Return the rows that units make, up to rounding; much faster than `decode`."""
        rows = np.zeros((len(units), self.num_columns))
        for index, _, dim, span in self._columns:
            if isinstance(dim, Real):
                rows[:, span.start] = units[:, index]
            elif isinstance(dim, Categorical):
                chosen = np.minimum((units[:, index] * dim.size).astype(int), dim.size - 1)
                rows[np.arange(len(units)), span.start + chosen] = 1.0
            else:
                _fill(rows[:, span], dim, dim.from_unit(units[:, index]))
        return rows

    def to_unit_cube(self, rows: Matrix) -> Matrix:
        """Return units, shape (num, num_dimensions), in the middle of what stands for the points of some rows."""
        units = np.full((len(rows), len(self.space.dimensions)), 0.5)
        for index, _, dim, span in self._columns:
            units[:, index] = _middle(dim, rows[:, span])
        return units

    def every_row(self) -> Matrix:
        """Return the rows of all points of a finite space, shape (size, num_columns)."""
        kinds = [np.arange(dim.size or 0) for _, _, dim, _ in self._columns]
        chosen = np.stack([each.ravel() for each in np.meshgrid(*kinds, indexing="ij")], axis=1)
        rows = np.zeros((len(chosen), self.num_columns))
        for (_, _, dim, span), column in zip(self._columns, chosen.T, strict=True):
            if not isinstance(dim, Real):
                _fill(rows[:, span], dim, [dim.at(number) for number in column.tolist()])
        return rows


def _width(dim: Dimension) -> int:
    if dim.size == 1:
        return 0
    return dim.size if isinstance(dim, Categorical) else 1


def _fill(columns: Matrix, dim: Dimension, values: Sequence[Any]) -> None:
    if isinstance(dim, Categorical):
        columns[np.arange(len(values)), [dim.index(value) for value in values]] = 1.0
    else:
        columns[:, 0] = dim.to_unit(values)


def _middle(dim: Dimension, columns: Matrix) -> Matrix:
    """Return the middle of the bin that `from_unit` maps to the values of some rows, shape (num,)."""
    if isinstance(dim, Categorical):
        middle: Matrix = (columns.argmax(axis=1) + 0.5) / dim.size
        return middle
    scaled = columns[:, 0]
    if isinstance(dim, Real):
        return scaled
    if isinstance(dim, Integer) and dim.prior != "uniform":
        return _log_middle(dim, scaled)
    middle = (np.rint(scaled * (dim.size - 1)) + 0.5) / dim.size
    return middle


def _log_middle(dim: Integer, scaled: Matrix) -> Matrix:
    start, end = math.log(dim.low - 0.5), math.log(dim.high + 0.5)
    logs = math.log(dim.low) + scaled * (math.log(dim.high) - math.log(dim.low))
    middle: Matrix = (logs - start) / (end - start or 1.0)  # neighbours may have the same logarithm
    return middle
