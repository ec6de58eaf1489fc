"""Schedule of refits: when models are made, and how long a point may wait for one."""

import contextlib
import math
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from dhmpi.search.hps.surrogate.background import Background, Ended
from dhmpi.search.hps.surrogate.load_controller import Durations

Made = TypeVar("Made")

# New results after which a model is due: a share of those that it knows.
SHARE = 0.1
# Results before the first model: as many as there are dimensions, but no more than a third of all evaluations, of which
# there are so many if nobody says; and never fewer than these.
FEWEST_FIRST, PART, EXPECTED = 10, 3, 100
# For a model that is not far ahead, a point waits this share of an evaluation, or what an ask should take if there are
# no more workers than these.
PATIENCE, FEW_WORKERS = 0.01, 32


def first_results(num_dimensions: int, max_evals: int | None) -> int:
    """Return how many results there must be before the first model of a campaign of so many evaluations, if known."""
    return max(FEWEST_FIRST, min(num_dimensions, (max_evals or EXPECTED) // PART))


class Refits(Generic[Made]):
    """The models of a proposer, one after the other: which one is due, being made, and waited for.

    When one can be due follows from the number of results alone, also before the first one: so a campaign that goes on
    with another number of evaluations has the same models. Without workers that would lose time (by hand, or with a
    single worker) a point waits for the model that is due: so the same results give the same points. With several, it
    waits for the first model; and for a later one if the model in force is behind by more results than there are
    workers, and more than a tenth of all; or as long as waiting costs next to nothing.

    Args:
        background: Where models are made, and the clock.
        num_first: Results before which there is no model.
        most: Results after which one is due at the latest.
        ask_budget: Seconds that a point may take at most; None without a limit.
        guide: Seconds that a point should take.

    Attributes:
        num_workers: How many workers evaluate; None if unknown.
        num_known: How many results there are.
        due: How many results the model that is due knows; 0 before the first one.
        fitted: How many results the model in force was fitted to; 0 without a model.
        num_made: How many models have come into force.
        waited: Time that points have waited for models [s].
        durations: How long evaluations take.
    """

    def __init__(
        self, background: Background, num_first: int, most: int, ask_budget: float | None, guide: float
    ) -> None:
        self._background, self._num_first, self._most = background, num_first, most
        self._limit, self._guide = math.inf if ask_budget is None else ask_budget, guide
        self.num_workers: int | None = None
        self.num_known = self.due = self.fitted = self.num_made = 0
        self._next_due = 1
        self.waited = 0.0
        self._waiting_since: float | None = None
        self.durations = Durations()
        self.job: Future[Made] | Ended | None = None

    @property
    def is_timed(self) -> bool:
        """Whether time decides what a point may cost: that of workers who would wait for it."""
        return self.num_workers is not None and self.num_workers > 1

    def told(self) -> bool:
        """Take note of one more result; return whether a model can be due that knows it."""
        self.num_known += 1
        if self.num_known < self._next_due:
            return False
        self._next_due = self.num_known + min(max(int(SHARE * self.num_known), 1), self._most)
        if self.num_known >= self._num_first:
            self.due = self.num_known
        return True

    def go_on(self) -> None:
        """Let there be models from now on, since there have been some in a campaign that was to be shorter."""
        self._num_first = 0
        self.due = self.due or self.num_known

    def hasten(self) -> None:
        """Let a model be due with the next result that is told, if there was one before."""
        if self.due:
            self._next_due = self.num_known

    def begin(self, function: Callable[..., Made], *args: Any) -> None:
        """Make a model in the background."""
        self.job = self._background.submit(function, *args)

    def take(self, fitted: int) -> Made:
        """Return what was made, which is in force from now on; raises what went wrong."""
        assert self.job is not None
        made: Made = self.job.result()
        self.job, self.fitted, self._waiting_since = None, fitted, None
        self.num_made += 1
        return made

    def wait(self, timeout: float | None, is_needed: bool) -> bool:
        """Wait for the job as long as a point should; return whether it is done or a point should do without it.

        Args:
            timeout: How long at most [s]; None: as long as a point should.
            is_needed: Whether there is nothing to propose without it.
        """
        assert self.job is not None
        begun = self._background.clock()
        if self._waiting_since is None:
            self._waiting_since = begun
        patience = self._patience(is_needed) - (begun - self._waiting_since)
        if self.job.done() or patience <= 0:
            return True
        if timeout == 0:
            return False
        longest = min(patience, math.inf if timeout is None else timeout)
        with contextlib.suppress(TimeoutError):  # it goes on, and the caller hears of it
            self.job.exception(None if math.isinf(longest) else longest)
        now = self._background.clock()
        self.waited += now - begun
        return self.job.done() or now - begun >= patience

    def proposed(self) -> None:
        """Take note of a point that was proposed: with a limit of their own, each one may wait."""
        if not math.isinf(self._limit):
            self._waiting_since = None

    def _patience(self, is_needed: bool) -> float:
        """Return how long a point may wait for the job [s]."""
        workers = self.num_workers
        behind = self.num_known - self.fitted
        if is_needed or not self.fitted or workers is None or workers == 1:
            return self._limit
        if behind > max(workers, SHARE * self.num_known):
            return self._limit
        share = PATIENCE * (self.durations.mean or 0.0)
        return min(max(share, self._guide * min(1.0, FEW_WORKERS / workers)), self._limit)

    def __getstate__(self) -> dict[str, Any]:
        """Wait for the job: a copy cannot share it."""
        return self.__dict__ | {"job": None if self.job is None else Ended(self.job.result())}

    def settle(self) -> None:
        """Wait for the job, whatever it costs."""
        if self.job is not None:
            self.job.exception()  # what it is, is raised where the model is taken
