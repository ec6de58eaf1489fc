"""Contract of searches for hyperparameters: points that are given come first."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dhmpi.errors import LoadError, OptionError
from dhmpi.evaluation import EARLIER, GIVEN, Observation, Origin, Point, Proposal
from dhmpi.search.campaign_options import PROBLEM
from dhmpi.search.hps.point_file import read_points
from dhmpi.search.sampling import generator
from dhmpi.search.search import Search
from dhmpi.space.fixed_points import FixedPoint
from dhmpi.space.space import Space
from dhmpi.space.starting_point import defaults_of
from dhmpi.support.options import option, text
from dhmpi.support.references import reference


@dataclass(frozen=True, kw_only=True)
class PointsOptions:
    """Options of every search for hyperparameters."""

    points: str | None = option(
        None,
        text,
        "file of points that are evaluated first, after the starting point: CSV with names in its first line, or JSON; "
        "what they lack is completed",
        group=PROBLEM,
    )


class HpSearch(Search):
    """Proposes hyperparameters: the starting point, those of the problem and of a file, and then its own.

    See `Search` for the arguments and `PointsOptions` for the options.
    """

    Options = PointsOptions
    _knowledge: Sequence[Observation] = ()

    def _read_problem(self, problem: Any) -> tuple[Space, Point | None]:
        space, start = super()._read_problem(problem)
        self._defaults = defaults_of(problem)
        self._references = _references(getattr(problem, "objects", {}))
        self._given: list[FixedPoint] = list(getattr(problem, "fixed_points", ()))
        if self.own_options.points is not None:
            self._given += read_points(self.own_options.points, space.by_name)
        return space, start

    def config(self, point: Point) -> Point | None:
        """Return the point with references to objects in place of their texts; None if it has none."""
        if not self._references:
            return None
        return {name: self._references.get((name, value), value) for name, value in point.items()}

    def _first_proposals(self) -> list[Proposal]:
        first = super()._first_proposals()
        for index, given in enumerate(self._given):
            # A generator for each, so that points that are added to a file change no other ones.
            point = given.completed(self.space, self._defaults, generator(self.seed, index))
            first.append(Proposal(point, Origin(GIVEN)))
        if self._knowledge:
            first += [Proposal(point, Origin(EARLIER)) for point in self._earlier_points()]
        return first

    def prime(self, observations: Sequence[Observation]) -> None:
        """Let it know what earlier campaigns have found; to be called before anything is asked.

        After the starting point and those that are given, some of their best points come first. They count as no
        results of this campaign.

        Raises:
            OptionError: This search cannot use it.
        """
        self._knowledge = observations
        self._begin(self.seed)
        self._first = deque(self._first_proposals())

    def _earlier_points(self) -> list[Point]:
        """Return points of earlier campaigns that are to be evaluated first."""
        raise OptionError(f"a search must learn to make use of earlier results, got {self.name}; use ambs or ga")


def _references(objects: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, Any], dict[str, str]]:
    """Return references to the objects of a problem by dimension and text."""
    found = {}
    for name, by_text in objects.items():
        for category, value in by_text.items():
            try:
                found[name, category] = reference(value, category)
            except LoadError as error:
                raise LoadError(f"dimension {name!r}: {error}") from None
    return found
