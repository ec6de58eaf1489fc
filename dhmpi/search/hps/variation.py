"""Crossover and mutation of the values of one dimension.

The operators work on places in [0, 1], on the scale of the dimension's prior. They are written here since those of deap
draw from the global generator of Python's `random`, with which no search could have a seed of its own.
"""

from typing import TYPE_CHECKING, Any

from dhmpi.space.space import Categorical, Dimension, Integer, Ordinal, Real

if TYPE_CHECKING:
    from numpy.random import Generator

# Parents that are nearer to each other leave their own value to offspring, since 1 / distance may overflow.
NEAREST = 1e-14


def crossed(dim: Dimension, value: Any, other: Any, eta: float, rng: "Generator") -> Any:
    """Return a value of an offspring: between or near those of its parents, or the other one if they are categories.

    Args:
        dim: The dimension.
        value: Value of a parent.
        other: Value of the other parent.
        eta: Distribution index.
        rng: Where it is drawn from.
    """
    if isinstance(dim, Categorical):
        return other
    low, high = sorted((_place(dim, value, rng), _place(dim, other, rng)))
    if value == other or high - low < NEAREST:
        return value
    u, is_upper = float(rng.random()), rng.random() < 0.5
    # The upper one of the two children is the mirror image of the lower one.
    child = 1 - simulated_binary(1 - high, 1 - low, eta, u) if is_upper else simulated_binary(low, high, eta, u)
    return value_at(dim, child)


def simulated_binary(low: float, high: float, eta: float, u: float) -> float:
    """Return the lower child of two numbers in [0, 1]; it is not below 0.

    Source: Deb and Agrawal 1995, Simulated binary crossover for continuous search space; with the bound of Deb 2000, An
    efficient constraint handling method for genetic algorithms.

    Args:
        low: The smaller parent.
        high: The larger parent.
        eta: Distribution index, at least 0.
        u: Random number in [0, 1).
    """
    alpha = 2 - (1 + 2 * low / (high - low)) ** -(eta + 1)
    beta: float = (u * alpha if u <= 1 / alpha else 1 / (2 - u * alpha)) ** (1 / (eta + 1))
    return max(0.5 * (low + high - beta * (high - low)), 0.0)


def mutated(dim: Dimension, value: Any, eta: float, rng: "Generator") -> Any:
    """Return a value near a given one, or another category.

    Args:
        dim: The dimension, of more than one value.
        value: The value.
        eta: Distribution index.
        rng: Where it is drawn from.
    """
    if isinstance(dim, Categorical):
        index = int(rng.integers(dim.size - 1))
        return dim.at(index + (index >= dim.index(value)))
    place = _place(dim, value, rng)
    moved = polynomial(place, eta, float(rng.random()))
    new = value_at(dim, moved)
    if not isinstance(dim, Real) and new == value:  # a step is at least 1, unless it leads out of the range
        index = dim.index(value)
        return dim.at(min(index + 1, dim.size - 1) if moved > place else max(index - 1, 0))
    return new


def polynomial(place: float, eta: float, u: float) -> float:
    """Return a number in [0, 1] near a given one.

    Source: Deb and Goyal 1996, A combined genetic adaptive search (GeneAS) for engineering design; with the bounds that
    the authors' program of NSGA-II (Deb et al. 2002) has.

    Args:
        place: The given number, in [0, 1].
        eta: Distribution index, at least 0.
        u: Random number in [0, 1).
    """
    if u > 0.5:  # upwards, which is downwards from the other end
        return 1 - polynomial(1 - place, eta, 1 - u)
    step: float = (2 * u + (1 - 2 * u) * (1 - place) ** (eta + 1)) ** (1 / (eta + 1)) - 1
    return min(max(place + step, 0.0), 1.0)


def value_at(dim: Dimension, place: float) -> Any:
    """Return the value at a place in [0, 1]."""
    import numpy as np  # slow to import, and the options of a search are read by many a program that draws nothing

    return dim.from_unit(np.array([place]))[0]


def _place(dim: Integer | Ordinal | Real, value: Any, rng: "Generator") -> float:
    """Return where a value lies in [0, 1]; an integer anywhere in its bin, so that all of them have the same weight."""
    if not isinstance(dim, Real):
        return float(rng.uniform(*dim.bin_of(value)))
    return min(max(float(dim.to_unit([value])[0]), 0.0), 1.0)
