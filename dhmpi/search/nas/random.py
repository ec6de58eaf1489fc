"""Random search for architectures: the yardstick of the others."""

import sys

from dhmpi.evaluation import Point
from dhmpi.search.nas.search import NasSearch
from dhmpi.search.sampling import Sampler


class NasRandom(NasSearch):
    """Draws each decision of an architecture at random; see `Search` for the arguments."""

    name = "nas-random"

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        self._sampler = Sampler(self.space, seed)

    @property
    def learns(self) -> bool:
        """False: points depend on the seed alone."""
        return False

    def _propose(self) -> Point | None:
        return self._sampler.draw(self._seen)


if __name__ == "__main__":
    from dhmpi.cli import main

    sys.exit(main([NasRandom.name, *sys.argv[1:]]))
