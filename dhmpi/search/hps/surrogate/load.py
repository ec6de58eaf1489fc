"""How fast proposals must come, and how much work may go into each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dhmpi.evaluation import Evaluation
from dhmpi.search.hps.surrogate.surface import Effort


class Pace(NamedTuple):
    """One way to propose.

    Attributes:
        name: What it is called.
        batch: How many points are proposed at once, for later asks.
        effort: How much work goes into that.
        seconds: What a point costs on a machine of today; only how they compare matters.
    """

    name: str
    batch: int
    effort: Effort
    seconds: float


PACES = (
    Pace("gp-thorough", 1, Effort(200, 128, 1000, 6), 38e-3),
    Pace("gp", 1, Effort(200, 128, 600, 3), 20e-3),
    Pace("gp-brief", 1, Effort(100, 64, 300, 1), 6e-3),
    Pace("gp-quick", 1, Effort(60, 32, 150, 0), 2e-3),
    Pace("gp-batch-8", 8, Effort(60, 32, 150, 0), 3e-4),
    Pace("gp-batch-32", 32, Effort(60, 32, 200, 0), 1.5e-4),
)
# Share of its time that rank 0 may spend on proposals.
MOST_BUSY = 0.5
# Weight of the newest evaluation in the mean duration, and of the newest proposal in the slowness.
NEWEST = 0.05


class Load:
    """Chooses the pace: the best one that serves as many points as the workers use up, within the budget.

    Workers use up pending / duration points a second (Little's law), a pace serves 1 / cost.

    Args:
        ask_budget: Seconds that a proposal may take.
        clock: Returns seconds.

    Attributes:
        pace: The pace in force.
    """

    def __init__(self, ask_budget: float, clock: Callable[[], float]) -> None:
        self._ask_budget, self._clock = ask_budget, clock
        self._duration: float | None = None
        self._slowness = 1.0
        self._begun = 0.0
        self.pace = PACES[0]

    def told(self, evaluation: Evaluation) -> None:
        """Take note of how long an evaluation took, if that is known."""
        if evaluation.started is not None and evaluation.ended is not None:
            seconds = max(evaluation.ended - evaluation.started, 0.0)
            known = seconds if self._duration is None else self._duration
            self._duration = known + NEWEST * (seconds - known)

    def choose(self, num_pending: int) -> None:
        """Set the pace for so many points that are pending."""
        demand = num_pending / self._duration if self._duration else 0.0
        for self.pace in PACES:  # the last one if nothing fits: it serves most
            cost = self.pace.seconds * self._slowness
            if cost * self.pace.batch <= self._ask_budget and cost * demand <= MOST_BUSY:
                return

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure a proposal, or a batch of them."""
        self._begun = self._clock()
        yield
        slowness = (self._clock() - self._begun) / (self.pace.seconds * self.pace.batch)
        self._slowness += NEWEST * (slowness - self._slowness)

    def is_time_left(self) -> bool:
        """Whether less than half of the budget has been used for the proposal that is being made."""
        return self._clock() - self._begun < self._ask_budget / 2
