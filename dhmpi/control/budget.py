"""Budget of a campaign: its limits, and what has been used of them."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from dhmpi.control.failures import Failures
from dhmpi.control.walltime import Drain, LostTime, Pauses
from dhmpi.evaluation import Evaluation, State
from dhmpi.support.wording import counted, in_seconds

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
        steps: Steps of all evaluations together at which it is complete, or None.
        target: Objective at which it is complete, or None.
        patience: How many evaluations in a row may be no better than the best, or None.
        pause_seconds: How long it took at most in earlier runs until evaluations were paused [s], or None.
    """

    evals: int | None = None
    deadline: float | None = None
    drain_seconds: float = 0.0
    max_failures: int | None = None
    retries: int = 2
    steps: float | None = None
    target: float | None = None
    patience: int | None = None
    pause_seconds: float | None = None


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
        drain: Whether another evaluation is likely to end in time.
        pauses: When evaluations are told to save their state.
        lost: Worker-seconds at the end of which nothing came.
        best: The evaluation with the smallest objective, or None.
        busy: What the evaluations of this run took [s].
        num_final: How many evaluations have ended for good, those of earlier runs included.
        steps: How many steps evaluations have taken, those of earlier runs included.
        num_vain: How many evaluations in a row were not better than the best.
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
        self.pauses = Pauses(limits.deadline, limits.pause_seconds, clock)
        self.busy, self.num_final, self.steps = 0.0, len(earlier), 0.0
        self.best: Evaluation | None = None
        self.num_vain = 0
        if limits.patience is None:  # the order does not matter, and there may be a million
            done = (each for each in earlier if each.state is State.DONE)
            self.best = min(done, key=lambda each: each.objective or 0.0, default=None)
        else:
            for each in sorted(earlier, key=lambda each: each.order):
                self._compare(each)
        self.drain.recall(earlier)

    def note(self, evaluation: Evaluation) -> None:
        """Take note of an evaluation that has ended for good."""
        self.num_final += 1
        self.busy += evaluation.duration
        self.failures.note(evaluation)
        self.drain.note(evaluation)
        self._compare(evaluation)

    def _compare(self, evaluation: Evaluation) -> None:
        """Take note of whether an evaluation is the best."""
        self.num_vain += 1
        if evaluation.state is State.DONE and (
            self.best is None or evaluation.objective < self.best.objective  # type: ignore[operator]  # DONE has one
        ):
            self.best, self.num_vain = evaluation, 0

    def spend_steps(self, number: float) -> None:
        """Take note of steps that evaluations have taken."""
        self.steps += number

    @property
    def has_spent_steps(self) -> bool:
        """Whether evaluations have taken as many steps as they may."""
        return self.limits.steps is not None and self.steps >= self.limits.steps

    def may_begin(self) -> bool:
        """Return whether the time allows that another evaluation begins."""
        return self.drain.may_begin() and self.pauses.may_begin()

    @property
    def share_of_steps(self) -> float:
        """Share of the steps that have been taken, 0 to 1; 0 without a limit."""
        return 0.0 if self.limits.steps is None else min(1.0, self.steps / self.limits.steps)

    def statistics(self) -> dict[str, float]:
        """Return what the results file keeps of it, by name."""
        found = {"lost_idle_seconds": self.lost.idle, "lost_cancelled_seconds": self.lost.cancelled}
        if self.steps:
            found["steps"] = self.steps
        if self.pauses.longest is not None:
            found["pause_seconds"] = self.pauses.longest
        return found

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
            return self._why_spent(num_running)
        if self.drain.is_over():
            return "the time is over"
        return ""

    def _why_spent(self, num_running: int) -> str:
        if self.has_reached_target:
            return "the target has been reached"
        if self.has_lost_patience:
            return f"the last {self.num_vain} evaluations were not better than the best"
        if self.has_spent_steps:
            # What runs is told to stop, and then has an objective.
            return "" if num_running else f"{self.steps:,.10g} steps have been taken, of {self.limits.steps:,.10g}"
        return f"{counted(self.num_final, 'evaluation')} {'is' if self.num_final == 1 else 'are'} complete"

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is to be evaluated, since there is enough of something."""
        has_all = self.limits.evals is not None and self.num_final >= self.limits.evals
        return has_all or self.has_spent_steps or self.has_reached_target or self.has_lost_patience

    @property
    def has_reached_target(self) -> bool:
        """Whether the best is as good as is wanted."""
        best, target = self.best, self.limits.target
        return target is not None and best is not None and best.objective is not None and best.objective <= target

    @property
    def has_lost_patience(self) -> bool:
        """Whether too many evaluations in a row were no better than the best, and there is one."""
        return self.limits.patience is not None and self.best is not None and self.num_vain >= self.limits.patience

    @property
    def end_time(self) -> float | None:
        """End of the time [s since 1970-01-01 UTC]; None if it never is."""
        return None if self.limits.deadline is None else time.time() + self.limits.deadline - time.monotonic()

    def too_late(self) -> str:
        """Return the sentence that nothing more may begin."""
        if not self.pauses.may_begin():
            return "the time is over, and what can go on later has been paused"
        return f"the time is over for evaluations that take {in_seconds(self.drain.expected)}"
