"""Random points, none of them twice."""

from collections.abc import Collection, Hashable, Iterator

import numpy as np

from dhmpi.benchmark.space import Space
from dhmpi.evaluation import Point

FIRST_BLOCK, LARGEST_BLOCK = 16, 1024
HOPELESS = 100 * LARGEST_BLOCK


class Sampler:
    """An endless sequence of random points that is the same for the same seed.

    Points that have been seen are passed over. So a campaign that is resumed starts the sequence again and comes to the
    point at which it had stopped, without any state having been saved.

    Args:
        space: Where the points lie.
        seed: What they depend on.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)
        self._points = self._sequence()

    def draw(self, seen: Collection[Hashable]) -> Point | None:
        """Return the next point whose key is not among the seen ones, or None if there is none left."""
        for misses, point in enumerate(self._points, start=1):
            if self._space.key(point) not in seen:
                return point
            # In a nearly exhausted space, looking for what is left is faster than hitting it by chance.
            if misses >= LARGEST_BLOCK and self._space.size is not None and len(seen) * 2 > self._space.size:
                return self._space.unseen(seen, self._rng)
            if misses >= HOPELESS:  # a range of real numbers between which hardly any float lies
                return None
        return None

    def _sequence(self) -> Iterator[Point]:
        num = FIRST_BLOCK  # small, because the first worker is waiting
        while True:
            yield from self._space.sample(self._rng, num)
            num = min(2 * num, LARGEST_BLOCK)
