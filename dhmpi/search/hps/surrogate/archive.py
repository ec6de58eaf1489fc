"""Archive of evaluations: rows and objectives in arrays that grow."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Matrix

FIRST_CAPACITY = 256
# No model is better for knowing how much farther off an outlier is; its square may be no float.
FARTHEST = 1000.0
FARTHEST_WARPED = 1e9  # of distances that count by their ratio


class Archive:
    """All final evaluations in the order told; adding one takes the same time however many there are.

    Args:
        num_columns: Length of a row.
    """

    def __init__(self, num_columns: int) -> None:
        self._rows = np.empty((FIRST_CAPACITY, num_columns))
        self._objectives = np.empty(FIRST_CAPACITY)
        self._num = 0

    def __len__(self) -> int:
        return self._num

    @property
    def rows(self) -> Matrix:
        """The rows, shape (num, num_columns); a view that stays as it is when more are told."""
        return self._rows[: self._num]

    @property
    def objectives(self) -> Matrix:
        """The objectives, shape (num,), NaN for failures; a view that stays as it is when more are told."""
        return self._objectives[: self._num]

    def extend(self, rows: Matrix, objectives: Sequence[float | None]) -> None:
        """Add evaluations.

        Args:
            rows: Shape (num, num_columns).
            objectives: One per row; None for a failure.
        """
        end = self._num + len(rows)
        if end > len(self._rows):
            # New arrays, never resized ones: a refit may be reading these.
            capacity = max(end, 2 * len(self._rows))
            self._rows = _grown(self._rows, capacity)
            self._objectives = _grown(self._objectives, capacity)
        self._rows[self._num : end] = rows
        self._objectives[self._num : end] = [np.nan if objective is None else objective for objective in objectives]
        self._num = end


class KnownEvaluations(NamedTuple):
    """Evaluations as a model knows them.

    Attributes:
        rows: Their rows, shape (num, num_columns).
        objectives: Their objectives, shape (num,), NaN for failures.
        spreads: Standard deviations of those that are foretold, shape (num,), 0 for others.
    """

    rows: Matrix
    objectives: Matrix
    spreads: Matrix


class ObjectiveScale(NamedTuple):
    """Maps objectives to mean 0 and standard deviation 1, so that no model sees numbers of 1e300.

    Attributes:
        unit: Largest magnitude of the objectives that it was made from.
        worst: What a failure counts as: the worst of them.
        best: The best of them, in units.
        turn: Distance from the best, in units, above which differences count by their ratio; infinity: nowhere.
        mean: Mean of what `turn` makes of them.
        std: Standard deviation of the same.
    """

    unit: float
    worst: float
    best: float
    turn: float
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def of(cls, objectives: Matrix, relative_turn: float = math.inf) -> "ObjectiveScale":
        """Return the scale of objectives.

        Args:
            objectives: Shape (num,), NaN for failures.
            relative_turn: Where it turns from linear to logarithmic, in medians of the distance from the best.
        """
        if np.isnan(objectives).all():
            objectives = np.zeros(1)
        unit = float(np.nanmax(np.abs(objectives))) or 1.0  # a square of 1e300 would overflow
        straight = cls(unit, float(np.nanmax(objectives)), float(np.nanmin(objectives)) / unit, math.inf)
        above = straight._warped(objectives) - straight.best
        turn = relative_turn * (float(np.median(above)) or float(above.mean()) or 1.0) or 1.0
        warped = straight._replace(turn=turn)
        values = warped._warped(objectives)
        return warped._replace(mean=float(values.mean()), std=float(values.std()) or 1.0)

    def standard(self, objectives: Matrix) -> Matrix:
        """Return standardised objectives, none farther than `FARTHEST` standard deviations; NaN is `worst`."""
        warped = self._warped(objectives)
        with np.errstate(over="ignore"):
            return _within((warped - self.mean) / self.std, FARTHEST)

    def _warped(self, objectives: Matrix) -> Matrix:
        with np.errstate(over="ignore"):
            scaled: Matrix = np.where(np.isnan(objectives), self.worst, objectives) / self.unit
            if self.turn == math.inf:
                return scaled
            # An odd function: what is found later may be better than the best.
            warped: Matrix = np.arcsinh(_within((scaled - self.best) / self.turn, FARTHEST_WARPED))
        return warped


def _within(values: Matrix, limit: float) -> Matrix:
    """Return values brought to the nearest number from -limit to limit; `np.clip` takes longer for a single one."""
    within: Matrix = np.minimum(np.maximum(values, -limit), limit)
    return within


def _grown(array: Matrix, capacity: int) -> Matrix:
    grown = np.empty((capacity, *array.shape[1:]))
    grown[: len(array)] = array
    return grown
