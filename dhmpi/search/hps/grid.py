"""Grid: some values of every range, and all categories."""

import math

from dhmpi.space.space import Choices, Dimension, Integer, Ordinal, Real, Space

# Digits that a value within a range of real numbers is rounded to: nobody wants to read 0.30000000000000004.
DIGITS = 12


def grid_of(space: Space, num: int) -> Space:
    """Return the grid of a space, with the same conditions and constraints.

    Args:
        space: The space.
        num: Most values of a range; its ends are among them, unless it is 1.
    """
    return Space({name: _grid_of_dimension(dim, num) for name, dim in space.by_name.items()}, space.rules)


def _grid_of_dimension(dim: Dimension, num: int) -> Dimension:
    if isinstance(dim, Choices):
        return dim
    if isinstance(dim, Integer) and dim.size <= num:
        return Ordinal(tuple(map(dim.at, range(dim.size))))
    values = [_value_at(dim, index, num - 1) for index in range(num)] if num > 1 else [_value_at(dim, 1, 2)]
    return Ordinal(tuple(dict.fromkeys(values)))  # on a logarithmic scale several steps may lead to one integer


def _value_at(dim: Integer | Real, index: int, last: int) -> int | float:
    """Return the value at a part of the way from the lower to the higher end, on the scale of the prior."""
    if index in (0, last):
        return dim.high if index else dim.low
    if dim.prior == "log-uniform":
        low, high = math.log(dim.low), math.log(dim.high)
        value = math.exp(low + index * (high - low) / last)
    elif isinstance(dim, Integer):
        return dim.low + (2 * index * (dim.high - dim.low) + last) // (2 * last)  # exact beyond 2**53, too
    else:
        value = dim.low * (1 - index / last) + dim.high * (index / last)  # the width may overflow
    value = round(value) if isinstance(dim, Integer) else float(f"{value:.{DIGITS}g}")
    return dim.canonical(min(max(value, dim.low), dim.high))
