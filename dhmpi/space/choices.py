"""Dimensions whose values are listed, with an order or without."""

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from dhmpi.errors import ProblemError
from dhmpi.space.values import CATEGORY_TYPES, Unit, Value, plain_value, unit_row


@dataclass(frozen=True)
class Choices:
    """Listed values; `True`, `1` and `1.0` are three of them.

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
        plain = plain_value(value)
        key = (type(plain), plain)
        if type(plain) not in CATEGORY_TYPES or key not in self._index_of:
            expected = f"one of {reprlib.repr(list(self.choices))}"
            raise ProblemError(f"value must be {expected}, got {reprlib.repr(value)}; change it or add the category")
        return self.choices[self._index_of[key]]

    @cached_property
    def _index_of(self) -> dict[tuple[type, object], int]:
        return {(type(choice), choice): index for index, choice in enumerate(self.choices)}


@dataclass(frozen=True)
class Categorical(Choices):
    """Listed values without an order. See `Choices` for the arguments."""

    def spec(self) -> list[Value]:
        """Return the categories as they are written in a problem."""
        return list(self.choices)


class OrderedList(list[Value]):
    """List of values that have an order, as it is written in a problem; it is no list without one."""

    def __eq__(self, other: object) -> bool:
        """Return whether the other one has an order, too, and the same values."""
        return isinstance(other, OrderedList) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        """Return whether it is another list; that of lists does not ask `__eq__`."""
        return not self == other

    __hash__ = None

    def __repr__(self) -> str:
        """Return the list with the word that tells it from others, as errors and problems are printed."""
        return f"ordered({super().__repr__()})"


@dataclass(frozen=True)
class Ordinal(Choices):
    """Listed values from the least to the greatest, as far from each other as their places are.

    See `Choices` for the arguments.
    """

    prior: ClassVar[str] = "uniform"

    def to_unit(self, values: Sequence[Value]) -> Unit:
        """Map values to numbers in [0, 1], shape (num,), by their places."""
        last = max(self.size - 1, 1)
        return unit_row(self.index(value) / last for value in values)

    def bin_of(self, value: Value) -> tuple[float, float]:
        """Return the ends of the bin in [0, 1] that `from_unit` maps to a value."""
        index = self.index(value)
        return index / self.size, (index + 1) / self.size

    def spec(self) -> OrderedList:
        """Return the values as they are written in a problem."""
        return OrderedList(self.choices)
