"""Sequence of trust regions."""

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.tabu import TabuRegions
from dhmpi.search.hps.surrogate.trust import TrustRegion

# What a region must have gained so that it is worth beginning again there, as a share of the distance of the best
# objective from the median.
SHARE = 1e-3
# Evaluations that must have succeeded elsewhere before it is worth looking there.
FEWEST_ELSEWHERE = 10
# How many optima are tabu, the latest ones, and among how many evaluations, the latest ones, the best one elsewhere is
# sought: so that the time it takes does not grow with the campaign.
MOST_TABU, MOST_COMPARED = 32, 10_000


class Regions:
    """The trust regions of a campaign, one after the other.

    When one has become too small, the next one is wide again, around the best point: there may be something better
    farther away, and a slow descent goes on with a model that knows more. After one that has gained next to nothing,
    the next one is around the best point elsewhere, and the surroundings of what has been found are tabu until that
    region is too small as well; else a campaign in a local optimum would stay there. It depends on nothing but what has
    been told, in that order.

    Args:
        encoding: The encoding of the rows.

    Attributes:
        region: The trust region in force.
        tabu: Regions that are left out meanwhile.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._best = np.inf  # when the region began
        self._found = self.tabu = TabuRegions(np.empty((0, encoding.num_columns)))
        self.region = self._new()

    def told(self, rows: Matrix, objectives: Matrix, is_search: bool) -> bool:
        """Take note of the latest evaluation; return whether it is the end of a region.

        Args:
            rows: Rows of all evaluations, shape (num, num_columns).
            objectives: Their objectives, shape (num,), NaN for failures.
            is_search: Whether the latest counts as success or failure; the initial points do not.
        """
        latest = rows[-1:]
        if self.tabu.allows(latest)[0]:
            self.region.told(self._encoding.to_unit_cube(latest)[0], float(objectives[-1]), is_search)
        if not self.region.is_spent:
            return False
        center, self.region = self.region.center, self._new()
        assert center is not None  # only results without one could end it
        self._begin(self._encoding.rows(center[None]), rows, objectives)
        return True

    def _begin(self, optimum: Matrix, rows: Matrix, objectives: Matrix) -> None:
        """Put the region around the best point of all or elsewhere.

        Args:
            optimum: Row of the middle of the last region, shape (1, num_columns).
            rows: Rows of all evaluations, shape (num, num_columns).
            objectives: Their objectives, shape (num,).
        """
        if self._found.allows(optimum)[0]:
            self._found = TabuRegions(np.concatenate([self._found.optima, optimum])[-MOST_TABU:])
        done = np.flatnonzero(~np.isnan(objectives))
        recent = done[-MOST_COMPARED:]
        elsewhere = recent[self._found.allows(rows[recent])]
        is_elsewhere = self._is_stuck(objectives[done]) and len(elsewhere) >= FEWEST_ELSEWHERE
        self.tabu = self._found if is_elsewhere else TabuRegions(optimum[:0])
        compared = elsewhere if is_elsewhere else done
        best = compared[objectives[compared].argmin()]
        self._best = float(objectives[done].min())
        self.region.told(self._encoding.to_unit_cube(rows[[best]])[0], float(objectives[best]), is_search=False)

    def _is_stuck(self, objectives: Matrix) -> bool:
        """Return whether a region around the best point has gained next to nothing; objectives of shape (num_done,)."""
        best = float(objectives.min())
        is_around_best = not len(self.tabu.optima)
        return is_around_best and self._best - best <= SHARE * (float(np.median(objectives)) - best)

    def _new(self) -> TrustRegion:
        return TrustRegion(len(self._encoding.space.dimensions))
