"""Asynchronous successive halving, ASHA, in the variant that stops."""

from dhmpi.search.stopping.rung_stopper import Course, RungStopper
from dhmpi.search.stopping.rungs import Ladder, Rung

# By default the lowest rung is this many rungs below a full training.
NUM_RUNGS = 4


class Asha(RungStopper):
    """Lets the best 1 / reduction of what has come to a rung go on, and stops the rest; nobody waits there.

    Where fewer than `reduction` evaluations have come so far, all go on; so do those that equal the last of the best.

    Source: L. Li et al., A system for massively parallel hyperparameter tuning, MLSys 2020.

    Args:
        reduction: That number; also the ratio of a rung's step to that of the one below.
        min_steps: Step of the lowest rung; None: `max_steps` / reduction^4, or 1.
        max_steps: Last step of a full training; None if it is not known.
    """

    def __init__(self, reduction: float, min_steps: float | None, max_steps: float | None) -> None:
        if min_steps is None:
            min_steps = 1.0 if max_steps is None else max_steps / reduction**NUM_RUNGS
        self._reduction = reduction
        super().__init__(Ladder(min_steps, reduction, max_steps), max_steps)

    def _may_go_on(self, id: int, course: Course, rung: Rung) -> bool:
        num_best = int(len(rung.ordered) / self._reduction)
        return num_best == 0 or course.value <= rung.ordered[num_best - 1]
