"""Idle time of a campaign, in worker-seconds, by its reason, as far as the results file says."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from dhmpi.analysis.timeline import Spans, Timeline
from dhmpi.evaluation import State
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.results.table import STATES


class Reason(StrEnum):
    """Reason why a worker was idle; docs/idle.md says what helps."""

    START = "start-up"  # from the beginning of the run to its first evaluation
    POINT = "waiting for a point"  # between two evaluations, before the next one was submitted
    HANDOVER = "hand-over"  # between two evaluations, after the next one was submitted
    DROPPED = "given nothing more"  # after its last evaluation, while others got some, longer than any wait
    TAIL = "end of the run"  # after its last evaluation, when nobody got any more
    UNUSED = "never used"  # without any evaluation in the whole run
    UNKNOWN = "not known"  # the file does not say which worker it was


MEANINGS = {
    Reason.START: "from the beginning of a run to the worker's first evaluation",
    Reason.POINT: "between two evaluations, until rank 0 had submitted the next one",
    Reason.HANDOVER: "between two evaluations, from the submission of the next one to its beginning",
    Reason.DROPPED: "after the worker's last evaluation, while others still got some, for longer than any wait",
    Reason.TAIL: "after the worker's last evaluation, when none began any more: the budget or the time was spent",
    Reason.UNUSED: "workers that had no evaluation in the whole run",
    Reason.UNKNOWN: "the file does not say which worker was idle",
}


class IdleTime(NamedTuple):
    """Idle time: what was available is what was busy and, for all reasons together, idle.

    Attributes:
        available: Worker-seconds of all runs.
        busy: Worker-seconds in evaluations.
        idle: Worker-seconds without one, by reason; only of those that occur.
        spent: Busy worker-seconds by the state in which they ended; FAILED, TIMEOUT and CANCELLED brought no objective.
    """

    available: float
    busy: float
    idle: Mapping[Reason, float]
    spent: Mapping[State, float]


def idle_time(results: Results, timeline: Timeline | None = None) -> IdleTime:
    """Return the idle time of a campaign."""
    timeline = timeline or Timeline(results)
    spans = timeline.spans
    by_worker = np.lexsort((spans.end, spans.start, spans.rank, spans.run))
    spans = spans.at(by_worker)
    busy, idle = 0.0, dict.fromkeys(Reason, 0.0)
    edges = np.searchsorted(spans.run, np.arange(len(timeline.runs) + 1))
    spent = np.zeros(len(STATES))
    for run in range(len(timeline.runs)):
        found = _run_idle(spans.at(np.arange(edges[run], edges[run + 1])), timeline, run)
        busy += found.busy
        for reason, seconds in found.idle.items():
            idle[reason] += seconds
    np.add.at(spent, spans.state, spans.end - spans.start)
    by_state = {state: float(seconds) for state, seconds in zip(STATES, spent, strict=True) if seconds > 0}
    return IdleTime(timeline.available, busy, {why: num for why, num in idle.items() if num > 0}, by_state)


class _RunIdle(NamedTuple):
    busy: float
    idle: Mapping[Reason, float]


def _run_idle(spans: Spans, timeline: Timeline, run: int) -> _RunIdle:
    """Return the idle time of a run, from its spans in order of worker and start."""
    begin, end, num_workers = timeline.bounds[run], timeline.bounds[run + 1], int(timeline.num_workers[run])
    available = num_workers * float(end - begin)
    if not len(spans.row):
        return _RunIdle(0.0, {Reason.UNUSED: available})
    is_first = np.append(True, np.diff(spans.rank) != 0)
    is_last = np.append(is_first[1:], True)
    # Of spans of a worker that overlap, each second counts once.
    until = _latest_end(spans, is_first, end - begin)
    before = np.where(is_first, begin, np.append(begin, until[:-1]))
    gap = np.maximum(spans.start - before, 0.0)
    covered = np.maximum(until - np.maximum(spans.start, before), 0.0)
    busy, num_seen = float(covered.sum()), int(is_first.sum())
    if num_seen > num_workers or spans.rank[0] < 0:
        busy = min(busy, available)
        return _RunIdle(busy, {Reason.UNKNOWN: available - busy})
    between, since = gap[~is_first], before[~is_first]
    unasked = np.clip(spans.submitted[~is_first] - since, 0.0, between)
    last = until[is_last]
    over = max(float(spans.start.max()), begin)  # from then on, nothing began
    is_open = timeline.runs[run]["ended"] is None and run + 1 == len(timeline.runs)
    final = float((end - np.maximum(last, over)).sum())
    silence = np.maximum(over - last, 0.0)
    # Longer than any worker has waited, and than any evaluation has taken.
    is_dropped = silence > max(between.max(initial=0.0), float((spans.end - spans.start).max()))
    idle = {
        Reason.START: float(gap[is_first].sum()),
        Reason.POINT: float(unasked.sum() + silence[~is_dropped].sum()) + (final if is_open else 0.0),
        Reason.HANDOVER: float((between - unasked).sum()),
        Reason.DROPPED: float(silence[is_dropped].sum()),
        Reason.TAIL: 0.0 if is_open else final,
        Reason.UNUSED: (num_workers - num_seen) * float(end - begin),
    }
    return _RunIdle(busy, idle)


def _latest_end(spans: Spans, is_first: Array, length: float) -> Array:
    """Return for each span the latest end among those of the same worker up to it."""
    offset = np.cumsum(is_first) * (2.0 * length + 1.0)  # keeps workers apart
    latest: Array = np.maximum.accumulate(spans.end + offset) - offset
    return np.maximum(latest, spans.end)  # exact for a span that is itself the latest


def sentences(found: IdleTime) -> Sequence[str]:
    """Return where the time went, in lines for people, the most first."""
    if found.available <= 0:
        return []
    parts = sorted(found.idle.items(), key=lambda part: -part[1])
    return [f"{100 * seconds / found.available:.1f} % {why}: {MEANINGS[why]}" for why, seconds in parts]
