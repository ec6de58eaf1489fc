"""Steering of evaluations that are running: what they report is kept, and decides which of them go on."""

import dataclasses
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from dhmpi.control.budget import Budget
from dhmpi.control.vain_pauses import VainPauses
from dhmpi.evaluation import Evaluation, Report, State
from dhmpi.execution.context import Notice
from dhmpi.search import stopping
from dhmpi.search.campaign_options import CampaignOptions
from dhmpi.search.stopping.stopper import Stopper


def make_stopper(options: CampaignOptions) -> Stopper | None:
    """Return what decides which evaluations are stopped early; None if nothing does."""
    settings = {field.name: getattr(options, field.name) for field in dataclasses.fields(stopping.StopperSettings)}
    return stopping.make(options.stopper, settings, options.max_steps)


class Steering:
    """Steering of the evaluations of a campaign.

    Args:
        tell: Gives an evaluation that is running a notice.
        budget: Counts their steps.
        stopper: Decides which of them go on; None: all do, while there are steps left.
        has_answers: Whether evaluations wait to hear whether they go on.
    """

    def __init__(
        self, tell: Callable[[Notice], None], budget: Budget, stopper: Stopper | None, has_answers: bool
    ) -> None:
        self._deliver, self._budget, self._stopper, self._has_answers = tell, budget, stopper, has_answers
        self._num_seen: Counter[int] = Counter()  # reports of what is running
        self._steps: dict[int, float] = {}  # the furthest of each evaluation since it began
        self._begun: set[int] = set()  # what has begun again, and not reported since then
        self._stopped: set[int] = set()
        self._times: dict[int, float] = {}  # of the latest report of what is running [s since 1970-01-01 UTC]
        self._told: dict[int, float] = {}  # when those were told that are to save their state [monotonic s]
        self._must_save = False
        self._vain_pauses = VainPauses()

    def recall(self, evaluations: Sequence[Evaluation], reports: Sequence[Report]) -> None:
        """Take note of an earlier run, as if this had seen it: beginnings, reports and ends in the same order.

        Args:
            evaluations: All of them.
            reports: What they reported, in order.
        """
        self._vain_pauses.recall(evaluations)
        if self._stopper is None:  # the order does not matter, and there may be a million evaluations
            for report in reports:
                self._count(report)
            return
        stopper, begun = self._stopper, set[int]()
        left = Counter(report.id for report in reports)  # that are still to be replayed
        beginnings = deque(sorted(evaluations, key=lambda each: each.submitted or math.inf))
        ends = deque(sorted((each for each in evaluations if each.state.is_final), key=lambda each: each.order))

        def begin(id: int) -> None:
            if id not in begun:
                begun.add(id)
                stopper.begin(id)

        def replay_until(time: float) -> None:
            while beginnings and (beginnings[0].submitted or math.inf) <= time:
                begin(beginnings.popleft().id)
            # Clocks of hosts differ, so that an end may seem to be before reports that came before it.
            while ends and (ends[0].ended or 0.0) <= time and not left[ends[0].id]:
                begin(ends[0].id)
                self.end(ends.popleft())

        for report in reports:
            replay_until(report.time)
            begin(report.id)
            left[report.id] -= 1
            self._count(report)
            self._decide(report)
        replay_until(math.inf)

    def begin(self, evaluation: Evaluation) -> None:
        """Take note that an evaluation begins, perhaps again."""
        self._num_seen.pop(evaluation.id, None)
        self._stopped.discard(evaluation.id)
        self._begun.add(evaluation.id)
        if self._stopper is not None and evaluation.step is None:
            self._stopper.begin(evaluation.id)

    def take(self, reports: Sequence[Report]) -> None:
        """Take what evaluations report, and let them know whether they go on."""
        for report in reports:
            self._num_seen[report.id] += 1
            self._time(report)
            self._count(report)
            if self._decide(report) or self._budget.has_spent_steps:
                self._stopped.add(report.id)
            else:
                self._stopped.discard(report.id)  # it has come to the last step of a full training meanwhile
        if self._has_answers or self._must_save:  # one that had not begun yet has not been told
            for id in dict.fromkeys(report.id for report in reports):
                self._tell(id)

    def judge(self, evaluation: Evaluation) -> Evaluation:
        """Return an evaluation that has ended; FAILED, if it was PAUSED in vain once too often."""
        told = self._told.pop(evaluation.id, None)
        if evaluation.state is not State.PAUSED:
            return evaluation
        if told is not None:
            self._budget.pauses.note(time.monotonic() - told)
        return self._vain_pauses.decide(evaluation)

    def end(self, evaluation: Evaluation) -> None:
        """Take note that an evaluation has ended, for good or not."""
        if self._stopper is not None and evaluation.state.is_final:
            self._stopper.end(evaluation.id, evaluation.objective if evaluation.state is State.DONE else None)
        self._times.pop(evaluation.id, None)
        self._num_seen.pop(evaluation.id, None)
        self._stopped.discard(evaluation.id)

    def save(self, ids: Sequence[int]) -> None:
        """Let evaluations save what they need to go on later, since the time ends; they are told once."""
        self._must_save = True
        for id in ids:
            if id not in self._told:
                self._told[id] = time.monotonic()
                self._tell(id)

    def _time(self, report: Report) -> None:
        """Take note of how long a step took."""
        if report.id in self._times:
            self._budget.pauses.note_step(report.time - self._times[report.id])
        self._times[report.id] = report.time

    def _count(self, report: Report) -> None:
        """Count the steps since an evaluation was furthest; of its threads, each reports steps of its own."""
        before = self._steps.get(report.id, 0.0)
        self._steps[report.id] = report.step if report.id in self._begun else max(before, report.step)
        self._begun.discard(report.id)
        self._budget.spend_steps(max(0.0, report.step - before))

    def _decide(self, report: Report) -> bool:
        return self._stopper is not None and self._stopper.report(report.id, report.step, report.value)

    def _tell(self, id: int) -> None:
        self._deliver(Notice(id, self._num_seen[id], id in self._stopped, self._must_save))
