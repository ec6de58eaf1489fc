"""Automatic early stopping, which learns from the campaign how well values foretell objectives."""

import math
from collections import deque

from dhmpi.search.stopping.foresight import Final, Foresight
from dhmpi.search.stopping.rung_stopper import Course, RungStopper
from dhmpi.search.stopping.rungs import Ladder, Rung

RATIO = math.sqrt(3.0)
# By default nothing is stopped before this share of a full training.
GRACE = 1 / 27
# Evaluations that must have ended before the first is stopped, and those that are looked at: the latest.
FEWEST, LATEST = 4, 500
# A regression is made again when there is so much more to learn from.
GROWTH = 1.1


class Lessons:
    """Evaluations that have ended, as they were at one rung."""

    def __init__(self) -> None:
        self._finals: deque[Final] = deque(maxlen=LATEST)
        self._num = 0
        self._due = FEWEST
        self._foresight: Foresight | None = None

    def add(self, final: Final) -> None:
        """Learn of one more."""
        self._finals.append(final)
        self._num += 1

    @property
    def foresight(self) -> Foresight | None:
        """The regression on them; None while they are too few."""
        if self._num >= self._due:
            self._foresight = Foresight(self._finals)
            self._due = math.ceil(self._num * GROWTH)
        return self._foresight


class AutoStopper(RungStopper):
    """Stops what has a small chance to become the best, as far as evaluations that went to their end can tell.

    Some that would be stopped go to their end, so that what is believed of their like is tried: about the square root
    of the number of evaluations, so that they cost little in the long run.

    Args:
        risk: Chance below which an evaluation is stopped, relative to that of a new one.
        min_steps: Step before which nothing is stopped; None: 1/27 of `max_steps`, or 1.
        max_steps: Last step of a full training; None if it is not known.
    """

    def __init__(self, risk: float, min_steps: float | None, max_steps: float | None) -> None:
        if min_steps is None:
            min_steps = 1.0 if max_steps is None else max_steps * GRACE
        self._risk = risk
        self._lessons: dict[int, Lessons] = {}
        self._begun: set[int] = set()
        self._spared: set[int] = set()
        super().__init__(Ladder(min_steps, RATIO, max_steps), max_steps)

    def begin(self, id: int) -> None:
        """Say that an evaluation begins, or begins again."""
        self._begun.add(id)
        super().begin(id)

    def _may_go_on(self, id: int, course: Course, rung: Rung) -> bool:
        if id in self._spared:
            return True
        lessons = self._lessons.get(course.height)
        foresight = None if lessons is None else lessons.foresight
        if foresight is None or foresight.chance(course.value) >= self._risk:
            return True
        if len(self._spared) ** 2 < len(self._begun):
            self._spared.add(id)
            return True
        return False

    def _conclude(self, id: int, course: Course, objective: float | None) -> None:
        if objective is not None and math.isfinite(objective):
            for height, value in course.values.items():
                self._lessons.setdefault(height, Lessons()).add(Final(value, objective))
