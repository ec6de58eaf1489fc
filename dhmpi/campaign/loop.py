"""The loop that every search runs in: ask, submit, gather, tell, append."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dhmpi.control.budget import CANCEL_WAIT, Budget
from dhmpi.control.campaign_log import CampaignLog
from dhmpi.control.progress import Progress
from dhmpi.control.signals import Stopped, StopRequest
from dhmpi.evaluation import Evaluation, Report, State
from dhmpi.evaluator import Evaluator
from dhmpi.evaluator.retries import Retries
from dhmpi.results import ResultsStore
from dhmpi.search.search import Search
from dhmpi.search.steering import Steering, make_stopper

# Longest wait for results [s]; after it, results are synchronised, progress is shown and the limits are looked at.
GATHER_WAIT = 0.2
# And while the search waits for a model that the next points come from [s].
MODEL_WAIT = 0.002


class Campaign:
    """Runs a search until its budget is spent, its space is exhausted, or it is told to stop.

    Args:
        search: What proposes points.
        evaluator: Where they are evaluated; it has been started.
        store: Where the results go; what it holds already is continued.
        budget: What may be used.
        stop: What a signal may interrupt.
        progress: What is shown meanwhile.

    Attributes:
        seconds: Time spent in the search, in the store, and in callbacks if there are any.
        busy_share: Share of the time of `run` that this thread was computing instead of waiting for workers.
    """

    def __init__(
        self,
        search: Search,
        evaluator: Evaluator,
        store: ResultsStore,
        budget: Budget,
        stop: StopRequest,
        progress: Progress,
    ) -> None:
        self._search, self._evaluator, self._store, self._budget = search, evaluator, store, budget
        self._stop, self._progress = stop, progress
        options = search.options
        self._steering = Steering(evaluator.tell, budget, make_stopper(options), options.feedback.has_answers)
        self._log = CampaignLog(store.metadata.main_objective, evaluator.roles.name_of_workers)
        evaluator.on_reports, evaluator.look = self._take_reports, self._save_in_time
        earlier = store.evaluations
        self._steering.recall(earlier, store.reports.records())
        self._next_id = max((evaluation.id for evaluation in earlier), default=-1) + 1
        self._again = deque(evaluation for evaluation in earlier if not evaluation.state.is_final)
        self._retries = Retries(budget.limits.retries)
        self.seconds = {"ask": 0.0, "tell": 0.0, "store": 0.0} | ({"callbacks": 0.0} if search.callbacks else {})
        self.busy_share = 0.0

    def run(self) -> str:
        """Run the campaign.

        Returns:
            Why it ended, for people. The results are in the store, which stays open.
        """
        begun, computed = time.perf_counter(), time.thread_time()
        try:
            return self._run()
        finally:
            self._log.close()
            self.busy_share = (time.thread_time() - computed) / max(time.perf_counter() - begun, 1e-9)

    def _run(self) -> str:
        try:
            while not (why := self._reason_to_stop()):
                timeout = self._fill()
                self._save_in_time()
                is_idle = self._evaluator.num_idle and not self._evaluator.num_pending
                if is_idle and self._budget.may_begin() and not self._search.is_waiting:
                    return f"{self._search.extent} has been evaluated"
                if self._search.callbacks:  # now that workers have something to do
                    with self._clock("callbacks"):
                        self._search.callbacks.call()
                self._collect(timeout)
        except Stopped:
            why = self._reason_to_stop()
        if self._evaluator.num_pending:
            self._store.snapshot()  # first of all, since the sender of the signal may not wait for the rest
            with self._stop.writing():
                ended = [self._steering.judge(each) for each in self._evaluator.cancel(CANCEL_WAIT)]
                self._store.finished(ended)
                self._store.commit()
            self._search.callbacks.note(ended)
            for evaluation in ended:
                self._steering.end(evaluation)
                if evaluation.state is State.CANCELLED:
                    self._budget.lost.cancel(evaluation)
        self._budget.lost.update(0)
        return why

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to resume; nor is it done if nothing is DONE."""
        if self._budget.failures.are_all:
            return False
        if self._budget.is_spent:
            return True
        return self._search.is_exhausted and not self._again and not self._evaluator.num_pending

    def _reason_to_stop(self) -> str:
        num_running = self._evaluator.num_pending
        if why := self._budget.must_end(num_running):
            return why
        return "" if num_running or self._budget.may_begin() else self._budget.too_late()

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
        evaluator, budget = self._evaluator, self._budget
        idle = evaluator.num_idle
        room = idle if budget.may_begin() and self._is_promising() else 0
        if self._search.learns:  # workers take several short evaluations at once, but results are worth more than speed
            room = min(room, evaluator.num_workers - evaluator.num_pending)
        if budget.limits.evals is not None:
            room = min(room, budget.limits.evals - budget.num_final - evaluator.num_pending)
        if budget.is_spent:
            room = 0
        budget.lost.update(max(0, evaluator.num_workers - evaluator.num_pending) if room <= 0 < idle else 0)
        again = [self._again.popleft() for _ in range(min(room, len(self._again)))]
        self._submit(again)
        room -= len(again)
        if room <= 0:
            return GATHER_WAIT
        timeout = 0.0 if evaluator.num_pending else GATHER_WAIT
        with self._stop.interruptible(), self._clock("ask"):
            proposals = self._search.proposals(room, timeout)
        self._submit(
            [Evaluation(id, each.point, origin=each.origin) for id, each in enumerate(proposals, start=self._next_id)]
        )
        self._next_id += len(proposals)
        if self._search.is_waiting:
            return MODEL_WAIT if evaluator.num_pending else 0.0
        return 0.0 if 0 < len(proposals) < room else GATHER_WAIT

    def _is_promising(self) -> bool:
        """Whether it makes sense to begin more, although perhaps many have failed and none is DONE."""
        failures = self._budget.failures
        return not failures.are_many or failures.are_outlived(self._evaluator.longest_running_seconds())

    def _take_reports(self, reports: Sequence[Report]) -> None:
        """Keep what evaluations report, and decide whether they go on; inline, this is called by user code."""
        if reports:
            with self._clock("store"):
                self._store.reported(reports)
                self._store.commit()  # inline, the loop does so only when the evaluation has ended
        if self._search.learns:
            for report in reports:
                self._search.report(self._evaluator.running(report.id).point, report.step, report.value)
        self._steering.take(reports)
        self._save_in_time()
        if self._search.callbacks:
            for report in reports:
                value = -report.value if self._search.maximises else report.value
                self._search.callbacks.note_report(self._evaluator.running(report.id), report.step, value)

    def _save_in_time(self) -> None:
        """Let what is running save its state, if the time is about to end."""
        if self._budget.pauses.is_due():
            self._steering.save(self._evaluator.running_ids)

    def _submit(self, evaluations: list[Evaluation]) -> None:
        for each in evaluations:
            self._steering.begin(each)
        if evaluations:
            running = [self._evaluator.submit(each, self._search.config(each.point)) for each in evaluations]
            with self._clock("store"):
                self._store.submitted(running)
                self._store.commit()

    def _collect(self, timeout: float) -> None:
        is_due, num_running = self._progress.is_due(), self._evaluator.num_pending
        busy = self._budget.busy + (self._evaluator.running_seconds() if is_due else 0.0)
        with self._stop.writing():
            gathered = self._evaluator.gather(timeout)
            evaluations = [self._steering.judge(self._retries.decide(each)) for each in gathered]
            with self._clock("store"):
                self._store.finished(evaluations)
                self._store.commit()  # before the search learns of it: whatever it builds on is safe
        for evaluation in evaluations:
            self._steering.end(evaluation)
            if evaluation.state.is_final:
                self._budget.note(evaluation)
            else:
                self._again.append(evaluation)
        if evaluations:
            self._log.note(evaluations)
            self._search.callbacks.note(evaluations)
            with self._stop.interruptible(), self._clock("tell"):
                self._search.tell(evaluations)
        self._log.note_model(self._search.describe_model)
        if is_due:
            self._progress.update(self._store.counts, num_running, self._budget.best, busy)
