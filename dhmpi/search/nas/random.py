"""Random search for architectures: the yardstick of the others."""

# First of all: run as a file, this one has a random.py beside it that would hide the standard library's.
if __name__ == "__main__":
    import sys

    root = sys.path[0].removesuffix("/dhmpi/search/nas")
    sys.path[:1] = {root}.difference(sys.path[1:])
    from dhmpi.cli import main

    sys.exit(main(["nas-random", *sys.argv[1:]]))

from dhmpi.evaluation import Point
from dhmpi.search.nas.nas_search import NasSearch
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
