"""Declustering: how much of the space each evaluation stands for, as a search evaluates most where it has settled."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dhmpi.analysis.unit_scales import Encoded
from dhmpi.results.columns import Array

# Places that are drawn in the space, and how many of them are looked at together.
NUM_PLACES, NUM_TOGETHER = 4000, 500


class Cells(NamedTuple):
    """Cells of evaluations: the parts of the space that are nearest to each (Isaaks and Srivastava 1989).

    Attributes:
        volume: The share of the space that each evaluation stands for, 0 to 1.
        nearest: Of places that are drawn at random in the space, the nearest evaluation.
    """

    volume: Array
    nearest: Array

    def chosen(self, most: int) -> Array:
        """Return at most so many evaluations that are spread over the space, ascending."""
        if len(self.volume) <= most:
            return np.arange(len(self.volume))
        # Those nearest to any place first, and then others, evenly.
        first = list(dict.fromkeys(self.nearest.tolist()))[:most]
        others = np.setdiff1d(np.arange(len(self.volume)), first)
        more = others[np.linspace(0, len(others) - 1, most - len(first)).astype(int)]
        return np.union1d(np.array(first, np.int64), more)


def cells(dimensions: Sequence[Encoded], seed: int = 0) -> Cells:
    """Return the cells of evaluations, measured by places that are drawn at random.

    Args:
        dimensions: The dimensions, with at least one evaluation.
        seed: Of the places.
    """
    rng = np.random.default_rng(seed)
    points, first, which, num_equal = np.unique(
        _coordinates(dimensions, [each.unit for each in dimensions]),
        axis=0,
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    places = _coordinates(dimensions, [_drawn(each, rng) for each in dimensions])
    lengths = (points**2).sum(axis=1)
    parts = np.array_split(places, -(-len(places) // NUM_TOGETHER))
    nearest = np.concatenate([(lengths - 2.0 * part @ points.T).argmin(axis=1) for part in parts])
    # Equal points share a cell, and none is quite empty.
    volume = (np.bincount(nearest, minlength=len(points)) + 1e-6) / num_equal
    shared = volume[which.ravel()]
    return Cells(shared / shared.sum(), first[nearest])


def _drawn(dimension: Encoded, rng: np.random.Generator) -> Array:
    num = len(dimension.choices)
    return (rng.integers(num, size=NUM_PLACES) + 0.5) / num if num else rng.random(NUM_PLACES)


def _coordinates(dimensions: Sequence[Encoded], units: Sequence[Array]) -> Array:
    """Return places as coordinates, in which any two categories are as far apart as the ends of a range."""
    columns = []
    for each, unit in zip(dimensions, units, strict=True):
        num = len(each.choices)
        columns.append(np.eye(num)[(unit * num).astype(int)] / np.sqrt(2.0) if num else unit[:, None])
    return np.hstack(columns)
