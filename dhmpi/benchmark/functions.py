"""Functions with a known minimum; all are minimised.

The first two take plain numbers; the others take arrays whose last axis holds the n coordinates, shape (..., n), and
return an array of shape (...). `dhmpi.benchmark.known_minima` has domains and minima as values.

Sources:

* [Hedar] A.-R. Hedar, Test functions for unconstrained global optimization, 2005.
* [Surjanovic] S. Surjanovic and D. Bingham, Virtual Library of Simulation Experiments: Test Functions and Datasets,
  https://www.sfu.ca/~ssurjano/optimization.html
* [Gurbuzbalaban] M. Gurbuzbalaban and M. L. Overton, On Nesterov's nonsmooth Chebyshev-Rosenbrock functions,
  Nonlinear Analysis 75, 2012.
* [ndtestfuncs] D. Bzowy, ndtestfuncs: n-dimensional test functions in Python, after Hedar.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.errors import ProblemError


def polynome_2(x: Iterable[float]) -> float:
    """Return minus the sum of squares, -sum_i x_i**2.

    Domain: usually -10 <= x_i <= 10. Minimum: -100 n, at all corners of that domain. Source: DeepHyper 0.0.5.

    Args:
        x: Coordinates, at least one.

    Raises:
        ProblemError: They are none, or no finite numbers.
    """
    values = list(x)
    _coordinates(values)
    return -sum(xi * xi for xi in values)


def three_hump_camel(x: float, y: float) -> float:
    """Return 2 x**2 - 1.05 x**4 + x**6 / 6 + x y + y**2.

    Domain: usually -5 <= x, y <= 5. Minimum: 0, at (0, 0). Source: [Surjanovic].

    Args:
        x: First coordinate.
        y: Second coordinate.
    """
    return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2


# --- of arrays


def ackley(x: npt.ArrayLike, a: float = 20, b: float = 0.2, c: float = 2 * np.pi) -> Any:
    """Return a - a exp(-b sqrt(mean_i x_i**2)) + e - exp(mean_i cos(c x_i)).

    Domain: usually -15 <= x_i <= 30, or -32.768 <= x_i <= 32.768. Minimum: 0, at 0. Source: [Hedar].
    """
    x = _coordinates(x)
    radius = np.sqrt(np.square(x).mean(axis=-1))
    return a - a * np.exp(-b * radius) + np.e - np.exp(np.cos(c * x).mean(axis=-1))


def dixonprice(x: npt.ArrayLike) -> Any:
    """Return (x_1 - 1)**2 + sum_i i (2 x_i**2 - x_(i-1))**2 for i = 2 .. n.

    Domain: usually -10 <= x_i <= 10. Minimum: 0, at x_i = 2**(-(2**i - 2) / 2**i). Source: [Hedar].
    """
    x = _coordinates(x)
    return (x[..., 0] - 1) ** 2 + (_numbers(x)[1:] * (2 * x[..., 1:] ** 2 - x[..., :-1]) ** 2).sum(axis=-1)


def ellipse(x: npt.ArrayLike) -> Any:
    """Return mean_i (1 - x_i)**2 + 100 mean_i (x_(i+1) - x_i)**2, for n of at least 2.

    Domain: usually -2 <= x_i <= 2. Minimum: 0, at 1. Source: [ndtestfuncs].
    """
    x = _coordinates(x, least=2)
    return np.square(1 - x).mean(axis=-1) + 100 * np.square(np.diff(x)).mean(axis=-1)


def griewank(x: npt.ArrayLike, fr: float = 4000) -> Any:
    """Return sum_i x_i**2 / fr - prod_i cos(x_i / sqrt(i)) + 1.

    Domain: usually -600 <= x_i <= 600. Minimum: 0, at 0. Source: [Hedar].
    """
    x = _coordinates(x)
    return np.square(x).sum(axis=-1) / fr - np.cos(x / np.sqrt(_numbers(x))).prod(axis=-1) + 1


def levy(x: npt.ArrayLike) -> Any:
    """Return Levy's function of z_i = 1 + (x_i - 1) / 4.

    It is sin(pi z_1)**2 + sum_(i<n) (z_i - 1)**2 (1 + 10 sin(pi z_i + 1)**2) + (z_n - 1)**2 (1 + sin(2 pi z_n)**2).

    Domain: usually -10 <= x_i <= 10. Minimum: 0, at 1. Source: [Hedar].
    """
    z = 1 + (_coordinates(x) - 1) / 4
    first, inner, last = z[..., 0], z[..., :-1], z[..., -1]
    waves = ((inner - 1) ** 2 * (1 + 10 * np.sin(np.pi * inner + 1) ** 2)).sum(axis=-1)
    return np.sin(np.pi * first) ** 2 + waves + (last - 1) ** 2 * (1 + np.sin(2 * np.pi * last) ** 2)


def michalewicz(x: npt.ArrayLike, m: float = 0.5) -> Any:
    """Return -sum_i sin(x_i) sin(i x_i**2 / pi)**(2 m); m is a multiple of 1/2, and often 10.

    Domain: usually 0 <= x_i <= pi. Minimum for m = 1/2: -0.8700 for n = 1, -1.8700 for n = 2, -2.8346 for n = 3, where
    each coordinate minimises its own term, as `dhmpi.benchmark.known_minima` does. Source: [Hedar].
    """
    x = _coordinates(x)
    return -(np.sin(x) * np.sin(_numbers(x) * x**2 / np.pi) ** (2 * m)).sum(axis=-1)


def nesterov(x: npt.ArrayLike) -> Any:
    """Return `|1 - x_1| / 4 + sum_i |x_(i+1) - 2 |x_i| + 1|` for i = 1 .. n-1.

    Domain: usually -2 <= x_i <= 2. Minimum: 0, at 1. Source: [Gurbuzbalaban].
    """
    x = _coordinates(x)
    return np.abs(1 - x[..., 0]) / 4 + np.abs(x[..., 1:] - 2 * np.abs(x[..., :-1]) + 1).sum(axis=-1)


def perm(x: npt.ArrayLike, b: float = 0.5) -> Any:
    """Return `mean_k (mean_i (i**k + b) ((|x_i| / i)**k - 1))**2` for k = 1/n, 2/n .. 1.

    Domain: usually -n <= x_i <= n. Minimum: 0, at x_i = i, with any signs. Source: [ndtestfuncs].
    """
    x = _coordinates(x)
    i = _numbers(x)
    k = (i / len(i))[:, np.newaxis]
    return np.square(((i**k + b) * ((np.abs(x)[..., np.newaxis, :] / i) ** k - 1)).mean(axis=-1)).mean(axis=-1)


def powell(x: npt.ArrayLike) -> Any:
    """Return the sum over groups (a, b, c, d) of (a + 10 b)**2 + 5 (c - d)**2 + (b - 2 c)**4 + 10 (a - d)**4.

    Coordinates that the last group lacks are 0. Domain: usually -4 <= x_i <= 5. Minimum: 0, at 0. Source: [Hedar].
    """
    x = _coordinates(x)
    missing = np.zeros((*x.shape[:-1], -x.shape[-1] % 4))
    a, b, c, d = np.moveaxis(np.concatenate([x, missing], axis=-1).reshape(*x.shape[:-1], -1, 4), -1, 0)
    return ((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4).sum(axis=-1)


def powersum(x: npt.ArrayLike, b: Sequence[float] = (8, 18, 44, 114)) -> Any:
    """Return sum_k (sum_i x_i**k - b_k)**2 for k = 1 .. n, where the last of b stands for all that follow.

    Domain: usually 0 <= x_i <= n. Minimum: 0 for n = 4, at (1, 2, 2, 3) in any order. Source: [Hedar].
    """
    x = _coordinates(x)
    n = x.shape[-1]
    sums = np.stack([(x**k).sum(axis=-1) for k in range(1, n + 1)], axis=-1)
    targets = np.array([*b, *[b[-1]] * n][:n])
    return np.square(sums - targets).sum(axis=-1)


def rastrigin(x: npt.ArrayLike) -> Any:
    """Return 10 n + sum_i x_i**2 - 10 cos(2 pi x_i).

    Domain: usually -5.12 <= x_i <= 5.12. Minimum: 0, at 0. Source: [Hedar].
    """
    x = _coordinates(x)
    return 10 * x.shape[-1] + (x**2 - 10 * np.cos(2 * np.pi * x)).sum(axis=-1)


def rosenbrock(x: npt.ArrayLike) -> Any:
    """Return sum_i 100 (x_(i+1) - x_i**2)**2 + (1 - x_i)**2 for i = 1 .. n-1, for n of at least 2.

    Domain: usually -2.4 <= x_i <= 2.4. Minimum: 0, at x_i = 1. Source: [Hedar].
    """
    x = _coordinates(x, least=2)
    before, after = x[..., :-1], x[..., 1:]
    return (100 * (after - before**2) ** 2 + (1 - before) ** 2).sum(axis=-1)


def saddle(x: npt.ArrayLike) -> Any:
    """Return mean_i (u_(i+1)**2 - u_i**2) + mean_i u_i**4 / 2 of u = x - 1, for n of at least 2.

    Domain: usually -3 <= x_i <= 3. Minimum: -1 / (2 n) (n / (n - 1))**2, at u = (+-sqrt(n / (n - 1)), 0, .. 0).
    Source: [ndtestfuncs].
    """
    squares = np.square(_coordinates(x, least=2) - 1)
    return np.diff(squares).mean(axis=-1) + np.square(squares).mean(axis=-1) / 2


def schwefel(x: npt.ArrayLike) -> Any:
    """Return `418.9829 n - sum_i x_i sin(sqrt(|x_i|))`.

    Domain: usually -500 <= x_i <= 500. Minimum: 1.2728e-5 n, at 420.968746. Source: [Hedar].
    """
    x = _coordinates(x)
    return 418.9829 * x.shape[-1] - (x * np.sin(np.sqrt(np.abs(x)))).sum(axis=-1)


def sphere(x: npt.ArrayLike) -> Any:
    """Return sum_i x_i**2.

    Domain: usually -5.12 <= x_i <= 5.12. Minimum: 0, at 0. Source: [Hedar].
    """
    return np.square(_coordinates(x)).sum(axis=-1)


def sum2(x: npt.ArrayLike) -> Any:
    """Return sum_i i x_i**2.

    Domain: usually -10 <= x_i <= 10. Minimum: 0, at 0. Source: [Hedar].
    """
    x = _coordinates(x)
    return (_numbers(x) * x**2).sum(axis=-1)


def trid(x: npt.ArrayLike) -> Any:
    """Return sum_i (x_i - 1)**2 - sum_i x_i x_(i+1).

    Domain: usually -n**2 <= x_i <= n**2. Minimum: -n (n + 4) (n - 1) / 6, at x_i = i (n + 1 - i).
    Source: [Hedar].
    """
    x = _coordinates(x)
    return np.square(x - 1).sum(axis=-1) - (x[..., 1:] * x[..., :-1]).sum(axis=-1)


def zakharov(x: npt.ArrayLike) -> Any:
    """Return sum_i x_i**2 + s**2 + s**4 of s = sum_i i x_i / 2.

    Domain: usually -5 <= x_i <= 10. Minimum: 0, at 0. Source: [Hedar].
    """
    x = _coordinates(x)
    s = (_numbers(x) * x).sum(axis=-1) / 2
    return np.square(x).sum(axis=-1) + s**2 + s**4


def _coordinates(x: npt.ArrayLike, least: int = 1) -> npt.NDArray[np.float64]:
    """Return an array of finite numbers, shape (..., n).

    Args:
        x: The coordinates.
        least: The least n.

    Raises:
        ProblemError: It is none.
    """
    constraint = "coordinates must be arrays of finite numbers"
    try:
        raw = np.asarray(x)
        if raw.dtype.kind in "SU":  # numpy would read numbers from text
            raise ProblemError(f"{constraint}, got text: {x!r:.80}")
        array = raw.astype(np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, ProblemError):
            raise
        raise ProblemError(f"{constraint}, got {x!r:.80}") from error
    if array.ndim == 0 or not np.isfinite(array).all():
        raise ProblemError(f"{constraint}, got {x!s:.80}")
    if array.shape[-1] < least:
        raise ProblemError(f"coordinates must be at least {least}, got {array.shape[-1]}")
    return array


def _numbers(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return 1 .. n."""
    return np.arange(1.0, x.shape[-1] + 1)
