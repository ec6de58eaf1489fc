"""Contract of proposers: points by a model of what is known."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from dhmpi.evaluation import Evaluation, Origin, Point
from dhmpi.search.hps.surrogate.archive import Archive
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.course_history import CourseHistory
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.refits import FEWEST_FIRST, Refits
from dhmpi.space.space import Space

Made = TypeVar("Made")
# Seconds that a point should take where the options set no limit.
GUIDE = 0.05


def guide(options: Any) -> float:
    """Return how many seconds a point should take."""
    return GUIDE if options.ask_budget is None else float(options.ask_budget)


class Proposer(ABC, Generic[Made]):
    """Knows all final and all pending points, and proposes new ones by a model.

    Calls come in this order: `told` and `asked` at any time; `propose` after `ready` has said that it may. To repeat
    what was done before, `follow` takes the place of `ready`.

    Args:
        space: Where the points lie.
        seed: What all random choices depend on.
        options: As in `AMBSOptions`.
        background: Where models are made.
        num_first: Results before which there is no model.

    Attributes:
        refits: Its models.
        refit_seconds: How long the last one took [s].
        detail: What the latest proposal depended on besides; see `Origin`.
        memory: What must be known of it to go on; see `Origin`.
    """

    most: ClassVar[int]

    def __init__(
        self, space: Space, seed: int, options: Any, background: Background, num_first: int = FEWEST_FIRST
    ) -> None:
        self._space, self._seed, self._options, self._background = space, seed, options, background
        self._encoding = Encoding(space)
        self._archive = Archive(self._encoding.num_columns)
        self._pending: dict[Hashable, Matrix] = {}
        self._courses = CourseHistory()
        self.refits: Refits[Made] = Refits(background, num_first, self.most, options.ask_budget, guide(options))
        self.refit_seconds = 0.0
        self.detail = 0
        self.memory = ""
        self._wanted: Origin | None = None

    @property
    def origin(self) -> Origin:
        """The origin of the latest proposal."""
        return Origin(self.mode, self.refits.num_known, self.refits.fitted, self.detail, self.memory)

    @property
    @abstractmethod
    def mode(self) -> str:
        """Source of the proposals now, in one word; `initial` before there is a model."""

    @abstractmethod
    def asked(self, key: Hashable, point: Point) -> None:
        """Take note of a point that has become pending, proposed here or elsewhere."""

    @abstractmethod
    def told(self, evaluations: Sequence[Evaluation]) -> None:
        """Take note of final evaluations, also of points that were never pending."""

    def reported(self, key: Hashable, step: float, value: float, known: int) -> None:
        """Take note of what an evaluation has reported; models know of it that are made after the next result.

        Args:
            key: Key of its point.
            step: How far it is.
            value: What its objective would be if it ended here.
            known: How many results were known then.
        """
        self._courses.report(key, step, value, known)

    def ready(self, timeout: float | None) -> bool:
        """Return whether a point may be proposed; wait for a model that is due as long as that is worth it.

        Args:
            timeout: How long at most [s]; None: as long as it takes.
        """
        if self._wanted is not None:
            return True
        self._advance()
        while self.refits.job is not None:
            if not self.refits.wait(timeout, self._is_needed()):
                return False
            if not self.refits.job.done():
                break
            self._advance()
            timeout = None if timeout is None else 0.0
        self.refits.proposed()
        return True

    @abstractmethod
    def propose(self, seen: Collection[Hashable]) -> Point | None:
        """Return a point whose key is not among the seen ones, or None to have one drawn at random."""

    def restore(self, evaluations: Sequence[Evaluation]) -> None:
        """Go on where a campaign stopped.

        Args:
            evaluations: All of them; those that have been told come first, in that order.
        """
        if any(each.origin.fitted for each in evaluations):
            self.refits.go_on()

    def settle(self) -> None:
        """Wait for everything that is due; only when no worker waits for points."""
        self._advance()
        while self.refits.job is not None:
            self.refits.settle()
            self._advance()

    def follow(self, origin: Origin) -> None:
        """Let the next proposal be the one with this origin; from the first call on, models are made to order."""
        self._wanted = origin
        if origin.fitted:
            self._make(origin)

    def _advance(self) -> None:
        """Take over what the background has done, and give it what is due; never wait."""
        while self._wanted is None and (self.refits.job is None or self.refits.job.done()):
            if self.refits.job is not None:
                self._take_over()
            elif not self._begin_refit():
                return

    @abstractmethod
    def _begin_refit(self) -> bool:
        """Begin to make what is due; return whether anything is."""

    @abstractmethod
    def _take_over(self) -> None:
        """Take over what has been made."""

    @abstractmethod
    def _make(self, origin: Origin) -> None:
        """See to it that the model in force is the one of an origin."""

    def _is_needed(self) -> bool:
        """Return whether nothing can be proposed before the job is done."""
        return self.refits.fitted == 0
