"""The median stopping rule."""

from dhmpi.search.stopping.rung_stopper import Course, RungStopper
from dhmpi.search.stopping.rungs import Ladder, Rung

# Steps of a few per cent are one: where steps are seconds, no two evaluations report at the same one.
RATIO = 1.1
# By default nothing is stopped before this share of a full training.
GRACE = 0.1


class MedianStopper(RungStopper):
    """Stops what is, at its best, worse than the median of the running averages that others had at the same step.

    Source: D. Golovin et al., Google Vizier: a service for black-box optimization, KDD 2017, section 3.2.2; there, only
    evaluations that have ended are compared with, here all that have come to the step.

    Args:
        min_others: So many others must have been there.
        min_steps: Step before which nothing is stopped; None: a tenth of `max_steps`, or 1.
        max_steps: Last step of a full training; None if it is not known.
    """

    def __init__(self, min_others: int, min_steps: float | None, max_steps: float | None) -> None:
        if min_steps is None:
            min_steps = 1.0 if max_steps is None else max_steps * GRACE
        self._min_others = min_others
        self._averages: dict[int, Rung] = {}
        super().__init__(Ladder(min_steps, RATIO, max_steps), max_steps)

    def _may_go_on(self, id: int, course: Course, rung: Rung) -> bool:
        averages = self._averages.setdefault(course.height, Rung())
        averages.forget(id)
        others = averages.ordered
        num = len(others)
        # A sum may be too large for a number; what is between two infinite ones stops nothing.
        may_go_on = num < self._min_others or not course.lowest > others[(num - 1) // 2] / 2 + others[num // 2] / 2
        averages.record(id, course.average)
        return may_go_on

    def _conclude(self, id: int, course: Course, objective: float | None) -> None:
        for height in course.reports:
            self._averages[height].keep(id)
