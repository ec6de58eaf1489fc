"""The proposer that chooses from a pool of candidates by a model, which is renewed in the background."""

from collections.abc import Collection, Hashable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np

from dhmpi.benchmark.space import Space
from dhmpi.evaluation import Evaluation, Point
from dhmpi.search.hps.surrogate.archive import Archive
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.proposer import Proposer
from dhmpi.search.hps.surrogate.task import Event, Task

if TYPE_CHECKING:
    from dhmpi.search.hps.surrogate.model import Model

# Evaluations that must be done before a model is worth asking; skopt's default.
NUM_INITIAL_POINTS = 10
# New evaluations after which the model is due for a refit: a share of those it knows, within limits.
SHARE, FEWEST, MOST = 0.05, 8, 1000
# How many events may be taken in at once while somebody is waiting for a point: few, unless they come so fast that the
# background has not caught up with them after some rounds.
FEW_EVENTS, MOST_EVENTS, NUM_ROUNDS = 8, 64, 3
# Lots of candidates per model; a space in which these are not enough is nearly exhausted.
MOST_BLOCKS = 16


class PoolProposer(Proposer):
    """Proposes candidates of a model; lies and truths are in the model from the moment that they are known.

    Refits are due at counts of evaluations that follow from the counts at which something was done, and never when the
    clock says so. So a campaign that is resumed has the model that it would have had.

    Args:
        space: Where the points lie.
        seed: What all random choices depend on.
        options: As in `AMBSOptions`.
        background: Where refits run.
    """

    def __init__(self, space: Space, seed: int, options: Any, background: Background) -> None:
        self._space, self._seed, self._options, self._background = space, seed, options, background
        self._encoding = Encoding(space)
        self._archive = Archive(self._encoding.num_columns)
        self._num_done = 0
        self._due, self._next_due = 0, 0
        self._pending: dict[Hashable, Matrix] = {}
        self._model: Model | None = None
        self._job: Future[Model] | None = None
        # What has happened since the job began, and how often it has caught up with that.
        self._since: list[Event] = []
        self._num_rounds = 0
        # The latest proposal and its row, which need not be encoded again when it becomes pending.
        self._proposed: tuple[Point | None, Matrix] = None, np.empty(0)

    @property
    def mode(self) -> str:
        """The learner's name, or `initial` before there is a model."""
        return str(self._options.learner) if self._model else "initial"

    def asked(self, key: Hashable, point: Point) -> None:
        """Lend the point a lie; see `Proposer`."""
        proposed, row = self._proposed
        if point is not proposed:
            row = self._encoding.encode([point])[0]
        self._pending[key] = row
        if self._model:
            self._model.lend([key], row[None])
        if self._job:
            self._since.append(Event(key, row))

    def told(self, evaluations: Sequence[Evaluation]) -> None:
        """Put the truth in place of the lies; see `Proposer`."""
        keys = [self._space.key(each.point) for each in evaluations]
        rows = self._rows(keys, evaluations)
        before = len(self._archive)
        self._archive.extend(rows, [each.objective for each in evaluations])
        objectives = self._archive.objectives[before:]
        for number, each in enumerate(evaluations, start=before + 1):
            self._count(number, each.objective is not None)
        if self._model:
            self._model.learn(keys, rows, objectives)
        if self._job:
            self._since += map(Event, keys, rows, [True] * len(keys), objectives.tolist())
        self._advance()

    def propose(self, seen: Collection[Hashable]) -> Point | None:
        """Return the most promising candidate; see `Proposer`."""
        self._advance()
        if not self._model:
            return None
        candidates = self._model.candidates
        while (index := self._model.choose()) >= 0:
            point = candidates.point(index)
            if self._space.key(point) not in seen:
                self._proposed = point, candidates.rows[index]
                return point
            candidates.take(candidates.rows[index])
        return None

    def settle(self) -> None:
        """Wait until no refit is due; see `Proposer`."""
        self._advance()
        while self._job:
            self._job.exception()  # waits; what it raised is raised again by what follows
            self._advance()

    def _rows(self, keys: Sequence[Hashable], evaluations: Sequence[Evaluation]) -> Matrix:
        """Return the rows of evaluations, which are pending no more."""
        found = [self._pending.pop(key, None) for key in keys]
        new = [each.point for each, row in zip(evaluations, found, strict=True) if row is None]
        encoded = iter(self._encoding.encode(new) if new else ())
        return np.array([next(encoded) if row is None else row for row in found])

    def _count(self, num: int, is_done: bool) -> None:
        """Set the next refit when as many evaluations are final."""
        self._num_done += is_done
        if self._num_done >= NUM_INITIAL_POINTS and num >= self._next_due:
            self._due = num
            self._next_due = num + min(max(int(SHARE * num), FEWEST), MOST)

    def _advance(self) -> None:
        """Take over what the background has done, and give it what is due; never wait."""
        while not self._job or self._job.done():
            if self._job:
                self._take_over(self._job)
            elif task := self._task():
                self._since, self._num_rounds = [], 0
                self._job = self._background.submit(_refit, task)
            else:
                return

    def _take_over(self, job: "Future[Model]") -> None:
        self._job = None
        model, events = job.result(), self._since
        self._since = []
        if len(events) > (FEW_EVENTS if self._num_rounds < NUM_ROUNDS else MOST_EVENTS):
            self._num_rounds += 1
            self._job = self._background.submit(_catch_up, model, events)
            return
        model.apply(events)
        self._model = model
        self.num_refits += 1
        self.refit_seconds = model.seconds

    def _task(self) -> Task | None:
        """Return what is due: a refit, or more candidates, which come from a refit to the same evaluations."""
        num, block = self._due, 0
        if self._model and self._model.num_fitted == num:
            if not self._model.candidates.is_low or self._model.block >= MOST_BLOCKS:
                return None
            block = self._model.block + 1
        if not num:
            return None
        pending = [Event(key, row) for key, row in self._pending.items()]
        archive = self._archive
        common = self._encoding, self._seed, self._options, self._background.clock
        return Task(*common, num, block, archive.rows, archive.objectives, pending)


def _refit(task: Task) -> "Model":
    # Only here: importing scikit-optimize takes longer than the first points may wait.
    from dhmpi.search.hps.surrogate.refit import refit

    return refit(task)


def _catch_up(model: "Model", events: Sequence[Event]) -> "Model":
    from dhmpi.search.hps.surrogate.refit import catch_up

    return catch_up(model, events)
