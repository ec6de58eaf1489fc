"""Random search: the yardstick of every other search; and other searches that do not learn."""

# First of all: run as a file, this one has a random.py beside it that would hide the standard library's.
if __name__ == "__main__":
    import sys

    root = sys.path[0].removesuffix("/dhmpi/search/hps")
    sys.path[:1] = {root}.difference(sys.path[1:])
    from dhmpi.cli import main

    sys.exit(main(["hps-random", *sys.argv[1:]]))

import math
from dataclasses import dataclass

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import START, Point, Proposal
from dhmpi.search.hps.grid import grid_of
from dhmpi.search.hps.hp_search import HpSearch, PointsOptions
from dhmpi.search.hps.sobol import SobolSequence
from dhmpi.search.sampling import Sampler, independent, spread
from dhmpi.support.options import Setting, choice_with_settings, integer, option

RANDOM, SOBOL, LHS, GRID, POINTS = SAMPLERS = ("random", "sobol", "lhs", "grid", "points")
# What is proposed by those that come to an end before the space does.
ENDS = {GRID: "every point of the grid", POINTS: "every point that was given"}


@dataclass(frozen=True, kw_only=True)
class RandomOptions(PointsOptions):
    """Options of random search: how its points lie to each other."""

    sampler: str = option(
        RANDOM,
        choice_with_settings(SAMPLERS),
        "random; sobol (a scrambled Sobol sequence); lhs (Latin hypercubes); grid (all combinations, in an order that "
        "is spread out) and points (those of --points and the problem) end by themselves",
    )
    grid_size: int = option(
        5, integer(1), "values of each range, on the scale of its prior", setting=Setting("sampler", "size", (GRID,))
    )


class RandomSearch(HpSearch):
    """Draws points from the priors of the dimensions, or lists them; see `Search` for the arguments."""

    name = "hps-random"
    Options = RandomOptions
    most_objectives = math.inf

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        kind: str = self.own_options.sampler
        if kind == POINTS and not self._given:
            need = f"{option_name('sampler')} points must come with points, got none"
            raise OptionError(f"{need}; add {option_name('points')} FILE, or problem.add_point(...)")
        space = grid_of(self.space, self.own_options.grid_size) if kind == GRID else self.space
        space.require_room()
        draw = spread if kind == LHS else SobolSequence() if kind in (SOBOL, GRID) else independent
        self._sampler = Sampler(space, seed, draw)
        self._is_over = False

    def _first_proposals(self) -> list[Proposal]:
        first = super()._first_proposals()
        is_whole = self.own_options.sampler == POINTS  # the list is all that is wanted
        return [each for each in first if not (is_whole and each.origin.model == START)]

    @property
    def learns(self) -> bool:
        """False: points depend on the seed alone."""
        return False

    @property
    def is_list(self) -> bool:
        """Whether it proposes listed points, and ends with them."""
        return self.own_options.sampler in ENDS

    @property
    def extent(self) -> str:
        """Description of all that it proposes."""
        return ENDS.get(self.own_options.sampler, super().extent)

    @property
    def is_exhausted(self) -> bool:
        """Whether every point has been asked that it proposes."""
        return self._is_over or super().is_exhausted

    def _propose(self) -> Point | None:
        point = None if self.own_options.sampler == POINTS else self._sampler.draw(self._seen)
        self._is_over = point is None and self.is_list
        return point
