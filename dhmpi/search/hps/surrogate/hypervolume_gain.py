"""Hypervolume gain: by how much points would extend what a Pareto front dominates, estimated by directions."""

from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.support.pareto import is_non_dominated

# Directions in which it is estimated.
NUM_DIRECTIONS = 128
# How far behind the worst corner of the front the reference point lies, in extents of the front.
MARGIN = 0.1


class HypervolumeGain(NamedTuple):
    """Estimate of the hypervolume that points would add (Golovin and Zhang 2020, random hypervolume scalarisations).

    The hypervolume between a front and a reference point is proportional to the mean, over directions of the positive
    orthant, of how far the front reaches in them, to the power of the number of objectives.

    Attributes:
        reference: Reference point, shape (num_objectives,).
        extent: Extent of the front by objective, shape (num_objectives,).
        directions: Unit vectors, shape (num_directions, num_objectives).
        reached: How far the front reaches in each direction, to that power, shape (num_directions,).
    """

    reference: Matrix
    extent: Matrix
    directions: Matrix
    reached: Matrix

    @classmethod
    def of(cls, objectives: Matrix, rng: np.random.Generator, num: int = NUM_DIRECTIONS) -> "HypervolumeGain":
        """Return the estimate for the front of some objectives, shape (num_points, num_objectives), all finite.

        Args:
            objectives: Smaller is better; at least one point.
            rng: Where directions are drawn from.
            num: How many.
        """
        front = objectives[is_non_dominated(objectives)]
        ideal, nadir = front.min(axis=0), front.max(axis=0)
        extent = np.where(nadir > ideal, nadir - ideal, objectives.max(axis=0) - ideal)
        extent[extent <= 0] = 1.0
        directions = np.abs(rng.normal(size=(num, objectives.shape[1]))) + 1e-9
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        gain = cls(nadir + MARGIN * extent, extent, directions, np.zeros(num))
        return gain._replace(reached=gain._reach(front).max(axis=0))

    def with_points(self, objectives: Matrix) -> "HypervolumeGain":
        """Return the estimate beyond some more points, shape (num_points, num_objectives)."""
        return self._replace(reached=np.maximum(self.reached, self._reach(objectives).max(axis=0, initial=-np.inf)))

    def __call__(self, objectives: Matrix) -> Matrix:
        """Return the gain of each of some points, shape (num_points,); of those without any, how far they are from it.

        Args:
            objectives: Shape (num_points, num_objectives).
        """
        more = self.by_direction(objectives)
        gain: Matrix = np.maximum(more, 0.0).mean(axis=1)
        return np.where(gain > 0, gain, np.minimum(more.max(axis=1), 0.0))

    def by_direction(self, objectives: Matrix) -> Matrix:
        """Return how much farther each point reaches in each direction, shape (num_points, num_directions)."""
        return self._reach(objectives) - self.reached

    def _reach(self, objectives: Matrix) -> Matrix:
        scaled = (self.reference - objectives) / self.extent
        least = (scaled[:, None, :] / self.directions).min(axis=2)
        reach: Matrix = np.sign(least) * np.abs(least) ** objectives.shape[1]
        return reach
