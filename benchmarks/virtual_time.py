"""Campaigns in virtual time: many workers that only wait, and one real search that is charged for what it computes.

Rank 0 is a single server, as the campaign loop is: it tells all evaluations that have ended, asks for as many points as
workers are idle, sends them off, and looks again. Workers wait while it is busy.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Protocol

from dhmpi.evaluation import Evaluation, Point, State
from dhmpi.search import Search


class Asked(Protocol):
    """Search that is simulated: one of dhmpi, or anything that can be asked and told like one."""

    def ask(self, num: int) -> list[Point]:
        """Return up to `num` points."""

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Report evaluations that have ended."""


# How often rank 0 looks whether a model is ready that points wait for [virtual s].
MODEL_WAIT = 0.002


class Clock:
    """The clock of rank 0 [virtual s]; it goes on while something is charged, and stands still otherwise.

    Charged is the time of this thread on a processor: what other processes of a shared machine, or other threads, take
    away from it is not the search's fault. A search that lets threads of its own compute gets them for nothing, unless
    OMP_NUM_THREADS=1 forbids them.

    Args:
        slowdown: Virtual seconds for a second of computing.
    """

    def __init__(self, slowdown: float = 1.0) -> None:
        self.slowdown = slowdown
        self.now = 0.0
        self._begun: float | None = None

    def __call__(self) -> float:
        """Return the time [virtual s]."""
        return self.now if self._begun is None else self.now + self.slowdown * (time.thread_time() - self._begun)

    def charge(self, work: Callable[..., Any], *args: Any) -> tuple[Any, float]:
        """Call a function at the expense of rank 0.

        Args:
            work: The function.
            *args: Its arguments.

        Returns:
            What it returns, and the seconds of computing.
        """
        self._begun = time.thread_time()
        result = work(*args)
        cost = time.thread_time() - self._begun
        self._begun = None
        self.now += self.slowdown * cost
        return result, cost

    def spare(self, seconds: float) -> None:
        """Take back seconds of computing that are not to be charged."""
        if self._begun is not None:
            self._begun += seconds

    def wait(self, moment: float) -> None:
        """Stand idle until a moment [virtual s], if it has not come yet."""
        self.now += max(0.0, moment - self())


class VirtualFuture(Future[Any]):
    """A result that is there already, and shown when its virtual time has come.

    Not for `concurrent.futures.wait`, which would wait for a thread that does not exist: ask `done` or `result`.

    Args:
        clock: The clock of rank 0.
        moment: When it is done [virtual s].
        outcome: Sets the result or the exception.
    """

    def __init__(self, clock: Clock, moment: float, outcome: Callable[[Future[Any]], None]) -> None:
        super().__init__()
        self._clock, self._moment, self._outcome = clock, moment, outcome

    def done(self) -> bool:
        """Return whether its time has come."""
        if not super().done() and self._clock() >= self._moment:
            self._outcome(self)
        return super().done()

    def result(self, timeout: float | None = None) -> Any:
        """Return the result; rank 0 waits for it if need be.

        Args:
            timeout: Ignored, since the wait is a virtual one.
        """
        self._clock.wait(self._moment)
        self.done()
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the exception or None; rank 0 waits for it if need be."""
        self._clock.wait(self._moment)
        self.done()
        return super().exception(0)


class VirtualExecutor(Executor):
    """A thread in the background of rank 0 that does one thing after the other, beside what rank 0 does.

    Args:
        clock: The clock of rank 0.

    Attributes:
        seconds: Computing that it has done.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free = 0.0
        self.seconds = 0.0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> VirtualFuture:
        """Do something at once, and say so when it would have been done.

        Args:
            fn: What is called.
            *args: Its arguments.
            **kwargs: Its keyword arguments.
        """
        submitted, begun = self._clock(), time.thread_time()
        try:
            outcome = partial(Future.set_result, result=fn(*args, **kwargs))
        except Exception as error:  # raised where the result is wanted
            outcome = partial(Future.set_exception, exception=error)
        seconds = time.thread_time() - begun
        self._clock.spare(seconds)
        self.seconds += seconds
        self._free = max(self._free, submitted) + self._clock.slowdown * seconds
        return VirtualFuture(self._clock, self._free, outcome)


class Simulation:
    """A campaign.

    Args:
        search: What is asked for points.
        evaluate: Objective of a point.
        num_workers: How many workers there are.
        durations: How long evaluations take [virtual s], in the order in which they are sent off.
        clock: The clock of rank 0.
        horizon: When the campaign ends [virtual s].
        max_evals: Evaluations after which it ends.

    Attributes:
        asks: What each ask cost [s of computing].
        tells: What each tell cost [s of computing].
        busy: Time of all workers in evaluations, within the horizon [virtual s].
        num_asked: Evaluations that were sent off.
    """

    def __init__(
        self,
        search: Asked,
        evaluate: Callable[[Point], float],
        num_workers: int,
        durations: Iterator[float],
        clock: Clock,
        horizon: float = float("inf"),
        max_evals: int | None = None,
    ) -> None:
        self._search, self._evaluate, self._durations = search, evaluate, durations
        self._clock, self._horizon, self._max_evals = clock, horizon, max_evals
        self._num_workers = num_workers
        if isinstance(search, Search):
            search.begin_run(num_workers)
        self._running: list[tuple[float, int, float, Point]] = []  # ended, id, started, point
        self.asks: list[float] = []
        self.tells: list[float] = []
        self.busy = 0.0
        self.num_asked = 0

    @property
    def utilisation(self) -> float:
        """Share of the workers' time, up to the horizon, in which they evaluate."""
        return self.busy / (self._num_workers * self._horizon)

    def __iter__(self) -> Iterator[list[Evaluation]]:
        """Run, and yield the evaluations as rank 0 takes note of them: those that have ended, in this order."""
        clock, running = self._clock, self._running
        while clock.now < self._horizon:
            room = self._num_workers - len(running)
            if self._max_evals is not None:
                room = min(room, self._max_evals - self.num_asked)
            num = self._fill(room) if room else 0
            if self._is_waiting:
                clock.now = min(clock.now + MODEL_WAIT, max(clock.now, running[0][0]) if running else float("inf"))
            elif not running:
                return
            elif not 0 < num < room:
                clock.now = max(clock.now, running[0][0])
            if clock.now >= self._horizon:
                return
            if running and running[0][0] <= clock.now:
                evaluations = self._gather()
                self.tells.append(clock.charge(self._search.tell, evaluations)[1])
                yield evaluations

    @property
    def _is_waiting(self) -> bool:
        return isinstance(self._search, Search) and self._search.is_waiting

    def _ask(self, num: int) -> list[Point]:
        """Return points; as in a campaign, no worker waits in the search for a model."""
        if isinstance(self._search, Search):
            return [proposal.point for proposal in self._search.proposals(num, 0.0)]
        return self._search.ask(num)

    def _fill(self, room: int) -> int:
        """Give idle workers points; return how many."""
        points, cost = self._clock.charge(self._ask, room)
        if points:
            self.asks.append(cost)
        now, horizon = self._clock.now, self._horizon
        for point in points:
            ended = now + next(self._durations)
            heapq.heappush(self._running, (ended, self.num_asked, now, point))
            self.num_asked += 1
            self.busy += max(0.0, min(ended, horizon) - now)
        return len(points)

    def _gather(self) -> list[Evaluation]:
        running, now, evaluations = self._running, self._clock.now, []
        while running and running[0][0] <= now:
            ended, id, started, point = heapq.heappop(running)
            evaluations.append(Evaluation(id, point, self._evaluate(point), State.DONE, started, started, ended))
        return evaluations
