"""Problems: named dimensions, and for hyperparameters a starting point."""

import copy
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pprint import pformat
from typing import Any, Self

from dhmpi.errors import ProblemError
from dhmpi.space.choices import Choices, OrderedList
from dhmpi.space.dimension import Dimension, dimension, stepped
from dhmpi.space.nas_entries import check_data, check_entry
from dhmpi.space.space import Space
from dhmpi.space.values import Value


@dataclass(frozen=True)
class Optimum:
    """Best point of a problem that is known.

    Args:
        point: Value of every dimension, by name; one of them if there are several.
        objective: Objective there.
    """

    point: Mapping[str, Any]
    objective: float


class Problem:
    """Names, each with its space, which may be anything; architecture searches read some of them."""

    def __init__(self) -> None:
        self._space: dict[str, Any] = {}

    def add_dim(self, p_name: str, p_space: Any) -> None:
        """Add a dimension after the present ones.

        Args:
            p_name: Name, not in use yet. `regression`, `load_data`, `preprocessing`, `create_structure` and
                `hyperparameters` are what architecture searches read.
            p_space: What it may be.

        Raises:
            ProblemError: If the name is no string, empty or in use, or an entry that searches read is not legal.
        """
        check_entry(p_name, p_space)
        self._add(p_name, p_space)

    def _add(self, p_name: str, p_space: Any) -> None:
        if not isinstance(p_name, str) or not p_name:
            raise ProblemError(f"a dimension's name must be a string of at least one character, got {p_name!r}")
        if p_name in self._space:
            raise ProblemError(f"a dimension's name must be new, got {p_name!r} again; choose another name")
        self._space[p_name] = p_space

    @property
    def space(self) -> dict[str, Any]:
        """Copy of the spaces by name, in the order in which they were added."""
        return dict(self._space)

    def with_dim(self, p_name: str, p_space: Any) -> Self:
        """Return a copy with another space for a dimension that there is."""
        changed = copy.copy(self)
        changed._space = {**self._space, p_name: p_space}
        return changed

    def check(self) -> None:
        """Find out whether what evaluations need is there; called once, before a campaign begins.

        This looks for the files of the data set that `load_data` names. Override it for what else is needed, and raise
        what is wrong: an InputError such as DataError is shown as one sentence, anything else with its traceback.

        Raises:
            DataError: Files are missing or broken.
        """
        entry = self._space.get("load_data")
        if isinstance(entry, Mapping):
            check_data(entry)

    def __repr__(self) -> str:
        return "Problem\n" + _pretty(self.space)


class HpProblem(Problem):
    """Space of hyperparameters and the point at which a search may start.

    >>> from dhmpi.benchmark import HpProblem
    >>> Problem = HpProblem()
    >>> Problem.add_dim(p_name="nunits", p_space=(10, 20), default=10)
    >>> print(Problem)
    Problem
    {'nunits': (10, 20)}
    <BLANKLINE>
    Starting Point
    {'nunits': 10}
    """

    def __init__(self) -> None:
        super().__init__()
        self._dimensions: dict[str, Dimension] = {}
        self._defaults: dict[str, Value] = {}

    def add_dim(
        self, p_name: str, p_space: Any, default: Any = None, *, ordered: bool = False, step: float | None = None
    ) -> None:
        """Add a dimension after the present ones.

        Args:
            p_name: Name, not in use yet; it becomes the name of a data set, so `/`, NUL and `.` alone are not allowed.
            p_space: A tuple `(low, high)` or `(low, high, prior)` is a range with both ends: of integers, or of real
                numbers if a bound is a float; the prior is `uniform` (the default) or `log-uniform`. A list holds
                categories: strings, bools, None, integers, floats. A number or bool alone is a constant.
            default: Value in the starting point. None means that there is none, unless None is a category.
            ordered: Whether the values of a list are in their order: models see which are neighbours.
            step: Distance of the values of a range `(low, high)`, above 0; `high` is one of them.

        Raises:
            ProblemError: If the name, the space or the default is not legal; nothing is added then.
        """
        if isinstance(p_name, str) and (p_name == "." or "/" in p_name or "\0" in p_name):
            raise ProblemError(f"a dimension's name must not be '.' nor contain '/' or NUL, got {p_name!r}; write '_'")
        new = _dimension(p_name, p_space, ordered, step)
        has_default = default is not None or (isinstance(new, Choices) and None in new.choices)
        try:
            defaults = {p_name: new.canonical(default)} if has_default else {}
        except ProblemError as error:
            raise ProblemError(f"default of dimension {p_name!r}: {error}") from None
        self._add(p_name, new.spec())
        self._dimensions[p_name] = new
        self._defaults |= defaults

    @property
    def space(self) -> dict[str, Any]:
        """Copy of the tuples and lists by name, in the order in which they were added."""
        return {name: dim.spec() for name, dim in self._dimensions.items()}

    @property
    def dimensions(self) -> Space:
        """The space as a Space, to sample and check points.

        Raises:
            ProblemError: If there is no dimension.
        """
        return Space(self._dimensions)

    @property
    def starting_point(self) -> list[Value]:
        """Default values in the order of the dimensions, None where there is none."""
        return list(self.starting_point_asdict.values())

    @property
    def starting_point_asdict(self) -> dict[str, Value]:
        """Default values by name, None where there is none."""
        return {name: self._defaults.get(name) for name in self._dimensions}

    @property
    def has_starting_point(self) -> bool:
        """Whether every dimension has a default, so that the starting point can be evaluated."""
        return bool(self._dimensions) and len(self._defaults) == len(self._dimensions)

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n\nStarting Point\n{_pretty(self.starting_point_asdict)}"


def _dimension(name: str, space: Any, ordered: bool, step: float | None) -> Dimension:
    """Return a dimension as `add_dim` has been told it."""
    if ordered and not isinstance(space, list):
        got = reprlib.repr(space)
        raise ProblemError(f"dimension {name!r}: ordered must go with a list, got {got}; a range has its order")
    if step is not None:
        return stepped(name, space, step)
    return dimension(name, OrderedList(space) if ordered else space)


def _pretty(values: Mapping[str, Any]) -> str:
    return pformat(dict(values), indent=2, sort_dicts=False)
