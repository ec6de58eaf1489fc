"""The proposer of several objectives: a Gaussian process of each, and the hypervolume that a point may add."""

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Self

import numpy as np

from dhmpi.evaluation import Evaluation, Point
from dhmpi.search.hps.surrogate.acquisition_optimiser import candidates
from dhmpi.search.hps.surrogate.archive import Archive, KnownEvaluations
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.belief_term import BeliefTerm
from dhmpi.search.hps.surrogate.box import whole_box
from dhmpi.search.hps.surrogate.box_surrogate import AcquisitionBudget, BoxSurrogate, fit_surrogate
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.feasibility import Feasibility, feasibility, required
from dhmpi.search.hps.surrogate.gp_proposer import KAPPA, MOST_PENDING, GpProposer, landmarks
from dhmpi.search.hps.surrogate.hypervolume_gain import HypervolumeGain
from dhmpi.search.hps.surrogate.tabu import TabuRegions
from dhmpi.search.hps.surrogate.trend_gp import TrendGP
from dhmpi.search.hps.surrogate.warp import unwarped
from dhmpi.space.space import Space
from dhmpi.support.pareto import is_non_dominated, ranks

# How many of the best candidates have others drawn around them, how often, and how many each time: a share of all.
NUM_REFINED, NUM_ROUNDS, ROUND_SHARE = 8, 3, 0.25


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
        # A mode has the budget for one objective.
        budget = self._load.mode.budget
        budget = replace(budget, num_candidates=budget.num_candidates // known.shape[1])
        done = ~np.isnan(known).any(axis=1)
        if not done.any():
            return None
        latest = list(islice(reversed(self._pending.values()), MOST_PENDING))[::-1]
        pending = np.array(latest).reshape(len(latest), self._encoding.num_columns)
        beliefs = _Beliefs.of(surrogates.surrogates, self._archive.rows, known, budget)
        kappa = abs(float(rng.normal(scale=KAPPA)))
        hoped = beliefs.bounds(pending, kappa)
        beliefs = beliefs.with_pending(pending, budget)
        on_front = np.flatnonzero(done)[is_non_dominated(known[done])]
        draw = partial(self._candidates, surrogates.feasibility, rng)
        units = draw(self._encoding.to_unit_cube(self._archive.rows[on_front]), budget.num_candidates)
        bounds = beliefs.bounds(self._encoding.rows(units), kappa)
        gain = HypervolumeGain.of(known[on_front], bounds, rng).with_points(hoped)
        if num_at_once > 1:
            self._queue = list(enumerate(self._space.from_unit(units[gain.choose(bounds, num_at_once)])))[::-1]
            return self._queued(seen)

        def score(units: Matrix) -> Matrix:
            return gain(beliefs.bounds(self._encoding.rows(units), kappa))

        points = self._ranked(units, gain(bounds), draw, score)
        return next((point for point in points if self._space.key(point) not in seen), None)

    def _candidates(self, feasible: Feasibility | None, rng: np.random.Generator, parents: Matrix, num: int) -> Matrix:
        """Return candidates in the unit cube, shape (num, num_dimensions), that will probably succeed."""
        # Nobody can say what is best for all objectives: beliefs end with the first points.
        nothing = BeliefTerm(self._encoding, {}, 0)
        units = candidates(nothing, whole_box(self._encoding), parents, num, rng)
        if feasible is None:
            return units
        probability = feasible.probability(self._encoding.rows(units))
        return units[probability >= required(probability, rng)]

    def _ranked(
        self,
        units: Matrix,
        scores: Matrix,
        draw: Callable[[Matrix, int], Matrix],
        score: Callable[[Matrix], Matrix],
    ) -> Iterator[Point]:
        """Yield candidates by their scores, and others that are drawn around the best of them."""
        num_more = int(ROUND_SHARE * len(units))
        for _ in range(NUM_ROUNDS if self._load.mode.budget.num_polished and num_more else 0):
            if not self._load.is_time_left():
                break
            more = draw(units[np.argsort(-scores, kind="stable")[:NUM_REFINED]], num_more)
            units, scores = np.concatenate([units, more]), np.append(scores, score(more))
        self.detail = self._load.num_polished
        for index in np.argsort(-scores, kind="stable"):
            yield self._space.from_unit(units[index][None])[0]


class _Beliefs(NamedTuple):
    """Beliefs about the objectives, in their own units.

    Attributes:
        surrogates: The surrogate of each.
        processes: The same with all that is known now.
        known: Values of each that its process knows.
    """

    surrogates: tuple[BoxSurrogate, ...]
    processes: tuple[TrendGP, ...]
    known: tuple[Matrix, ...]

    @classmethod
    def of(
        cls, surrogates: tuple[BoxSurrogate, ...], rows: Matrix, objectives: Matrix, budget: AcquisitionBudget
    ) -> Self:
        """Return what is believed when these evaluations are known."""
        spreads = np.zeros(len(rows))
        each_known = [KnownEvaluations(rows, column, spreads) for column in objectives.T]
        pairs = list(zip(surrogates, each_known, strict=True))
        return cls(
            surrogates,
            tuple(surrogate.process(known, budget) for surrogate, known in pairs),
            tuple(known.objectives[surrogate.chosen(known, budget)] for surrogate, known in pairs),
        )

    def with_pending(self, rows: Matrix, budget: AcquisitionBudget) -> Self:
        """Return what is believed when rows are pending."""
        pairs = zip(self.surrogates, self.processes, strict=True)
        return self._replace(processes=tuple(each.imagined(process, rows, budget) for each, process in pairs))

    def bounds(self, rows: Matrix, kappa: float) -> Matrix:
        """Return what is expected at rows less some standard deviations, shape (num, num_objectives)."""
        found = []
        for surrogate, process, known in zip(*self, strict=True):
            mean, std = process.predict(surrogate.frame.rows(rows))
            found.append(unwarped(mean - kappa * std, known, surrogate.relative_turn))
        return np.stack(found, axis=1)


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
