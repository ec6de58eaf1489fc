"""Acquisition optimiser over one box: the search for the point of the least lower confidence bound."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.search.hps.surrogate.belief_term import BeliefTerm
from dhmpi.search.hps.surrogate.box import Box
from dhmpi.search.hps.surrogate.box_surrogate import AcquisitionBudget, BoxSurrogate
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.trend_gp import TrendGP
from dhmpi.space.space import Categorical

Ordered = npt.NDArray[np.bool_]
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
    allows: Callable[[Matrix], Ordered]
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
        polished = self._polished(self.units[order[: budget.num_polished]], kappa, budget.num_steps, is_time_left)
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

    def _polished(self, units: Matrix, kappa: float, num_steps: int, is_time_left: Callable[[], bool]) -> Matrix:
        """Polish candidates, as many as there is time for; return those that end where it is allowed."""
        dimensions = self.encoding.space.dimensions
        ordered = np.array([not isinstance(dim, Categorical) and dim.size != 1 for dim in dimensions])
        if not ordered.any():
            return units[:0]
        polish = _Polish(self, ordered, kappa)
        found = np.array([polish(each, num_steps) for each in units if is_time_left()]).reshape(-1, units.shape[1])
        reached: Matrix = found[self.allows(self.encoding.rows(found)) & self.encoding.allowed(found)]
        return reached

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


class _Polish:
    """Local optimiser (L-BFGS-B) in the ordered dimensions, as if integers had values in between."""

    def __init__(self, optimiser: AcquisitionOptimiser, ordered: Ordered, kappa: float) -> None:
        self._encoding, self._frame, self._process = optimiser.encoding, optimiser.surrogate.frame, optimiser.process
        self._kappa, self._ordered, self._belief = kappa, ordered, optimiser.belief
        self._columns = optimiser.encoding.ordered_columns
        self._center, self._half = optimiser.box.center[ordered], optimiser.box.half[ordered]
        low, high = optimiser.box.bounds
        # In coordinates of the box, so that steps are of the same size however small it is.
        self._bounds = np.stack([self._scaled(low[ordered]), self._scaled(high[ordered])], axis=1)

    def __call__(self, units: Matrix, num_steps: int) -> Matrix:
        """Return the point that is reached from a point of the unit cube, both of shape (num_dimensions,)."""
        from scipy.optimize import minimize  # slow to import, and needed only with the first model

        row = self._encoding.rows(units[None])[0]
        fixed = self._encoding.inactive(row)
        imputed, place = row[fixed], units.copy()

        def bound(scaled: Matrix) -> tuple[float, Matrix]:
            row[self._columns] = place[self._ordered] = scaled * self._half + self._center
            row[fixed] = imputed
            mean, std, mean_slope, std_slope = self._process.slope(self._frame.rows(row))
            slope = self._frame.unit_gradient(mean_slope - self._kappa * std_slope)
            slope[self._columns] -= self._belief.slope(place)[self._ordered]
            slope[fixed] = 0.0
            believed = float(self._belief.at(place[None], row[None])[0])
            return mean - self._kappa * std - believed, slope[self._columns] * self._half

        start = self._scaled(units[self._ordered])
        found = minimize(bound, start, jac=True, method="L-BFGS-B", bounds=self._bounds, options={"maxiter": num_steps})
        better = units.copy()
        better[self._ordered] = np.clip(found.x * self._half + self._center, 0.0, np.nextafter(1.0, 0.0))
        return better

    def _scaled(self, units: Matrix) -> Matrix:
        scaled: Matrix = (units - self._center) / self._half
        return scaled
