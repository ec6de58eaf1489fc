"""Expressions as trees of comparisons, without `not`, for languages that have no expressions."""

import ast
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from dhmpi.errors import ProblemError

SYMBOLS: Mapping[type, str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.GtE: ">=",
    ast.Gt: ">",
    ast.LtE: "<=",
    ast.In: "in",
    ast.NotIn: "not in",
}
OPPOSITE = {"==": "!=", "<": ">=", ">": "<=", "in": "not in"}
OPPOSITE |= {other: one for one, other in OPPOSITE.items()}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


class Relation(NamedTuple):
    """Relation of a dimension to values, or to another dimension.

    Attributes:
        name: The dimension.
        operator: One of `SYMBOLS`.
        value: What it is compared with; a list after `in`.
        other: The dimension that it is compared with instead; empty if it is a value.
    """

    name: str
    operator: str
    value: Any = None
    other: str = ""


class Junction(NamedTuple):
    """All of some parts, or one of them.

    Attributes:
        is_and: Whether it is all of them.
        parts: What is joined.
    """

    is_and: bool
    parts: "list[Junction | Relation]"


def logic_tree(text: str, negate: bool = False) -> Junction | Relation:
    """Return an expression that is legal as a tree, or the opposite of it.

    Raises:
        ProblemError: It does more than to compare dimensions with values and with each other.
    """
    return _tree(ast.parse(text.strip(), mode="eval").body, negate, text)


def _tree(node: ast.expr, negate: bool, text: str) -> Junction | Relation:
    match node:
        case ast.UnaryOp(op=ast.Not()):
            return _tree(node.operand, not negate, text)
        case ast.BoolOp():
            parts = [_tree(each, negate, text) for each in node.values]
            return Junction(isinstance(node.op, ast.And) is not negate, parts)
        case ast.Name(id=name):
            return Relation(name, "==", not negate)
        case ast.Compare():
            sides = [node.left, *node.comparators]
            read: Callable[..., Relation] = partial(_comparison, negate=negate, text=text)
            found = [read(*link) for link in zip(sides, node.ops, sides[1:], strict=False)]
            return found[0] if len(found) == 1 else Junction(not negate, list(found))
    raise _refusal(text)


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr, *, negate: bool, text: str) -> Relation:
    symbol = OPPOSITE[SYMBOLS[type(operator)]] if negate else SYMBOLS[type(operator)]
    if isinstance(left, ast.Name) and isinstance(right, ast.Name):
        return Relation(left.id, symbol, other=right.id)
    if isinstance(left, ast.Name):
        return Relation(left.id, symbol, _value(right, text))
    if isinstance(right, ast.Name) and symbol in MIRRORED:
        return Relation(right.id, MIRRORED[symbol], _value(left, text))
    raise _refusal(text)


def _value(node: ast.expr, text: str) -> Any:
    try:
        found = ast.literal_eval(node)
    except ValueError:
        raise _refusal(text) from None
    return list(found) if isinstance(found, tuple | set | list) else found


def _refusal(text: str) -> ProblemError:
    need = "a rule must compare dimensions with values and with each other to be one of ConfigSpace"
    return ProblemError(f"{need}, got {text!r}; remove it")
