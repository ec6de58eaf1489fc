"""Random search: the yardstick of every other search."""

# First of all: run as a file, this one has a random.py beside it that would hide the standard library's.
if __name__ == "__main__":
    import sys

    root = sys.path[0].removesuffix("/dhmpi/search/hps")
    sys.path[:1] = {root}.difference(sys.path[1:])
    from dhmpi.cli import main

    sys.exit(main(["hps-random", *sys.argv[1:]]))

from dhmpi.evaluation import Point
from dhmpi.search.hps.hp_search import HpSearch, PointsOptions
from dhmpi.search.sampling import Sampler


class RandomSearch(HpSearch):
    """Draws points from the priors of the dimensions; see `Search` for the arguments."""

    name = "hps-random"
    Options = PointsOptions

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        self._sampler = Sampler(self.space, seed)

    @property
    def learns(self) -> bool:
        """False: points depend on the seed alone."""
        return False

    def _propose(self) -> Point | None:
        return self._sampler.draw(self._seen)
