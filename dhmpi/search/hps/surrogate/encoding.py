"""Points as rows of numbers."""

import math
from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.evaluation import INACTIVE, Point
from dhmpi.space.space import Categorical, Dimension, Integer, Real, Space

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
# What stands for the value of a range that is inactive: its middle.
IMPUTED = 0.5


class Encoding:
    """Turns points into rows of numbers from 0 to 1: ranges scaled by their prior, categories one-hot.

    Dimensions with a single value are left out. A range that is not always active has a second column, 1 where it is;
    where it is not, the first one is `IMPUTED`, and the columns of categories are 0. Beside the rows, which models see,
    there are units, from which `Space.from_unit` makes points: one number per dimension.

    Args:
        space: The space of the points.

    Attributes:
        num_columns: Length of a row.
        columns_of: Which dimension of the space each column stands for, shape (num_columns,).
        owners: The same, counting only dimensions that have columns, shape (num_columns,).
        conditional: Columns that are imputed where their dimension is inactive; the next one says whether it is.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        conditions = space.rules.conditions
        widths = [_width(dim, name in conditions) for name, dim in zip(space.names, space.dimensions, strict=True)]
        spans = [slice(*span) for span in pairwise(np.cumsum([0, *widths]).tolist())]
        self._columns = [
            (index, name, dim, span)
            for index, (name, dim, span) in enumerate(zip(space.names, space.dimensions, spans, strict=True))
            if dim.size != 1
        ]
        self.num_columns = sum(widths)
        self.columns_of: Indices = np.repeat(np.arange(len(widths)), widths)
        self.owners: Indices = np.unique(self.columns_of, return_inverse=True)[1]
        ranges = [span.start for _, name, dim, span in self._columns if name in conditions and not _is_category(dim)]
        self.conditional: Indices = np.array(ranges, dtype=np.intp)
        self._deciding_activity, self._deciding = space.rules.deciding, space.rules.needed(space.names)

    def encode(self, points: Sequence[Point]) -> Matrix:
        """Return the rows of some points, shape (num, num_columns)."""
        rows = np.zeros((len(points), self.num_columns))
        for _, name, dim, span in self._columns:
            if name in self.space.rules.conditions:
                active = np.array([name in point for point in points], dtype=bool)
                _fill_some(rows[:, span], dim, [point[name] for point in points if name in point], active)
            else:
                _fill(rows[:, span], dim, [point[name] for point in points])
        return rows

    def decode(self, units: Matrix) -> tuple[list[list[Any]], Matrix]:
        """Return the values of each dimension, one per unit, shape (num, num_dimensions), and the rows that they make.

        That is `encode(space.from_unit(units))`, without a dict per point; what is inactive is `INACTIVE`.
        """
        values = [dim.from_unit(column) for dim, column in zip(self.space.dimensions, units.T, strict=True)]
        rows = np.zeros((len(units), self.num_columns))
        if self.space.rules.conditions:
            active = self.space.activity(values)
            masks = active.T.tolist()
            paired = (zip(*each, strict=True) for each in zip(values, masks, strict=True))
            values = [[value if on else INACTIVE for value, on in pairs] for pairs in paired]
        for index, name, dim, span in self._columns:
            if name in self.space.rules.conditions:
                _fill_some(rows[:, span], dim, [each for each in values[index] if each != INACTIVE], active[:, index])
            else:
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
        if self.space.rules.conditions:
            self._impute(rows, self.space.activity(self._values(units, self._deciding_activity)))
        return rows

    def _impute(self, rows: Matrix, active: Any) -> None:
        """Mark in rows what is inactive, shape (num, num_dimensions)."""
        for index, name, dim, span in self._columns:
            if name in self.space.rules.conditions:
                on = active[:, index]
                if _is_category(dim):
                    rows[~on, span] = 0.0
                else:
                    rows[~on, span.start] = IMPUTED
                    rows[:, span.start + 1] = on

    def allowed(self, units: Matrix) -> Any:
        """Return which units, shape (num, num_dimensions), stand for points that are allowed, shape (num,)."""
        if not self.space.rules.constraints:
            return np.ones(len(units), dtype=bool)
        return self.space.judge(self._values(units, self._deciding))[1]

    @cached_property
    def ordered_columns(self) -> Indices:
        """The columns with the values of ranges, one for each range, in order of dimension."""
        return np.array([span.start for _, _, dim, span in self._columns if not _is_category(dim)], dtype=np.intp)

    def is_active(self, rows: Matrix, index: int) -> npt.NDArray[np.bool_]:
        """Return in which rows, shape (num, num_columns), a dimension is active, one of more than one value."""
        name, dim = self.space.names[index], self.space.dimensions[index]
        if name not in self.space.rules.conditions:
            return np.ones(len(rows), dtype=bool)
        own = rows[:, self.columns_of == index]
        return np.asarray(own.any(axis=1) if _is_category(dim) else own[:, 1] == 1.0)

    def inactive(self, row: Matrix) -> Indices:
        """Return the columns of a row, shape (num_columns,), that are imputed."""
        columns: Indices = self.conditional[row[self.conditional + 1] == 0.0]
        return columns

    def inactive_dimensions(self, units: Matrix) -> Indices:
        """Return the dimensions of ranges that are inactive in units, shape (num_dimensions,)."""
        dimensions: Indices = self.columns_of[self.inactive(self.rows(units[None])[0])]
        return dimensions

    def _values(self, units: Matrix, names: Collection[str]) -> list[Sequence[Any]]:
        """Return the values of some dimensions, and placeholders of the others."""
        named = zip(self.space.names, self.space.dimensions, units.T, strict=True)
        nothing = [INACTIVE] * len(units)
        return [dim.from_unit(column) if name in names else nothing for name, dim, column in named]

    def to_unit_cube(self, rows: Matrix) -> Matrix:
        """Return units, shape (num, num_dimensions), in the middle of what stands for the points of some rows."""
        units = np.full((len(rows), len(self.space.dimensions)), 0.5)
        for index, _, dim, span in self._columns:
            units[:, index] = _middle(dim, rows[:, span])
        return units

    def every_row(self) -> Matrix:
        """Return the rows of all points of a finite space, shape (size, num_columns)."""
        points = self.space.every_point()
        if points is not None:
            return self.encode(points)
        kinds = [np.arange(dim.size or 0) for _, _, dim, _ in self._columns]
        chosen = np.stack([each.ravel() for each in np.meshgrid(*kinds, indexing="ij")], axis=1)
        rows = np.zeros((len(chosen), self.num_columns))
        for (_, _, dim, span), column in zip(self._columns, chosen.T, strict=True):
            if not isinstance(dim, Real):
                _fill(rows[:, span], dim, [dim.at(number) for number in column.tolist()])
        return rows


def _is_category(dim: Dimension) -> bool:
    return isinstance(dim, Categorical)


def _width(dim: Dimension, is_conditional: bool) -> int:
    if dim.size == 1:
        return 0
    return dim.size if isinstance(dim, Categorical) else 1 + is_conditional


def _fill_some(columns: Matrix, dim: Dimension, values: Sequence[Any], active: Any) -> None:
    """Fill columns where a dimension is active, with a value for each place where it is."""
    if not _is_category(dim):
        columns[~active, 0] = IMPUTED
        columns[:, 1] = active
    part = np.zeros((len(values), columns.shape[1]))
    _fill(part, dim, values)
    if _is_category(dim):
        columns[active] = part
    else:
        columns[active, 0] = part[:, 0]


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
