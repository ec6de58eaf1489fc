"""Tabu regions: the surroundings of optima that have been found, left out for a while."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.search.hps.surrogate.encoding import Matrix

# A point is near to an optimum if no column is farther from it than this share of the range; a category is, if another.
REACH = 0.2


class TabuRegions(NamedTuple):
    """Tabu regions around optima that have been found (tabu points: Ahrari et al. 2017).

    Attributes:
        optima: Their rows, shape (num, num_columns).
    """

    optima: Matrix

    def allows(self, rows: Matrix) -> npt.NDArray[np.bool_]:
        """Return which rows, shape (num, num_columns), are near to none of them."""
        allowed = np.ones(len(rows), dtype=bool)
        for optimum in self.optima:
            allowed &= (np.abs(rows - optimum) >= REACH).any(axis=1)
        return allowed
