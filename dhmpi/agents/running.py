"""Evaluations that agents have been told to run, as rank 0 keeps them in step with the file."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dhmpi.control.budget import Budget
from dhmpi.control.callbacks import Callbacks
from dhmpi.evaluation import Evaluation, Report, State, Worker
from dhmpi.execution.context import Notice
from dhmpi.results import ResultsStore
from dhmpi.search.nas.ledger import Claim, Ledger
from dhmpi.search.steering import Steering
from dhmpi.search.stopping.stopper import Stopper


class RunningEvaluations:
    """Evaluations that agents have been told to run, and that have not ended yet.

    Args:
        store: Where the results go; the run has begun.
        ledger: Says which agent runs them.
        budget: Counts their steps, and the time that was lost.
    """

    def __init__(self, store: ResultsStore, ledger: Ledger, budget: Budget) -> None:
        self._store, self._ledger, self._budget, self._clock = store, ledger, budget, budget.clock
        self._names = tuple(store.metadata.space)
        self._running: dict[int, Evaluation] = {}
        self._clock_offset = time.time() - self._clock()  # so that none of these is later than now
        self._notices: list[Notice] = []
        self.steer(None, has_answers=False)

    def steer(self, stopper: Stopper | None, has_answers: bool) -> Steering:
        """Let a stopper decide which evaluations go on, if there is one; see `Steering`."""
        self._steering = Steering(self._notices.append, self._budget, stopper, has_answers)
        return self._steering

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self._running.values())

    def now(self) -> float:
        """Return the time [s since 1970-01-01 UTC] by the monotonic clock."""
        return self._clock_offset + self._clock()

    def point(self, claim: Claim) -> dict[str, Any]:
        """Return the point of a claim."""
        return dict(zip(self._names, claim.values, strict=True))

    def begin(self, id: int, claim: Claim, worker: Worker, step: float | None) -> None:
        """Note an evaluation that an agent is told to run.

        Args:
            id: Its number.
            claim: For which it is run.
            worker: Where, if that is known.
            step: The last one that it has reported, if it is begun again.
        """
        rank, host = worker
        running = Evaluation(
            id, self.point(claim), state=State.RUNNING, submitted=self.now(), rank=rank, host=host, step=step
        )
        self._note(running)
        self._steering.begin(running)

    def locate(self, evaluation: Evaluation) -> None:
        """Note where an evaluation runs."""
        known = self._running[evaluation.id]
        self._note(evaluation._replace(point=known.point, submitted=known.submitted))

    def _note(self, running: Evaluation) -> None:
        self._running[running.id] = running
        self._store.submitted([running])

    def report(
        self, agent: int, begun_again: Iterable[int], rows: Iterable[tuple[Any, ...]], callbacks: Callbacks
    ) -> list[Notice]:
        """Note what the evaluations of an agent report.

        Args:
            agent: That agent.
            begun_again: Which of them have begun again before that.
            rows: Their reports.
            callbacks: Are told of them.

        Returns:
            What is to be said to them.
        """
        for id in begun_again:
            if self._is_run_by(agent, id):
                self._steering.begin(self._running[id])
        reports = [Report(*row) for row in rows if self._is_run_by(agent, row[0])]
        self._store.reported(reports)
        self._steering.take(reports)
        notices = self._notices.copy()
        self._notices.clear()
        if callbacks:
            for id, step, value, _ in reports:
                callbacks.note_report(self._running[id], step, -value if self._store.metadata.maximises else value)
        return notices

    def save(self) -> dict[int, list[Notice]]:
        """Let evaluations save what they need to go on later, since the time ends; they are told once.

        Returns:
            What is to be said to them, by their agents.
        """
        self._steering.save(list(self._running))
        notices: dict[int, list[Notice]] = {}
        for notice in self._notices:
            notices.setdefault(self._ledger.agent_of(notice.id), []).append(notice)
        self._notices.clear()
        return notices

    def _is_run_by(self, agent: int, id: int) -> bool:
        return id in self._running and self._ledger.claim_of(id, agent) is not None

    def finish(self, evaluation: Evaluation) -> Evaluation:
        """Note an evaluation that has ended, for good or not; return it with when it was submitted."""
        self._store.finished([evaluation])
        self._steering.end(evaluation)
        return evaluation._replace(submitted=self._running.pop(evaluation.id).submitted)

    def cancel(self) -> None:
        """Note that what is left has not come back, and is to be run again."""
        left = [Evaluation(each.id, {}, state=State.CANCELLED, submitted=each.submitted) for each in self]
        self._store.finished(left)
        self._running.clear()
        now = self.now()
        for each in left:
            self._budget.lost.cancel(each._replace(ended=now))

    def seconds(self) -> Sequence[float]:
        """Return how long each has been running."""
        now = self.now()
        return [0.0 if each.submitted is None else now - each.submitted for each in self]
