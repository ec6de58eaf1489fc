"""Functions to be maximised, each with its box and its maximum there; the names are the documented ones.

>>> from dhmpi.benchmark.benchmark_functions_wrappers import levy_
>>> function, (low, high), optimum = levy_()
>>> abs(float(function(optimum(3)))) < 1e-9
True
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.functions import ackley, dixonprice, griewank, levy, saddle, sphere

Values = npt.NDArray[np.float64]


class Wrapped(NamedTuple):
    """A function with what has to be known of it.

    Attributes:
        function: Takes coordinates of shape (..., n), returns an array of shape (...).
        bounds: Smallest and largest value of every coordinate.
        optimum: Returns the point of the maximum within the bounds, shape (n,), for the number n of coordinates.
    """

    function: Callable[[Values], Any]
    bounds: tuple[float, float]
    optimum: Callable[[int], Values]


def griewank_() -> Wrapped:
    """Return minus Griewank's function; maximum 0, at 0."""
    return Wrapped(lambda x: -griewank(x), (-50, 50), np.zeros)


def ackley_() -> Wrapped:
    """Return minus Ackley's function; maximum 0, at 0."""
    return Wrapped(lambda x: -ackley(x), (-32.768, 32.768), np.zeros)


def dixonprice_() -> Wrapped:
    """Return minus the function of Dixon and Price; maximum 0, at x_i = 2**(-(2**i - 2) / 2**i), i from 1."""
    return Wrapped(lambda x: -dixonprice(x), (-50, 50), lambda n: np.exp2(2 / np.exp2(np.arange(1.0, n + 1)) - 1))


def polynome_2() -> Wrapped:
    """Return minus the sum of squares; maximum 0, at 0."""
    return Wrapped(lambda x: -sphere(x), (-50, 50), np.zeros)


def levy_() -> Wrapped:
    """Return minus Levy's function; maximum 0, at 1."""
    return Wrapped(lambda x: -levy(x), (-10, 10), np.ones)


def linear_() -> Wrapped:
    """Return the sum of the coordinates; maximum 100 n, at 100."""
    return Wrapped(lambda x: x.sum(axis=-1), (1, 100), lambda n: np.full(n, 100.0))


def saddle_() -> Wrapped:
    """Return the saddle, of at least two coordinates; maximum 51**4 / 2, at the corner -50."""
    return Wrapped(saddle, (-50, 50), lambda n: np.full(n, -50.0))
