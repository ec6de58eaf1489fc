"""Pareto sets: which of several vectors of objectives no other one dominates. All objectives are to be small."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Vectors that are compared with each other at once.
_CHUNK = 512


def is_non_dominated(values: Array) -> Array:
    """Return which vectors no other one dominates, bool, shape (num,).

    A vector dominates another if it is nowhere larger and somewhere smaller; equal ones do not dominate each other. Of
    two objectives this takes O(num log(num)), of more O(num times the size of the set).

    Args:
        values: Vectors, shape (num, number of objectives); one with NaN is not in the set, and dominates none.
    """
    known = np.flatnonzero(~np.isnan(values).any(axis=1))
    found = np.zeros(len(values), bool)
    if not len(known):
        return found
    distinct, places = np.unique(values[known], axis=0, return_inverse=True)  # in lexicographic order
    kept = _of_two(distinct) if values.shape[1] <= 2 else _of_many(distinct)
    found[known] = kept[places.reshape(-1)]
    return found


def _of_two(distinct: Array) -> Array:
    """Return which of distinct vectors in lexicographic order are in the set: those that improve the last objective."""
    last = distinct[:, -1]
    kept = np.ones(len(last), bool)
    kept[1:] = last[1:] < np.minimum.accumulate(last)[:-1]
    return kept


def _of_many(distinct: Array) -> Array:
    """Return which of distinct vectors in lexicographic order are in the set: none dominates one before it."""
    kept = np.zeros(len(distinct), bool)
    front = np.empty((0, distinct.shape[1]))
    for begin in range(0, len(distinct), _CHUNK):
        chunk = distinct[begin : begin + _CHUNK]
        alive = np.flatnonzero(~_dominated(chunk, front))
        alive = alive[~_dominated(chunk[alive], chunk[alive])]
        kept[begin + alive] = True
        front = np.concatenate([front, chunk[alive]])
    return kept


def _dominated(some: Array, others: Array) -> Array:
    """Return which of some vectors one of the others dominates, bool; equal ones do not."""
    found = np.zeros(len(some), bool)
    for begin in range(0, len(others), _CHUNK):
        part = others[begin : begin + _CHUNK]
        no_worse, equal = np.ones((2, len(some), len(part)), bool)
        for column, other in zip(some.T, part.T, strict=True):
            no_worse &= other <= column[:, None]
            equal &= other == column[:, None]
        found |= (no_worse & ~equal).any(axis=1)
    return found


def ranks(values: Array) -> Array:
    """Return the number of each vector's front, from 0: that of those which only vectors of earlier fronts dominate.

    Source: Deb, Pratap, Agarwal and Meyarivan 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II.

    Args:
        values: Vectors without NaN, shape (num, number of objectives).
    """
    found = np.full(len(values), -1)
    front, left = 0, np.arange(len(values))
    while len(left):
        first = is_non_dominated(values[left])
        found[left[first]] = front
        front, left = front + 1, left[~first]
    return found


def crowding(values: Array) -> Array:
    """Return the crowding distance of each vector of one front: the larger, the fewer others are near.

    It is the sum over objectives of the distance between both neighbours, as a share of the range; infinite at the
    ends. Source: the same.

    Args:
        values: Vectors without NaN, shape (num, number of objectives).
    """
    found = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        width = ordered[-1] - ordered[0]
        found[order[[0, -1]]] = np.inf
        if 0 < width < np.inf:
            found[order[1:-1]] += (ordered[2:] - ordered[:-2]) / width
    return found
