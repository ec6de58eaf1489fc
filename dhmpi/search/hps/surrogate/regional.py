"""The proposer behind `auto`: Gaussian processes in a trust region and over the whole space."""

from collections.abc import Callable, Collection, Hashable, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.evaluation import Evaluation, Observation, Point
from dhmpi.search.hps.surrogate.acquisition_optimiser import NUM_PARENTS, AcquisitionOptimiser, candidates
from dhmpi.search.hps.surrogate.archive import KnownEvaluations
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.belief_term import BeliefTerm
from dhmpi.search.hps.surrogate.box import Box, whole_box
from dhmpi.search.hps.surrogate.box_surrogate import BoxSurrogate, fit_surrogate
from dhmpi.search.hps.surrogate.candidates import left
from dhmpi.search.hps.surrogate.course_history import Outlook
from dhmpi.search.hps.surrogate.earlier_rows import EarlierRows
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.feasibility import Feasibility, feasibility, required
from dhmpi.search.hps.surrogate.gp_proposer import KAPPA, MOST_PENDING, NUM_POINTS, GpProposer, landmarks
from dhmpi.search.hps.surrogate.refits import FEWEST_FIRST
from dhmpi.search.hps.surrogate.regions import Regions
from dhmpi.search.hps.surrogate.tabu import TabuRegions
from dhmpi.space.space import Categorical, Choices, Real, Space

# How often a point is looked for in the whole space instead of the trust region.
FAR_SHARE = 0.2
# The same in a space with conditions, and how often such a point is looked for in other branches than the best one's.
NESTED_FAR_SHARE, BRANCH_SHARE = 0.3, 2 / 3
# How many of the best candidates are tried before the whole space is looked at: they are known already.
MOST_TRIED = 30


class Surrogates(NamedTuple):
    """Surrogates of a refit.

    Attributes:
        near: The surrogate over the trust region.
        far: The surrogate over the whole space.
        feasibility: Where evaluations succeed; None if all do.
        belief: What is left of the beliefs.
        outlook: What had been reported until then.
        num: How many evaluations it was fitted to.
        seconds: How long it took.
    """

    near: BoxSurrogate
    far: BoxSurrogate
    feasibility: Feasibility | None
    belief: BeliefTerm
    outlook: Outlook
    num: int
    seconds: float


class RegionalTask(NamedTuple):
    """Task of fitting the surrogates.

    Attributes:
        encoding: The encoding of the rows.
        near: The trust region.
        tabu: Regions that are left out.
        known: The evaluations.
        outlook: What had been reported when there were so many.
        clock: Returns seconds.
        earlier: What is known from earlier campaigns; None without any.
    """

    encoding: Encoding
    near: Box
    tabu: TabuRegions
    known: KnownEvaluations
    outlook: Outlook
    clock: Callable[[], float]
    earlier: EarlierRows | None = None


class RegionalProposer(GpProposer[Surrogates]):
    """Proposes the minima of lower confidence bounds, mostly near the best point (kriging believer).

    See `Proposer` for the arguments.
    """

    def __init__(
        self, space: Space, seed: int, options: Any, background: Background, num_first: int = FEWEST_FIRST
    ) -> None:
        super().__init__(space, seed, options, background, num_first)
        self._regions = Regions(self._encoding)
        # Results that say nothing about how wide a region should be. It is the same number for all campaigns, since one
        # that goes on may have another number of evaluations than before.
        self._num_settling = max(FEWEST_FIRST, len(space.dimensions))
        self._steps = np.array([_smallest_step(dim.size, dim) for dim in space.dimensions])
        # How many dimensions each category decides on, by its place.
        self._deciding = {
            index: num
            for index, (name, dim) in enumerate(zip(space.names, space.dimensions, strict=True))
            if isinstance(dim, Choices) and (num := space.rules.num_decided(name))
        }
        self._num_decided = sum(self._deciding.values())
        # The trust region and the tabu regions of models that are due, by how many results they know.
        self._due: dict[int, tuple[Box, TabuRegions]] = {}
        self._earlier: EarlierRows | None = None

    def prime(self, observations: Sequence[Observation]) -> None:
        """Take note of what earlier campaigns have found, at least one observation; called before anything is told."""
        self._earlier = EarlierRows.of(self._encoding, observations)

    def told(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn; see `Proposer`."""
        rows = self._encoding.encode([each.point for each in evaluations])
        before, refits = len(self._archive), self.refits
        self._archive.extend(rows, [each.objective for each in evaluations])
        for num, each in enumerate(evaluations, start=before + 1):
            key = self._space.key(each.point)
            self._pending.pop(key, None)
            self._courses.end(key, each)
            known = self._archive.rows[:num], self._archive.objectives[:num]
            if self._regions.told(*known, num > self._num_settling):
                refits.hasten()  # what is known of the last region is of no use in this one
            refits.durations.add(each)
            if refits.told():
                self._due[num] = self._near(), self._regions.tabu
        self._advance()

    def _refit_of(self, num: int) -> Callable[[], Surrogates]:
        return partial(_refit, self._task(num))

    def _use(self, surrogates: Surrogates) -> None:
        super()._use(surrogates)
        self._due = {num: due for num, due in self._due.items() if num > surrogates.num}

    def _task(self, num: int) -> RegionalTask:
        # A file of another version, or one that was changed, may name a number at which none was due.
        near, tabu = self._due.get(num, (self._near(), self._regions.tabu))
        outlook = self._courses.outlook(num)
        foretold = self._courses.foretold(self._archive.objectives[:num], outlook.forecast)
        known = KnownEvaluations(self._archive.rows[:num], *foretold)
        return RegionalTask(self._encoding, near, tabu, known, outlook, self._background.clock, self._earlier)

    def _search(self, surrogates: Surrogates, seen: Collection[Hashable]) -> Point | None:
        rng = np.random.default_rng((self._seed, len(self._archive), len(self._pending)))
        is_far = bool(rng.random() < (NESTED_FAR_SHARE if self._deciding else FAR_SHARE))
        point = self._look(self._optimiser(surrogates, rng, is_far), rng, seen, MOST_TRIED)
        if point is None:  # what is best there is known already
            optimiser = self._optimiser(surrogates, rng, is_far=True)
            point = self._look(optimiser, rng, seen, None) or self._look_at_the_rest(optimiser, rng, seen)
        return point

    def _look_at_the_rest(
        self, optimiser: AcquisitionOptimiser, rng: np.random.Generator, seen: Collection[Hashable]
    ) -> Point | None:
        """Return the best of the points that are left, in a space that can be looked through."""
        known = np.concatenate([self._archive.rows, *(row[None] for row in self._pending.values())])
        units = left(self._encoding, rng, known, self._load.mode.budget.num_candidates)
        return self._look(optimiser._replace(units=units), rng, seen, None) if len(units) else None

    def _look(
        self,
        optimiser: AcquisitionOptimiser,
        rng: np.random.Generator,
        seen: Collection[Hashable],
        most_tried: int | None,
    ) -> Point | None:
        """Return the best of the candidates, or so many of the best ones, that is not among the seen ones."""
        mode = self._load.mode
        if mode.batch > 1:
            found = optimiser.several(np.abs(rng.normal(scale=KAPPA, size=mode.batch)))
            self._queue = list(enumerate(self._space.from_unit(found)))[::-1]
            return self._queued(seen)
        kappa = abs(float(rng.normal(scale=KAPPA)))
        ranked = optimiser.ranked(kappa, mode.budget, self._load.is_time_left)
        for units in islice(ranked, most_tried):
            self.detail = self._load.num_polished
            [point] = self._space.from_unit(units[None])
            if self._space.key(point) not in seen:
                return point
        return None

    def _optimiser(self, surrogates: Surrogates, rng: np.random.Generator, is_far: bool) -> AcquisitionOptimiser:
        """Return the acquisition optimiser over the trust region, or over the whole space."""
        surrogate, box = (surrogates.far, whole_box(self._encoding)) if is_far else (surrogates.near, self._near())
        budget = self._load.mode.budget
        outlook, rows = surrogates.outlook, self._archive.rows
        known = KnownEvaluations(rows, *self._courses.foretold(self._archive.objectives, outlook.forecast))
        parents = self._best(surrogate, known.objectives) if is_far else box.center[None]
        others = (row for key, row in reversed(self._pending.items()) if key not in outlook.keys)
        latest = list(islice(others, MOST_PENDING))[::-1]
        pending = np.array(latest).reshape(len(latest), self._encoding.num_columns)
        process = surrogate.process(self._with_running(known, outlook), budget)
        process = surrogate.imagined(process, pending, budget)
        units = candidates(surrogates.belief, box, parents, budget.num_candidates, rng)
        if is_far and self._deciding and rng.random() < BRANCH_SHARE:
            units = self._in_other_branches(units, rng)
        allows, belief = surrogate.tabu.allows, surrogates.belief
        optimiser = AcquisitionOptimiser(self._encoding, surrogate, process, box, units, allows, belief)
        feasible = surrogates.feasibility
        feasible = None if feasible is None else feasible.updated(rows, self._archive.objectives)
        return _permitted(optimiser, feasible, rng)

    def _in_other_branches(self, units: Matrix, rng: np.random.Generator) -> Matrix:
        """Give units other values than the best point's of one of the categories that decide what is active.

        What is best in another branch takes several points to be found, each of which looks worse than the best one.
        """
        center = self._regions.region.center
        if center is None:
            return units
        index = int(rng.choice(list(self._deciding), p=np.array(list(self._deciding.values())) / self._num_decided))
        size = self._space.dimensions[index].size
        assert size is not None
        others = rng.integers(1, size, size=len(units)) if size > 1 else 0
        moved = units.copy()
        moved[:, index] = ((int(center[index] * size) + others) % size + 0.5) / size
        allowed = self._encoding.allowed(moved)
        return moved[allowed] if allowed.any() else units

    def _with_running(self, known: KnownEvaluations, outlook: Outlook) -> KnownEvaluations:
        """Return what is known with what is foretold of pending evaluations that had reported something."""
        places = {outlook.keys[key]: row for key, row in self._pending.items() if key in outlook.keys}
        if not places:
            return known
        at, running = list(places), outlook.running
        return KnownEvaluations(
            np.concatenate([known.rows, list(places.values())]),
            np.concatenate([known.objectives, running.objectives[at]]),
            np.concatenate([known.spreads, running.spreads[at]]),
        )

    def _best(self, surrogate: BoxSurrogate, objectives: Matrix) -> Matrix:
        """Return the best evaluations that a surrogate knows, in the unit cube."""
        order = np.argsort(objectives[surrogate.indices], kind="stable")[:NUM_PARENTS]
        return self._encoding.to_unit_cube(self._archive.rows[surrogate.indices[order]])

    def _near(self) -> Box:
        region = self._regions.region
        if region.center is None:
            return whole_box(self._encoding)
        half = np.maximum(region.half, self._steps)
        # Nothing is known yet of a range that is inactive at the centre: points that have it may have it anywhere.
        half[self._encoding.inactive_dimensions(region.center)] = 0.5
        return Box(region.center, half)


def _permitted(
    optimiser: AcquisitionOptimiser, feasible: Feasibility | None, rng: np.random.Generator
) -> AcquisitionOptimiser:
    """Return the optimiser with candidates that are in no tabu region, and will probably succeed."""
    rows = optimiser.encoding.rows(optimiser.units)
    allowed = optimiser.allows(rows)
    if not allowed.any():
        allowed[:] = True
    if feasible is None:
        return optimiser._replace(units=optimiser.units[allowed])
    probability = np.where(allowed, feasible.probability(rows), -1.0)
    bound = required(probability, rng)

    def allows(rows: Matrix) -> npt.NDArray[np.bool_]:
        return optimiser.allows(rows) & (feasible.probability(rows) >= bound)

    return optimiser._replace(units=optimiser.units[probability >= bound], allows=allows)


def _refit(task: RegionalTask) -> Surrogates:
    encoding, near, tabu, known, outlook, clock, earlier = task
    rows, objectives, _ = known
    begun = clock()
    allowed = np.flatnonzero(tabu.allows(rows))
    if not np.isnan(objectives[allowed]).all():
        allowed = allowed[~np.isnan(objectives[allowed])]
    distances = (((encoding.to_unit_cube(rows[allowed]) - near.center) / near.half) ** 2).sum(axis=1)
    nearest = allowed[np.argsort(distances, kind="stable")[:NUM_POINTS]]
    all_over = allowed[landmarks(objectives[allowed])]
    close = None if earlier is None else earlier.near(encoding, near, len(nearest))
    return Surrogates(
        fit_surrogate(encoding, near, nearest, known, tabu, close),
        # It knows nothing of earlier campaigns: one point of five is chosen as if there were none.
        fit_surrogate(encoding, whole_box(encoding), all_over, known, tabu),
        feasibility(encoding, rows, objectives),
        BeliefTerm.of(encoding, rows, objectives),
        outlook,
        len(rows),
        clock() - begun,
    )


def _smallest_step(size: int | None, dim: object) -> float:
    """Return half the least width of a box: an integer must be able to change, a category to be any."""
    if isinstance(dim, Real) or size is None:
        return 0.0
    return 1.0 if isinstance(dim, Categorical) else 1.1 / size
