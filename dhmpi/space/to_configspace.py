"""Spaces of ConfigSpace from problems."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ConfigSpace

from dhmpi.errors import ProblemError
from dhmpi.evaluation import Objective
from dhmpi.space.belief import Belief, NormalBelief, WeightedBelief
from dhmpi.space.choices import Categorical, Choices, Ordinal
from dhmpi.space.dimension import Dimension, Integer
from dhmpi.space.logic_tree import Junction, Relation, logic_tree
from dhmpi.space.objectives import OBJECTIVES

if TYPE_CHECKING:
    from dhmpi.space.problem import HpProblem

OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "in": lambda value, some: value in some,
    "not in": lambda value, some: value not in some,
}
CONDITIONS: dict[str, Any] = {
    "==": ConfigSpace.EqualsCondition,
    "<": ConfigSpace.LessThanCondition,
    ">": ConfigSpace.GreaterThanCondition,
}
CLAUSES: dict[str, Any] = {
    "==": ConfigSpace.ForbiddenEqualsClause,
    "<": ConfigSpace.ForbiddenLessThanClause,
    "<=": ConfigSpace.ForbiddenLessThanEqualsClause,
    ">": ConfigSpace.ForbiddenGreaterThanClause,
    ">=": ConfigSpace.ForbiddenGreaterThanEqualsClause,
    "in": ConfigSpace.ForbiddenInClause,
}
RELATIONS: dict[str, Any] = {
    "==": ConfigSpace.ForbiddenEqualsRelation,
    "<": ConfigSpace.ForbiddenLessThanRelation,
    "<=": ConfigSpace.ForbiddenLessThanEqualsRelation,
    ">": ConfigSpace.ForbiddenGreaterThanRelation,
    ">=": ConfigSpace.ForbiddenGreaterThanEqualsRelation,
}


def configspace_of(problem: "HpProblem") -> ConfigSpace.ConfigurationSpace:
    """Return a problem as a space of ConfigSpace, whose values are those that run functions get.

    Raises:
        ProblemError: Something in it cannot be said there.
    """
    return _Translation(problem).space


class _Translation:
    """Translation of one problem.

    Attributes:
        space: What has come of it.
    """

    def __init__(self, problem: "HpProblem") -> None:
        self._problem, self._dimensions = problem, problem.dimensions.by_name
        self._defaults = problem.starting_point_asdict
        self._parameters = {name: self._parameter(name, dim) for name, dim in self._dimensions.items()}
        self.space = ConfigSpace.ConfigurationSpace(meta=_objectives_in_meta(problem.objectives))
        self._add(*self._parameters.values())
        for child, conditions in problem.rules.conditions.items():
            found = []
            for each in conditions:
                tree = logic_tree(each.when) if each.is_in is None else Relation(each.when, "in", list(each.is_in))
                found.append(self._condition(self._parameters[child], tree))
            self._add(found[0] if len(found) == 1 else ConfigSpace.AndConjunction(*found))
        for constraint in problem.rules.constraints:
            if constraint.function is not None:
                need = "a constraint must be an expression to be one of ConfigSpace"
                raise ProblemError(f"{need}, got the function {constraint.text}; remove it")
            if "expression" in constraint.spec:
                tree = logic_tree(constraint.spec["expression"], negate=True)
            else:
                pairs = constraint.spec["forbidden"].items()
                tree = Junction(True, [Relation(name, "in", list(values)) for name, values in pairs])
            self._add(self._clause(tree))

    def _add(self, *some: Any) -> None:
        try:
            self.space.add(*some)
        except Exception as error:  # of several classes, some of which are ConfigSpace's own
            raise _refused(error) from error

    def _parameter(self, name: str, dim: Dimension) -> Any:
        given = self._defaults[name]
        meta: dict[Any, Any] | None = dict(self._problem.labels.get(name, {})) or None
        has_default = given is not None or dim.holds(None)
        default = {"default_value": self._object(name, given)} if has_default else {}
        belief = self._problem.beliefs.get(name)
        if belief is not None and (unsaid := _unsaid(belief, dim)):
            raise ProblemError(f"{unsaid} to be one of ConfigSpace, got a prior of dimension {name!r}; remove it")
        try:
            if isinstance(dim, Choices):
                values = [self._object(name, each) for each in dim.choices]
                if len(values) == 1:
                    return ConfigSpace.Constant(name, values[0], meta=meta)
                if isinstance(dim, Ordinal):
                    return ConfigSpace.OrdinalHyperparameter(name, values, meta=meta, **default)
                weights = list(belief.weights) if isinstance(belief, WeightedBelief) else None
                return ConfigSpace.CategoricalHyperparameter(name, values, meta=meta, weights=weights, **default)
            is_log, is_integer = dim.prior == "log-uniform", isinstance(dim, Integer)
            if isinstance(belief, NormalBelief):
                normal = (
                    ConfigSpace.NormalIntegerHyperparameter if is_integer else ConfigSpace.NormalFloatHyperparameter
                )
                # There, a sigma on a logarithmic scale is the distance of lower + sigma from 1.
                sigma = 10**belief.std - dim.low if is_log else belief.std
                return normal(name, belief.mean, sigma, dim.low, dim.high, log=is_log, meta=meta, **default)
            number = ConfigSpace.UniformIntegerHyperparameter if is_integer else ConfigSpace.UniformFloatHyperparameter
            return number(name, dim.low, dim.high, log=is_log, meta=meta, **default)
        except Exception as error:  # of whatever class
            raise _refused(error) from error

    def _object(self, name: str, value: Any) -> Any:
        return self._problem.objects.get(name, {}).get(value, value) if isinstance(value, str) else value

    def _listed(self, comparison: Relation) -> list[Any] | None:
        """Return the values for which a comparison is true; None if they are not listed."""
        dim = self._dimensions[comparison.name]
        if comparison.other or not isinstance(dim, Categorical | Ordinal):
            return None
        compare = OPERATIONS[comparison.operator]
        return [self._object(comparison.name, each) for each in dim.choices if compare(each, comparison.value)]

    def _condition(self, child: Any, tree: Junction | Relation) -> Any:
        if isinstance(tree, Junction):
            join = ConfigSpace.AndConjunction if tree.is_and else ConfigSpace.OrConjunction
            return join(*(self._condition(child, each) for each in tree.parts))
        if tree.other:
            need = "a condition must compare a dimension with a value to be one of ConfigSpace"
            raise ProblemError(f"{need}, got {tree.name} {tree.operator} {tree.other} for {child.name!r}; remove it")
        listed, (name, symbol, value, _) = self._listed(tree), tree
        if listed is None and symbol == "not in":
            return self._condition(child, Junction(True, [Relation(name, "!=", each) for each in value]))
        if listed is None and symbol == "!=":  # theirs is true of what is inactive, where several are joined
            return self._condition(child, Junction(False, [Relation(name, each, value) for each in "<>"]))
        parent = self._parameters[name]
        try:
            if listed is not None or symbol == "in":
                values = value if listed is None else listed
                one = len(values) == 1
                kind = ConfigSpace.EqualsCondition if one else ConfigSpace.InCondition
                return kind(child, parent, values[0] if one else values)
            if symbol in ("<=", ">="):
                symbol, value = symbol[0], _beyond(self._dimensions[name], value, symbol)
            return CONDITIONS[symbol](child, parent, value)
        except Exception as error:  # of whatever class
            raise _refused(error) from error

    def _clause(self, tree: Junction | Relation) -> Any:
        if isinstance(tree, Junction):
            parts = [self._clause(each) for each in tree.parts]
            join = ConfigSpace.ForbiddenAndConjunction if tree.is_and else ConfigSpace.ForbiddenOrConjunction
            return parts[0] if len(parts) == 1 else join(*parts)
        listed = self._listed(tree)
        if listed is None and tree.operator == "!=":
            return self._clause(Junction(False, [tree._replace(operator="<"), tree._replace(operator=">")]))
        if listed is None and tree.operator == "not in":
            return self._clause(Junction(True, [Relation(tree.name, "!=", each) for each in tree.value]))
        parameter = self._parameters[tree.name]
        try:
            if tree.other:
                return RELATIONS[tree.operator](parameter, self._parameters[tree.other])
            if listed is not None:
                one = len(listed) == 1
                return (
                    ConfigSpace.ForbiddenEqualsClause(parameter, *listed)
                    if one
                    else ConfigSpace.ForbiddenInClause(parameter, listed)
                )
            return CLAUSES[tree.operator](parameter, tree.value)
        except Exception as error:  # of whatever class
            raise _refused(error) from error


def _objectives_in_meta(objectives: Sequence[Objective]) -> dict[str, Any] | None:
    """Return the metadata of a space that tell the objectives, of which ConfigSpace knows nothing."""
    return {OBJECTIVES: {each.name: each.maximises for each in objectives}} if objectives else None


def _unsaid(belief: Belief, dim: Dimension) -> str:
    """Return what must be otherwise for ConfigSpace to have a place for a belief; empty if it has one."""
    if isinstance(dim, Ordinal):
        return "an ordered list must have no prior"
    is_log = isinstance(belief, NormalBelief) and getattr(dim, "prior", "") == "log-uniform"
    if isinstance(belief, NormalBelief) and is_log and not isinstance(dim, Choices) and 10**belief.std <= dim.low:
        return f"a standard deviation must be above log10 of {dim.low}"
    return ""


def _beyond(dim: Dimension, value: Any, symbol: str) -> Any:
    """Return the next value beyond, since conditions of ConfigSpace have no `<=`."""
    up = symbol == "<="
    if isinstance(dim, Integer):
        return math.floor(value) + 1 if up else math.ceil(value) - 1
    return math.nextafter(value, math.inf if up else -math.inf)


def _refused(error: Exception) -> ProblemError:
    said = " ".join(str(error).split())
    return ProblemError(f"what ConfigSpace has no place for must not be in the problem, got {said!r:.300}; change that")
