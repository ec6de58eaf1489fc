"""Hypervolume: how much of the space of objectives a set of vectors dominates, up to a reference point.

All objectives are to be small. It is exact: for two objectives a sum of rectangles, for three a sweep over layers, for
more the recursion of While, Bradstreet and Barone 2012, A fast way of calculating exact hypervolumes (WFG).
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.support.pareto import is_non_dominated

Array = npt.NDArray[Any]

# Vectors in a set of more than three objectives from which on it would take too long, by the number of objectives.
LARGEST_SET = {4: 300, 5: 80, 6: 25}
LARGEST_OF_ALL = 15


def reference_point(values: Array) -> Array | None:
    """Return the worst value of each objective among vectors, shape (number of objectives,); None if there is none.

    Args:
        values: Vectors, shape (num, number of objectives); those with NaN do not count.
    """
    known = values[~np.isnan(values).any(axis=1)]
    worst: Array | None = known.max(axis=0) if len(known) else None
    return worst


def hypervolume(values: Array, reference: Array) -> float | None:
    """Return the hypervolume of vectors; None if the set is too large for its number of objectives.

    Args:
        values: Vectors, shape (num, number of objectives); those with NaN, and those that are somewhere no smaller than
            the reference point, add nothing.
        reference: The reference point, shape (number of objectives,).
    """
    inside = values[(values < reference).all(axis=1)]
    front = np.unique(inside[is_non_dominated(inside)], axis=0)
    num, num_objectives = front.shape
    if num_objectives > 3 and num > LARGEST_SET.get(num_objectives, LARGEST_OF_ALL):
        return None
    if num_objectives == 3:
        return _of_three(front, reference)
    return _of_two(front, reference) if num_objectives == 2 else _wfg(front, reference)


def _of_two(front: Array, reference: Array) -> float:
    """Return the area of a front in lexicographic order: a rectangle for each vector."""
    heights = np.append(reference[1], front[:-1, 1]) - front[:, 1]
    return float(((reference[0] - front[:, 0]) * heights).sum())


def _of_three(front: Array, reference: Array) -> float:
    """Return the volume of a front: layers between vectors in order of the last objective, each with its area."""
    ordered = front[np.argsort(front[:, 2], kind="stable")]
    depths = np.append(ordered[1:, 2], reference[2]) - ordered[:, 2]
    areas = list(growing_area(ordered[:, :2], reference[:2]))
    return float((depths * areas).sum())


def growing_area(values: Array, reference: Array) -> Iterator[float]:
    """Yield the area that vectors of two objectives dominate, after each one that is added.

    Args:
        values: Vectors without NaN, shape (num, 2).
        reference: The reference point.
    """
    right, top = reference.tolist()
    # The front so far: the first objective grows, the second falls.
    xs: list[float] = []
    ys: list[float] = []
    area = 0.0
    for x, y in values.tolist():
        begin = bisect_left(xs, x)
        height = ys[begin - 1] if begin else top
        if x >= right or y >= height or (begin < len(xs) and xs[begin] == x and ys[begin] <= y):
            yield area
            continue
        end, left = begin, x
        while end < len(xs) and ys[end] >= y:  # it dominates these
            area += (xs[end] - left) * (height - y)
            left, height = xs[end], ys[end]
            end += 1
        area += ((xs[end] if end < len(xs) else right) - left) * (height - y)
        xs[begin:end], ys[begin:end] = [x], [y]
        yield area


def _wfg(front: Array, reference: Array) -> float:
    """Return the volume of a front as the sum of what each vector adds to those behind it."""
    if front.shape[1] == 1:
        return float((reference - front.min(axis=0)).sum()) if len(front) else 0.0
    if front.shape[1] == 3:
        return _of_three(front, reference)
    ordered = front[np.argsort(-front[:, -1], kind="stable")]
    return sum(_added(each, ordered[place + 1 :], reference) for place, each in enumerate(ordered))


def _added(vector: Array, others: Array, reference: Array) -> float:
    """Return the volume that a vector adds to those of others, whose last objectives are no larger than its own."""
    # In the last objective, all that is limited by the vector is equal: one objective less.
    depth = float(reference[-1] - vector[-1])
    alone = float((reference[:-1] - vector[:-1]).prod())
    limited = np.maximum(others[:, :-1], vector[:-1])
    shared = np.unique(limited[is_non_dominated(limited)], axis=0) if len(limited) else limited
    return depth * (alone - (_wfg(shared, reference[:-1]) if len(shared) else 0.0))
