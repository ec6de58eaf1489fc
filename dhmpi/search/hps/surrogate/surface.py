"""A Gaussian process over a box, and the search for the best point on it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from dhmpi.benchmark.space import Categorical
from dhmpi.search.hps.surrogate.encoding import Encoding, Indices, Matrix
from dhmpi.search.hps.surrogate.gaussian import Gaussian, Parameters, fit
from dhmpi.search.hps.surrogate.taboo import Taboo
from dhmpi.search.hps.surrogate.warp import BENDS, tidy, warp

Ordered = npt.NDArray[np.bool_]
# Of two one-hot rows that differ, the squared distance is 1.
ONE_HOT = 0.5**0.5
MOST_FITTED = 150
NUM_STEPS, NUM_MORE_STEPS = 40, 12
NUM_PARENTS = 8


@dataclass(frozen=True)
class Effort:
    """How much work goes into a proposal.

    Attributes:
        num_points: Evaluations that the process knows.
        num_pending: Pending points that it knows.
        num_candidates: Points that are compared.
        num_polished: How many of the best ones are followed downhill.
        num_steps: Steps downhill at most.
    """

    num_points: int
    num_pending: int
    num_candidates: int
    num_polished: int
    num_steps: int = 30


class Box(NamedTuple):
    """A part of the space.

    Attributes:
        center: Units of its middle, shape (num_dimensions,).
        half: Half its widths, shape (num_dimensions,).
    """

    center: Matrix
    half: Matrix

    @property
    def bounds(self) -> tuple[Matrix, Matrix]:
        """The least and the largest units, both of shape (num_dimensions,), within the space."""
        return np.clip(self.center - self.half, 0, 1), np.clip(self.center + self.half, 0, 1)


def whole_box(encoding: Encoding) -> Box:
    """Return the box that is the whole space."""
    half = np.full(len(encoding.space.dimensions), 0.5)
    return Box(half, half)


class Frame:
    """Coordinates in which a box reaches from -1 to 1, whatever its size; categories stay as they are.

    Args:
        encoding: The encoding of the rows.
        box: The box.
    """

    def __init__(self, encoding: Encoding, box: Box) -> None:
        self.owners = encoding.owners
        categorical = np.array([isinstance(dim, Categorical) for dim in encoding.space.dimensions])[encoding.columns_of]
        self._shift = np.where(categorical, 0.0, box.center[encoding.columns_of])
        self._scale = np.where(categorical, 1 / ONE_HOT, box.half[encoding.columns_of])

    def rows(self, rows: Matrix) -> Matrix:
        """Return rows of the encoding, shape (num, num_columns), in these coordinates."""
        scaled: Matrix = (rows - self._shift) / self._scale
        return scaled

    def units_slope(self, slope: Matrix) -> Matrix:
        """Return a gradient by rows, shape (num_columns,), for a gradient in these coordinates."""
        scaled: Matrix = slope / self._scale
        return scaled


class Surface(NamedTuple):
    """What has been fitted.

    Attributes:
        frame: The coordinates.
        indices: Which evaluations the process knows, the nearest ones first, shape (num,).
        num_fitted: How many evaluations there were.
        bend: Scale of the objectives; see `warp`.
        parameters: Hyperparameters of the process.
        taboo: What it knows nothing of.
    """

    frame: Frame
    indices: Indices
    num_fitted: int
    bend: float
    parameters: Parameters
    taboo: Taboo

    def process(self, rows: Matrix, objectives: Matrix, pending: Matrix, effort: Effort) -> Gaussian:
        """Return the process with everything that is known now.

        Args:
            rows: Rows of all evaluations, shape (num, num_columns).
            objectives: Their objectives, shape (num,), NaN for failures.
            pending: Rows of the pending points, shape (num_pending, num_columns).
            effort: How many of them the process is to know.
        """
        latest = np.arange(max(self.num_fitted, len(rows) - effort.num_points // 2), len(rows))
        latest = latest[~np.isnan(objectives[latest])]
        latest, pending = latest[self.taboo.allows(rows[latest])], pending[self.taboo.allows(pending)]
        chosen = np.concatenate([self.indices[: effort.num_points], latest])
        values, _ = warp(tidy(objectives[chosen]), self.bend)
        process = Gaussian(self.frame.rows(rows[chosen]), values, self.frame.owners, self.parameters)
        if len(pending) > effort.num_pending:
            distances = (self.frame.rows(pending) ** 2).sum(axis=1)
            pending = pending[np.sort(np.argsort(distances, kind="stable")[: effort.num_pending])]
        return process.imagine(self.frame.rows(pending)) if len(pending) else process


def fit_surface(
    encoding: Encoding, box: Box, indices: Indices, rows: Matrix, objectives: Matrix, taboo: Taboo
) -> Surface:
    """Fit a surface to some evaluations, on the scale on which they are most probable.

    Args:
        encoding: The encoding of the rows.
        box: The coordinates are those of this box.
        indices: The evaluations to be fitted, the most important ones first.
        rows: Rows of all evaluations, shape (num, num_columns).
        objectives: Their objectives, shape (num,).
        taboo: Where none of the evaluations to be fitted is.
    """
    frame = Frame(encoding, box)
    fitted = indices[:MOST_FITTED]
    known, values = frame.rows(rows[fitted]), tidy(objectives[fitted])
    start, best = None, (np.inf, BENDS[0], np.empty(0))
    for bend in BENDS:
        standard, density = warp(values, bend)
        logs, surprise = fit(known, standard, frame.owners, start, NUM_STEPS if start is None else NUM_MORE_STEPS)
        start = logs if start is None else start
        best = min(best, (surprise - density, bend, logs), key=lambda each: each[0])
    return Surface(frame, indices, len(rows), best[1], Parameters.from_logs(best[2]), taboo)


class Outlook(NamedTuple):
    """What is looked at for a proposal.

    Attributes:
        encoding: The encoding of the rows.
        surface: Its frame is that of the process.
        process: Predicts mean and deviation.
        box: Where to look.
        units: Candidates there, shape (num_candidates, num_dimensions), allowed ones if there are any.
        allows: Returns for rows which of them may be proposed.
    """

    encoding: Encoding
    surface: Surface
    process: Gaussian
    box: Box
    units: Matrix
    allows: Callable[[Matrix], Ordered]

    def ranked(self, kappa: float, effort: Effort, is_time_left: Callable[[], bool]) -> Iterator[Matrix]:
        """Return units, shape (num_dimensions,), in the order of their lower confidence bounds, the best ones polished.

        Args:
            kappa: Weight of the deviation.
            effort: How many are polished.
            is_time_left: Whether one more may be polished.
        """
        scores = self._scores(self.units, kappa)
        order = np.argsort(scores, kind="stable")
        polished = self._polished(self.units[order[: effort.num_polished]], kappa, effort.num_steps, is_time_left)
        if len(polished):
            reached = self._scores(polished, kappa)
            for index in np.argsort(reached, kind="stable"):
                if reached[index] <= scores[order[0]]:
                    yield polished[index]
        yield from self.units[order]

    def _scores(self, units: Matrix, kappa: float) -> Matrix:
        """Return the lower confidence bounds at units, shape (num,)."""
        mean, deviation = self.process.predict(self._rows(units))
        return mean - kappa * deviation

    def _polished(self, units: Matrix, kappa: float, num_steps: int, is_time_left: Callable[[], bool]) -> Matrix:
        """Follow units downhill, as many as there is time for; return where they come to, if it is allowed."""
        ordered = np.array([not isinstance(dim, Categorical) for dim in self.encoding.space.dimensions])
        if not ordered.any():
            return units[:0]
        polish = _Polish(self, ordered, kappa)
        found = np.array([polish(each, num_steps) for each in units if is_time_left()]).reshape(-1, units.shape[1])
        return found[self.allows(self.encoding.rows(found))]

    def several(self, kappas: Matrix) -> Matrix:
        """Return the units of several proposals, one per weight of the deviation, shape (num, num_dimensions)."""
        return self.units[self.process.choose(self._rows(self.units), kappas)]

    def _rows(self, units: Matrix) -> Matrix:
        """Return units in the coordinates of the process."""
        return self.surface.frame.rows(self.encoding.rows(units))


def candidates(encoding: Encoding, box: Box, parents: Matrix, num: int, rng: np.random.Generator) -> Matrix:
    """Draw units in a box: some or all coordinates of a parent moved, by steps of all sizes.

    Args:
        encoding: The encoding of the rows.
        box: Where to draw.
        parents: Units of good points, shape (num, num_dimensions).
        num: How many.
        rng: Where they are drawn from.
    """
    low, high = box.bounds
    width = len(low)
    drawn = low + (high - low) * rng.random((num, width))
    origin = parents[rng.integers(len(parents), size=num)]
    shares = np.array([1.0, 0.5, min(1.0, 3 / width)])
    changes = rng.random((num, width)) < shares[rng.integers(len(shares), size=num)][:, None]
    changes[np.arange(num), rng.integers(width, size=num)] = True
    steps = np.where(rng.random(num) < 0.5, 1.0, 10 ** rng.uniform(-2, 0, num))[:, None]
    categorical = np.array([isinstance(dim, Categorical) for dim in encoding.space.dimensions])
    moved = np.where(categorical, drawn, origin + (drawn - origin) * steps)
    return np.clip(np.where(changes, moved, origin), 0.0, np.nextafter(1.0, 0.0))


class _Polish:
    """Follows the lower confidence bound downhill in ordered dimensions, as if integers had values in between."""

    def __init__(self, outlook: Outlook, ordered: Ordered, kappa: float) -> None:
        self._encoding, self._frame, self._process = outlook.encoding, outlook.surface.frame, outlook.process
        self._kappa, self._ordered, self._columns = kappa, ordered, ordered[outlook.encoding.columns_of]
        self._center, self._half = outlook.box.center[ordered], outlook.box.half[ordered]
        low, high = outlook.box.bounds
        # In coordinates of the box, so that steps are of the same size however small it is.
        self._bounds = np.stack([self._scaled(low[ordered]), self._scaled(high[ordered])], axis=1)

    def __call__(self, units: Matrix, num_steps: int) -> Matrix:
        """Return the units that are reached from some units, both of shape (num_dimensions,)."""
        row = self._encoding.rows(units[None])[0]

        def bound(scaled: Matrix) -> tuple[float, Matrix]:
            row[self._columns] = scaled * self._half + self._center
            mean, deviation, mean_slope, deviation_slope = self._process.slope(self._frame.rows(row))
            slope = self._frame.units_slope(mean_slope - self._kappa * deviation_slope)
            return mean - self._kappa * deviation, slope[self._columns] * self._half

        start = self._scaled(units[self._ordered])
        found = minimize(bound, start, jac=True, method="L-BFGS-B", bounds=self._bounds, options={"maxiter": num_steps})
        better = units.copy()
        better[self._ordered] = np.clip(found.x * self._half + self._center, 0.0, np.nextafter(1.0, 0.0))
        return better

    def _scaled(self, units: Matrix) -> Matrix:
        scaled: Matrix = (units - self._center) / self._half
        return scaled
