"""Problems: named dimensions, and for hyperparameters a starting point."""

import copy
import re
import reprlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pprint import pformat
from typing import TYPE_CHECKING, Any, Self

from dhmpi.errors import ProblemError
from dhmpi.evaluation import INACTIVE, Objective
from dhmpi.space.belief import Belief, read_belief
from dhmpi.space.choices import Choices, OrderedList
from dhmpi.space.configspace import translations
from dhmpi.space.dimension import Dimension, dimension, stepped
from dhmpi.space.fixed_points import FixedPoint, read_point
from dhmpi.space.labels import labelled, read_label
from dhmpi.space.nas_entries import check_data, check_entry
from dhmpi.space.object_categories import category_text, without_objects
from dhmpi.space.objectives import declared, objective_text
from dhmpi.space.rules import NO_RULES, Condition, Constraint, known_dimension
from dhmpi.space.space import Space
from dhmpi.space.values import Value

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


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
        self.objectives: tuple[Objective, ...] = ()

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

    def add_objective(self, name: str, maximise: bool = False) -> None:
        """Add an objective after the present ones; without any, run functions return `objective`, to be small.

        >>> from dhmpi.benchmark import HpProblem
        >>> Problem = HpProblem()
        >>> Problem.add_dim("units", (16, 256))
        >>> Problem.add_objective("accuracy", maximise=True)
        >>> Problem.add_objective("latency")

        Args:
            name: Name, not in use yet, by which run functions return it. It becomes that of a data set, so `/`, NUL and
                `.` alone are not allowed; nor is `objective`, which needs no declaration.
            maximise: Whether it is to be large. Default: False.

        Raises:
            ProblemError: If it is no such name, or `maximise` no bool; nothing is added then.
        """
        self.objectives = (*self.objectives, declared(name, maximise, self.objectives))

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
        self._formerly: dict[str, tuple[str, ...]] = {}
        self.rules = NO_RULES
        # What texts among categories stand for, by dimension.
        self.objects: dict[str, dict[str, Any]] = {}
        # Units and descriptions, by dimension.
        self.labels: dict[str, dict[str, str]] = {}
        self.fixed_points: tuple[FixedPoint, ...] = ()
        # What is believed of dimensions, by name.
        self.beliefs: dict[str, Belief] = {}

    def add_dim(
        self,
        p_name: str,
        p_space: Any,
        default: Any = None,
        *,
        ordered: bool = False,
        step: float | None = None,
        unit: str = "",
        description: str = "",
        formerly: str | Sequence[str] = (),
        prior: tuple[Any, ...] | Sequence[float] | Mapping[Any, float] | None = None,
    ) -> None:
        """Add a dimension after the present ones.

        Args:
            p_name: Name, not in use yet; it becomes the name of a data set, so `/`, NUL and `.` alone are not allowed.
            p_space: A tuple `(low, high)` or `(low, high, prior)` is a range with both ends: of integers, or of real
                numbers if a bound is a float; the prior is `uniform` (the default) or `log-uniform`. A list holds
                categories: strings, bools, None, integers, floats; and tuples, lists, dicts, enum members, classes or
                functions, which the run function gets, and for which a text stands elsewhere. A number or bool alone
                is a constant.
            default: Value in the starting point. None means that there is none, unless None is a category; of a
                constant, it is the constant.
            ordered: Whether the values of a list are in their order: models see which are neighbours.
            step: Distance of the values of a range `(low, high)`, above 0; `high` is one of them.
            unit: Unit of its values, for people.
            description: Description of it, for people.
            formerly: Names that it had in earlier campaigns, whose results `--warm-start` reads.
            prior: Where you believe the best values to be: `("normal", mean, std)` for numbers, mean and std in their
                units, but of a log-uniform range std in orders of magnitude; a list of weights for the values of a
                list, or a dict of them by value. It speeds a search up where it is right.

        Raises:
            ProblemError: If the name, the space, the default, the prior or a text is not legal; nothing is added then.
        """
        label = read_label(p_name, unit, description)
        if isinstance(p_name, str) and (p_name == "." or "/" in p_name or "\0" in p_name):
            raise ProblemError(f"a dimension's name must not be '.' nor contain '/' or NUL, got {p_name!r}; write '_'")
        plain, objects = without_objects(p_name, p_space)
        new = _dimension(p_name, plain, ordered, step)
        if default is None and isinstance(new, Choices) and new.size == 1:
            default = p_space[0] if isinstance(p_space, list) else p_space  # of a constant there is no other one
        has_default = default is not None or (isinstance(new, Choices) and None in new.choices)
        try:
            defaults = {p_name: new.canonical(category_text(default) if objects else default)} if has_default else {}
        except ProblemError as error:
            raise ProblemError(f"default of dimension {p_name!r}: {error}") from None
        names = [formerly] if isinstance(formerly, str) else formerly
        if not isinstance(names, Sequence) or not all(isinstance(name, str) and name for name in names):
            raise ProblemError(
                f"dimension {p_name!r}: formerly must be names that it had, got {reprlib.repr(formerly)}"
            )
        if objects and isinstance(prior, Mapping):
            prior = {category_text(value): weight for value, weight in prior.items()}
        belief = None if prior is None else read_belief(p_name, prior, new)
        self._add(p_name, new.spec())
        self._dimensions[p_name] = new
        if belief is not None:
            self.beliefs[p_name] = belief
        self._defaults |= defaults
        if objects:
            self.objects[p_name] = objects
        if label:
            self.labels[p_name] = label
        self._formerly[p_name] = tuple(names)

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
        return Space(self._dimensions, self.rules, self.beliefs)

    def add_condition(self, p_name: str, when: str, *, is_in: Collection[Value] | None = None) -> None:
        """Add a condition under which a dimension is active; points have it only then.

        Several conditions on a dimension must hold together. One that depends on an inactive dimension does not hold.

        >>> from dhmpi.benchmark import HpProblem
        >>> Problem = HpProblem()
        >>> Problem.add_dim("kernel", ["linear", "poly", "rbf"])
        >>> Problem.add_dim("degree", (2, 5))
        >>> Problem.add_dim("gamma", (1e-4, 10.0, "log-uniform"))
        >>> Problem.add_condition("degree", when="kernel", is_in=["poly"])
        >>> Problem.add_condition("gamma", when="kernel == 'rbf' or degree >= 3")

        Args:
            p_name: Dimension that is there already.
            when: Dimension before it on which it depends, or an expression on such dimensions; see `Expression`.
            is_in: Values of the dimension `when`; None if that is an expression, or a bool that must be True.

        Raises:
            ProblemError: If it is no such condition; nothing is added then.
        """
        known_dimension(p_name, self._dimensions)
        names = list(self._dimensions)
        earlier = {name: self._dimensions[name] for name in names[: names.index(p_name)]}
        if isinstance(when, str) and when in self.objects and isinstance(is_in, list | tuple | set | frozenset):
            is_in = [category_text(each) for each in is_in]
        try:
            new = Condition.read(when, is_in, earlier)
        except ProblemError as error:
            later = [name for name in re.findall(r"\w+", str(when)) if name in names and name not in earlier]
            remedy = f"; {later[0]!r} must be added before {p_name!r}, which depends on it" if later else ""
            raise ProblemError(f"condition of dimension {p_name!r}: {error}{remedy}") from None
        some = (*self.rules.conditions.get(p_name, ()), new)
        self.rules = self.rules._replace(conditions={**self.rules.conditions, p_name: some})

    def add_constraint(self, constraint: str | Callable[[dict[str, Any]], object]) -> None:
        """Add a constraint that every point fulfils.

        An expression on dimensions of which one is inactive forbids nothing.

        Args:
            constraint: An expression such as `units * layers <= 4096` (see `Expression`), or a function that returns
                whether a point, a dict without inactive dimensions, is allowed; it is called thousands of times.

        Raises:
            ProblemError: If it is none; nothing is added then.
        """
        if isinstance(constraint, str):
            self._constrain(Constraint.of_expression(constraint, self._dimensions))
        elif callable(constraint):
            self._constrain(Constraint.of_function(constraint))
        else:
            raise ProblemError(f"a constraint must be an expression or a function, got {reprlib.repr(constraint)}")

    def add_forbidden(self, values: Mapping[str, Any]) -> None:
        """Forbid that values come together.

        Args:
            values: A value, or a list of values, by name of dimension: `{"kernel": "rbf", "shrinking": [True]}`.

        Raises:
            ProblemError: If a dimension or a value is not there; nothing is added then.
        """
        if isinstance(values, Mapping):
            values = {name: self._plain(name, each) for name, each in values.items()}
        self._constrain(Constraint.forbidding(values, self._dimensions))

    def add_point(self, point: Mapping[str, Any]) -> None:
        """Add a point that is evaluated first, after the starting point and the points before it.

        Args:
            point: Values by name of dimension, of some at least; others are the defaults, or drawn where there is none.

        Raises:
            ProblemError: A dimension or a value is not there; nothing is added then.
        """
        if isinstance(point, Mapping):
            point = {name: self._plain(name, value) for name, value in point.items()}
        new = read_point(point, self._dimensions, f"point {len(self.fixed_points) + 1} of the problem")
        self.fixed_points = (*self.fixed_points, new)

    def _plain(self, name: str, value: Any) -> Any:
        """Return a value of a dimension, or a list of them, with texts in place of objects."""
        if name not in self.objects:
            return value
        is_list = isinstance(value, list) and category_text(value) not in self.objects[name]
        return [category_text(each) for each in value] if is_list else category_text(value)

    def _constrain(self, constraint: Constraint) -> None:
        self.rules = self.rules._replace(constraints=(*self.rules.constraints, constraint))

    @classmethod
    def from_configspace(cls, space: "ConfigurationSpace") -> Self:
        """Make a problem of a space of ConfigSpace; its default configuration is the starting point.

        Args:
            space: With hyperparameters, conditions and forbidden clauses.

        Raises:
            ProblemError: Something in it cannot be said here.
        """
        problem = cls()
        translations().fill(problem, space)
        return problem

    def to_configspace(self) -> "ConfigurationSpace":
        """Return the problem as a space of ConfigSpace; points that were added are not in it.

        Raises:
            ProblemError: ConfigSpace is missing, or something in the problem cannot be said there.
        """
        return translations().configspace_of(self)

    @property
    def formerly(self) -> dict[str, tuple[str, ...]]:
        """Names that dimensions had in earlier campaigns, by those that they have."""
        return {name: names for name, names in self._formerly.items() if names}

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
        """Whether every dimension that is active there has a default, so that the starting point can be evaluated."""
        if not self.rules.conditions:
            return bool(self._dimensions) and len(self._defaults) == len(self._dimensions)
        start = [[self._defaults.get(name, INACTIVE)] for name in self._dimensions]
        active = self.dimensions.activity(start)[0].tolist()
        return all(name in self._defaults for name, on in zip(self._dimensions, active, strict=True) if on)

    def __repr__(self) -> str:
        parts = [super().__repr__()]
        if self.labels:
            parts.append("\n".join(["Dimensions", *(f"  {labelled(*each)}" for each in self.labels.items())]))
        if self.beliefs:
            lines = [f"  {name}: {each.describe(self._dimensions[name])}" for name, each in self.beliefs.items()]
            parts.append("\n".join(["Beliefs", *lines]))
        if self.rules.conditions:
            conditions = self.rules.conditions.items()
            lines = [f"  {name} when {each}" for name, several in conditions for each in several]
            parts.append("\n".join(["Conditions", *lines]))
        if self.rules.constraints:
            parts.append("\n".join(["Constraints", *(f"  {each.text}" for each in self.rules.constraints)]))
        if self.objectives:
            parts.append("\n".join(["Objectives", *(f"  {objective_text(each)}" for each in self.objectives)]))
        parts.append(f"Starting Point\n{_pretty(self.starting_point_asdict)}")
        if self.fixed_points:
            parts.append("\n".join(["Points", *(_pretty(each.values) for each in self.fixed_points)]))
        return "\n\n".join(parts)


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
