"""Acquisition optimiser over one box: the search for the point of the least lower confidence bound."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.belief_term import BeliefTerm
from dhmpi.search.hps.surrogate.box import Box
from dhmpi.search.hps.surrogate.box_surrogate import AcquisitionBudget, BoxSurrogate
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.polish import Flags, Polish, ordered_dimensions
from dhmpi.search.hps.surrogate.trend_gp import TrendGP
from dhmpi.space.space import Categorical

NUM_PARENTS = 8


class AcquisitionOptimiser(NamedTuple):
    """Acquisition optimiser over one box: candidates, the best of which are polished by L-BFGS.

    Attributes:
        encoding: The encoding of the rows.
        surrogate: Its frame is that of the process.
        process: Predicts mean and standard deviation.
        box: The box.
        units: Candidates in the unit cube, shape (num_candidates, num_dimensions), allowed ones if there are any.
        allows: Returns for rows which of them may be proposed.
        belief: What lowers the bounds where experts believe good points to be.
    """

    encoding: Encoding
    surrogate: BoxSurrogate
    process: TrendGP
    box: Box
    units: Matrix
    allows: Callable[[Matrix], Flags]
    belief: BeliefTerm

    def ranked(self, kappa: float, budget: AcquisitionBudget, is_time_left: Callable[[], bool]) -> Iterator[Matrix]:
        """Yield candidates, shape (num_dimensions,), by their lower confidence bounds, the best ones polished.

        Args:
            kappa: Weight of the standard deviation.
            budget: How many are polished.
            is_time_left: Whether one more may be polished.
        """
        scores = self._scores(self.units, kappa)
        order = np.argsort(scores, kind="stable")
        polish = Polish(self.encoding, self.box, partial(self._bound, kappa))
        best = self.units[order[: budget.num_polished]]
        polished = polish.several(best, budget.num_steps, self.allows, is_time_left)
        if len(polished):
            reached = self._scores(polished, kappa)
            for index in np.argsort(reached, kind="stable"):
                if reached[index] <= scores[order[0]]:
                    yield polished[index]
        yield from self.units[order]

    def _scores(self, units: Matrix, kappa: float) -> Matrix:
        """Return the lower confidence bounds at points of the unit cube, shape (num,)."""
        rows = self.encoding.rows(units)
        mean, std = self.process.predict(self.surrogate.frame.rows(rows))
        return mean - kappa * std - self.belief.at(units, rows)

    def _bound(self, kappa: float, place: Matrix, row: Matrix) -> tuple[float, Matrix]:
        """Return the lower confidence bound at a point and its row, and the gradient by the row."""
        frame, columns = self.surrogate.frame, self.encoding.ordered_columns
        mean, std, mean_slope, std_slope = self.process.slope(frame.rows(row))
        slope = frame.unit_gradient(mean_slope - kappa * std_slope)
        slope[columns] -= self.belief.slope(place)[ordered_dimensions(self.encoding)]
        return mean - kappa * std - float(self.belief.at(place[None], row[None])[0]), slope

    def several(self, kappas: Matrix) -> Matrix:
        """Return several proposals, one per weight of the standard deviation, shape (num, num_dimensions)."""
        rows = self.encoding.rows(self.units)
        return self.units[
            self.process.choose(self.surrogate.frame.rows(rows), kappas, self.belief.at(self.units, rows))
        ]


def candidates(belief: BeliefTerm, box: Box, parents: Matrix, num: int, rng: np.random.Generator) -> Matrix:
    """Draw candidates in a box: some or all coordinates of a parent moved, by steps of all sizes.

    Args:
        belief: What is believed of the space, by which some of them are drawn.
        box: Where to draw.
        parents: Good points in the unit cube, shape (num, num_dimensions).
        num: How many.
        rng: Where they are drawn from.
    """
    encoding, (low, high) = belief.encoding, box.bounds
    width = len(low)
    drawn = belief.guide(low + (high - low) * rng.random((num, width)), low, high, rng)
    origin = parents[rng.integers(len(parents), size=num)]
    shares = np.array([1.0, 0.5, min(1.0, 3 / width)])
    changes = rng.random((num, width)) < shares[rng.integers(len(shares), size=num)][:, None]
    changes[np.arange(num), rng.integers(width, size=num)] = True
    steps = np.where(rng.random(num) < 0.5, 1.0, 10 ** rng.uniform(-2, 0, num))[:, None]
    categorical = np.array([isinstance(dim, Categorical) for dim in encoding.space.dimensions])
    moved = np.where(categorical, drawn, origin + (drawn - origin) * steps)
    units: Matrix = np.clip(np.where(changes, moved, origin), 0.0, np.nextafter(1.0, 0.0))
    allowed = encoding.allowed(units)
    return units[allowed] if allowed.any() else parents
