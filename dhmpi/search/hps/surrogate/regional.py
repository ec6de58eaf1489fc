"""The proposer behind `auto`: Gaussian processes in a trust region and over the whole space."""

from collections.abc import Callable, Collection, Hashable, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import NamedTuple

import numpy as np

from dhmpi.benchmark.space import Categorical, Real, Space
from dhmpi.evaluation import Evaluation, Point
from dhmpi.search.hps.surrogate.archive import Archive
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.encoding import Encoding, Indices, Matrix
from dhmpi.search.hps.surrogate.load import Load, Pace
from dhmpi.search.hps.surrogate.proposer import Proposer
from dhmpi.search.hps.surrogate.regions import Regions
from dhmpi.search.hps.surrogate.surface import NUM_PARENTS, Box, Outlook, Surface, candidates, fit_surface
from dhmpi.search.hps.surrogate.taboo import Taboo

# Evaluations that must be done before a model is worth asking.
FEWEST_INITIAL, MOST_INITIAL = 10, 32
# New evaluations after which the surfaces are due for a refit: a share of those they know, within limits.
SHARE, FEWEST, MOST = 0.1, 4, 16
NUM_POINTS = 200
# Standard deviation of the weight that the deviation has; it is drawn anew for each proposal.
KAPPA = 1.5
# How often a point is looked for in the whole space instead of the trust region.
FAR_SHARE = 0.2
# How many pending points are looked at, of which the nearest ones are imagined: the latest ones.
MOST_PENDING = 512
# How many of the best candidates are tried before a point is drawn at random: the others are known already.
MOST_TRIED = 30


class Surfaces(NamedTuple):
    """What a refit makes.

    Attributes:
        near: The surface over the trust region.
        far: The surface over the whole space.
        seconds: How long it took.
    """

    near: Surface
    far: Surface
    seconds: float


class RegionalProposer(Proposer):
    """Proposes the minima of lower confidence bounds, mostly near the best point; pending points are imagined.

    Everything but the pace follows from what has been asked and told, so a campaign that is resumed goes on with the
    points that it would have had.

    Args:
        space: Where the points lie.
        seed: What all random choices depend on.
        ask_budget: Seconds that a proposal may take.
        background: Where refits run.
    """

    def __init__(self, space: Space, seed: int, ask_budget: float, background: Background) -> None:
        self._space, self._seed, self._background = space, seed, background
        self._encoding = Encoding(space)
        self._archive = Archive(self._encoding.num_columns)
        self._regions = Regions(self._encoding)
        self._steps = np.array([_smallest_step(dim.size, dim) for dim in space.dimensions])
        self._num_initial = min(max(FEWEST_INITIAL, len(space.dimensions) + 1), MOST_INITIAL)
        self._load = Load(ask_budget, background.clock)
        self._pending: dict[Hashable, Matrix] = {}
        self._num_done = self._due = self._next_due = self._num_fitted = 0
        self._due_box, self._due_taboo = self._whole(), self._regions.taboo
        self._surfaces: Surfaces | None = None
        self._job: Future[Surfaces] | None = None
        self._queue: list[Point] = []

    @property
    def mode(self) -> str:
        """The pace, or `initial` before there is a model."""
        return self._load.pace.name if self._surfaces else "initial"

    def asked(self, key: Hashable, point: Point) -> None:
        """Imagine the point; see `Proposer`."""
        self._pending[key] = self._encoding.encode([point])[0]

    def told(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn; see `Proposer`."""
        rows = self._encoding.encode([each.point for each in evaluations])
        before = len(self._archive)
        self._archive.extend(rows, [each.objective for each in evaluations])
        for num, each in enumerate(evaluations, start=before + 1):
            self._pending.pop(self._space.key(each.point), None)
            known = self._archive.rows[:num], self._archive.objectives[:num]
            if self._regions.told(*known, self._num_done >= self._num_initial):
                self._next_due = num  # what is known of the last region is of no use in this one
            self._num_done += each.objective is not None
            self._load.told(each)
            self._count(num)
        self._advance()

    def propose(self, seen: Collection[Hashable]) -> Point | None:
        """Return the minimum of a lower confidence bound; see `Proposer`."""
        self._advance()
        if not self._surfaces:
            return None
        point = self._queued(seen)
        if point is None:
            self._load.choose(len(self._pending))
            with self._load.measured():
                point = self._search(self._surfaces, seen)
        return point

    def settle(self) -> None:
        """Wait until no refit is due; see `Proposer`."""
        self._advance()
        while self._job:
            self._job.exception()  # waits; what it is, is raised by `_advance`
            self._advance()

    def _queued(self, seen: Collection[Hashable]) -> Point | None:
        while self._queue:
            point = self._queue.pop()
            if self._space.key(point) not in seen:
                return point
        return None

    def _search(self, surfaces: Surfaces, seen: Collection[Hashable]) -> Point | None:
        rng = np.random.default_rng((self._seed, len(self._archive), len(self._pending)))
        pace = self._load.pace
        outlook = self._outlook(surfaces, pace, rng)
        if pace.batch > 1:
            found = outlook.several(np.abs(rng.normal(scale=KAPPA, size=pace.batch)))
            self._queue = self._space.from_unit(found)[::-1]
            return self._queued(seen)
        kappa = abs(float(rng.normal(scale=KAPPA)))
        ranked = outlook.ranked(kappa, pace.effort, self._load.is_time_left)
        for units in islice(ranked, MOST_TRIED):
            [point] = self._space.from_unit(units[None])
            if self._space.key(point) not in seen:
                return point
        return None

    def _outlook(self, surfaces: Surfaces, pace: Pace, rng: np.random.Generator) -> Outlook:
        """Return what there is to be seen: of the trust region, or of the whole space."""
        is_far = rng.random() < FAR_SHARE
        surface, box = (surfaces.far, self._whole()) if is_far else (surfaces.near, self._near())
        rows, objectives = self._archive.rows, self._archive.objectives
        latest = list(islice(reversed(self._pending.values()), MOST_PENDING))[::-1]
        pending = np.array(latest).reshape(len(latest), self._encoding.num_columns)
        process = surface.process(rows, objectives, pending, pace.effort)
        parents = self._best(surface) if is_far else box.center[None]
        units = candidates(self._encoding, box, parents, pace.effort.num_candidates, rng)
        allowed = surface.taboo.allows(self._encoding.rows(units))
        return Outlook(self._encoding, surface, process, box, units[allowed] if allowed.any() else units)

    def _best(self, surface: Surface) -> Matrix:
        """Return the units of the best evaluations that a surface knows."""
        order = np.argsort(self._archive.objectives[surface.indices], kind="stable")[:NUM_PARENTS]
        return self._encoding.units(self._archive.rows[surface.indices[order]])

    def _whole(self) -> Box:
        half = np.full(len(self._steps), 0.5)
        return Box(half, half)

    def _near(self) -> Box:
        region = self._regions.region
        if region.center is None:
            return self._whole()
        return Box(region.center, np.maximum(region.half, self._steps))

    def _count(self, num: int) -> None:
        """Set the next refit when as many evaluations are final."""
        if self._num_done >= self._num_initial and num >= self._next_due:
            self._due, self._due_box, self._due_taboo = num, self._near(), self._regions.taboo
            self._next_due = num + min(max(int(SHARE * num), FEWEST), MOST)

    def _advance(self) -> None:
        """Take over what the background has done, and give it what is due; never wait."""
        if self._job and self._job.done():
            job, self._job = self._job, None
            self._surfaces = job.result()
            self.num_refits += 1
            self.refit_seconds = self._surfaces.seconds
        if not self._job and self._due > self._num_fitted:
            self._num_fitted = self._due
            rows, objectives = self._archive.rows[: self._due], self._archive.objectives[: self._due]
            boxes = self._whole(), self._due_box
            self._job = self._background.submit(
                _refit, self._encoding, *boxes, self._due_taboo, rows, objectives, self._background.clock
            )
            self._advance()


def _refit(
    encoding: Encoding,
    whole: Box,
    near: Box,
    taboo: Taboo,
    rows: Matrix,
    objectives: Matrix,
    clock: Callable[[], float],
) -> Surfaces:
    begun = clock()
    allowed = np.flatnonzero(taboo.allows(rows))
    distances = (((encoding.units(rows[allowed]) - near.center) / near.half) ** 2).sum(axis=1)
    nearest = allowed[np.argsort(distances, kind="stable")[:NUM_POINTS]]
    landmarks = allowed[_landmarks(objectives[allowed])]
    return Surfaces(
        fit_surface(encoding, near, nearest, rows, objectives, taboo),
        fit_surface(encoding, whole, landmarks, rows, objectives, taboo),
        clock() - begun,
    )


def _landmarks(objectives: Matrix) -> Indices:
    """Return the indices of the best evaluations and of others from all over, in turns."""
    order = np.argsort(objectives, kind="stable")
    best = order[: NUM_POINTS // 2]
    others = order[len(best) :: max(1, (len(order) - len(best)) // (NUM_POINTS - len(best)))]
    others = others[: NUM_POINTS - len(best)]
    paired = np.stack([best[: len(others)], others], axis=1).ravel() if len(others) else best[:0]
    return np.concatenate([paired, best[len(others) :]])


def _smallest_step(size: int | None, dim: object) -> float:
    """Return half the least width of a box: an integer must be able to change, a category to be any."""
    if isinstance(dim, Real) or size is None:
        return 0.0
    return 1.0 if isinstance(dim, Categorical) else 1.1 / size
