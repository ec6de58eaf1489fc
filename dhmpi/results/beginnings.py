"""Earlier beginnings of evaluations that have begun again: when workers evaluated them before."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.results.table import Beginning

Array = npt.NDArray[Any]

BEGINNING_TYPES = {
    "evaluation": np.int64,
    "state": np.uint8,
    **dict.fromkeys(("submitted", "started", "ended"), np.float64),
    "rank": np.int32,
    "host": object,
}


class Beginnings(NamedTuple):
    """Beginnings of evaluations by column, in the order in which they began again.

    Attributes:
        evaluation: Numbers of the evaluations, int64.
        state: States in which they were before they began again, each its place in `STATES`, uint8.
        submitted: When they were sent off [s since 1970-01-01 UTC], float64; NaN where that is not known.
        started: When their workers began [s since 1970-01-01 UTC], float64.
        ended: When they ended [s since 1970-01-01 UTC], float64; NaN where their run was killed meanwhile.
        rank: Ranks of the workers, int32.
        host: Names of their hosts.
    """

    evaluation: Array
    state: Array
    submitted: Array
    started: Array
    ended: Array
    rank: Array
    host: Array

    @classmethod
    def of(cls, rows: Iterable[Beginning]) -> "Beginnings":
        """Return the beginnings of a table."""
        columns = zip(*rows, strict=True)
        found = dict(zip(cls._fields, columns, strict=False))
        return cls(**{name: np.array(found.get(name, ()), dtype) for name, dtype in BEGINNING_TYPES.items()})

    def rows(self) -> list[Beginning]:
        """Return them as rows of a table."""
        return list(map(Beginning, *(column.tolist() for column in self)))

    @property
    def duration(self) -> Array:
        """Durations [s], as `Evaluation.duration`: 0 where that is not known."""
        seconds: Array = np.maximum(0.0, np.nan_to_num(self.ended - self.started))
        return seconds

    @property
    def begun(self) -> Array:
        """Moments at which they were sent off, by the clock that runs go by, or else began."""
        return np.where(np.isnan(self.submitted), self.started, self.submitted)

    def replaced(self, numbers: Array, others: "Beginnings") -> "Beginnings":
        """Return these, with others in the place of those of some evaluations."""
        kept = ~np.isin(self.evaluation, numbers)
        pairs = zip(self, others, strict=True)
        return Beginnings(*(np.concatenate([mine[kept], theirs]) for mine, theirs in pairs))
