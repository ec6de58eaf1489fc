"""Hypervolume gain: by how much points would extend what a Pareto front dominates, estimated by directions."""

from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.support.pareto import is_non_dominated

# Directions in which it is estimated.
NUM_DIRECTIONS = 128
# How far behind the worst corner of what may become the front the reference point lies, in extents of that.
MARGIN = 0.1


class HypervolumeGain(NamedTuple):
    """Estimate of the hypervolume that points would add (Golovin and Zhang 2020, random hypervolume scalarisations).

    The hypervolume between a front and a reference point is proportional to the mean, over directions of the positive
    orthant, of how far the front reaches in them, to the power of the number of objectives.

    Attributes:
        reference: Reference point, shape (num_objectives,).
        extent: Extent of what may become the front by objective, shape (num_objectives,).
        directions: Unit vectors, shape (num_directions, num_objectives).
        reached: How far the front reaches in each direction, to that power, shape (num_directions,).
    """

    reference: Matrix
    extent: Matrix
    directions: Matrix
    reached: Matrix

    @classmethod
    def of(cls, front: Matrix, hoped: Matrix, rng: np.random.Generator, num: int = NUM_DIRECTIONS) -> "HypervolumeGain":
        """Return the estimate for a front.

        Args:
            front: Shape (num_points, num_objectives), all finite, smaller being better; at least one point.
            hoped: Objectives that points may have at best, of the same shape; those of them that no other one
                dominates say how far the front may reach: farther than what has been found so far.
            rng: Where directions are drawn from.
            num: How many.
        """
        both = np.concatenate([front, hoped[is_non_dominated(hoped)]])
        ideal, nadir = both.min(axis=0), both.max(axis=0)
        extent = nadir - ideal
        extent[extent <= 0] = 1.0
        directions = np.abs(rng.normal(size=(num, front.shape[1]))) + 1e-9
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        gain = cls(nadir + MARGIN * extent, extent, directions, np.zeros(num))
        return gain._replace(reached=gain._reach(front).max(axis=0))

    def with_points(self, objectives: Matrix) -> "HypervolumeGain":
        """Return the estimate beyond some more points, shape (num_points, num_objectives)."""
        return self._replace(reached=np.maximum(self.reached, self._reach(objectives).max(axis=0, initial=-np.inf)))

    def __call__(self, objectives: Matrix) -> Matrix:
        """Return the gain of each point, shape (num_points,); where there is none, minus how much farther it lies.

        Args:
            objectives: Shape (num_points, num_objectives).
        """
        return _gain(self._reach(objectives) - self.reached)

    def slope(self, objectives: Matrix) -> tuple[float, Matrix]:
        """Return the gain of a point, and its gradient by the objectives, both of shape (num_objectives,).

        Where nothing is gained, it is that of the direction in which the point comes nearest to it.
        """
        units = self.extent * self.directions
        scaled, rows, num = (self.reference - objectives) / units, np.arange(len(units)), len(objectives)
        nearest = scaled.argmin(axis=1)
        least = scaled[rows, nearest]
        more = np.sign(least) * np.abs(least) ** num - self.reached
        has_gain = bool((more > 0).any())
        counts = more > 0 if has_gain else rows == more.argmax()
        share = len(more) if has_gain else 1
        turns = np.where(counts, num * np.abs(least) ** (num - 1), 0.0) / units[rows, nearest] / share
        slope: Matrix = -np.bincount(nearest, turns, minlength=num).astype(float)
        return float(more[counts].sum()) / share, slope

    def choose(self, objectives: Matrix, num: int) -> list[int]:
        """Choose several of some points, each for what it gains beyond those before.

        Args:
            objectives: Shape (num_points, num_objectives).
            num: How many.
        """
        reach, reached, chosen = self._reach(objectives), self.reached, list[int]()
        for _ in range(num):
            gain = _gain(reach - reached)
            gain[chosen] = -np.inf
            chosen.append(int(gain.argmax()))
            reached = np.maximum(reached, reach[chosen[-1]])
        return chosen

    def _reach(self, objectives: Matrix) -> Matrix:
        scaled = (self.reference - objectives) / self.extent
        least = (scaled[:, None, :] / self.directions).min(axis=2)
        reach: Matrix = np.sign(least) * np.abs(least) ** objectives.shape[1]
        return reach


def _gain(more: Matrix) -> Matrix:
    """Return the gain of points that reach so much farther in each direction, shape (num_points, num_directions)."""
    gain: Matrix = np.maximum(more, 0.0).mean(axis=1)
    return np.where(gain > 0, gain, np.minimum(more.max(axis=1), 0.0))
