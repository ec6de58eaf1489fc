"""Expressions on the values of dimensions, such as `units * layers <= 4096`: read, never run as Python code.

A file may hold them, so nothing in them is evaluated but what is listed here. They are computed for many points at
once, in double precision: no power of two integers fills the memory.
"""

import ast
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dhmpi.errors import ProblemError, did_you_mean
from dhmpi.space.choices import Choices
from dhmpi.space.dimension import Dimension
from dhmpi.space.point_columns import PointColumns, Truth
from dhmpi.space.values import CATEGORY_TYPES, finite_number

LONGEST = 1000
NUMBER, TRUTH, VALUE = "a number", "true or false", "a category, which is compared by ==, != or in"
ARITHMETIC = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "true_divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "mod",
    ast.Pow: "float_power",
}
ORDER = {ast.Lt: "less", ast.LtE: "less_equal", ast.Gt: "greater", ast.GtE: "greater_equal"}
FUNCTIONS = {"abs": "abs", "sqrt": "sqrt", "log": "log", "log2": "log2", "log10": "log10", "exp": "exp"}
EXTREMES = {"min": "minimum", "max": "maximum"}


class Found(NamedTuple):
    """Values of a part of an expression for some points.

    Attributes:
        values: Numbers, truth values or objects, shape (num,).
        known: For which points it has a value: those for which every dimension in it is active, shape (num,).
    """

    values: Any
    known: Any


Part = Callable[[PointColumns], Found]


class Expression:
    """Expression on the values of dimensions that is true or false for a point, or neither.

    It is neither where it depends on a dimension that the point does not have; `and`, `or` and `not` are those of
    Kleene's logic then, so that `a > 1 or b > 1` is true if one of them is.

    Args:
        text: In the syntax of Python: names of dimensions, numbers, texts, `and`, `or`, `not`, comparisons, `in` with a
            list, `+ - * / // % **`, `abs`, `sqrt`, `log`, `log2`, `log10`, `exp`, `min` and `max`.
        dimensions: What it may name.

    Raises:
        ProblemError: It is no such expression.
    """

    def __init__(self, text: str, dimensions: Mapping[str, Dimension]) -> None:
        self.text, self._dimensions = text, dimensions
        self.names: set[str] = set()
        if len(text) > LONGEST:
            raise ProblemError(
                f"an expression must have at most {LONGEST} characters, got {len(text)}; write a function"
            )
        try:
            tree = ast.parse(text.replace("\n", " ").strip(), mode="eval").body
            self._part = self._read(tree, TRUTH)
        except ProblemError:
            raise
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise ProblemError(
                f"an expression must be written as in Python, got {text!r}; write one such as 'units * layers <= 4096'"
            ) from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is made: its parts are functions, which cannot be pickled."""
        return Expression, (self.text, dict(self._dimensions))

    def __call__(self, columns: PointColumns) -> Truth:
        """Return for which points it is true, and for which it is true or false."""
        import numpy as np

        with np.errstate(all="ignore"):  # what is no number compares as false
            values, known = self._part(columns)
        return Truth(values & known, known)

    def _read(self, node: ast.expr, wanted: str) -> Part:
        """Return a part that is what is wanted."""
        part, kind = self._part_of(node)
        if kind != wanted and wanted != VALUE and (kind, wanted) != (TRUTH, NUMBER):
            raise ProblemError(f"{ast.unparse(node)!r} in {self.text!r} must be {wanted}, but it is {kind}")
        return part

    def _part_of(self, node: ast.expr) -> tuple[Part, str]:
        match node:
            case ast.Constant(value=value) if _is_category(value):
                return _constant(value), _kind_of([value])
            case ast.Name(id=name):
                return self._dimension(name)
            case ast.UnaryOp(op=ast.Not()):
                return _negated(self._read(node.operand, TRUTH)), TRUTH
            case ast.UnaryOp(op=ast.UAdd()):
                return self._read(node.operand, NUMBER), NUMBER
            case ast.UnaryOp(op=ast.USub()):
                return _computed("negative", self._read(node.operand, NUMBER)), NUMBER
            case ast.BoolOp():
                return _joined([self._read(each, TRUTH) for each in node.values], isinstance(node.op, ast.And)), TRUTH
            case ast.BinOp() if type(node.op) in ARITHMETIC:
                sides = self._read(node.left, NUMBER), self._read(node.right, NUMBER)
                return _computed(ARITHMETIC[type(node.op)], *sides), NUMBER
            case ast.Compare():
                operands = [node.left, *node.comparators]
                links = zip(operands, node.ops, operands[1:], strict=False)
                return _joined([self._compared(*link) for link in links], True), TRUTH
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS and len(node.args) == 1:
                return _computed(FUNCTIONS[name], self._read(node.args[0], NUMBER)), NUMBER
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in EXTREMES and len(node.args) > 1:
                return _computed(EXTREMES[name], *(self._read(each, NUMBER) for each in node.args)), NUMBER
        raise ProblemError(
            f"an expression must be of names, values, comparisons and arithmetic, got {ast.unparse(node)!r:.80} "
            f"in {self.text!r}; constraints may be functions"
        )

    def _dimension(self, name: str) -> tuple[Part, str]:
        # Python normalises the names in its source.
        name = next((each for each in self._dimensions if unicodedata.normalize("NFKC", each) == name), name)
        if name not in self._dimensions:
            hint = did_you_mean(name, list(self._dimensions))
            raise ProblemError(f"an expression must name dimensions only, got {name!r} in {self.text!r}; {hint}")
        self.names.add(name)
        dim = self._dimensions[name]
        kind = _kind_of(dim.choices) if isinstance(dim, Choices) else NUMBER
        if kind == VALUE:
            return lambda columns: Found(columns.objects(name), columns.active(name)), kind
        if kind == TRUTH:
            return lambda columns: Found(columns.numbers(name) == 1.0, columns.active(name)), kind
        return lambda columns: Found(columns.numbers(name), columns.active(name)), kind

    def _compared(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Part:
        if type(operator) in ORDER:
            return _computed(ORDER[type(operator)], self._read(left, NUMBER), self._read(right, NUMBER))
        if isinstance(operator, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
                raise ProblemError(f"what follows 'in' must be a list of values, got {ast.unparse(right)!r}")
            found = _joined([self._equal(left, each) for each in right.elts], False)
            return found if isinstance(operator, ast.In) else _negated(found)
        if isinstance(operator, ast.Eq | ast.NotEq):
            found = self._equal(left, right)
            return found if isinstance(operator, ast.Eq) else _negated(found)
        raise ProblemError(
            f"values must be compared by ==, !=, <, <=, >, >= or in, got 'is' in {self.text!r}; write == or !="
        )

    def _equal(self, left: ast.expr, right: ast.expr) -> Part:
        (one, kind), (other, other_kind) = self._part_of(left), self._part_of(right)
        self._check_value(left, right)
        self._check_value(right, left)
        if VALUE in (kind, other_kind):
            return _same(one, other)
        return _computed("equal", one, other)

    def _check_value(self, name: ast.expr, value: ast.expr) -> None:
        """Check that a dimension can have a value that it is compared with: a misspelt one would never be met."""
        if isinstance(name, ast.Name):
            try:
                plain = ast.literal_eval(value)
            except ValueError:
                return  # it is no value by itself
            dim = next(dim for each, dim in self._dimensions.items() if unicodedata.normalize("NFKC", each) == name.id)
            if (
                isinstance(dim, Choices)
                and _kind_of([plain]) == NUMBER
                and plain in [_number(each) for each in dim.choices]
            ):
                return
            try:
                dim.canonical(plain)
            except ProblemError as error:
                raise ProblemError(f"dimension {name.id!r} in {self.text!r}: {error}") from None


def _is_category(value: object) -> bool:
    """Return whether a constant may stand in an expression: floats have no larger numbers."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) in CATEGORY_TYPES and (not is_number or finite_number(value) is not None)


def _number(value: object) -> float | None:
    """Return a number as such; nothing for truth values, and what is no number."""
    return None if isinstance(value, bool) else finite_number(value)


def _kind_of(values: Any) -> str:
    kinds = {type(value) for value in values}
    return TRUTH if kinds == {bool} else NUMBER if kinds <= {int, float} else VALUE


def _constant(value: Any) -> Part:
    def found(columns: PointColumns) -> Found:
        import numpy as np

        kind = object if _kind_of([value]) == VALUE else bool if isinstance(value, bool) else float
        return Found(np.full(len(columns), value, kind), np.ones(len(columns), bool))

    return found


def _computed(name: str, *parts: Part) -> Part:
    """Return the part that a function of numpy makes of one part, or of two and more, from left to right."""

    def found(columns: PointColumns) -> Found:
        import numpy as np

        function = getattr(np, name)
        first, *others = [part(columns) for part in parts]
        first = Found(first.values.astype(float), first.known)
        if not others:
            return Found(function(first.values), first.known)
        for other in others:
            first = Found(function(first.values, other.values.astype(float)), first.known & other.known)
        return first

    return found


def _same(one: Part, other: Part) -> Part:
    """Return whether two values are equal; a truth value equals no number: 1 is not True."""

    def found(columns: PointColumns) -> Found:
        import numpy as np

        left, right = one(columns), other(columns)
        pairs = zip(left.values.tolist(), right.values.tolist(), strict=True)
        equal = np.array([isinstance(a, bool) == isinstance(b, bool) and a == b for a, b in pairs], bool)
        return Found(equal, left.known & right.known)

    return found


def _negated(part: Part) -> Part:
    def found(columns: PointColumns) -> Found:
        values, known = part(columns)
        return Found(~values, known)

    return found


def _joined(parts: list[Part], is_and: bool) -> Part:
    """Return all parts or one of them, by Kleene's logic."""

    def found(columns: PointColumns) -> Found:
        import numpy as np

        each = [part(columns) for part in parts]
        true = np.array([values & known for values, known in each])
        false = np.array([~values & known for values, known in each])
        if is_and:
            return Found(true.all(axis=0), true.all(axis=0) | false.any(axis=0))
        return Found(true.any(axis=0), true.any(axis=0) | false.all(axis=0))

    return found
