"""Mapping of points of another space, or of texts, into a space."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dhmpi.errors import ProblemError
from dhmpi.evaluation import Point
from dhmpi.space.choices import Choices
from dhmpi.space.dimension import Dimension, Integer
from dhmpi.space.space import Space
from dhmpi.space.values import Value, finite_number, unit_row

# What stands for the value None in a text.
NONE_WORDS = ("None", "null", "<None>", "(None)", "")


class Mapped(NamedTuple):
    """Names of another space as a space has them.

    Attributes:
        names: Where the value of each dimension comes from, by the name that it has now.
        assumed: Values of dimensions that the other space lacks.
        ignored: Names of the other space that have become nothing.
        missing: Dimensions that the other space lacks, and for which no value can be assumed.
    """

    names: Mapping[str, str]
    assumed: Mapping[str, Value]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]


class PointMapping:
    """Mapping of points with other names and values into a space.

    A dimension that the other space lacks had one value there: the default, unless the dimension has a single value.

    Args:
        space: The space.
        others: Names of the dimensions of the other space.
        defaults: Values of dimensions that the other space may lack.
        formerly: Names that dimensions had, by those that they have.

    Attributes:
        mapped: What became of the names.
    """

    def __init__(
        self,
        space: Space,
        others: Sequence[str],
        defaults: Mapping[str, Value],
        formerly: Mapping[str, Sequence[str]],
    ) -> None:
        self._space = space
        found: dict[str, str] = {}
        for name in space.names:
            known = next((each for each in (name, *formerly.get(name, ())) if each in others), None)
            if known is not None:
                found[name] = known
        assumed = {
            name: defaults[name] if name in defaults else dim.from_unit(unit_row([0.0]))[0]
            for name, dim in space.by_name.items()
            if name not in found and (name in defaults or dim.size == 1)
        }
        missing = tuple(name for name in space.names if name not in found and name not in assumed)
        ignored = tuple(name for name in others if name not in found.values())
        self.mapped = Mapped(found, assumed, ignored, missing)

    def __call__(self, values: Mapping[str, Any]) -> Point | str:
        """Return a point of the space, or why there is none, in words that are the same for others like it.

        Args:
            values: Values by the names of the other space, or texts of them; what was inactive there is missing.
        """
        point = dict(self.mapped.assumed)
        for name, other in self.mapped.names.items():
            if other in values:
                dim = self._space.by_name[name]
                fitted = _fitted(dim, values[other])
                if fitted is None:
                    return f"{name} is not {_described(dim)}"
                [point[name]] = fitted
        ordered = {name: point[name] for name in self._space.names if name in point}
        try:
            found = self._space.canonical(ordered)
        except ProblemError:  # what is missing is active, since all that is there has been checked
            lacking = [name for name in self._space.names if name not in ordered]
            return f"no value of {' or '.join(lacking)}"
        return found if self._space.allows(found) else "the constraints do not allow it"


def _fitted(dim: Dimension, value: Any) -> tuple[Value] | None:
    """Return a value of a dimension, of which there may be a text, in a tuple since it may be None."""
    try:
        return (dim.canonical(value),)
    except ProblemError:
        return _read(dim, value) if isinstance(value, str) else _converted(dim, value)


def _read(dim: Dimension, text: str) -> tuple[Value] | None:
    """Return the value of which there is a text."""
    if isinstance(dim, Choices):
        for choice in dim.choices:
            words = NONE_WORDS if choice is None else (str(choice), repr(choice))
            if text in words or (isinstance(choice, bool) and text.lower() == str(choice).lower()):
                return (choice,)
    for kind in (int, float):
        try:
            return _converted(dim, kind(text))
        except ValueError:
            continue
    return None


def _converted(dim: Dimension, value: Any) -> tuple[Value] | None:
    """Return the value that equals a number, whose type may be another one."""
    number = finite_number(value)
    if number is None:
        return None
    if isinstance(dim, Choices):
        # Other packages add up steps: 0.1 + 0.2 stands for 0.3.
        numbers = [(each, finite_number(each)) for each in dim.choices if not isinstance(each, bool)]
        same = [each for each, known in numbers if known is not None and math.isclose(known, number, rel_tol=1e-9)]
        return (same[0],) if same else None
    if isinstance(dim, Integer) and number != math.floor(number):
        return None
    return (dim.canonical(number),) if dim.low <= number <= dim.high else None


def _described(dim: Dimension) -> str:
    if isinstance(dim, Choices):
        return "one of its values"
    kind = "an integer " if isinstance(dim, Integer) else ""
    return f"{kind}from {dim.low:g} to {dim.high:g}"
