"""Encoding of points by numbers from 0 to 1, in which distances are what the search takes them for."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dhmpi.analysis.duplicates import codes
from dhmpi.evaluation import INACTIVE
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.results.schema import Dimension


class Encoded(NamedTuple):
    """Values of one dimension as numbers.

    Attributes:
        name: Name of the dimension.
        unit: For each evaluation a number from 0 to 1, shape (num,); 0.5 where a range is inactive.
        numbers: The values themselves, NaN where a range is inactive; of categories their places.
        choices: The categories, in order; empty for a range.
        is_log: Whether the range is searched on a logarithmic scale.
        low: Where the range begins, in the scale of `numbers`.
        high: Where it ends.
        is_whole: Whether its values are whole numbers, each of which has as much room: half before it, half behind it.
    """

    name: str
    unit: Array
    numbers: Array
    choices: Sequence[Any]
    is_log: bool
    low: float
    high: float
    is_whole: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether there is only one value."""
        return self.high <= self.low or len(self.choices) == 1

    def of_unit(self, unit: Array) -> Array:
        """Return the values of the range that are encoded by some numbers."""
        if self.is_log:
            bounds = np.log(self.low), np.log(self.high)
            logarithms: Array = np.exp(bounds[0] + unit * (bounds[1] - bounds[0]))
            return logarithms
        values: Array = (1.0 - unit) * self.low + unit * self.high
        return values


def encoded(results: Results, rows: Array | None = None) -> list[Encoded]:
    """Return the points of a campaign as numbers, dimension by dimension.

    Args:
        results: The campaign.
        rows: Which evaluations. Default: all.
    """
    columns = results.columns
    chosen = np.arange(len(columns)) if rows is None else rows
    return [_encoded(dimension, columns.values(dimension.name)[chosen]) for dimension in results.metadata.dimensions]


def _encoded(dimension: Dimension, column: Array) -> Encoded:
    choices = dimension.spec.get("choices")
    if choices is not None:
        # Values that are no choice, as other programs may have written them, come behind.
        every = [*choices, *column.tolist()]
        places = codes(every)
        first = np.unique(places, return_index=True)[1]
        different = [every[place] for place in first.tolist()]
        numbers = places[len(choices) :].astype(np.float64)
        return Encoded(
            dimension.name, (numbers + 0.5) / len(different), numbers, different, False, -0.5, len(different) - 0.5
        )
    low, high = (float(bound) for bound in dimension.spec["range"])
    is_log = str(dimension.spec.get("prior", "")).startswith("log") and low > 0
    values = [math.nan if value == INACTIVE else value for value in column.tolist()]
    numbers = np.array([float(value) if isinstance(value, int | float) else low for value in values])
    numbers = np.clip(numbers, low, high)
    is_whole = dimension.dtype == "int64" and not is_log
    if is_whole:
        low, high = low - 0.5, high + 0.5
        if high - low <= 1.0:
            high = low
    if high <= low:
        return Encoded(dimension.name, np.full(len(numbers), 0.5), numbers, (), is_log, low, low)
    if is_log:
        unit = (np.log(numbers) - np.log(low)) / (np.log(high) - np.log(low))
    else:
        unit = (numbers / 2 - low / 2) / (high / 2 - low / 2)  # halves: a range may be wider than the largest number
    unit = np.nan_to_num(np.clip(unit, 0.0, 1.0), nan=0.5)
    return Encoded(dimension.name, unit, numbers, (), is_log, low, high, is_whole)
