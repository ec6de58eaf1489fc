"""Dimensions: one parameter each.

A tuple is a range, `(low, high)` or `(low, high, prior)`; a list holds categories, whatever its length.

numpy is imported where it computes: problems are read by many a program that computes nothing.
"""

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dhmpi.errors import ProblemError, did_you_mean
from dhmpi.space.choices import Categorical, OrderedList, Ordinal
from dhmpi.space.values import LARGEST, Unit, finite_number, plain_value, unit_row

PRIORS = ("uniform", "log-uniform")
INT64 = range(-(2**63), 2**63)


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

    def index(self, value: int) -> int:
        """Return where a value stands."""
        return value - self.low

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
            return unit_row((value - self.low) / (self.high - self.low) for value in values)
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
            return unit_row((part * value - low) / width for value in values)
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


Dimension = Integer | Real | Categorical | Ordinal
# The most values of a range with steps.
MOST_STEPS = 10_000


def stepped(name: str, spec: object, step: object) -> Ordinal:
    """Read a range with steps as it is written in a problem.

    Args:
        name: Name of the dimension, for the error sentence.
        spec: `(low, high)`.
        step: Distance of its values, above 0; `high` must be one of them.

    Raises:
        ProblemError: If it is not legal.
    """
    try:
        if not isinstance(spec, tuple) or len(spec) != 2:
            got = reprlib.repr(spec)
            raise ProblemError(f"a range with steps must be (low, high), got {got}; write one, or leave step out")
        low, high, width = numbers = [finite_number(each) for each in (*spec, step)]
        if low is None or high is None or width is None or not (low < high and width > 0):
            got = f"{reprlib.repr(spec)} and step={reprlib.repr(step)}"
            raise ProblemError(f"low must be below high and step above 0, got {got}; change them")
        # In decimal numbers, as people write them: three times 0.1 is 0.3.
        start, end, distance = (Decimal(repr(each)) for each in numbers)
        if (end - start) % distance:
            last = start + (end - start) // distance * distance
            raise ProblemError(f"high must be low and a number of steps, got {high} with step={width}; write {last}")
        num = int((end - start) / distance) + 1
        if num > MOST_STEPS:
            raise ProblemError(f"a range must have at most {MOST_STEPS:,} steps, got {num - 1:,}; leave step out")
        kind = int if all(isinstance(each, int) for each in numbers) else float
        return Ordinal(tuple(kind(start + place * distance) for place in range(num)))
    except ProblemError as error:
        raise ProblemError(f"dimension {name!r}: {error}") from None


def dimension(name: str, spec: object) -> Dimension:
    """Read one dimension as it is written in a problem.

    Args:
        name: Name of the dimension, for the error sentence.
        spec: `(low, high)` or `(low, high, prior)` for a range, of integers unless a bound is a float; a list for
            categories, which have an order in an `OrderedList`; a single number or bool for a constant.

    Raises:
        ProblemError: If it is none of these, or its values are not legal.
    """
    try:
        if isinstance(spec, OrderedList):
            return Ordinal(tuple(plain_value(choice) for choice in spec))
        if type(plain_value(spec)) in (bool, int, float):
            spec = [spec]
        if isinstance(spec, list):
            return Categorical(tuple(plain_value(choice) for choice in spec))
        if isinstance(spec, tuple):
            return _range(tuple(plain_value(item) for item in spec))
        raise ProblemError(
            f"a space must be a tuple (low, high) or a list of categories, got {reprlib.repr(spec)}; write one of these"
        )
    except ProblemError as error:
        raise ProblemError(f"dimension {name!r}: {error}") from None


def _interpolate(u: Unit, low: float, high: float) -> Unit:
    return low * (1 - u) + high * u  # unlike low + u * (high - low) this cannot overflow


def _exp(reals: Unit) -> Unit:
    import numpy as np

    with np.errstate(over="ignore"):  # by rounding, just below the largest float
        exponentials: Unit = np.exp(reals)
    return exponentials


def _log_to_unit(values: Sequence[float], low: float, high: float) -> Unit:
    start = math.log(low)
    width = math.log(high) - start or 1.0  # neighbours may have the same logarithm
    return unit_row((math.log(value) - start) / width for value in values)


def _range(items: tuple[Any, ...]) -> Integer | Real:
    got, are_numbers = reprlib.repr(items), all(finite_number(item) is not None for item in items)
    categories = f"write the list {reprlib.repr(list(items))} "
    categories += "with ordered=True for values in this order" if are_numbers and len(items) > 2 else "for categories"
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
