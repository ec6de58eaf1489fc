"""Random points, none of them twice."""

from collections.abc import Callable, Collection, Hashable
from typing import TYPE_CHECKING, TypeAlias

from dhmpi.evaluation import Point
from dhmpi.space.space import Space, Unit

if TYPE_CHECKING:
    from numpy.random import Generator

FIRST_BLOCK, LARGEST_BLOCK = 16, 1024
HOPELESS = 100 * LARGEST_BLOCK
# So many candidates, allowed or not, take a second or two.
MOST_CANDIDATES = 4 * HOPELESS

# Of the first points of searches that learn, every so manieth one is drawn by beliefs; where these are wrong, half of
# the points would be too few to begin with.
EVERY = 3

# Returns numbers in [0, 1), shape (num, num_dimensions).
Draw: TypeAlias = "Callable[[Generator, int, int], Unit]"


def generator(*seed: int) -> "Generator":
    """Return a generator of random numbers that depend on one or several integers of at least 0."""
    import numpy as np  # slow to import, and a rank that evaluates draws nothing

    return np.random.default_rng(seed)


def independent(rng: "Generator", num: int, num_dimensions: int) -> Unit:
    """Return independent random numbers in [0, 1), shape (num, num_dimensions)."""
    return rng.random((num, num_dimensions))


def spread(rng: "Generator", num: int, num_dimensions: int) -> Unit:
    """Return a Latin hypercube (McKay et al. 1979), shape (num, num_dimensions): evenly spread in every dimension."""
    import numpy as np

    strata = rng.permuted(np.tile(np.arange(num), (num_dimensions, 1)), axis=1).T
    return np.minimum((strata + rng.random((num, num_dimensions))) / num, np.nextafter(1.0, 0.0))


class Sampler:
    """An endless sequence of random points that is the same for the same seed.

    Points that have been seen are passed over. So a campaign that is resumed starts the sequence again and comes to the
    point at which it had stopped, without any state having been saved.

    Args:
        space: Where the points lie.
        seed: What they depend on.
        draw: How the points of a block lie to each other: `independent` or `spread`.
        believed: Every so manieth point is drawn by the beliefs of the space, the first one included; if it has none,
            it makes no difference.
    """

    def __init__(self, space: Space, seed: int, draw: Draw = independent, believed: int = 1) -> None:
        self._space, self._seed = space, seed
        self._rng = generator(seed)
        self._draw = draw
        self._every = believed
        self._size = FIRST_BLOCK  # small, because the first worker is waiting
        self._num_drawn = 0
        self._block: list[Point] = []  # the next point is the last one

    def draw(self, seen: Collection[Hashable]) -> Point | None:
        """Return the next point whose key is not among the seen ones, or None if there is none left."""
        size = self._space.size
        # Where most has been seen, looking for what is left is faster than hitting it by chance. What is found depends
        # on nothing but what has been seen: a search that is resumed has not drawn what was drawn before.
        if size is not None and 2 * len(seen) > size:
            return self._left(seen)
        end = self._num_drawn + MOST_CANDIDATES
        for _ in range(HOPELESS + len(seen)):
            point = self._next()
            if self._space.key(point) not in seen:
                return point
            if self._num_drawn > end:  # hardly any is allowed, and those have been seen
                break
        # A range between which hardly any number lies, on the scale of its prior.
        return None if size is None else self._left(seen)

    def _left(self, seen: Collection[Hashable]) -> Point | None:
        return self._space.unseen(seen, generator(self._seed, len(seen)))

    def _next(self) -> Point:
        while not self._block:
            self._num_drawn += self._size
            self._block = self._space.allowed_from_unit(self._units())[::-1]
            if not self._block:
                self._space.require_room()
            self._size = min(2 * self._size, LARGEST_BLOCK)
        return self._block.pop()

    def _units(self) -> Unit:
        """Return numbers of a block in [0, 1), shape (size, num_dimensions)."""
        import numpy as np

        width = len(self._space.dimensions)
        if not self._space.beliefs:
            return self._draw(self._rng, self._size, width)
        is_believed = np.arange(self._size) % self._every == 0
        units = np.empty((self._size, width))
        num = int(is_believed.sum())
        units[is_believed] = self._space.believed(self._draw(self._rng, num, width))
        if num < self._size:
            units[~is_believed] = self._draw(self._rng, self._size - num, width)
        return units
