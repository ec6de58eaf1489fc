"""Points by column, as rules on them are computed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dhmpi.evaluation import INACTIVE


class Truth(NamedTuple):
    """Truth of a rule for each of some points.

    Attributes:
        holds: For which points it is true, shape (num,).
        known: For which it is true or false, not undecided since a dimension is inactive, shape (num,).
    """

    holds: Any
    known: Any


class PointColumns:
    """Values of some points by dimension, and which of them are active.

    Args:
        values: One value per point, by dimension; `INACTIVE` or anything where the dimension is inactive.
        num: Number of points.
    """

    def __init__(self, values: Mapping[str, Sequence[Any]], num: int) -> None:
        import numpy as np

        self._values, self._num = values, num
        self._all = np.ones(num, bool)
        self._active: dict[str, Any] = {}
        self._numbers: dict[str, Any] = {}

    def __len__(self) -> int:
        return self._num

    def active(self, name: str) -> Any:
        """Return for which points a dimension is active, shape (num,)."""
        return self._active.get(name, self._all)

    def activate(self, name: str, active: Any) -> None:
        """Say for which points a dimension is active, shape (num,)."""
        self._active[name] = active

    def numbers(self, name: str) -> Any:
        """Return the values of a dimension as floats, shape (num,)."""
        import numpy as np

        if name not in self._numbers:
            values = self._values[name]
            self._numbers[name] = np.array([np.nan if value == INACTIVE else value for value in values], float)
        return self._numbers[name]

    def objects(self, name: str) -> Any:
        """Return the values of a dimension as objects, shape (num,)."""
        import numpy as np

        found = np.empty(self._num, object)
        found[:] = self._values[name]
        return found

    def point(self, names: Sequence[str], index: int) -> dict[str, Any]:
        """Return a point: the values of those of some dimensions that are active."""
        return {name: self._values[name][index] for name in names if self.active(name)[index]}
