"""Spaces: named dimensions, and the points that they span."""

import math
import reprlib
from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dhmpi.errors import ProblemError, did_you_mean
from dhmpi.evaluation import INACTIVE
from dhmpi.space.belief import Belief
from dhmpi.space.choices import Categorical, Choices, Ordinal
from dhmpi.space.dimension import Dimension, Integer, Real, dimension
from dhmpi.space.point_columns import PointColumns
from dhmpi.space.rules import NO_RULES, Rules
from dhmpi.space.values import Unit, Value

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Categorical", "Choices", "Dimension", "Integer", "Ordinal", "Real", "Space", "Unit", "Value", "dimension"]


# Spaces with rules are listed if they have at most so many points without them.
LARGEST_LISTED = 100_000
# The smallest share of allowed points: one more takes a second to be found. It is measured by so many allowed ones.
NARROWEST, FEWEST_ALLOWED = 1e-5, 20
LARGEST_DRAW, MOST_DRAWN = 2000, 400_000


class Space:
    """Named dimensions in a fixed order, and rules on their values.

    A point is canonical if it is a dict in the order of the dimensions with plain Python values, without those that are
    inactive; all points that a space returns are.

    Args:
        dimensions: At least one dimension, by name.
        rules: Which dimensions are active, and which points are allowed.
        beliefs: What is believed of dimensions, by name.

    Raises:
        ProblemError: If there is no dimension.
    """

    def __init__(
        self, dimensions: Mapping[str, Dimension], rules: Rules = NO_RULES, beliefs: Mapping[str, Belief] | None = None
    ) -> None:
        if not dimensions:
            raise ProblemError("a space must have at least one dimension, got none; add one with add_dim(name, space)")
        self.names = tuple(dimensions)
        self.dimensions = tuple(dimensions.values())
        self.rules = rules
        self.beliefs = {} if beliefs is None else dict(beliefs)
        self._ambiguous = tuple(
            name for name, dim in dimensions.items() if isinstance(dim, Choices) and dim.is_ambiguous
        )

    @classmethod
    def from_specs(cls, specs: Mapping[str, object], rules: Mapping[str, Any] | None = None) -> "Space":
        """Read a space as it is written in a problem: name to tuple or list, and its rules as JSON values.

        Raises:
            ProblemError: If a dimension or a rule is not legal, or there is no dimension.
        """
        dimensions = {name: dimension(name, spec) for name, spec in specs.items()}
        return cls(dimensions, Rules.read(rules or {}, dimensions))

    @property
    def by_name(self) -> dict[str, Dimension]:
        """The dimensions by name."""
        return dict(zip(self.names, self.dimensions, strict=True))

    def specs(self) -> dict[str, tuple[Any, ...] | list[Value]]:
        """Return the space as it is written in a problem."""
        return {name: dim.spec() for name, dim in zip(self.names, self.dimensions, strict=True)}

    @cached_property
    def size(self) -> int | None:
        """Number of points; None if infinite, or if there are rules and too many points to be looked through."""
        if self.rules != NO_RULES:
            return None if self._listed is None else len(self._listed)
        return self._num_combinations

    @property
    def _num_combinations(self) -> int | None:
        sizes = [dim.size for dim in self.dimensions]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    @cached_property
    def _listed(self) -> dict[Hashable, dict[str, Any]] | None:
        """All points that are allowed by their keys, where there are rules and few combinations of values."""
        num = self._num_combinations
        if num is None or num > LARGEST_LISTED:
            return None
        finite = [dim for dim in self.dimensions if not isinstance(dim, Real)]
        rows = [tuple(self._at(index, finite).values()) for index in range(num)]
        points, allowed = self.ruled(list(zip(*rows, strict=True)))
        return {self.key(point): point for point, is_allowed in zip(points, allowed, strict=True) if is_allowed}

    def is_covered(self, seen: Collection[Hashable]) -> bool:
        """Return whether every point that is allowed is among those with seen keys."""
        if self.size is None or len(seen) < self.size:
            return False
        return self.rules == NO_RULES or self._listed is None or all(key in seen for key in self._listed)

    def every_point(self) -> list[dict[str, Any]] | None:
        """Return all points of a space with rules; None if there are none, or too many points."""
        return None if self.rules == NO_RULES or self._listed is None else list(self._listed.values())

    def believed(self, u: Unit) -> Unit:
        """Map random numbers in [0, 1), shape (num, num_dimensions), to others that are drawn by the beliefs."""
        drawn = u.copy()
        for index, name in enumerate(self.names):
            if name in self.beliefs:
                drawn[:, index] = self.beliefs[name].draw(u[:, index])
        return drawn

    def from_unit(self, u: Unit) -> list[dict[str, Any]]:
        """Map the rows of numbers in [0, 1), shape (num, num_dimensions), to points, allowed or not."""
        columns = [dim.from_unit(column) for dim, column in zip(self.dimensions, u.T, strict=True)]
        if self.rules.conditions:
            return self.ruled(columns)[0]
        return [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]

    def allowed_from_unit(self, u: Unit) -> list[dict[str, Any]]:
        """Map the rows of numbers in [0, 1), shape (num, num_dimensions), to points; leave out what is not allowed."""
        if not self.rules.constraints:
            return self.from_unit(u)
        columns = [dim.from_unit(column) for dim, column in zip(self.dimensions, u.T, strict=True)]
        points, allowed = self.ruled(columns)
        return [point for point, is_allowed in zip(points, allowed, strict=True) if is_allowed]

    def ruled(self, columns: Sequence[Sequence[Any]]) -> tuple[list[dict[str, Any]], Any]:
        """Return points without what is inactive, and which of them are allowed, shape (num,).

        Args:
            columns: A value for every point, by dimension.
        """
        active, allowed = self.judge(columns)
        rows = zip(*columns, strict=True)
        if not self.rules.conditions:
            return [dict(zip(self.names, row, strict=True)) for row in rows], allowed
        return [
            {name: value for name, value, is_active in zip(self.names, row, mask, strict=True) if is_active}
            for row, mask in zip(rows, active.tolist(), strict=True)
        ], allowed

    def judge(self, columns: Sequence[Sequence[Any]]) -> tuple[Any, Any]:
        """Return which dimensions of points are active, shape (num, num_dimensions), and which are allowed, (num,).

        Args:
            columns: A value for every point, by dimension; anything where it is inactive.
        """
        table = self._table(columns)
        return self.rules.activate(table, self.names), self.rules.allows(table, self.names)

    def activity(self, columns: Sequence[Sequence[Any]]) -> Any:
        """Return which dimensions of points are active, shape (num, num_dimensions). See `judge`."""
        return self.rules.activate(self._table(columns), self.names)

    def _table(self, columns: Sequence[Sequence[Any]]) -> PointColumns:
        return PointColumns(dict(zip(self.names, columns, strict=True)), len(columns[0]))

    def allows(self, point: Mapping[str, Any]) -> bool:
        """Return whether a canonical point fulfils the constraints."""
        return not self.rules.constraints or bool(self.judge(self._columns(point))[1][0])

    def allowed(self, point: Mapping[str, object]) -> dict[str, Any]:
        """Return a point in its canonical form.

        Raises:
            ProblemError: It is not in the space, or does not fulfil the constraints.
        """
        found = self.canonical(point)
        if not self.allows(found):
            broken = " and ".join(map(repr, self.broken(found)))
            raise ProblemError(f"a point must fulfil the constraints, got {found}, for which {broken} is not true")
        return found

    def broken(self, point: Mapping[str, Any]) -> list[str]:
        """Return the constraints that a canonical point does not fulfil, as they are written."""
        table = self._table(self._columns(point))
        self.rules.activate(table, self.names)
        return [each.text for each in self.rules.constraints if not each.allows(table, self.names)[0]]

    def trimmed(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return a point without the dimensions that are inactive in it.

        Args:
            point: A plain value of every dimension that is active, by name.
        """
        if not self.rules.conditions:
            return {name: point[name] for name in self.names}
        active = self.activity(self._columns(point))[0].tolist()
        return {name: point[name] for name, is_active in zip(self.names, active, strict=True) if is_active}

    def _columns(self, point: Mapping[str, Any]) -> list[list[Any]]:
        return [[point.get(name, INACTIVE)] for name in self.names]

    def sample(self, rng: "np.random.Generator", num: int) -> list[dict[str, Any]]:
        """Draw independent points from the priors, those that are allowed.

        Raises:
            ProblemError: Hardly any is.
        """
        found = self.allowed_from_unit(rng.random((num, len(self.dimensions))))
        while len(found) < num:
            self.require_room()
            found += self.allowed_from_unit(rng.random((LARGEST_DRAW, len(self.dimensions))))
        return found[:num]

    @cached_property
    def acceptance(self) -> float:
        """Share of random points that the constraints allow, 0 to 1: of thousands, or of more if hardly any is."""
        if not self.rules.constraints:
            return 1.0
        import numpy as np

        rng = np.random.default_rng(0)
        num = num_allowed = 0
        while num_allowed < FEWEST_ALLOWED and num < MOST_DRAWN:
            num += LARGEST_DRAW
            num_allowed += len(self.allowed_from_unit(rng.random((LARGEST_DRAW, len(self.dimensions)))))
        return num_allowed / num

    def require_room(self) -> None:
        """Find out whether points can be drawn at random until they are allowed.

        Raises:
            ProblemError: Hardly any point is allowed.
        """
        if self.acceptance < NARROWEST and not self._listed:
            texts = " and ".join(repr(each.text) for each in self.rules.constraints)
            raise ProblemError(
                f"constraints must allow at least {NARROWEST:.0e} of the points, got {self.acceptance:.1e}: {texts}; "
                "narrow the ranges, or search for what the constrained values are made of"
            )

    def canonical(self, point: Mapping[str, object]) -> dict[str, Any]:
        """Return the point with plain values in the order of the dimensions, without those that are inactive.

        Raises:
            ProblemError: If an entry is unknown, missing or not in its dimension.
        """
        if not isinstance(point, Mapping):
            raise ProblemError(f"a point must map names to values, got {reprlib.repr(point)}; write a dict")
        if tuple(point) != self.names:
            self._check_names(point)
        found: dict[str, Any] = {}
        try:
            for name, dim in zip(self.names, self.dimensions, strict=True):
                if name in point:
                    found[name] = dim.canonical(point[name])
        except ProblemError as error:
            raise ProblemError(f"dimension {name!r}: {error}") from None
        if self.rules.conditions:
            active = self.activity(self._columns(found))[0].tolist()
            wanted = [name for name, is_active in zip(self.names, active, strict=True) if is_active]
            self._check_missing([name for name in wanted if name not in found])
            found = {name: found[name] for name in wanted}
        return found

    def _check_names(self, point: Mapping[str, object]) -> None:
        for name in point:
            if name not in self.names:
                raise ProblemError(
                    f"a point must name dimensions only, got {name!r}; {did_you_mean(str(name), self.names)}"
                )
        if not self.rules.conditions:
            self._check_missing([name for name in self.names if name not in point])

    def _check_missing(self, missing: Sequence[str]) -> None:
        if missing:
            names = ", ".join(missing)
            raise ProblemError(f"a point must have a value for every dimension, got none for {names}; add them")

    def is_canonical(self, point: Mapping[str, object]) -> bool:
        """Return whether a point certainly is what `canonical` would return."""
        if self.rules.conditions:
            return False  # finding that out is no quicker than making it so
        return type(point) is dict and tuple(point) == self.names and all(map(_holds, self.dimensions, point.values()))

    def key(self, point: Mapping[str, Any]) -> Hashable:
        """Return what is equal for identical canonical points and differs for all others."""
        if self.rules.conditions:
            values = tuple([point.get(name, INACTIVE) for name in self.names])
        else:
            values = tuple([point[name] for name in self.names])  # a list is faster here than a generator
        if self._ambiguous:
            return values, tuple([type(point.get(name)) for name in self._ambiguous])
        return values

    def unseen(self, seen: Collection[Hashable], rng: "np.random.Generator") -> dict[str, Any] | None:
        """Return a point whose key is not among the seen ones, or None if there is none left.

        The walk starts at a random point and takes the neighbours in order, the last dimension fastest.

        Args:
            seen: Keys of points.
            rng: Where the start is drawn from.

        Raises:
            ProblemError: If the space is infinite.
        """
        if self._listed is not None and self.rules != NO_RULES:
            keys = list(self._listed)
            start = int(rng.integers(max(len(keys), 1)))
            left = (key for key in keys[start:] + keys[:start] if key not in seen)
            return next((self._listed[key] for key in left), None)
        finite = [dim for dim in self.dimensions if not isinstance(dim, Real)]
        if len(finite) < len(self.dimensions):
            raise ProblemError("a space must be finite to be walked, got a range of real numbers; sample it instead")
        start = 0
        for dim in finite:
            start = start * dim.size + int(rng.integers(dim.size - 1, dtype="uint64", endpoint=True))
        size = math.prod(dim.size for dim in finite)
        for step in range(min(size, len(seen) + 1)):
            point = self._at((start + step) % size, finite)
            if self.key(point) not in seen:
                return point
        return None

    def _at(self, index: int, finite: list[Integer | Categorical | Ordinal]) -> dict[str, Any]:
        """Return the point at a mixed-radix index."""
        values: list[Value] = []
        for dim in reversed(finite):
            index, digit = divmod(index, dim.size)
            values.append(dim.at(digit))
        return dict(zip(self.names, reversed(values), strict=True))


def _holds(dim: Dimension, value: object) -> bool:
    return dim.holds(value)
