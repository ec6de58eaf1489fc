"""The proposer that chooses from a pool of candidates by a model, which is renewed in the background."""

import gc
from collections.abc import Collection, Hashable, Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dhmpi.evaluation import Evaluation, Origin, Point
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.course_history import NO_OUTLOOK
from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.search.hps.surrogate.hedge import Hedge, draw
from dhmpi.search.hps.surrogate.proposer import Proposer
from dhmpi.search.hps.surrogate.refit_task import Change, RefitTask
from dhmpi.search.hps.surrogate.refits import FEWEST_FIRST
from dhmpi.space.space import Space

if TYPE_CHECKING:
    from dhmpi.search.hps.surrogate.model import Model

# How many events may be taken in while a worker is waiting for a point: few, unless they come so fast that the
# background has not caught up with them after some rounds.
FEW_EVENTS, NUM_ROUNDS = 8, 3
# Lots of candidates per model; a space in which these are not enough is nearly exhausted.
MOST_BLOCKS = 16


class PoolProposer(Proposer["Model"]):
    """Proposer of candidates from a pool; pending points are in the model with a constant lie, results at once.

    See `Proposer` for the arguments.
    """

    most: ClassVar[int] = 1000

    def __init__(
        self, space: Space, seed: int, options: Any, background: Background, num_first: int = FEWEST_FIRST
    ) -> None:
        super().__init__(space, seed, options, background, num_first)
        self._model: Model | None = None
        # What has happened since the job began, and how often it has caught up with that.
        self._since: list[Change] = []
        self._outlook = NO_OUTLOOK  # of the job
        self._num_rounds = 0
        # The latest proposal and its row, which need not be encoded again when it becomes pending.
        self._proposed: tuple[Point | None, Matrix] = None, np.empty(0)
        self._hedge = Hedge(self._encoding) if options.acq_func == "gp_hedge" else None

    @property
    def mode(self) -> str:
        """The learner's name, or `initial` before there is a model."""
        return str(self._options.learner) if self._model else "initial"

    def asked(self, key: Hashable, point: Point) -> None:
        """Add a pending point with a constant lie; see `Proposer`."""
        proposed, row = self._proposed
        if point is not proposed:
            row = self._encoding.encode([point])[0]
        self._pending[key] = row
        if self._model:
            self._model.add_pending([key], row[None])
        if self.refits.job:
            self._since.append(Change(key, row))

    def told(self, evaluations: Sequence[Evaluation]) -> None:
        """Replace lies by results; see `Proposer`."""
        keys = [self._space.key(each.point) for each in evaluations]
        rows = self._rows(keys, evaluations)
        before = len(self._archive)
        self._archive.extend(rows, [each.objective for each in evaluations])
        objectives = self._archive.objectives[before:]
        for key, each in zip(keys, evaluations, strict=True):
            self._courses.end(key, each)
            self.refits.durations.add(each)
            self.refits.told()
        if self._hedge:
            self._hedge.told(keys)
        if self._model:
            foretold = self._courses.foretold(objectives, self._model.outlook.forecast, before)
            self._model.learn(keys, rows, foretold.objectives)
        if self.refits.job:
            foretold = self._courses.foretold(objectives, self._outlook.forecast, before)
            self._since += map(Change, keys, rows, [True] * len(keys), foretold.objectives.tolist())
        self._advance()

    def propose(self, seen: Collection[Hashable]) -> Point | None:
        """Return the most promising candidate; see `Proposer`."""
        if not self._model:
            return None
        self.detail = self._model.block
        candidates = self._model.candidates
        gains = self._hedge.gained(self._model) if self._hedge else [0.0]
        while min(nominees := self._model.nominees()) >= 0:
            is_agreed = len(set(nominees)) == 1
            index = nominees[0 if is_agreed else draw(gains, self._model.rng())]
            point = candidates.point(index)
            key = self._space.key(point)
            if key not in seen:
                self._proposed = point, candidates.rows[index]
                if self._hedge:
                    wanted = [candidates.point(each) for each in nominees]
                    self._hedge.proposed(key, gains, wanted, candidates.rows[nominees])
                    self.memory = self._hedge.memory
                return point
            candidates.take(candidates.rows[index])
        return None

    def restore(self, evaluations: Sequence[Evaluation]) -> None:
        """Take up the gains of acquisition functions; see `Proposer`."""
        super().restore(evaluations)
        if self._hedge:
            self._hedge.restore(evaluations)

    def _rows(self, keys: Sequence[Hashable], evaluations: Sequence[Evaluation]) -> Matrix:
        """Return the rows of evaluations, which are pending no more."""
        found = [self._pending.pop(key, None) for key in keys]
        new = [each.point for each, row in zip(evaluations, found, strict=True) if row is None]
        encoded = iter(self._encoding.encode(new) if new else ())
        return np.array([next(encoded) if row is None else row for row in found])

    def _begin_refit(self) -> bool:
        """Begin with what is due: a refit, or more candidates, which come from a refit to the same evaluations."""
        num, block = self.refits.due, 0
        if self._model and self.refits.fitted == num:
            if not self._model.candidates.is_low or self._model.block >= MOST_BLOCKS:
                return False
            block = self._model.block + 1
        if not num:
            return False
        self._since, self._num_rounds = [], 0
        task = self._task(num, block)
        self._outlook = task.outlook
        self.refits.begin(_refit, task)
        return True

    def _take_over(self) -> None:
        assert self.refits.job is not None
        model, events = self.refits.job.result(), self._since
        self._since = []
        if len(events) > FEW_EVENTS and self._num_rounds < NUM_ROUNDS:
            self._num_rounds += 1
            self.refits.begin(_catch_up, model, events)
            return
        model.apply(events)
        self._model = self.refits.take(model.num_fitted)
        self.refit_seconds = model.seconds

    def _make(self, origin: Origin) -> None:
        if self._model is None or (self._model.num_fitted, self._model.block) != (origin.fitted, origin.detail):
            self._model = _refit(self._task(origin.fitted, origin.detail))
            self.refits.fitted = origin.fitted

    def _is_needed(self) -> bool:
        return self._model is None or not self._model.candidates.num_left

    def _task(self, num: int, block: int) -> RefitTask:
        pending = [Change(key, row) for key, row in self._pending.items()]
        expected = self._hedge.expected if self._hedge else []
        outlook = self._courses.outlook(num)
        objectives = self._courses.foretold(self._archive.objectives, outlook.forecast).objectives
        common = self._encoding, self._seed, self._options, self._background.clock
        return RefitTask(*common, num, block, self._archive.rows, objectives, pending, expected, outlook)


def _refit(task: RefitTask) -> "Model":
    model: Model = _refit_module().refit(task)
    return model


def _catch_up(model: "Model", events: Sequence[Change]) -> "Model":
    caught_up: Model = _refit_module().catch_up(model, events)
    return caught_up


@cache
def _refit_module() -> ModuleType:
    # Only here: importing scikit-optimize takes longer than the first points may wait.
    from dhmpi.search.hps.surrogate import refit

    # Python goes through all that was imported now, when a point waits for the first model anyway, and not in an ask.
    gc.collect()
    return refit
