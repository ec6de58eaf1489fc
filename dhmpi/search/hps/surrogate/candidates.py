"""The candidates that a model chooses from."""

import numpy as np
import numpy.typing as npt

from dhmpi.evaluation import INACTIVE, Point
from dhmpi.search.hps.surrogate.belief_term import BeliefTerm
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.sampling import spread
from dhmpi.space.space import Categorical, Integer, Ordinal

SMALLEST_STEP, LARGEST_STEP = 1e-3, 0.3
SHORTEST = 0.2  # share of the difference of two parents
LARGEST_LISTED = 100_000  # points of a space
# How often candidates are drawn until half of them are allowed.
MOST_ROUNDS = 4


class Candidates:
    """Some rows, all different, that are handed out one by one.

    Args:
        encoding: The encoding of the rows.
        units: What the points are made from, shape (num, num_dimensions).

    Attributes:
        units: What the points are made from.
        rows: The rows, shape (num, num_columns).
        penalty: 0 for those that are left, infinity for the others, shape (num,).
    """

    def __init__(self, encoding: Encoding, units: Matrix) -> None:
        self._names, self._has_conditions = encoding.space.names, bool(encoding.space.rules.conditions)
        self.units = units
        self._values, self.rows = encoding.decode(units)
        # As bytes, rows are compared at once; they are exact since both sides are encodings of points.
        self._index: dict[bytes, int] = {}
        for index, row in enumerate(self.rows):
            self._index.setdefault(row.tobytes(), index)
        self.penalty = np.full(len(units), np.inf)
        self.penalty[list(self._index.values())] = 0.0
        self.num_left = self.num = len(self._index)
        size = encoding.space.size
        self._is_everything = size is not None and len(units) >= size  # though some may have equal rows

    @property
    def is_low(self) -> bool:
        """Whether less than half of them is left, and there are others."""
        return not self._is_everything and 2 * self.num_left < self.num

    def point(self, index: int) -> Point:
        """Return the point of a candidate."""
        point = {name: values[index] for name, values in zip(self._names, self._values, strict=True)}
        return {name: value for name, value in point.items() if value != INACTIVE} if self._has_conditions else point

    def known(self, rows: Matrix) -> None:
        """Leave out rows that were known before these candidates were drawn."""
        for row in rows:
            self.take(row)
        self.num = self.num_left

    def take(self, row: Matrix) -> int:
        """Take a row away, if it is there; return its index, or -1 if it was never there."""
        index = self.index(row)
        if index >= 0 and self.penalty[index] == 0.0:
            self.penalty[index] = np.inf
            self.num_left -= 1
        return index

    def index(self, row: Matrix) -> int:
        """Return the index of a row, whether it is left or not; -1 if it was never there."""
        return self._index.get(row.tobytes(), -1)

    def best(self, scores: Matrix, penalty: Matrix) -> int:
        """Return the index of the smallest score, shape (num,), of what is left, or -1 if nothing is.

        The first of those that differ by rounding only: lies that come and go leave noise in the scores.

        Args:
            scores: Shape (num,).
            penalty: Infinity for those that are gone or out of the question, 0 for the others, shape (num,).
        """
        left = scores + penalty
        smallest = float(left.min())
        return int((left <= smallest + 1e-9 * abs(smallest) + 1e-14).argmax()) if self.num_left else -1


def left(encoding: Encoding, rng: np.random.Generator, known: Matrix, num: int) -> Matrix:
    """Return units of up to `num` points that are not known, in any order, shape (at most num, num_dimensions).

    None if there are infinitely many, or too many to be looked through.

    Args:
        encoding: The encoding of the rows.
        rng: Where the order is drawn from.
        known: Rows of the known points, shape (num_known, num_columns).
        num: How many.
    """
    size = encoding.space.size
    if size is None or size > LARGEST_LISTED:
        return np.empty((0, len(encoding.space.dimensions)))
    rows, taken = encoding.every_row(), {row.tobytes() for row in known}
    unknown = np.array([row.tobytes() not in taken for row in rows])
    return encoding.to_unit_cube(rng.permutation(rows[unknown])[:num])


def draw(belief: BeliefTerm, rng: np.random.Generator, parents: Matrix, num: int, is_smooth: bool = True) -> Matrix:
    """Return units of new candidates, shape (at most num, num_dimensions); all points if the space is that small.

    Args:
        belief: What is believed of the space, by which some of them are drawn.
        rng: Where they are drawn from.
        parents: Rows of the best points, about which half of the candidates lie.
        num: How many.
        is_smooth: Whether the model tells neighbours apart; else no step is much smaller than the parents' distances.
    """
    encoding = belief.encoding
    size = encoding.space.size
    if size is not None and size <= num:
        return encoding.to_unit_cube(encoding.every_row())
    num_local = num // 2
    found = []
    for _ in range(MOST_ROUNDS):
        wide = belief.guide(spread(rng, num - num_local, len(encoding.space.dimensions)), 0.0, 1.0, rng)
        local = (_near if is_smooth else _between)(encoding, rng, encoding.to_unit_cube(parents), num_local)
        drawn = np.concatenate([wide, local])
        found.append(drawn[encoding.allowed(drawn)])
        if 2 * sum(map(len, found)) >= num:
            break
    # In any order: the first of equally promising ones is taken, and forests have many of these.
    together = rng.permutation(np.concatenate(found))[:num]
    return together if len(together) else encoding.to_unit_cube(parents[:1])  # which is known


def _near(encoding: Encoding, rng: np.random.Generator, parents: Matrix, num: int) -> Matrix:
    """Change coordinates of the parents' units by steps of all orders of magnitude."""
    dimensions = encoding.space.dimensions
    width = len(dimensions)
    changes = _changes(rng, num, width)
    scales = SMALLEST_STEP * (LARGEST_STEP / SMALLEST_STEP) ** rng.random((num, 1))
    steps = scales * rng.normal(size=(num, width))
    bins = np.array([1 / dim.size if isinstance(dim, Integer | Ordinal) else 0.0 for dim in dimensions])
    steps = np.copysign(np.maximum(np.abs(steps), bins), steps)  # an integer changes by 1 or more
    units = np.clip(parents[np.arange(num) % len(parents)] + changes * steps, 0.0, np.nextafter(1.0, 0.0))
    return np.where(changes & _categories(encoding), rng.random((num, width)), units)


def _between(encoding: Encoding, rng: np.random.Generator, parents: Matrix, num: int) -> Matrix:
    """Change coordinates of a parent by a share of the difference of two others; differential evolution's steps.

    The parents have drawn near to each other, and in the directions that matter, when the search has.
    """
    width = parents.shape[1]
    base = rng.integers(len(parents), size=(2, num)).min(axis=0)  # the better of two
    one, other = rng.integers(len(parents), size=(2, num))
    shares = SHORTEST + (1 - SHORTEST) * rng.random((num, 1))
    moved = parents[base] + shares * (parents[one] - parents[other])
    moved = np.where((moved < 0) | (moved >= 1), parents[base], moved)
    moved = np.where(_categories(encoding), parents[one], moved)
    units: Matrix = np.where(_changes(rng, num, width), moved, parents[base])
    return units


def _changes(rng: np.random.Generator, num: int, width: int) -> npt.NDArray[np.bool_]:
    """Return which coordinates change, shape (num, width): one to all of them."""
    changes = rng.random((num, width)) < width ** -rng.random((num, 1))
    changes[np.arange(num), rng.integers(width, size=num)] = True
    return changes


def _categories(encoding: Encoding) -> npt.NDArray[np.bool_]:
    return np.array([isinstance(dim, Categorical) for dim in encoding.space.dimensions])
