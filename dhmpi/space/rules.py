"""Rules of a space: which dimensions are active, and which points are allowed."""

import reprlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from dhmpi.errors import ProblemError, did_you_mean
from dhmpi.space.choices import Choices
from dhmpi.space.dimension import Dimension
from dhmpi.space.expression import Expression
from dhmpi.space.point_columns import PointColumns, Truth


class Test(Protocol):
    """Test of points.

    Attributes:
        names: Dimensions on which it depends.
    """

    @property
    def names(self) -> Collection[str]:
        """The dimensions."""

    def __call__(self, columns: PointColumns) -> Truth:
        """Return for which points it is true."""


class Membership(NamedTuple):
    """Test whether a dimension has one of some values.

    Attributes:
        name: The dimension.
        values: The values.
    """

    name: str
    values: tuple[Any, ...]

    @property
    def names(self) -> tuple[str]:
        """The dimension on which it depends."""
        return (self.name,)

    @classmethod
    def read(cls, name: str, values: object, dimensions: Mapping[str, Dimension]) -> "Membership":
        """Return the test as it is written in a problem.

        Raises:
            ProblemError: There is no such dimension, or it has no such value.
        """
        dim = known_dimension(name, dimensions)
        if not isinstance(values, list | tuple | set | frozenset | range) or not values:
            raise ProblemError(f"is_in must be a list of values of {name!r}, got {reprlib.repr(values)}")
        try:
            return cls(name, tuple(dim.canonical(each) for each in values))
        except ProblemError as error:
            raise ProblemError(f"dimension {name!r}: {error}") from None

    def __call__(self, columns: PointColumns) -> Truth:
        """Return for which points it is true."""
        import numpy as np

        allowed = {(type(each), each) for each in self.values}
        found = np.array([(type(each), each) in allowed for each in columns.objects(self.name).tolist()], bool)
        active = columns.active(self.name)
        return Truth(found & active, active)


class Exclusion(NamedTuple):
    """Test that values do not come together.

    Attributes:
        tests: Of which one at least must be false, or undecided.
    """

    tests: tuple[Membership, ...]

    @property
    def names(self) -> set[str]:
        """The dimensions on which it depends."""
        return {test.name for test in self.tests}

    def __call__(self, columns: PointColumns) -> Truth:
        """Return for which points it is true; it is decided for all."""
        import numpy as np

        together = np.all([test(columns).holds for test in self.tests], axis=0)
        return Truth(~together, np.ones_like(together))


class Condition(NamedTuple):
    """Condition under which a dimension is active.

    Attributes:
        when: A dimension if there is `is_in`, else an expression.
        is_in: Values of the dimension.
        test: The same as a test.
    """

    when: str
    is_in: tuple[Any, ...] | None
    test: Test

    @classmethod
    def read(cls, when: object, is_in: object, dimensions: Mapping[str, Dimension]) -> "Condition":
        """Return a condition as it is written in a problem.

        Args:
            when: The dimension that decides, or an expression if `is_in` is None.
            is_in: Its values with which the condition holds.
            dimensions: What may decide.

        Raises:
            ProblemError: It is no condition.
        """
        if not isinstance(when, str):
            raise ProblemError(f"when must be a dimension's name or an expression, got {reprlib.repr(when)}")
        if is_in is None and when in dimensions:
            if _is_truth(dimensions[when]):
                return cls(when, None, Membership(when, (True,)))
            raise ProblemError(f"when={when!r} must go with is_in, a list of its values, got none; add it")
        if is_in is None:
            return cls(when, None, Expression(when, dimensions))
        test = Membership.read(when, is_in, dimensions)
        return cls(when, test.values, test)

    def spec(self) -> dict[str, Any]:
        """Return the condition as JSON values."""
        return {"when": self.when} | ({} if self.is_in is None else {"is_in": list(self.is_in)})

    def __str__(self) -> str:
        return self.when if self.is_in is None else f"{self.when} in {list(self.is_in)!r}"


class Constraint(NamedTuple):
    """Constraint that points must fulfil.

    Attributes:
        text: How it is named to people.
        spec: The same as JSON values; of a function, no more than its name.
        test: The constraint as a test; None for a function.
        function: Returns whether a point is allowed; None for anything else.
    """

    text: str
    spec: Mapping[str, Any]
    test: Test | None = None
    function: Callable[[dict[str, Any]], object] | None = None

    @classmethod
    def of_expression(cls, text: str, dimensions: Mapping[str, Dimension]) -> "Constraint":
        """Return the constraint that an expression is true.

        Raises:
            ProblemError: It is no expression on these dimensions.
        """
        return cls(text, {"expression": text}, Expression(text, dimensions))

    @classmethod
    def of_function(cls, function: Callable[[dict[str, Any]], object]) -> "Constraint":
        """Return the constraint that a function returns something true for a point."""
        name = str(getattr(function, "__qualname__", type(function).__qualname__))
        return cls(f"{name}(point)", {"function": name}, None, function)

    @classmethod
    def forbidding(cls, clause: object, dimensions: Mapping[str, Dimension]) -> "Constraint":
        """Return the constraint that values do not come together.

        Args:
            clause: A value, or a list of values, by dimension; at least one.
            dimensions: What it may name.

        Raises:
            ProblemError: It is no such clause.
        """
        if not isinstance(clause, Mapping) or not clause:
            raise ProblemError(f"what is forbidden must be a dict of values by name, got {reprlib.repr(clause)}")
        lists = {name: each if isinstance(each, list) else [each] for name, each in clause.items()}
        tests = [Membership.read(name, values, dimensions) for name, values in lists.items()]
        plain = {test.name: list(test.values) for test in tests}
        return cls(f"forbidden: {plain}", {"forbidden": plain}, Exclusion(tuple(tests)))

    @classmethod
    def read(cls, spec: Mapping[str, Any], dimensions: Mapping[str, Dimension]) -> "Constraint | None":
        """Return a constraint from JSON values; None for a function, of which no more than the name is known.

        Raises:
            ProblemError: It is no constraint on these dimensions.
        """
        if "expression" in spec:
            return cls.of_expression(spec["expression"], dimensions)
        return cls.forbidding(spec["forbidden"], dimensions) if "forbidden" in spec else None

    def allows(self, columns: PointColumns, names: Sequence[str]) -> Any:
        """Return which points are allowed, shape (num,); an expression on inactive dimensions forbids nothing.

        Raises:
            ProblemError: The function has raised something.
        """
        import numpy as np

        if self.test is not None:
            truth = self.test(columns)
            return truth.holds | ~truth.known
        return np.array([self._asked(columns.point(names, index)) for index in range(len(columns))], bool)

    def _asked(self, point: dict[str, Any]) -> bool:
        assert self.function is not None
        try:
            return bool(self.function(dict(point)))
        except Exception as error:  # whatever user code raises
            got = f"{type(error).__name__}: {error}"
            raise ProblemError(
                f"constraint {self.text} must return whether a point is allowed, got {got} for {point}; correct it"
            ) from error


class Rules(NamedTuple):
    """Rules of a space.

    Attributes:
        conditions: For dimensions that are not always active: conditions that must all hold. They depend on dimensions
            before it.
        constraints: What every point must fulfil.
    """

    conditions: Mapping[str, tuple[Condition, ...]] = {}
    constraints: tuple[Constraint, ...] = ()

    @property
    def deciding(self) -> set[str]:
        """Dimensions on which conditions depend."""
        return {name for several in self.conditions.values() for each in several for name in each.test.names}

    def num_decided(self, name: str) -> int:
        """Return on how many dimensions a dimension decides."""
        return sum(any(name in each.test.names for each in several) for several in self.conditions.values())

    def needed(self, names: Sequence[str]) -> set[str]:
        """Return the dimensions on which rules depend; all of them if a constraint is a function."""
        tests = [each.test for each in self.constraints]
        return self.deciding.union(*(set(names) if test is None else test.names for test in tests))

    @classmethod
    def read(cls, specs: Mapping[str, Any], dimensions: Mapping[str, Dimension]) -> "Rules":
        """Return rules from JSON values, as `specs` returns them; functions are left out.

        Raises:
            ProblemError: They are no rules of these dimensions.
        """
        conditions = {
            name: tuple(Condition.read(each["when"], each.get("is_in"), dimensions) for each in several)
            for name, several in specs.get("conditions", {}).items()
        }
        constraints = [Constraint.read(each, dimensions) for each in specs.get("constraints", ())]
        return cls(conditions, tuple(each for each in constraints if each is not None))

    def specs(self) -> dict[str, Any]:
        """Return the rules as JSON values; empty if there are none."""
        found: dict[str, Any] = {}
        if self.conditions:
            found["conditions"] = {name: [each.spec() for each in some] for name, some in self.conditions.items()}
        if self.constraints:
            found["constraints"] = [dict(each.spec) for each in self.constraints]
        return found

    def activate(self, columns: PointColumns, names: Sequence[str]) -> Any:
        """Find out which dimensions are active, and tell the columns; return it, shape (num, num_dimensions)."""
        import numpy as np

        active = np.ones((len(columns), len(names)), bool)
        for index, name in enumerate(names):
            for condition in self.conditions.get(name, ()):
                active[:, index] &= condition.test(columns).holds
            if name in self.conditions:
                columns.activate(name, active[:, index])
        return active

    def allows(self, columns: PointColumns, names: Sequence[str]) -> Any:
        """Return which points fulfil all constraints, shape (num,); the columns know what is active."""
        import numpy as np

        allowed = np.ones(len(columns), bool)
        for constraint in self.constraints:
            allowed &= constraint.allows(columns, names)
        return allowed


NO_RULES = Rules()


def known_dimension(name: object, dimensions: Mapping[str, Dimension]) -> Dimension:
    """Return a dimension by its name.

    Raises:
        ProblemError: There is none.
    """
    if not isinstance(name, str) or name not in dimensions:
        hint = did_you_mean(str(name), list(dimensions))
        raise ProblemError(f"a rule must name dimensions that were added before, got {name!r}; {hint}")
    return dimensions[name]


def _is_truth(dim: Dimension) -> bool:
    return isinstance(dim, Choices) and {type(each) for each in dim.choices} == {bool}
