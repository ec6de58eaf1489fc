"""Controller of the load: the mode in which points are proposed, so that workers need not wait."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dhmpi.evaluation import Evaluation
from dhmpi.search.hps.surrogate.box_surrogate import AcquisitionBudget


class Mode(NamedTuple):
    """Mode of proposing points.

    Attributes:
        name: Its name.
        batch: How many points are proposed at once, for later asks.
        budget: Budget of the acquisition optimiser.
        seconds: What a point costs on a machine of today; only how they compare matters.
    """

    name: str
    batch: int
    budget: AcquisitionBudget
    seconds: float


MODES = (
    Mode("gp-thorough", 1, AcquisitionBudget(200, 128, 1000, 6), 38e-3),
    Mode("gp", 1, AcquisitionBudget(200, 128, 600, 3), 20e-3),
    Mode("gp-brief", 1, AcquisitionBudget(100, 64, 300, 1), 6e-3),
    Mode("gp-quick", 1, AcquisitionBudget(60, 32, 150, 0), 2e-3),
    Mode("gp-batch-8", 8, AcquisitionBudget(60, 32, 150, 0), 3e-4),
    Mode("gp-batch-32", 32, AcquisitionBudget(60, 32, 200, 0), 1.5e-4),
)
# Share of its time that rank 0 may spend on proposals.
MOST_BUSY = 0.5
# Weight of the newest evaluation in the mean duration, and of the newest proposal in the slowness.
NEWEST = 0.05
# Shorter evaluations count as if they lasted so long [s]: what they cost is nothing, what they find is as good.
SHORTEST = 0.5


class Durations:
    """Exponentially weighted mean of the durations of evaluations.

    Attributes:
        mean: In seconds; None as long as none is known.
    """

    def __init__(self) -> None:
        self.mean: float | None = None

    def add(self, evaluation: Evaluation) -> None:
        """Take note of how long an evaluation took, if that is known."""
        if evaluation.started is not None and evaluation.ended is not None:
            seconds = max(evaluation.ended - evaluation.started, 0.0)
            known = seconds if self.mean is None else self.mean
            self.mean = known + NEWEST * (seconds - known)


class LoadController:
    """Controller of the mode: the best one that serves as many points as the workers use up, within the budget.

    Workers use up workers / duration points a second (Little's law), a mode serves 1 / cost. Where there are no workers
    who would wait, what it costs on a machine of today decides, and no clock.

    Args:
        ask_budget: Seconds that a proposal may take.
        clock: Returns seconds.
        durations: How long evaluations take.

    Attributes:
        mode: The mode in force.
        num_polished: How many candidates have been followed downhill for the proposal that is being made.
    """

    def __init__(self, ask_budget: float, clock: Callable[[], float], durations: Durations) -> None:
        self._ask_budget, self._clock, self._durations = ask_budget, clock, durations
        self._slowness = 1.0
        self._end = math.inf
        self._most_polished: float = math.inf
        self.num_polished = 0
        self.mode = MODES[0]

    def choose(self, num_workers: int | None) -> bool:
        """Set the mode; return whether a proposal will probably keep to the budget.

        Args:
            num_workers: How many workers would wait; None without a clock.
        """
        self._most_polished = math.inf
        mean, slowness, demand, self._end = self._durations.mean, 1.0, 0.0, math.inf
        if num_workers is not None:
            slowness, self._end = self._slowness, self._clock() + self._ask_budget / 2
            demand = 0.0 if mean is None else num_workers / max(mean, SHORTEST)
        for self.mode in MODES:  # the last one if nothing fits: it serves most
            cost = self.mode.seconds * slowness
            if cost * self.mode.batch <= self._ask_budget and cost * demand <= MOST_BUSY:
                return True
        if cost * self.mode.batch <= self._ask_budget:
            return True
        self._slowness -= NEWEST * self._slowness  # or it would never be tried again
        return False

    def repeat(self, name: str, num_polished: int) -> None:
        """Set a mode that was chosen before, and how far a proposal had got with it."""
        [self.mode] = [mode for mode in MODES if mode.name == name]
        self._end, self._most_polished = math.inf, num_polished

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure a proposal, or a batch of them."""
        begun, self.num_polished = self._clock(), 0
        yield
        slowness = (self._clock() - begun) / (self.mode.seconds * self.mode.batch)
        self._slowness += NEWEST * (slowness - self._slowness)

    def is_time_left(self) -> bool:
        """Whether one more candidate may be followed downhill: half of the budget has not been used yet."""
        if self.num_polished >= self._most_polished or (self._end < math.inf and self._clock() >= self._end):
            return False
        self.num_polished += 1
        return True
