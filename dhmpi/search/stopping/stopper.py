"""The contract of stoppers."""

from abc import ABC, abstractmethod


class Stopper(ABC):
    """Decides from what evaluations report which of them go on; smaller values are better.

    Calls come in this order for an evaluation: `begin`, `report` any number of times, `end`; those of several
    evaluations in any order. The same calls give the same decisions.
    """

    @abstractmethod
    def begin(self, id: int) -> None:
        """Say that an evaluation begins, or begins again, as after the loss of its worker.

        What it has reported before is forgotten; what others were compared with stays until it reports there again.

        Args:
            id: Number of the evaluation.
        """

    @abstractmethod
    def report(self, id: int, step: float, value: float) -> bool:
        """Return whether an evaluation must stop now.

        Args:
            id: Number of the evaluation.
            step: How far it is. A step that comes again replaces the value; one that goes back says nothing.
            value: What it would return if it ended here; anything that is not finite is worse than all that is.
        """

    @abstractmethod
    def end(self, id: int, objective: float | None) -> None:
        """Say that an evaluation has ended.

        Args:
            id: Number of the evaluation.
            objective: Its objective if it is DONE; None if it failed, was stopped, or has none for another reason.
        """
