"""The loop that every search runs in: ask, submit, gather, tell, append."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from dhmpi.campaign.failures import Failures
from dhmpi.campaign.progress import Progress
from dhmpi.campaign.signals import Stopped, StopRequest
from dhmpi.campaign.walltime import Drain, LostTime
from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator import Evaluator
from dhmpi.evaluator.retries import Retries
from dhmpi.results import ResultsStore
from dhmpi.search import Search

# Longest wait for results [s]; after it, results are synchronised, progress is shown and the limits are looked at.
GATHER_WAIT = 0.2
# And while the search waits for a model that the next points come from [s].
MODEL_WAIT = 0.002
# How long running evaluations get to end when the campaign stops early [s].
CANCEL_WAIT = 1.5


class Campaign:
    """Runs a search until its budget is spent, its space is exhausted, or it is told to stop.

    Args:
        search: What proposes points.
        evaluator: Where they are evaluated; it has been started.
        store: Where the results go; what it holds already is continued.
        eval_limit: Number of evaluations at which the campaign is complete, or None.
        deadline: When it stops [monotonic s], or None.
        stop: Whether a signal has asked it to stop.
        progress: What is shown meanwhile.
        retries: How often an evaluation is begun again whose worker is lost.
        drain_seconds: What an evaluation is thought to take at least: none begins later than that before the deadline.
        max_failures: How many failures there may be while nothing is DONE; see `Failures`.

    Attributes:
        failures: Whether anything is DONE, or why nothing is.
        seconds: Time spent in the search and in the store.
        busy_share: Share of the time of `run` that this thread was computing instead of waiting for workers.
        lost: Worker-seconds at the end of which nothing came.
    """

    def __init__(
        self,
        search: Search,
        evaluator: Evaluator,
        store: ResultsStore,
        eval_limit: int | None,
        deadline: float | None,
        stop: StopRequest,
        progress: Progress,
        retries: int = 2,
        drain_seconds: float = 0.0,
        max_failures: int | None = None,
    ) -> None:
        self._search, self._evaluator, self._store = search, evaluator, store
        self._eval_limit = eval_limit
        self._drain, self.lost = Drain(deadline, drain_seconds), LostTime()
        self._stop, self._progress = stop, progress
        earlier = store.evaluations
        self._next_id = max((evaluation.id for evaluation in earlier), default=-1) + 1
        self._num_final = sum(evaluation.state.is_final for evaluation in earlier)
        self._again = deque(evaluation for evaluation in earlier if not evaluation.state.is_final)
        self.seconds = {"ask": 0.0, "tell": 0.0, "store": 0.0}
        self.busy_share = 0.0
        self._busy = 0.0  # seconds of all workers, in evaluations that have ended
        self._best: Evaluation | None = None
        self._retries = Retries(retries)
        self.failures = Failures(max_failures, earlier)
        for evaluation in earlier:
            self._note(evaluation)

    def run(self) -> str:
        """Run the campaign.

        Returns:
            Why it ended, for people. The results are in the store, which stays open.
        """
        begun, computed = time.perf_counter(), time.thread_time()
        try:
            return self._run()
        finally:
            self.busy_share = (time.thread_time() - computed) / max(time.perf_counter() - begun, 1e-9)

    def _run(self) -> str:
        try:
            while not (why := self._reason_to_stop()):
                timeout = self._fill()
                is_idle = self._evaluator.num_idle and not self._evaluator.num_pending
                if is_idle and self._drain.may_begin() and not self._search.is_waiting:
                    return "every point of the space has been evaluated"
                self._collect(timeout)
        except Stopped:
            why = self._reason_to_stop()
        if self._evaluator.num_pending:
            self._store.snapshot()  # first of all, since whoever sent the signal may not wait for the rest
            with self._stop.writing():
                ended = self._evaluator.cancel(CANCEL_WAIT)
                self._store.finished(ended)
                self._store.commit()
            for evaluation in ended:
                if not evaluation.state.is_final:
                    self.lost.cancel(evaluation)
        self.lost.update(0)
        return why

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to resume; nor is it done if nothing is DONE."""
        if self.failures.are_all:
            return False
        if self._eval_limit is not None and self._num_final >= self._eval_limit:
            return True
        return self._search.is_exhausted and not self._again and not self._evaluator.num_pending

    @property
    def best(self) -> Evaluation | None:
        """The evaluation with the smallest objective."""
        return self._best

    def _reason_to_stop(self) -> str:
        if self._stop.signal_name:
            return f"stopped by {self._stop.signal_name}"
        if self.failures.must_end(self._evaluator.num_pending):
            return self.failures.sentence()
        if self._eval_limit is not None and self._num_final >= self._eval_limit:
            return f"{self._num_final} evaluations are complete"
        if self._drain.is_over():
            return "the time is over"
        if not self._evaluator.num_pending and not self._drain.may_begin():
            return f"the time is over for evaluations that take {self._drain.expected:.3g} s"
        return ""

    @contextmanager
    def _clock(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begun

    def _fill(self) -> float:
        """Give idle workers points; return how long results may be waited for, so that those that are left get theirs.

        Where nothing is running, the wait for a model is here; else results come meanwhile.
        """
        evaluator = self._evaluator
        idle = evaluator.num_idle
        room = idle if self._drain.may_begin() and self._is_promising() else 0
        if self._search.learns:  # workers take several short evaluations at once, but results are worth more than speed
            room = min(room, evaluator.num_workers - evaluator.num_pending)
        if self._eval_limit is not None:
            room = min(room, self._eval_limit - self._num_final - evaluator.num_pending)
        self.lost.update(max(0, evaluator.num_workers - evaluator.num_pending) if room <= 0 < idle else 0)
        again = [self._again.popleft() for _ in range(min(room, len(self._again)))]
        self._submit(again)
        room -= len(again)
        if room <= 0:
            return GATHER_WAIT
        timeout = 0.0 if evaluator.num_pending else GATHER_WAIT
        with self._stop.interruptible(), self._clock("ask"):
            proposals = self._search.proposals(room, timeout)
        self._submit(
            [Evaluation(id, point, origin=origin) for id, (point, origin) in enumerate(proposals, start=self._next_id)]
        )
        self._next_id += len(proposals)
        if self._search.is_waiting:
            return MODEL_WAIT if evaluator.num_pending else 0.0
        return 0.0 if 0 < len(proposals) < room else GATHER_WAIT

    def _is_promising(self) -> bool:
        """Whether it makes sense to begin more, although perhaps many have failed and none is DONE."""
        return not self.failures.are_many or self.failures.are_outlived(self._evaluator.longest_running_seconds())

    def _submit(self, evaluations: list[Evaluation]) -> None:
        if evaluations:
            running = [self._evaluator.submit(each, self._search.config(each.point)) for each in evaluations]
            with self._clock("store"):
                self._store.submitted(running)
                self._store.commit()

    def _collect(self, timeout: float) -> None:
        is_due, num_running = self._progress.is_due(), self._evaluator.num_pending
        busy = self._busy + (self._evaluator.running_seconds() if is_due else 0.0)
        with self._stop.writing():
            evaluations = [self._retries.decide(each) for each in self._evaluator.gather(timeout)]
            with self._clock("store"):
                self._store.finished(evaluations)
                self._store.commit()  # before the search learns of it: whatever it builds on is safe
        for evaluation in evaluations:
            if evaluation.state.is_final:
                self._num_final += 1
                self._busy += evaluation.duration
                self.failures.note(evaluation)
                self._note(evaluation)
            else:
                self._again.append(evaluation)
        if evaluations:
            with self._stop.interruptible(), self._clock("tell"):
                self._search.tell(evaluations)
        if is_due:
            self._progress.update(self._store.counts, num_running, self._best, busy)

    def _note(self, evaluation: Evaluation) -> None:
        self._drain.note(evaluation)
        if evaluation.state is State.DONE and (
            self._best is None or evaluation.objective < self._best.objective  # type: ignore[operator]  # DONE has one
        ):
            self._best = evaluation
