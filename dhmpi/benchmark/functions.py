"""Functions with a known minimum; all are minimised.

The first three take plain numbers; the others take arrays whose last axis holds the n coordinates, shape (..., n), and
return an array of shape (...).

Source: S. Surjanovic and D. Bingham, Virtual Library of Simulation Experiments: Test Functions and Datasets,
https://www.sfu.ca/~ssurjano/optimization.html, unless another is given.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt


def polynome_2(x: Iterable[float]) -> float:
    """Return minus the sum of squares, -sum_i x_i**2.

    Domain: usually -10 <= x_i <= 10. Minimum: -100 n, at all corners of that domain.

    Args:
        x: Coordinates, at least one.
    """
    return -sum(xi * xi for xi in x)


def rosenbrock(x: Sequence[float]) -> float:
    """Return sum_i 100 (x_(i+1) - x_i**2)**2 + (1 - x_i)**2 for i = 1 .. n-1.

    Domain: usually -2.4 <= x_i <= 2.4. Minimum: 0, at x_i = 1.

    Args:
        x: Coordinates, at least two.
    """
    return float(sum(100 * (after - xi * xi) ** 2 + (1 - xi) ** 2 for xi, after in pairwise(x)))


def three_hump_camel(x: float, y: float) -> float:
    """Return 2 x**2 - 1.05 x**4 + x**6 / 6 + x y + y**2.

    Domain: usually -5 <= x, y <= 5. Minimum: 0, at (0, 0).

    Args:
        x: First coordinate.
        y: Second coordinate.
    """
    return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2


# --- of arrays


def ackley(x: npt.ArrayLike) -> Any:
    """Return 20 - 20 exp(-0.2 sqrt(mean_i x_i**2)) + e - exp(mean_i cos(2 pi x_i)).

    Domain: usually -32.768 <= x_i <= 32.768. Minimum: 0, at 0.
    """
    x = np.asarray(x)
    radius = np.sqrt(np.square(x).mean(axis=-1))
    return 20 - 20 * np.exp(-0.2 * radius) + np.e - np.exp(np.cos(2 * np.pi * x).mean(axis=-1))


def dixonprice(x: npt.ArrayLike) -> Any:
    """Return (x_1 - 1)**2 + sum_i i (2 x_i**2 - x_(i-1))**2 for i = 2 .. n.

    Domain: usually -10 <= x_i <= 10. Minimum: 0, at x_i = 2**(-(2**i - 2) / 2**i).
    """
    x = np.asarray(x)
    return (x[..., 0] - 1) ** 2 + (_numbers(x)[1:] * (2 * x[..., 1:] ** 2 - x[..., :-1]) ** 2).sum(axis=-1)


def ellipse(x: npt.ArrayLike) -> Any:
    """Return mean_i (1 - x_i)**2 + 100 mean_i (x_(i+1) - x_i)**2, for n of at least 2.

    Domain: usually -2 <= x_i <= 2. Minimum: 0, at 1.
    """
    x = np.asarray(x)
    return np.square(1 - x).mean(axis=-1) + 100 * np.square(np.diff(x)).mean(axis=-1)


def griewank(x: npt.ArrayLike) -> Any:
    """Return sum_i x_i**2 / 4000 - prod_i cos(x_i / sqrt(i)) + 1.

    Domain: usually -600 <= x_i <= 600. Minimum: 0, at 0.
    """
    x = np.asarray(x)
    return np.square(x).sum(axis=-1) / 4000 - np.cos(x / np.sqrt(_numbers(x))).prod(axis=-1) + 1


def levy(x: npt.ArrayLike) -> Any:
    """Return Levy's function of z_i = 1 + (x_i - 1) / 4.

    It is sin(pi z_1)**2 + sum_(i<n) (z_i - 1)**2 (1 + 10 sin(pi z_i + 1)**2) + (z_n - 1)**2 (1 + sin(2 pi z_n)**2).

    Domain: usually -10 <= x_i <= 10. Minimum: 0, at 1.
    """
    z = 1 + (np.asarray(x) - 1) / 4
    first, inner, last = z[..., 0], z[..., :-1], z[..., -1]
    waves = ((inner - 1) ** 2 * (1 + 10 * np.sin(np.pi * inner + 1) ** 2)).sum(axis=-1)
    return np.sin(np.pi * first) ** 2 + waves + (last - 1) ** 2 * (1 + np.sin(2 * np.pi * last) ** 2)


def michalewicz(x: npt.ArrayLike) -> Any:
    """Return -sum_i sin(x_i) sin(i x_i**2 / pi), the form with the exponent m = 1/2.

    Domain: usually 0 <= x_i <= pi. Minimum: below 0.
    """
    x = np.asarray(x)
    return -(np.sin(x) * np.sin(_numbers(x) * x**2 / np.pi)).sum(axis=-1)


def nesterov(x: npt.ArrayLike) -> Any:
    """Return |1 - x_1| / 4 + sum_i |x_(i+1) - 2 |x_i| + 1| for i = 1 .. n-1.

    Domain: usually -2 <= x_i <= 2. Minimum: 0, at 1. Source: Nesterov's nonsmooth Rosenbrock function.
    """
    x = np.asarray(x)
    return np.abs(1 - x[..., 0]) / 4 + np.abs(x[..., 1:] - 2 * np.abs(x[..., :-1]) + 1).sum(axis=-1)


def perm(x: npt.ArrayLike) -> Any:
    """Return mean_k (mean_i (i**k + 1/2) ((|x_i| / i)**k - 1))**2 for k = 1/n, 2/n .. 1.

    Domain: usually -n <= x_i <= n. Minimum: 0, at x_i = i.
    """
    x = np.asarray(x)
    i = _numbers(x)
    k = (i / len(i))[:, np.newaxis]
    return np.square(((i**k + 0.5) * ((np.abs(x)[..., np.newaxis, :] / i) ** k - 1)).mean(axis=-1)).mean(axis=-1)


def powell(x: npt.ArrayLike) -> Any:
    """Return the sum over groups (a, b, c, d) of (a + 10 b)**2 + 5 (c - d)**2 + (b - 2 c)**4 + 10 (a - d)**4.

    Coordinates that the last group lacks are 0. Domain: usually -4 <= x_i <= 5. Minimum: 0, at 0.
    """
    x = np.asarray(x)
    missing = np.zeros((*x.shape[:-1], -x.shape[-1] % 4))
    a, b, c, d = np.moveaxis(np.concatenate([x, missing], axis=-1).reshape(*x.shape[:-1], -1, 4), -1, 0)
    return ((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4).sum(axis=-1)


def powersum(x: npt.ArrayLike) -> Any:
    """Return sum_k (sum_i x_i**k - b_k)**2 for k = 1 .. n, where b is 8, 18, 44 and then always 114.

    Domain: usually 0 <= x_i <= n. Minimum: 0 for n = 4, at (1, 2, 2, 3).
    """
    x = np.asarray(x)
    sums = np.stack([(x**k).sum(axis=-1) for k in range(1, x.shape[-1] + 1)], axis=-1)
    targets = np.array([8, 18, 44] + [114] * x.shape[-1])[: x.shape[-1]]
    return np.square(sums - targets).sum(axis=-1)


def rastrigin(x: npt.ArrayLike) -> Any:
    """Return 10 n + sum_i x_i**2 - 10 cos(2 pi x_i).

    Domain: usually -5.12 <= x_i <= 5.12. Minimum: 0, at 0.
    """
    x = np.asarray(x)
    return 10 * x.shape[-1] + (x**2 - 10 * np.cos(2 * np.pi * x)).sum(axis=-1)


def saddle(x: npt.ArrayLike) -> Any:
    """Return mean_i (u_(i+1)**2 - u_i**2) + mean_i u_i**4 / 2 of u = x - 1, for n of at least 2.

    Domain: usually -50 <= x_i <= 50. Minimum: -1 / (2 n) (n / (n - 1))**2, at u = (+-sqrt(n / (n - 1)), 0, .. 0).
    """
    squares = np.square(np.asarray(x) - 1)
    return np.diff(squares).mean(axis=-1) + np.square(squares).mean(axis=-1) / 2


def schwefel(x: npt.ArrayLike) -> Any:
    """Return 418.9829 n - sum_i x_i sin(sqrt(|x_i|)).

    Domain: usually -500 <= x_i <= 500. Minimum: about 0, at 420.9687.
    """
    x = np.asarray(x)
    return 418.9829 * x.shape[-1] - (x * np.sin(np.sqrt(np.abs(x)))).sum(axis=-1)


def sphere(x: npt.ArrayLike) -> Any:
    """Return sum_i x_i**2.

    Domain: usually -5.12 <= x_i <= 5.12. Minimum: 0, at 0.
    """
    return np.square(np.asarray(x)).sum(axis=-1)


def sum2(x: npt.ArrayLike) -> Any:
    """Return sum_i i x_i**2.

    Domain: usually -10 <= x_i <= 10. Minimum: 0, at 0.
    """
    x = np.asarray(x)
    return (_numbers(x) * x**2).sum(axis=-1)


def trid(x: npt.ArrayLike) -> Any:
    """Return sum_i (x_i - 1)**2 - sum_i x_i x_(i+1).

    Domain: usually -n**2 <= x_i <= n**2. Minimum: -n (n + 4) (n - 1) / 6, at x_i = i (n + 1 - i).
    """
    x = np.asarray(x)
    return np.square(x - 1).sum(axis=-1) - (x[..., 1:] * x[..., :-1]).sum(axis=-1)


def zakharov(x: npt.ArrayLike) -> Any:
    """Return sum_i x_i**2 + s**2 + s**4 of s = sum_i i x_i / 2.

    Domain: usually -5 <= x_i <= 10. Minimum: 0, at 0.
    """
    x = np.asarray(x)
    s = (_numbers(x) * x).sum(axis=-1) / 2
    return np.square(x).sum(axis=-1) + s**2 + s**4


def _numbers(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return 1 .. n."""
    return np.arange(1.0, x.shape[-1] + 1)
