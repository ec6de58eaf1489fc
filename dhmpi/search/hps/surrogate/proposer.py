"""The contract of what proposes points once something is known."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence

from dhmpi.evaluation import Evaluation, Point


class Proposer(ABC):
    """Knows all final and all pending points, and proposes new ones without letting anybody wait.

    Attributes:
        num_refits: How many models have been fitted.
        refit_seconds: How long the last one took [s].
    """

    num_refits = 0
    refit_seconds = 0.0

    @property
    @abstractmethod
    def mode(self) -> str:
        """What the proposals come from now, in one word."""

    @abstractmethod
    def asked(self, key: Hashable, point: Point) -> None:
        """Take note of a point that has become pending, whoever proposed it."""

    @abstractmethod
    def told(self, evaluations: Sequence[Evaluation]) -> None:
        """Take note of final evaluations, also of points that were never pending."""

    @abstractmethod
    def propose(self, seen: Collection[Hashable]) -> Point | None:
        """Return a point whose key is not among the seen ones, or None to have one drawn at random."""

    @abstractmethod
    def settle(self) -> None:
        """Wait for everything that is due in the background; only when nobody waits for points."""
