"""Fixed points: those that people want to be evaluated, given wholly or in part."""

import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dhmpi.errors import ProblemError, did_you_mean
from dhmpi.space.dimension import Dimension
from dhmpi.space.space import Space

if TYPE_CHECKING:
    import numpy as np

# How many completions of a point are drawn, until one of them fulfils the constraints.
DRAWS = (1, 100, 5000)


class FixedPoint(NamedTuple):
    """Point that is to be evaluated, as it was given.

    Attributes:
        values: Plain values of some dimensions, by name.
        source: Where it was given, such as `points.csv, line 3`.
    """

    values: Mapping[str, Any]
    source: str

    def completed(self, space: Space, defaults: Mapping[str, Any], rng: "np.random.Generator") -> dict[str, Any]:
        """Return the point with a value of every active dimension, and no other.

        Args:
            space: Where it lies.
            defaults: Values of dimensions that it does not give, by name.
            rng: Where others are drawn from, by their beliefs.

        Raises:
            ProblemError: It does not fulfil the constraints.
        """
        known = {**defaults, **self.values}
        lacks = any(name not in known for name in space.names)
        broken: list[str] = []
        for num in DRAWS[: None if lacks else 1]:
            units = space.believed(rng.random((num, len(space.names))))
            columns = [
                [known[name]] * num if name in known else dim.from_unit(column)
                for name, dim, column in zip(space.names, space.dimensions, units.T, strict=True)
            ]
            points, allowed = space.ruled(columns)
            if allowed.any():
                return points[int(allowed.argmax())]
            broken = broken or space.broken(points[0])
        got = f"{dict(self.values)}, for which {' and '.join(map(repr, broken))} is not true"
        raise ProblemError(f"{self.source}: a point must fulfil the constraints, got {got}; change or remove it")


def read_point(values: object, dimensions: Mapping[str, Dimension], source: str) -> FixedPoint:
    """Return a fixed point as it is written in a problem.

    Args:
        values: A value for each of some dimensions, by name; one at least.
        dimensions: Those that there are.
        source: Where it was given.

    Raises:
        ProblemError: It is none, or a dimension or a value is not there.
    """
    if not isinstance(values, Mapping) or not values:
        raise ProblemError(f"{source}: a point must be a dict of values by name, got {reprlib.repr(values)}")
    found = {}
    for name, value in values.items():
        if name not in dimensions:
            hint = did_you_mean(str(name), list(dimensions))
            raise ProblemError(f"{source}: a point must name dimensions only, got {name!r}; {hint}")
        try:
            found[name] = dimensions[name].canonical(value)
        except ProblemError as error:
            raise ProblemError(f"{source}: dimension {name!r}: {error}") from None
    return FixedPoint(found, source)
