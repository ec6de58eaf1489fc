"""Functions with a known minimum; all are minimised.

Source: S. Surjanovic and D. Bingham, Virtual Library of Simulation Experiments: Test Functions and Datasets,
https://www.sfu.ca/~ssurjano/optimization.html, unless another is given.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise


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
