"""Domains and minima of the functions of `dhmpi.benchmark.functions`.

>>> from dhmpi.benchmark.known_minima import KNOWN
>>> known = KNOWN["trid"]
>>> known.bounds(3), known.minimiser(3), known.minimum(3)
((-9.0, 9.0), array([3., 4., 3.]), -7.0)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark import functions
from dhmpi.errors import ProblemError

Point = npt.NDArray[np.float64]


class Known(NamedTuple):
    """A function, and its minimum within its domain, for any number n of coordinates that is allowed.

    Attributes:
        function: Takes coordinates of shape (..., n), returns an array of shape (...).
        bounds: Takes n, returns the smallest and the largest value of every coordinate.
        minimum: Takes n, returns the value at the minimiser.
        minimisers: Takes n, returns a point of shape (n,).
        allowed: Smallest and largest n; the largest is None if there is none.
    """

    function: Callable[..., Any]
    bounds: Callable[[int], tuple[float, float]]
    minimum: Callable[[int], float]
    minimisers: Callable[[int], Point]
    allowed: tuple[int, int | None] = (1, None)

    def minimiser(self, n: int) -> Point:
        """Return a point of the minimum, shape (n,).

        Raises:
            ProblemError: Nothing is known for this number of coordinates.
        """
        least, most = self.allowed
        if n < least or (most is not None and n > most):
            wanted = f"at least {least}" if most is None else f"{least}" if most == least else f"{least} to {most}"
            raise ProblemError(f"the minimum of {self.function.__name__} is known for n of {wanted}, got {n}")
        return self.minimisers(n)


def _box(low: float, high: float) -> Callable[[int], tuple[float, float]]:
    return lambda n: (low, high)


def _zero(n: int) -> float:
    return 0.0


def _numbers(n: int) -> Point:
    return np.arange(1.0, n + 1)


def _saddle_minimiser(n: int) -> Point:
    point = np.ones(n)
    point[0] += np.sqrt(n / (n - 1))
    return point


def _michalewicz_minimiser(n: int) -> Point:
    """Minimise each term -sin(x) sin(i x**2 / pi), on a grid that becomes finer about its best point."""
    i = _numbers(n)[:, np.newaxis]
    x = np.linspace(0, np.pi, 100 * n + 1)[np.newaxis].repeat(n, axis=0)
    for _ in range(12):
        best = (-np.sin(x) * np.sin(i * x**2 / np.pi)).argmin(axis=1)
        found, step = np.take_along_axis(x, best[:, np.newaxis], axis=1), x[:, 1:2] - x[:, :1]
        x = found + step * np.linspace(-1, 1, 21)
    return found[:, 0]


SCHWEFEL = 420.96874636  # root of the derivative of x sin(sqrt(x))

KNOWN = {
    "ackley": Known(functions.ackley, _box(-15, 30), _zero, np.zeros),
    "dixonprice": Known(functions.dixonprice, _box(-10, 10), _zero, lambda n: np.exp2(2 / np.exp2(_numbers(n)) - 1)),
    "ellipse": Known(functions.ellipse, _box(-2, 2), _zero, np.ones, (2, None)),
    "griewank": Known(functions.griewank, _box(-600, 600), _zero, np.zeros),
    "levy": Known(functions.levy, _box(-10, 10), _zero, np.ones),
    "michalewicz": Known(
        functions.michalewicz,
        _box(0, np.pi),
        lambda n: float(functions.michalewicz(_michalewicz_minimiser(n))),
        _michalewicz_minimiser,
    ),
    "nesterov": Known(functions.nesterov, _box(-2, 2), _zero, np.ones),
    "perm": Known(functions.perm, lambda n: (-float(n), float(n)), _zero, _numbers),
    "powell": Known(functions.powell, _box(-4, 5), _zero, np.zeros),
    "powersum": Known(
        functions.powersum, lambda n: (0.0, float(n)), _zero, lambda n: np.array([1.0, 2.0, 2.0, 3.0]), (4, 4)
    ),
    "rastrigin": Known(functions.rastrigin, _box(-5.12, 5.12), _zero, np.zeros),
    "rosenbrock": Known(functions.rosenbrock, _box(-2.4, 2.4), _zero, np.ones, (2, None)),
    "saddle": Known(
        functions.saddle, _box(-3, 3), lambda n: -((n / (n - 1)) ** 2) / (2 * n), _saddle_minimiser, (2, None)
    ),
    "schwefel": Known(functions.schwefel, _box(-500, 500), lambda n: 1.27275670e-5 * n, lambda n: np.full(n, SCHWEFEL)),
    "sphere": Known(functions.sphere, _box(-5.12, 5.12), _zero, np.zeros),
    "sum2": Known(functions.sum2, _box(-10, 10), _zero, np.zeros),
    "trid": Known(
        functions.trid,
        lambda n: (-float(n * n), float(n * n)),
        lambda n: -n * (n + 4) * (n - 1) / 6,
        lambda n: _numbers(n) * (n + 1 - _numbers(n)),
    ),
    "zakharov": Known(functions.zakharov, _box(-5, 10), _zero, np.zeros),
}
