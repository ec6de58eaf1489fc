"""Problems from spaces of ConfigSpace."""

import math
import operator
from collections.abc import Iterator
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

import ConfigSpace
from ConfigSpace.forbidden import ForbiddenClause, ForbiddenRelation

from dhmpi.errors import ProblemError
from dhmpi.space.object_categories import category_text
from dhmpi.space.objectives import OBJECTIVES
from dhmpi.space.values import plain_value

if TYPE_CHECKING:
    from dhmpi.space.problem import HpProblem

# How conditions and forbidden clauses compare a hyperparameter with a value, or with another one.
COMPARED: tuple[tuple[Any, str], ...] = (
    (ConfigSpace.EqualsCondition, "=="),
    (ConfigSpace.NotEqualsCondition, "!="),
    (ConfigSpace.LessThanCondition, "<"),
    (ConfigSpace.GreaterThanCondition, ">"),
    (ConfigSpace.ForbiddenEqualsClause, "=="),
    (ConfigSpace.ForbiddenLessThanEqualsClause, "<="),
    (ConfigSpace.ForbiddenGreaterThanEqualsClause, ">="),
    (ConfigSpace.ForbiddenLessThanClause, "<"),
    (ConfigSpace.ForbiddenGreaterThanClause, ">"),
)
RELATED: tuple[tuple[Any, str], ...] = (
    (ConfigSpace.ForbiddenLessThanEqualsRelation, "<="),
    (ConfigSpace.ForbiddenGreaterThanEqualsRelation, ">="),
    (ConfigSpace.ForbiddenLessThanRelation, "<"),
    (ConfigSpace.ForbiddenGreaterThanRelation, ">"),
    (ConfigSpace.ForbiddenEqualsRelation, "=="),
)
OPERATIONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
NORMAL: tuple[Any, ...] = (ConfigSpace.NormalIntegerHyperparameter, ConfigSpace.NormalFloatHyperparameter)
BETA: tuple[Any, ...] = (ConfigSpace.BetaIntegerHyperparameter, ConfigSpace.BetaFloatHyperparameter)
INTEGERS: tuple[Any, ...] = (ConfigSpace.UniformIntegerHyperparameter, NORMAL[0], BETA[0])
FLOATS: tuple[Any, ...] = (ConfigSpace.UniformFloatHyperparameter, NORMAL[1], BETA[1])
IN = (ConfigSpace.InCondition, ConfigSpace.ForbiddenInClause)
ALL: tuple[Any, ...] = (ConfigSpace.AndConjunction, ConfigSpace.ForbiddenAndConjunction)
ANY: tuple[Any, ...] = (ConfigSpace.OrConjunction, ConfigSpace.ForbiddenOrConjunction)


def fill(problem: "HpProblem", space: ConfigSpace.ConfigurationSpace) -> None:
    """Add dimensions, conditions and constraints of a space of ConfigSpace to a problem.

    Args:
        problem: A new problem.
        space: What is added.

    Raises:
        ProblemError: Something in it cannot be said here.
    """
    if not isinstance(space, ConfigSpace.ConfigurationSpace):
        raise ProblemError(f"the space must be a ConfigurationSpace of ConfigSpace, got {type(space).__name__}")
    for parameter in _parents_first(space):
        label = {key: parameter.meta[key] for key in ("unit", "description") if key in (parameter.meta or {})}
        values, more = _spec(parameter)
        problem.add_dim(parameter.name, values, plain_value(parameter.default_value), **more, **label)
    for condition in space.conditions:
        for part in _parts(condition, ALL):
            _add_condition(problem, part)
    for clause in space.forbidden_clauses:
        for part in _parts(clause, ANY):
            _forbid(problem, part)
    objectives = (space.meta or {}).get(OBJECTIVES, {})
    for name, maximises in objectives.items() if isinstance(objectives, dict) else ():
        problem.add_objective(name, maximises)


def _parents_first(space: ConfigSpace.ConfigurationSpace) -> list[Any]:
    found: dict[str, Any] = {}

    def add(parameter: Any) -> None:
        for parent in space.parents_of[parameter.name]:
            add(parent)
        found.setdefault(parameter.name, parameter)

    for parameter in space.values():
        add(parameter)
    return list(found.values())


def _spec(parameter: Any) -> tuple[Any, dict[str, Any]]:
    """Return a hyperparameter as it is written in a problem."""
    kind = type(parameter).__name__.removesuffix("Hyperparameter")
    if isinstance(parameter, ConfigSpace.Constant):
        return [plain_value(parameter.value)], {}
    if isinstance(parameter, ConfigSpace.OrdinalHyperparameter):
        return [plain_value(each) for each in parameter.sequence], {"ordered": True}
    if isinstance(parameter, ConfigSpace.CategoricalHyperparameter):
        weights = [plain_value(each) for each in parameter.weights or ()]
        more = {"prior": weights} if len(set(weights)) > 1 else {}
        return [plain_value(each) for each in parameter.choices], more
    if isinstance(parameter, INTEGERS + FLOATS):
        number = int if isinstance(parameter, INTEGERS) else float
        bounds = number(parameter.lower), number(parameter.upper)
        prior = _prior(parameter)
        return (*bounds, "log-uniform") if parameter.log else bounds, {} if prior is None else {"prior": prior}
    need = "a hyperparameter must be uniform, normal, beta, ordinal, constant or categorical"
    raise ProblemError(f"{need}, got {parameter.name!r}, {kind}; call remove_hyperparameter_priors() before")


def _prior(parameter: Any) -> tuple[str, float, float] | None:
    """Return the prior of a range; None if it is uniform.

    A beta distribution becomes the normal one with the same mean and standard deviation.
    """
    low, high = float(parameter.lower), float(parameter.upper)
    if isinstance(parameter, NORMAL):
        mean, sigma = float(parameter.mu), float(parameter.sigma)
        # There, a sigma on a logarithmic scale is the distance of lower + sigma from 1.
        return "normal", mean, abs(math.log10(low + sigma)) if parameter.log else sigma
    if isinstance(parameter, BETA) and (parameter.alpha, parameter.beta) != (1, 1):
        alpha, total = float(parameter.alpha), float(parameter.alpha + parameter.beta)
        mean, std = alpha / total, math.sqrt(alpha * (total - alpha) / (total**2 * (total + 1)))
        if parameter.log:
            return "normal", min(max(low * (high / low) ** mean, low), high), std * math.log10(high / low)
        return "normal", low + mean * (high - low), std * (high - low)
    return None


def _parts(rule: Any, kinds: tuple[Any, ...]) -> Iterator[Any]:
    """Yield what a rule joins, all the way down; itself if it joins nothing in these ways."""
    if isinstance(rule, kinds):
        for part in rule.components:
            yield from _parts(part, kinds)
    else:
        yield rule


def _add_condition(problem: "HpProblem", condition: Any) -> None:
    child = condition.child.name
    values = None if isinstance(condition, ANY) else _values(condition)
    if values is not None:
        problem.add_condition(child, condition.parent.name, is_in=values)
    else:
        problem.add_condition(child, _expression(problem, condition))


def _forbid(problem: "HpProblem", clause: Any) -> None:
    parts = list(_parts(clause, ALL))
    if not any(isinstance(each, (*ANY, ForbiddenRelation)) for each in parts):
        values = {each.hyperparameter.name: _values(each) for each in parts}
        if len(values) == len(parts) and None not in values.values():
            problem.add_forbidden(values)
            return
    problem.add_constraint(f"not ({_expression(problem, clause)})")


def _parameter(rule: Any) -> Any:
    return rule.hyperparameter if isinstance(rule, ForbiddenClause) else rule.parent


def _operator(rule: Any) -> str:
    return next(symbol for kind, symbol in COMPARED if isinstance(rule, kind))


def _values(rule: Any) -> list[Any] | None:
    """Return the values for which a condition holds, or a clause forbids; None if they are not listed."""
    parameter = _parameter(rule)
    if isinstance(rule, IN):
        return [plain_value(each) for each in rule.values]
    if isinstance(parameter, ConfigSpace.OrdinalHyperparameter):
        listed = tuple(parameter.sequence)
    elif isinstance(parameter, ConfigSpace.CategoricalHyperparameter):
        listed = tuple(parameter.choices)
    else:
        return [plain_value(rule.value)] if _operator(rule) == "==" else None
    compare, place = OPERATIONS[_operator(rule)], listed.index(rule.value)
    return [plain_value(each) for index, each in enumerate(listed) if compare(index, place)]


def _expression(problem: "HpProblem", rule: Any) -> str:
    """Return a condition or clause as an expression.

    Raises:
        ProblemError: It has none.
    """
    for kinds, word in ((ALL, " and "), (ANY, " or ")):
        if isinstance(rule, kinds):
            return word.join(f"({_expression(problem, each)})" for each in rule.components)
    for kind, symbol in RELATED:
        if isinstance(rule, kind):
            return f"{_name(rule.left, rule)} {symbol} {_name(rule.right, rule)}"
    name, values = _name(_parameter(rule), rule), _values(rule)
    if values is None:
        return f"{name} {_operator(rule)} {plain_value(rule.value)!r}"
    texts = [category_text(each) if name in problem.objects else each for each in values]
    return f"{name} == {texts[0]!r}" if len(texts) == 1 else f"{name} in {texts!r}"


def _name(parameter: Any, rule: Any) -> str:
    name: str = parameter.name
    if not name.isidentifier() or iskeyword(name):
        raise ProblemError(f"a name in {rule} must be one that an expression can have, got {name!r}; rename it")
    return name
