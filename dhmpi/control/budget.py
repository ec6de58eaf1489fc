"""Budget of a campaign: its limits, and what has been used of them."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from dhmpi.control.failures import Failures
from dhmpi.control.walltime import Drain, LostTime
from dhmpi.evaluation import Evaluation, State
from dhmpi.support.wording import in_seconds

# How long running evaluations get to end when a campaign stops early [s].
CANCEL_WAIT = 1.5


class Limits(NamedTuple):
    """Limits of a campaign.

    Attributes:
        evals: Number of evaluations at which it is complete, or None.
        deadline: When it stops [monotonic s], or None.
        drain_seconds: What an evaluation is thought to take at least: none begins later than that before the deadline.
        max_failures: How many failures there may be while nothing is DONE; see `Failures`.
        retries: How often an evaluation is begun again whose worker is lost.
    """

    evals: int | None = None
    deadline: float | None = None
    drain_seconds: float = 0.0
    max_failures: int | None = None
    retries: int = 2


class Budget:
    """Budget of a campaign, as the evaluations that have ended leave it.

    Args:
        limits: The limits.
        earlier: Evaluations of earlier runs.
        stop_signal: Returns the name of a signal that asks for the end, or nothing.
        clock: Tells the time [monotonic s].

    Attributes:
        limits: The limits.
        clock: The clock.
        failures: Whether anything is DONE, or why nothing is.
        drain: Whether another evaluation may begin.
        lost: Worker-seconds at the end of which nothing came.
        best: The evaluation with the smallest objective, or None.
        busy: What the evaluations of this run took [s].
        num_final: How many evaluations have ended for good, those of earlier runs included.
    """

    def __init__(
        self,
        limits: Limits,
        earlier: Iterable[Evaluation] = (),
        stop_signal: Callable[[], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits, self.clock = limits, clock
        self._stop_signal = stop_signal
        earlier = [each for each in earlier if each.state.is_final]
        self.failures = Failures(limits.max_failures, earlier)
        self.drain, self.lost = Drain(limits.deadline, limits.drain_seconds, clock), LostTime(clock)
        self.busy, self.num_final = 0.0, len(earlier)
        done = (each for each in earlier if each.state is State.DONE)
        self.best = min(done, key=lambda each: each.objective or 0.0, default=None)
        self.drain.recall(earlier)

    def note(self, evaluation: Evaluation) -> None:
        """Take note of an evaluation that has ended for good."""
        self.num_final += 1
        self.busy += evaluation.duration
        self.failures.note(evaluation)
        self.drain.note(evaluation)
        if evaluation.state is State.DONE and (
            self.best is None or evaluation.objective < self.best.objective  # type: ignore[operator]  # DONE has one
        ):
            self.best = evaluation

    def must_end(self, num_running: int) -> str:
        """Return why the campaign must end now, for people; nothing if it may go on.

        Args:
            num_running: Evaluations that are running.
        """
        if signal_name := self._stop_signal():
            return f"stopped by {signal_name}"
        if self.failures.must_end(num_running):
            return self.failures.sentence()
        if self.is_spent:
            return f"{self.num_final} evaluations are complete"
        if self.drain.is_over():
            return "the time is over"
        return ""

    @property
    def is_spent(self) -> bool:
        """Whether there are as many evaluations as there may be."""
        return self.limits.evals is not None and self.num_final >= self.limits.evals

    @property
    def end_time(self) -> float | None:
        """End of the time [s since 1970-01-01 UTC]; None if it never is."""
        return None if self.limits.deadline is None else time.time() + self.limits.deadline - time.monotonic()

    def too_late(self) -> str:
        """Return the sentence that nothing more may begin."""
        return f"the time is over for evaluations that take {in_seconds(self.drain.expected)}"
