"""Automatic early stopping, which learns from the campaign how well values foretell objectives."""

import math
from collections import deque

from dhmpi.search.stopping.foresight import Final, Foresight
from dhmpi.search.stopping.rung_stopper import Course, RungStopper
from dhmpi.search.stopping.rungs import Ladder, Rung

# Rungs are close together: values become telling soon, or late.
RATIO = 1.2
# By default nothing is stopped before this share of a full training.
GRACE = 1 / 27
# Evaluations that must have ended before the first is stopped, and those that are looked at: the latest.
FEWEST, LATEST = 3, 200
# A regression is made again when there is so much more to learn from.
GROWTH = 1.1
# So many evaluations that have ended know more of curves than one curve tells of itself.
EXPERIENCED = 20
# At this share of a full training `risk` is meant; before, less is asked for, since chances will be known better, and
# after it more.
SETTLED = 1 / 3
# No chance must be more than so many times that of a new evaluation: few have ended, and what they tell is coarse.
HIGHEST = 1.0
# A campaign is thought to have begun with so many full trainings, for the cost of a new evaluation.
FULL = 4


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

    Goes on, whatever they tell: what would overtake the best if it went on improving as it does, and some that are to
    test what is believed of their like, so that about the square root of all evaluations go to their end.

    Args:
        risk: Chance below which an evaluation is stopped, relative to that of a new one; more is asked for where new
            ones are stopped early, and less in the beginning of an evaluation.
        min_steps: Step before which nothing is stopped; None: 1/27 of `max_steps`, or 1.
        max_steps: Last step of a full training; None: that of the longest so far.
    """

    def __init__(self, risk: float, min_steps: float | None, max_steps: float | None) -> None:
        if min_steps is None:
            min_steps = 1.0 if max_steps is None else max_steps * GRACE
        self._risk = risk
        self._lessons: dict[int, Lessons] = {}
        self._spared: set[int] = set()
        self._begun: set[int] = set()
        self._num_done, self._num_ended = 0, 0
        self._used = 0.0  # full trainings
        self._full = max_steps or 0.0
        self._best = math.inf
        super().__init__(Ladder(min_steps, RATIO, max_steps), max_steps)

    def begin(self, id: int) -> None:
        """Say that an evaluation begins, or begins again."""
        self._begun.add(id)
        super().begin(id)

    def _may_go_on(self, id: int, course: Course, rung: Rung) -> bool:
        if not math.isfinite(course.value):
            return False
        lessons = self._lessons.get(course.height)
        foresight = None if lessons is None else lessons.foresight
        if foresight is None or id in self._spared:
            return True
        if foresight.chance(course.value) >= self._threshold(course.step):
            return True
        if foresight.num_finals < EXPERIENCED and self._may_overtake(course):
            return True
        if self._num_done**2 < len(self._begun):
            self._spared.add(id)
            return True
        return False

    def _threshold(self, step: float) -> float:
        """Return the relative chance that an evaluation must have at a step.

        The less new ones cost, the more must one promise that takes their place.
        """
        cost = (self._used + FULL) / (self._num_ended + FULL)
        return min(HIGHEST, self._risk * step / (SETTLED * self._full) / cost**2)

    def _may_overtake(self, course: Course) -> bool:
        """Return whether it would become the best if each doubling of its steps improved it as the last one did."""
        earlier = [each for each in course.reports.values() if each.step < course.step and math.isfinite(each.value)]
        if not earlier:
            return False
        half = [each for each in earlier if each.step <= course.step / 2]
        since = max(half) if half else min(earlier)
        pace = (since.value - course.value) / math.log(course.step / since.step)
        return course.value - pace * math.log(max(1.0, self._full / course.step)) < self._best

    def _conclude(self, id: int, course: Course, objective: float | None) -> None:
        if not course.step:
            return  # it has reported nothing
        self._num_ended += 1
        if objective is not None and math.isfinite(objective):
            self._num_done += 1
            self._best = min(self._best, course.value)
            self._full = max(self._full, course.step)
            for height, report in course.reports.items():
                self._lessons.setdefault(height, Lessons()).add(Final(report.value, objective))
        self._used += min(1.0, course.step / self._full) if self._full else 1.0
