"""Rungs: the steps at which evaluations are compared, and what they had when they came there."""

import math
from bisect import bisect_right

from dhmpi.search.stopping.sorted_values import SortedValues


class Rung:
    """One value of each evaluation that came to a step.

    Attributes:
        ordered: All of them.
    """

    def __init__(self) -> None:
        self.ordered = SortedValues()
        self._of: dict[int, float] = {}

    def record(self, id: int, value: float) -> None:
        """Keep the value of an evaluation in place of an earlier one."""
        self.forget(id)
        self._of[id] = value
        self.ordered.add(value)

    def forget(self, id: int) -> None:
        """Forget the value of an evaluation, if it has one here that is not kept."""
        if id in self._of:
            self.ordered.remove(self._of.pop(id))

    def keep(self, id: int) -> None:
        """Keep the value of an evaluation that has ended, for good."""
        self._of.pop(id, None)

    @property
    def best(self) -> float:
        """Smallest value."""
        return self.ordered[0]


class Ladder:
    """Rungs, each so many times as far from the beginning as the one below.

    Args:
        first: Step of the lowest rung.
        ratio: That number, above 1.
        max_steps: Last step of a full training, where there is nothing to stop any more; None if it is not known.
    """

    def __init__(self, first: float, ratio: float, max_steps: float | None) -> None:
        self._ratio, self._last = ratio, math.inf if max_steps is None else max_steps
        self._steps = [first]
        self._rungs: list[Rung] = []

    def height(self, step: float) -> int:
        """Return the number of the highest rung that is not above a step, from 0; -1 below all of them.

        The last step of a full training is as high as the rung below it.
        """
        steps = self._steps
        while steps[-1] <= step:
            if steps[-1] * self._ratio >= self._last or math.isinf(steps[-1]):
                break
            steps.append(steps[-1] * self._ratio)
        return bisect_right(steps, step) - 1

    def __getitem__(self, height: int) -> Rung:
        while len(self._rungs) <= height:
            self._rungs.append(Rung())
        return self._rungs[height]
