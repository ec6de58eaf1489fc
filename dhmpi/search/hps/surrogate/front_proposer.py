"""The proposer of several objectives: a Gaussian process of each, and the hypervolume that a point may add."""

from collections.abc import Callable, Collection, Hashable, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from dhmpi.evaluation import Evaluation, Point
from dhmpi.search.hps.surrogate.acquisition_optimiser import candidates
from dhmpi.search.hps.surrogate.archive import Archive, KnownEvaluations
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.belief_term import BeliefTerm
from dhmpi.search.hps.surrogate.box import whole_box
from dhmpi.search.hps.surrogate.box_surrogate import AcquisitionBudget, BoxSurrogate, fit_surrogate
from dhmpi.search.hps.surrogate.encoding import Encoding, Indices, Matrix
from dhmpi.search.hps.surrogate.feasibility import Feasibility, feasibility, required
from dhmpi.search.hps.surrogate.front_acquisition import Beliefs, FrontAcquisition
from dhmpi.search.hps.surrogate.gp_proposer import KAPPA, MOST_PENDING, GpProposer, landmarks
from dhmpi.search.hps.surrogate.hypervolume_gain import HypervolumeGain
from dhmpi.search.hps.surrogate.polish import Flags, Polish
from dhmpi.search.hps.surrogate.tabu import TabuRegions
from dhmpi.space.space import Space
from dhmpi.support.pareto import is_non_dominated, ranks


class FrontSurrogates(NamedTuple):
    """Surrogates of a refit.

    Attributes:
        surrogates: One over the whole space for each objective.
        feasibility: Where evaluations succeed; None if all do.
        num: How many evaluations they were fitted to.
        seconds: How long it took.
    """

    surrogates: tuple[BoxSurrogate, ...]
    feasibility: Feasibility | None
    num: int
    seconds: float


class FrontTask(NamedTuple):
    """Task of fitting the surrogates.

    Attributes:
        encoding: The encoding of the rows.
        rows: Rows of the evaluations, shape (num, num_columns).
        objectives: Their objectives, shape (num, num_objectives), NaN where there is none.
        clock: Returns seconds.
    """

    encoding: Encoding
    rows: Matrix
    objectives: Matrix
    clock: Callable[[], float]


class FrontProposer(GpProposer[FrontSurrogates]):
    """Proposes points whose lower confidence bounds add most to the hypervolume (Ponweiser et al. 2008, SMS-EGO).

    Pending points count as if they were where the surrogates expect them.

    Args:
        space: As in `Proposer`, like `seed`, `options`, `background` and `num_first`.
        seed: See there.
        options: See there.
        background: See there.
        num_first: See there.
        num_objectives: How many objectives there are, two at least.
    """

    def __init__(  # one more than all proposers have
        self, space: Space, seed: int, options: Any, background: Background, num_first: int, num_objectives: int
    ) -> None:
        super().__init__(space, seed, options, background, num_first)
        self._others = [Archive(0) for _ in range(num_objectives - 1)]

    def told(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn; see `Proposer`."""
        rows = self._encoding.encode([each.point for each in evaluations])
        self._archive.extend(rows, [each.objective for each in evaluations])
        for index, archive in enumerate(self._others, start=1):
            archive.extend(rows[:, :0], [each.objectives[index] if each.objectives else None for each in evaluations])
        for each in evaluations:
            key = self._space.key(each.point)
            self._pending.pop(key, None)
            self._courses.end(key, each)
            self.refits.durations.add(each)
            self.refits.told()
        self._advance()

    def _refit_of(self, num: int) -> Callable[[], FrontSurrogates]:
        rows, objectives = self._archive.rows[:num], self._known()[:num]
        return partial(_refit, FrontTask(self._encoding, rows, objectives, self._background.clock))

    def _known(self) -> Matrix:
        """Return the objectives of all evaluations, shape (num, num_objectives), NaN where there is none.

        Failures have none, and what was stopped early has the first one alone.
        """
        return np.stack([self._archive.objectives, *(each.objectives for each in self._others)], axis=1)

    def _search(self, surrogates: FrontSurrogates, seen: Collection[Hashable]) -> Point | None:
        rng = np.random.default_rng((self._seed, len(self._archive), len(self._pending)))
        known, num_at_once = self._known(), self._load.mode.batch
        done = ~np.isnan(known).any(axis=1)
        if not done.any():
            return None
        on_front = np.flatnonzero(done)[is_non_dominated(known[done])]
        units, allows = self._candidates(surrogates.feasibility, on_front, rng)
        acquisition, bounds = self._acquisition(surrogates, known, on_front, units, rng)
        if num_at_once > 1:
            chosen = acquisition.gain.choose(bounds, num_at_once)
            self._queue = list(enumerate(self._space.from_unit(units[chosen])))[::-1]
            return self._queued(seen)
        scores, budget = acquisition.gain(bounds), self._budget()
        polish = Polish(self._encoding, whole_box(self._encoding), acquisition.loss)
        best = units[np.argsort(-scores, kind="stable")[: budget.num_polished]]
        polished = polish.several(best, budget.num_steps, allows, self._load.is_time_left)
        self.detail = self._load.num_polished
        if len(polished):
            units, scores = np.concatenate([polished, units]), np.append(acquisition.scores(polished), scores)
        ranked = (self._space.from_unit(units[index][None])[0] for index in np.argsort(-scores, kind="stable"))
        return next((point for point in ranked if self._space.key(point) not in seen), None)

    def _budget(self) -> AcquisitionBudget:
        """Return the budget of each objective: all of them take about as long as one with all of it."""
        budget, num = self._load.mode.budget, 1 + len(self._others)
        return AcquisitionBudget(
            num_points=2 * budget.num_points // (num + 1),
            num_pending=2 * budget.num_pending // (num + 1),
            num_candidates=budget.num_candidates // num,
            num_polished=-(-budget.num_polished // (num + 1)),
            num_steps=budget.num_steps // 2,
        )

    def _acquisition(
        self,
        surrogates: FrontSurrogates,
        known: Matrix,
        on_front: Indices,
        units: Matrix,
        rng: np.random.Generator,
    ) -> tuple[FrontAcquisition, Matrix]:
        """Return the acquisition function, and the bounds at candidates, which say how far the front may reach."""
        latest = list(islice(reversed(self._pending.values()), MOST_PENDING))[::-1]
        pending = np.array(latest).reshape(len(latest), self._encoding.num_columns)
        beliefs = Beliefs.of(surrogates.surrogates, self._archive.rows, known, self._budget())
        kappa = abs(float(rng.normal(scale=KAPPA)))
        claimed = beliefs.bounds(pending, kappa)
        beliefs = beliefs.with_pending(pending, self._budget())
        bounds = beliefs.bounds(self._encoding.rows(units), kappa)
        gain = HypervolumeGain.of(known[on_front], bounds, rng).with_points(claimed)
        return FrontAcquisition(self._encoding, beliefs, kappa, gain), bounds

    def _candidates(
        self, feasible: Feasibility | None, on_front: Indices, rng: np.random.Generator
    ) -> tuple[Matrix, Callable[[Matrix], Flags]]:
        """Return candidates in the unit cube that will probably succeed, and what tells that of rows.

        Args:
            feasible: What is known of success; None if nothing has failed.
            on_front: Which evaluations are on the front, around which some candidates lie.
            rng: Where they are drawn from.
        """
        front, whole = self._encoding.to_unit_cube(self._archive.rows[on_front]), whole_box(self._encoding)
        # Nobody can say what is best for all objectives: beliefs of experts end with the first points.
        units = candidates(BeliefTerm(self._encoding, {}, 0), whole, front, self._budget().num_candidates, rng)
        if feasible is None:
            return units, lambda rows: np.ones(len(rows), bool)
        feasible = feasible.updated(self._archive.rows, self._archive.objectives)
        probability = feasible.probability(self._encoding.rows(units))
        bound = required(probability, rng)
        return units[probability >= bound], lambda rows: feasible.probability(rows) >= bound


def _refit(task: FrontTask) -> FrontSurrogates:
    begun = task.clock()
    encoding, rows, objectives, clock = task
    done = np.flatnonzero(~np.isnan(objectives).any(axis=1))
    indices = np.arange(len(rows))
    if len(done):
        indices = done[landmarks(ranks(objectives[done]))]
    nowhere, spreads = TabuRegions(np.empty((0, encoding.num_columns))), np.zeros(len(rows))
    known = [KnownEvaluations(rows, column, spreads) for column in objectives.T]
    surrogates = tuple(fit_surrogate(encoding, whole_box(encoding), indices, each, nowhere) for each in known)
    return FrontSurrogates(surrogates, feasibility(encoding, rows, objectives[:, 0]), len(rows), clock() - begun)
