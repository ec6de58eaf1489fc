"""Spaces: named dimensions, and the points that they span."""

import math
import reprlib
from collections.abc import Collection, Hashable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dhmpi.errors import ProblemError, did_you_mean
from dhmpi.space.choices import Categorical, Choices, Ordinal
from dhmpi.space.dimension import Dimension, Integer, Real, dimension
from dhmpi.space.values import Unit, Value

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Categorical", "Choices", "Dimension", "Integer", "Ordinal", "Real", "Space", "Unit", "Value", "dimension"]


class Space:
    """Named dimensions in a fixed order.

    A point is canonical if it is a dict in the order of the dimensions with plain Python values; all points that a
    space returns are.

    Args:
        dimensions: At least one dimension, by name.

    Raises:
        ProblemError: If there is no dimension.
    """

    def __init__(self, dimensions: Mapping[str, Dimension]) -> None:
        if not dimensions:
            raise ProblemError("a space must have at least one dimension, got none; add one with add_dim(name, space)")
        self.names = tuple(dimensions)
        self.dimensions = tuple(dimensions.values())
        self._ambiguous = tuple(
            name for name, dim in dimensions.items() if isinstance(dim, Choices) and dim.is_ambiguous
        )

    @classmethod
    def from_specs(cls, specs: Mapping[str, object]) -> "Space":
        """Read a space as it is written in a problem: name to tuple or list.

        Raises:
            ProblemError: If a dimension is not legal, or there is none.
        """
        return cls({name: dimension(name, spec) for name, spec in specs.items()})

    def specs(self) -> dict[str, tuple[Any, ...] | list[Value]]:
        """Return the space as it is written in a problem."""
        return {name: dim.spec() for name, dim in zip(self.names, self.dimensions, strict=True)}

    @cached_property
    def size(self) -> int | None:
        """Number of points; None if infinite."""
        sizes = [dim.size for dim in self.dimensions]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def from_unit(self, u: Unit) -> list[dict[str, Any]]:
        """Map the rows of numbers in [0, 1), shape (num, num_dimensions), to points."""
        columns = [dim.from_unit(column) for dim, column in zip(self.dimensions, u.T, strict=True)]
        return [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]

    def sample(self, rng: "np.random.Generator", num: int) -> list[dict[str, Any]]:
        """Draw independent points from the priors."""
        return self.from_unit(rng.random((num, len(self.dimensions))))

    def canonical(self, point: Mapping[str, object]) -> dict[str, Any]:
        """Return the point with plain values in the order of the dimensions.

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
                found[name] = dim.canonical(point[name])
        except ProblemError as error:
            raise ProblemError(f"dimension {name!r}: {error}") from None
        return found

    def _check_names(self, point: Mapping[str, object]) -> None:
        for name in point:
            if name not in self.names:
                raise ProblemError(
                    f"a point must name dimensions only, got {name!r}; {did_you_mean(str(name), self.names)}"
                )
        missing = [name for name in self.names if name not in point]
        if missing:
            names = ", ".join(missing)
            raise ProblemError(f"a point must have a value for every dimension, got none for {names}; add them")

    def is_canonical(self, point: Mapping[str, object]) -> bool:
        """Return whether a point certainly is what `canonical` would return."""
        return type(point) is dict and tuple(point) == self.names and all(map(_holds, self.dimensions, point.values()))

    def key(self, point: Mapping[str, Any]) -> Hashable:
        """Return what is equal for identical canonical points and differs for all others."""
        values = tuple([point[name] for name in self.names])  # a list is faster here than a generator
        if self._ambiguous:
            return values, tuple([type(point[name]) for name in self._ambiguous])
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
