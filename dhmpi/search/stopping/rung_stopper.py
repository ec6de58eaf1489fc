"""The base of stoppers that compare evaluations at rungs."""

import math
from abc import abstractmethod
from typing import NamedTuple

from dhmpi.search.stopping.rungs import Ladder, Rung
from dhmpi.search.stopping.stopper import Stopper


class Report(NamedTuple):
    """Report of an evaluation."""

    step: float
    value: float


class Course:
    """Progress of an evaluation that runs.

    Attributes:
        reports: What it had at rungs, by their number.
        step: Its latest step.
        value: Its latest value.
        best: Its best value, but for that of the latest step, which may still be replaced.
        total: Sum of its values, but for the latest.
        num: How many these are.
        height: Number of the highest rung that it has come to; -1 before.
        is_stopped: Whether it has been told to stop.
    """

    __slots__ = ("best", "height", "is_stopped", "num", "reports", "step", "total", "value")

    def __init__(self) -> None:
        self.reports: dict[int, Report] = {}
        self.step, self.value, self.best = 0.0, math.inf, math.inf
        self.total, self.num = 0.0, 0
        self.height = -1
        self.is_stopped = False

    def add(self, step: float, value: float) -> None:
        """Take note of a report whose step does not go back."""
        if step > self.step > 0:
            self.best = min(self.best, self.value)
            self.total += self.value
            self.num += 1
        self.step, self.value = step, value

    @property
    def average(self) -> float:
        """Mean of all values; infinite if it is none, as of values that are not finite in either direction."""
        mean = (self.total + self.value) / (self.num + 1)
        return math.inf if math.isnan(mean) else mean

    @property
    def lowest(self) -> float:
        """Best of all values."""
        return min(self.best, self.value)


class RungStopper(Stopper):
    """Compares an evaluation with others when it comes to a rung: with what they had there.

    A report that passes several rungs counts at the highest of them: what was there at the others is not known. The
    best of all at a rung goes on, whatever else is said, and so does what has no more steps to save.

    Args:
        ladder: The rungs.
        max_steps: Last step of a full training; None if it is not known.
    """

    def __init__(self, ladder: Ladder, max_steps: float | None) -> None:
        self._ladder, self._max_steps = ladder, math.inf if max_steps is None else max_steps
        self._running: dict[int, Course] = {}
        self._ended: set[int] = set()

    def begin(self, id: int) -> None:
        """Say that an evaluation begins, or begins again."""
        self._running[id] = Course()
        self._ended.discard(id)

    def report(self, id: int, step: float, value: float) -> bool:
        """Return whether an evaluation must stop now."""
        if id not in self._running:
            if id in self._ended:
                return False
            self.begin(id)
        course = self._running[id]
        if self._max_steps <= step < math.inf:
            course.is_stopped = False  # there is nothing to save any more
        if course.is_stopped or not max(course.step, math.ulp(0.0)) <= step < math.inf:
            return course.is_stopped
        course.add(step, value if math.isfinite(value) else math.inf)
        height = self._ladder.height(step)
        if height < 0 or (height == course.height and step > course.reports[height].step):
            return False
        course.height, course.reports[height] = height, Report(step, course.value)
        rung = self._ladder[height]
        rung.record(id, course.value)
        may_go_on = self._may_go_on(id, course, rung)
        course.is_stopped = not may_go_on and course.value > rung.best and step < self._max_steps
        return course.is_stopped

    def end(self, id: int, objective: float | None) -> None:
        """Say that an evaluation has ended."""
        course = self._running.pop(id, None)
        self._ended.add(id)
        if course is not None:
            for height in course.reports:
                self._ladder[height].keep(id)
            self._conclude(id, course, objective)

    @abstractmethod
    def _may_go_on(self, id: int, course: Course, rung: Rung) -> bool:
        """Return whether an evaluation that has come to a rung, and been recorded there, goes on."""

    def _conclude(self, id: int, course: Course, objective: float | None) -> None:
        """Take note of an evaluation that has ended."""
