"""Contract of proposers with Gaussian processes, as elaborate as the load allows."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Hashable
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from dhmpi.evaluation import Origin, Point
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.encoding import Indices, Matrix
from dhmpi.search.hps.surrogate.load_controller import LoadController
from dhmpi.search.hps.surrogate.proposer import Proposer, guide
from dhmpi.search.hps.surrogate.refits import FEWEST_FIRST
from dhmpi.space.space import Space

# Evaluations that a process knows at most.
NUM_POINTS = 200
# Standard deviation of the weight that the standard deviation has; it is drawn anew for each proposal.
KAPPA = 1.5
# How many pending points are considered, the latest ones; the nearest of them become part of the process.
MOST_PENDING = 512


class Fitted(Protocol):
    """Models that a refit makes."""

    @property
    def num(self) -> int:
        """Number of evaluations that they were fitted to."""

    @property
    def seconds(self) -> float:
        """Time that it took [s]."""


Made = TypeVar("Made", bound=Fitted)


class GpProposer(Proposer[Made]):
    """Proposes points by Gaussian processes that are fitted in the background; see `Proposer` for the arguments."""

    most: ClassVar[int] = 16

    def __init__(
        self, space: Space, seed: int, options: Any, background: Background, num_first: int = FEWEST_FIRST
    ) -> None:
        super().__init__(space, seed, options, background, num_first)
        self._load = LoadController(guide(options), background.clock, self.refits.durations)
        self._surrogates: Made | None = None
        # Points that were proposed at once, and their places among these; the next one is the last.
        self._queue: list[tuple[int, Point]] = []

    @property
    def mode(self) -> str:
        """The mode, or `initial` before there is a model."""
        return self._load.mode.name if self._surrogates else "initial"

    def asked(self, key: Hashable, point: Point) -> None:
        """Imagine the point; see `Proposer`."""
        self._pending[key] = self._encoding.encode([point])[0]

    def propose(self, seen: Collection[Hashable]) -> Point | None:
        """Return the point that promises most; see `Proposer`."""
        if not self._surrogates:
            return None
        if self._wanted is not None:
            self._load.repeat(self._wanted.model, self._wanted.detail)
            if self._load.mode.batch == 1 or self._wanted.detail == 0:
                self._queue = []  # a campaign that was resumed had none
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

    @abstractmethod
    def _search(self, surrogates: Made, seen: Collection[Hashable]) -> Point | None:
        """Return a new point by the models in force, or None; in batches, the others go into the queue."""

    @abstractmethod
    def _refit_of(self, num: int) -> Callable[[], Made]:
        """Return what fits models to the first `num` evaluations; it depends on nothing else."""

    def _begin_refit(self) -> bool:
        if self.refits.due <= self.refits.fitted:
            return False
        self.refits.begin(self._refit_of(self.refits.due))
        return True

    def _take_over(self) -> None:
        assert self.refits.job is not None
        self._use(self.refits.take(self.refits.job.result().num))

    def _make(self, origin: Origin) -> None:
        if self._surrogates is None or self._surrogates.num != origin.fitted:
            self._use(self._refit_of(origin.fitted)())
            self.refits.fitted = origin.fitted

    def _use(self, surrogates: Made) -> None:
        self._surrogates, self.refit_seconds = surrogates, surrogates.seconds

    def _queued(self, seen: Collection[Hashable]) -> Point | None:
        """Return the next of the points that were proposed at once; None if none is left that is new."""
        while self._queue:
            self.detail, point = self._queue.pop()
            if self._space.key(point) not in seen:
                return point
        return None


def landmarks(objectives: Matrix) -> Indices:
    """Return the indices of the best evaluations and of others from all over, in turns, `NUM_POINTS` at most.

    Args:
        objectives: Shape (num,); smaller is better, NaN comes last.
    """
    order = np.argsort(objectives, kind="stable")
    best = order[: NUM_POINTS // 2]
    others = order[len(best) :: max(1, (len(order) - len(best)) // (NUM_POINTS - len(best)))]
    others = others[: NUM_POINTS - len(best)]
    paired = np.stack([best[: len(others)], others], axis=1).ravel() if len(others) else best[:0]
    return np.concatenate([paired, best[len(others) :]])
