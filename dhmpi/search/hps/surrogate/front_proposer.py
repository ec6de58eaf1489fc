"""The proposer of several objectives: a Gaussian process of each, and the hypervolume that a point may add."""

from collections.abc import Callable, Collection, Hashable, Sequence
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dhmpi.evaluation import Evaluation, Origin, Point
from dhmpi.search.hps.surrogate.acquisition_optimiser import candidates
from dhmpi.search.hps.surrogate.archive import Archive, KnownEvaluations
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.box import whole_box
from dhmpi.search.hps.surrogate.box_surrogate import BoxSurrogate, fit_surrogate
from dhmpi.search.hps.surrogate.encoding import Encoding, Indices, Matrix
from dhmpi.search.hps.surrogate.feasibility import Feasibility, feasibility, required
from dhmpi.search.hps.surrogate.hypervolume_gain import HypervolumeGain
from dhmpi.search.hps.surrogate.load_controller import LoadController
from dhmpi.search.hps.surrogate.proposer import Proposer, guide
from dhmpi.search.hps.surrogate.refits import FEWEST_FIRST
from dhmpi.search.hps.surrogate.tabu import TabuRegions
from dhmpi.search.hps.surrogate.warp import unwarped
from dhmpi.space.space import Space
from dhmpi.support.pareto import is_non_dominated

NUM_POINTS = 200
# Standard deviation of the weight that the standard deviation has; it is drawn anew for each proposal.
KAPPA = 1.5
MOST_PENDING = 512
# How many of the best candidates have others drawn around them, and how often.
NUM_REFINED, NUM_ROUNDS = 8, 3


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
        seed: Seed of the search.
        rows: Rows of the evaluations, shape (num, num_columns).
        objectives: Their objectives, shape (num, num_objectives), NaN for failures.
        clock: Returns seconds.
    """

    encoding: Encoding
    seed: int
    rows: Matrix
    objectives: Matrix
    clock: Callable[[], float]


class FrontProposer(Proposer[FrontSurrogates]):
    """Proposes points whose lower confidence bounds add most to the hypervolume (Ponweiser et al. 2008, SMS-EGO).

    Pending points count as if they were where the surrogates expect them. See `Proposer` for the arguments.

    Args:
        num_objectives: How many objectives there are, two at least.
    """

    most: ClassVar[int] = 16

    def __init__(
        self,
        space: Space,
        seed: int,
        options: Any,
        background: Background,
        num_first: int = FEWEST_FIRST,
        num_objectives: int = 2,
    ) -> None:
        super().__init__(space, seed, options, background, num_first)
        self._objectives = [Archive(0) for _ in range(num_objectives)]
        self._load = LoadController(guide(options), background.clock, self.refits.durations)
        self._surrogates: FrontSurrogates | None = None
        self._queue: list[tuple[int, Point]] = []

    @property
    def mode(self) -> str:
        """The mode, or `initial` before there is a model."""
        return self._load.mode.name if self._surrogates else "initial"

    def asked(self, key: Hashable, point: Point) -> None:
        """Imagine the point; see `Proposer`."""
        self._pending[key] = self._encoding.encode([point])[0]

    def told(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn; see `Proposer`."""
        rows = self._encoding.encode([each.point for each in evaluations])
        self._archive.extend(rows, [each.objective for each in evaluations])
        for index, archive in enumerate(self._objectives):
            archive.extend(rows[:, :0], [each.objectives[index] if each.objectives else None for each in evaluations])
        for each in evaluations:
            self._pending.pop(self._space.key(each.point), None)
            self.refits.durations.add(each)
            self.refits.told()
        self._advance()

    def propose(self, seen: Collection[Hashable]) -> Point | None:
        """Return the point that may add most to the hypervolume; see `Proposer`."""
        if not self._surrogates:
            return None
        if self._wanted is not None:
            self._load.repeat(self._wanted.model, self._wanted.detail)
            if self._load.mode.batch == 1 or self._wanted.detail == 0:
                self._queue = []
        point = self._queued(seen)
        if point is None:
            is_possible = self._wanted is not None or self._load.choose(
                self.refits.num_workers if self.refits.is_timed else None
            )
            if not is_possible and self._options.ask_budget is not None:
                return None  # it is a hard limit
            with self._load.measured():
                point = self._search(self._surrogates, seen)
        return point

    def _begin_refit(self) -> bool:
        if self.refits.due <= self.refits.fitted:
            return False
        self.refits.begin(_refit, self._task(self.refits.due))
        return True

    def _take_over(self) -> None:
        assert self.refits.job is not None
        self._use(self.refits.take(self.refits.job.result().num))

    def _make(self, origin: Origin) -> None:
        if self._surrogates is None or self._surrogates.num != origin.fitted:
            self._use(_refit(self._task(origin.fitted)))
            self.refits.fitted = origin.fitted

    def _use(self, surrogates: FrontSurrogates) -> None:
        self._surrogates, self.refit_seconds = surrogates, surrogates.seconds

    def _task(self, num: int) -> FrontTask:
        return FrontTask(
            self._encoding, self._seed, self._archive.rows[:num], self._known()[:num], self._background.clock
        )

    def _known(self) -> Matrix:
        return np.stack([each.objectives for each in self._objectives], axis=1)

    def _queued(self, seen: Collection[Hashable]) -> Point | None:
        while self._queue:
            self.detail, point = self._queue.pop()
            if self._space.key(point) not in seen:
                return point
        return None

    def _search(self, surrogates: FrontSurrogates, seen: Collection[Hashable]) -> Point | None:
        rng = np.random.default_rng((self._seed, len(self._archive), len(self._pending)))
        budget = self._load.mode.budget
        known = self._known()
        done = ~np.isnan(known).any(axis=1)
        latest = list(islice(reversed(self._pending.values()), MOST_PENDING))[::-1]
        pending = np.array(latest).reshape(len(latest), self._encoding.num_columns)
        belief = _Belief(self._encoding, surrogates, self._archive.rows, known, pending, budget)
        gain = HypervolumeGain.of(known[done], rng)
        if len(pending):
            gain = gain.with_points(belief.expected(pending))
        parents = self._encoding.to_unit_cube(self._archive.rows[done][is_non_dominated(known[done])])
        num_wanted = self._load.mode.batch
        units, bounds = self._candidates(parents, budget.num_candidates, belief, surrogates, rng)
        if num_wanted > 1:
            more = gain.each(bounds)
            rank = more[:, rng.integers(more.shape[1], size=num_wanted)].argmax(axis=0)
            self._queue = list(enumerate(self._space.from_unit(units[rank])))[::-1]
            return self._queued(seen)
        scores = gain(bounds)
        for _ in range(NUM_ROUNDS if budget.num_polished else 0):
            if not self._load.is_time_left():
                break
            best = np.argsort(-scores, kind="stable")[:NUM_REFINED]
            more_units, more_bounds = self._candidates(
                units[best], budget.num_candidates // 4, belief, surrogates, rng, belief.kappa
            )
            units, scores = np.concatenate([units, more_units]), np.append(scores, gain(more_bounds))
        for index in np.argsort(-scores, kind="stable"):
            self.detail = self._load.num_polished
            [point] = self._space.from_unit(units[index][None])
            if self._space.key(point) not in seen:
                return point
        return None

    def _candidates(
        self,
        parents: Matrix,
        num: int,
        belief: "_Belief",
        surrogates: FrontSurrogates,
        rng: np.random.Generator,
        kappa: float | None = None,
    ) -> tuple[Matrix, Matrix]:
        units = candidates(self._encoding, whole_box(self._encoding), parents, num, rng)
        rows = self._encoding.rows(units)
        if surrogates.feasibility is not None:
            probability = surrogates.feasibility.probability(rows)
            good = probability >= required(probability, rng)
            units, rows = units[good], rows[good]
        if kappa is None:
            belief.kappa = abs(float(rng.normal(scale=KAPPA)))
        return units, belief.bounds(rows)


class _Belief:
    """What the surrogates believe now, in the units of the objectives."""

    def __init__(self, encoding, surrogates, rows, known, pending, budget) -> None:
        self.kappa = 0.0
        self._surrogates = surrogates.surrogates
        self._processes, self._scales = [], []
        spreads = np.zeros(len(rows))
        for surrogate, objectives in zip(self._surrogates, known.T, strict=True):
            all_known = KnownEvaluations(rows, objectives, spreads)
            chosen = surrogate.chosen(all_known, budget)
            self._scales.append((objectives[chosen], surrogate.relative_turn))
            self._processes.append(surrogate.process(all_known, pending, budget))

    def expected(self, rows: Matrix) -> Matrix:
        return self._each(rows, 0.0)

    def bounds(self, rows: Matrix) -> Matrix:
        return self._each(rows, self.kappa)

    def _each(self, rows: Matrix, kappa: float) -> Matrix:
        found = []
        for surrogate, process, scale in zip(self._surrogates, self._processes, self._scales, strict=True):
            mean, std = process.predict(surrogate.frame.rows(rows))
            found.append(unwarped(mean - kappa * std, *scale))
        return np.stack(found, axis=1)


def _refit(task: FrontTask) -> FrontSurrogates:
    begun = task.clock()
    encoding, rows, objectives = task.encoding, task.rows, task.objectives
    done = np.flatnonzero(~np.isnan(objectives).any(axis=1))
    indices = done if len(done) else np.arange(len(rows))
    if len(done):
        rng = np.random.default_rng((task.seed, len(rows)))
        distance = -HypervolumeGain.of(objectives[done], rng).each(objectives[done]).max(axis=1)
        indices = done[_landmarks(distance)]
    tabu, spreads = TabuRegions(np.empty((0, encoding.num_columns))), np.zeros(len(rows))
    surrogates = tuple(
        fit_surrogate(encoding, whole_box(encoding), indices, KnownEvaluations(rows, each, spreads), tabu)
        for each in objectives.T
    )
    return FrontSurrogates(
        surrogates, feasibility(encoding, rows, objectives[:, 0]), len(rows), task.clock() - begun
    )


def _landmarks(distances: Matrix) -> Indices:
    """Return the indices of those nearest to the front and of others from all over, in turns."""
    order = np.argsort(distances, kind="stable")
    best = order[: NUM_POINTS // 2]
    others = order[len(best) :: max(1, (len(order) - len(best)) // (NUM_POINTS - len(best)))]
    others = others[: NUM_POINTS - len(best)]
    paired = np.stack([best[: len(others)], others], axis=1).ravel() if len(others) else best[:0]
    return np.concatenate([paired, best[len(others) :]])
