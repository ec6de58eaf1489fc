"""Dimensions: one parameter each.

A tuple is a range, `(low, high)` or `(low, high, prior)`; a list holds categories, whatever its length.

numpy is imported where it computes: problems are read by many a program that computes nothing.
"""

import math
import reprlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from dhmpi.errors import ProblemError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Value = str | bool | int | float | None
Unit: TypeAlias = "npt.NDArray[np.float64]"

PRIORS = ("uniform", "log-uniform")
CATEGORY_TYPES = (str, bool, int, float, type(None))
INT64 = range(-(2**63), 2**63)
LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Integer:
    """Range of integers.

    Args:
        low: Smallest value, at least -2**63; above 0 for a log-uniform prior.
        high: Largest value, above low and below 2**63.
        prior: `uniform` (the default) or `log-uniform`.

    Raises:
        ProblemError: If the bounds or the prior are not legal.
    """

    low: int
    high: int
    prior: str = "uniform"

    def __post_init__(self) -> None:
        if self.low not in INT64 or self.high not in INT64:
            raise ProblemError(f"integer bounds must fit into 64 bits, got {self.spec()}; write floats instead")
        _check_range(self)

    @property
    def size(self) -> int:
        """Number of values."""
        return self.high - self.low + 1

    def at(self, index: int) -> int:
        """Return the value at an index in [0, size)."""
        return self.low + index

    def from_unit(self, u: Unit) -> list[Any]:
        """Map numbers in [0, 1), shape (num,), to values; each value owns one bin, its width set by the prior."""
        if self.prior == "uniform":
            return [min(self.low + int(offset), self.high) for offset in (u * float(self.size)).tolist()]
        # Bins reach half a step to both sides, so that the weight of k is close to 1/k, the ends included.
        reals = _interpolate(u, math.log(self.low - 0.5), math.log(self.high + 0.5))
        return [min(max(round(real), self.low), self.high) for real in _exp(reals).tolist()]

    def bin_of(self, value: int) -> tuple[float, float]:
        """Return the ends of the bin in [0, 1] that `from_unit` maps to a value."""
        if self.prior == "uniform":
            return (value - self.low) / self.size, (value - self.low + 1) / self.size
        start, end = math.log(self.low - 0.5), math.log(self.high + 0.5)
        width = end - start or 1.0  # neighbours may have the same logarithm
        return (math.log(value - 0.5) - start) / width, (math.log(value + 0.5) - start) / width

    def to_unit(self, values: Sequence[int]) -> Unit:
        """Map values to numbers in [0, 1], shape (num,), on the scale of the prior."""
        if self.prior == "uniform":
            return _row((value - self.low) / (self.high - self.low) for value in values)
        return _log_to_unit(values, self.low, self.high)

    def holds(self, value: object) -> bool:
        """Return whether a value is in the range, and as `canonical` returns it."""
        return type(value) is int and self.low <= value <= self.high

    def canonical(self, value: object) -> int:
        """Return the value as a plain integer.

        Raises:
            ProblemError: If it is no integer from low to high.
        """
        number = finite_number(value)
        if number is None or not self.low <= number <= self.high or number != int(number):
            expected = f"an integer from {self.low} to {self.high}"
            raise ProblemError(f"value must be {expected}, got {reprlib.repr(value)}; change it or the range")
        return int(number)

    def spec(self) -> tuple[Any, ...]:
        """Return the range as it is written in a problem."""
        return _range_spec(self)


@dataclass(frozen=True)
class Real:
    """Range of real numbers.

    Args:
        low: Smallest value, finite; above 0 for a log-uniform prior.
        high: Largest value, finite, above low.
        prior: `uniform` (the default) or `log-uniform`.

    Raises:
        ProblemError: If the bounds or the prior are not legal.
    """

    low: float
    high: float
    prior: str = "uniform"

    def __post_init__(self) -> None:
        if not (-LARGEST <= self.low <= LARGEST and -LARGEST <= self.high <= LARGEST):
            raise ProblemError(f"bounds must be finite, got {self.spec()}; write the extreme values worth trying")
        for name in ("low", "high"):
            object.__setattr__(self, name, float(getattr(self, name)) + 0.0)  # + 0.0 removes the sign of -0.0
        _check_range(self)

    @property
    def size(self) -> None:
        """None: a range of real numbers counts as infinite."""
        return None

    def from_unit(self, u: Unit) -> list[Any]:
        """Map numbers in [0, 1), shape (num,), to values."""
        if self.prior == "uniform":
            reals = _interpolate(u, self.low, self.high)
        else:
            reals = _exp(_interpolate(u, math.log(self.low), math.log(self.high)))
        values: list[Any] = reals.clip(self.low, self.high).tolist()
        return values

    def to_unit(self, values: Sequence[float]) -> Unit:
        """Map values to numbers in [0, 1], shape (num,), on the scale of the prior."""
        if self.prior == "uniform":
            # By halves where the difference of two large bounds overflows; halves of tiny ones may be equal.
            part = 1.0 if math.isfinite(self.high - self.low) else 0.5
            low, width = part * self.low, part * self.high - part * self.low
            return _row((part * value - low) / width for value in values)
        return _log_to_unit(values, self.low, self.high)

    def holds(self, value: object) -> bool:
        """Return whether a value is in the range, and as `canonical` returns it: a zero is left to that."""
        return type(value) is float and self.low <= value <= self.high and value != 0.0

    def canonical(self, value: object) -> float:
        """Return the value as a plain float.

        Raises:
            ProblemError: If it is no number from low to high.
        """
        number = finite_number(value)
        if number is None or not self.low <= number <= self.high:
            expected = f"a number from {self.low} to {self.high}"
            raise ProblemError(f"value must be {expected}, got {reprlib.repr(value)}; change it or the range")
        return float(number) + 0.0  # -0.0 and 0.0 are one value

    def spec(self) -> tuple[Any, ...]:
        """Return the range as it is written in a problem."""
        return _range_spec(self)


@dataclass(frozen=True)
class Categorical:
    """Values without an order; `True`, `1` and `1.0` are three of them.

    Args:
        choices: At least one string, bool, None, integer or finite float, without repeats; types may be mixed.

    Raises:
        ProblemError: If a choice is not legal.
    """

    choices: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise ProblemError("categories must be at least one, got []; list the values to choose from")
        seen = set()
        for choice in self.choices:
            if type(choice) not in CATEGORY_TYPES:
                got = f"{reprlib.repr(choice)}, a {type(choice).__name__}"
                raise ProblemError(
                    f"a category must be a string, bool, None or number, got {got}; "
                    "name it by a string and look the object up in the run function"
                )
            if isinstance(choice, float) and not math.isfinite(choice):
                raise ProblemError(f"a category must be finite, got {choice}; name it by a string")
            if (type(choice), choice) in seen:
                raise ProblemError(f"categories must differ, got {choice!r} twice; remove one")
            seen.add((type(choice), choice))

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.choices)

    @property
    def is_ambiguous(self) -> bool:
        """Whether two choices differ by nothing but their type."""
        return len(set(self.choices)) < len(self.choices)

    def at(self, index: int) -> Value:
        """Return the value at an index in [0, size)."""
        return self.choices[index]

    def from_unit(self, u: Unit) -> list[Any]:
        """Map numbers in [0, 1), shape (num,), to values of equal weight."""
        last = self.size - 1
        return [self.choices[min(int(index), last)] for index in (u * self.size).tolist()]

    def index(self, value: Value) -> int:
        """Return where a choice stands."""
        return self._index_of[type(value), value]

    def holds(self, value: object) -> bool:
        """Return whether a value is a choice, and as `canonical` returns it."""
        return type(value) in CATEGORY_TYPES and (type(value), value) in self._index_of

    def canonical(self, value: object) -> Value:
        """Return the choice of the value's type that equals it.

        Raises:
            ProblemError: If there is none.
        """
        plain = _plain(value)
        key = (type(plain), plain)
        if type(plain) not in CATEGORY_TYPES or key not in self._index_of:
            expected = f"one of {reprlib.repr(list(self.choices))}"
            raise ProblemError(f"value must be {expected}, got {reprlib.repr(value)}; change it or add the category")
        return self.choices[self._index_of[key]]

    @cached_property
    def _index_of(self) -> dict[tuple[type, object], int]:
        return {(type(choice), choice): index for index, choice in enumerate(self.choices)}

    def spec(self) -> list[Value]:
        """Return the categories as they are written in a problem."""
        return list(self.choices)


Dimension = Integer | Real | Categorical


def dimension(name: str, spec: object) -> Dimension:
    """Read one dimension as it is written in a problem.

    Args:
        name: Name of the dimension, for the error sentence.
        spec: `(low, high)` or `(low, high, prior)` for a range, of integers unless a bound is a float;
            a list for categories.

    Raises:
        ProblemError: If it is none of these, or its values are not legal.
    """
    try:
        if isinstance(spec, list):
            return Categorical(tuple(_plain(choice) for choice in spec))
        if isinstance(spec, tuple):
            return _range(tuple(_plain(item) for item in spec))
        raise ProblemError(
            f"a space must be a tuple (low, high) or a list of categories, got {reprlib.repr(spec)}; write one of these"
        )
    except ProblemError as error:
        raise ProblemError(f"dimension {name!r}: {error}") from None


def _plain(value: Any) -> Any:
    """Return a numpy scalar as the Python value, and anything else as it is."""
    np = sys.modules.get("numpy")  # where nobody has imported it, nothing is of its types
    if np is None or type(value) in CATEGORY_TYPES:
        return value
    for kind, plain in ((np.bool_, bool), (np.integer, int), (np.floating, float), (np.str_, str)):
        if isinstance(value, kind):
            return plain(value)
    return value


def finite_number(value: object) -> int | float | None:
    """Return a value as a plain number; None for NaN, infinity, bool and anything that is no number."""
    plain = _plain(value)
    is_number = isinstance(plain, int | float) and not isinstance(plain, bool)
    return plain if is_number and -LARGEST <= plain <= LARGEST else None


def _interpolate(u: Unit, low: float, high: float) -> Unit:
    return low * (1 - u) + high * u  # unlike low + u * (high - low) this cannot overflow


def _exp(reals: Unit) -> Unit:
    import numpy as np

    with np.errstate(over="ignore"):  # by rounding, just below the largest float
        exponentials: Unit = np.exp(reals)
    return exponentials


def _row(numbers: Iterable[float]) -> Unit:
    import numpy as np

    return np.array(list(numbers))


def _log_to_unit(values: Sequence[float], low: float, high: float) -> Unit:
    start = math.log(low)
    width = math.log(high) - start or 1.0  # neighbours may have the same logarithm
    return _row((math.log(value) - start) / width for value in values)


def _range(items: tuple[Any, ...]) -> Integer | Real:
    got, categories = reprlib.repr(items), f"write the list {reprlib.repr(list(items))} for categories"
    if len(items) not in (2, 3):
        raise ProblemError(f"a range must be (low, high) or (low, high, prior), got {got}; {categories}")
    low, high = items[:2]
    if not all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in (low, high)):
        raise ProblemError(f"bounds must be numbers, got {got}; {categories}")
    prior = items[2] if len(items) == 3 else "uniform"
    if not isinstance(prior, str):
        raise ProblemError(f"prior must be a string, got {got}; {categories}")
    if isinstance(low, float) or isinstance(high, float):
        return Real(low, high, prior)
    return Integer(int(low), int(high), prior)


def _check_range(dim: Integer | Real) -> None:
    if dim.prior not in PRIORS:
        raise ProblemError(f"prior must be known, got {dim.prior!r}; {did_you_mean(dim.prior, PRIORS)}")
    if dim.low == dim.high:
        raise ProblemError(f"low must be below high, got {dim.spec()}; write the list [{dim.low}] for a constant")
    if dim.low > dim.high:
        raise ProblemError(f"low must be below high, got {dim.spec()}; swap the bounds")
    if dim.prior == "log-uniform" and dim.low <= 0:
        raise ProblemError(f"low must be above 0 for the prior 'log-uniform', got {dim.spec()}; raise low")


def _range_spec(dim: Integer | Real) -> tuple[Any, ...]:
    return (dim.low, dim.high) if dim.prior == "uniform" else (dim.low, dim.high, dim.prior)
