"""Timeline of a campaign: seconds of its runs, without the pauses between them, and what its workers did then."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from dhmpi.analysis.summary import run_windows
from dhmpi.evaluation import State
from dhmpi.results import Results
from dhmpi.results.beginnings import Beginnings
from dhmpi.results.columns import Array, Columns
from dhmpi.results.table import STATES

# A worker's clock is thought to be set right if it is not further off than this [s].
LARGEST_SKEW = 1.0


class Spans(NamedTuple):
    """Spans of time in which workers evaluated, one for each time that an evaluation has begun.

    Attributes:
        row: Rows of the evaluations, ascending; of one evaluation, spans are in the order of their beginnings.
        start: When they began [s of the campaign's runs].
        end: When they ended, or what was running was last heard of [s of the campaign's runs].
        run: Places of their runs.
        rank: Ranks of their workers; -1 if that is not known.
        submitted: When they were sent off [s of the campaign's runs]; the start if that is not known.
        state: States in which they ended, each its place in `STATES`; RUNNING before that, or if their run was killed.
        host: Hosts of their workers, each its place in `Timeline.hosts`.
        is_last: Whether the evaluation has not begun again since.
    """

    row: Array
    start: Array
    end: Array
    run: Array
    rank: Array
    submitted: Array
    state: Array
    host: Array
    is_last: Array

    def at(self, chosen: Array) -> "Spans":
        """Return some of the spans, by place or by truth value."""
        return Spans(*(column[chosen] for column in self))


class Timeline:
    """Timeline of a campaign.

    Args:
        results: The campaign.
        now: When it is looked at, if it is going on [s since 1970-01-01 UTC]. Default: the last moment that one of its
            evaluations mentions.

    Attributes:
        runs: Its runs that can be placed in time, as the metadata have them.
        starts: When they began [s since 1970-01-01 UTC].
        ends: When they ended; a killed one with the last moment that an evaluation mentions.
        hosts: Names of the hosts of workers.
    """

    def __init__(self, results: Results, now: float | None = None) -> None:
        self.columns: Columns = results.columns
        earlier = self.columns.earlier
        self.hosts = list(dict.fromkeys([*self.columns.host.names, *earlier.host.tolist()]))
        self._all = self._joined(earlier)
        self.runs: Sequence[Mapping[str, Any]] = results.metadata.runs
        windows = np.array(run_windows(self.runs, self.columns, now), np.float64).reshape(-1, 2)
        # A clock may have been set back between two runs: time only goes on.
        self.starts = np.maximum.accumulate(windows[:, 0])
        ends = np.maximum(windows[:, 1], self.starts)
        self.ends = np.minimum(ends, np.append(self.starts[1:], np.inf))

    def _joined(self, earlier: Beginnings) -> Beginnings:
        """Return the latest beginnings of all evaluations by id, and the earlier ones; hosts by their place."""
        columns = self.columns
        places = {name: place for place, name in enumerate(self.hosts)}
        latest = Beginnings(
            columns.id,
            columns.state,
            columns.submitted,
            columns.started,
            columns.ended,
            columns.rank,
            columns.host.codes,
        )
        codes = np.array([places[name] for name in earlier.host.tolist()], np.int32)
        return Beginnings(*map(np.concatenate, zip(latest, earlier._replace(host=codes), strict=True)))

    @property
    def lengths(self) -> Array:
        """Lengths of the runs [s]."""
        lengths: Array = self.ends - self.starts
        return lengths

    @property
    def bounds(self) -> Array:
        """Beginnings of the runs, and the end of the last one [s of the campaign's runs], shape (num_runs + 1,)."""
        return np.concatenate([[0.0], np.cumsum(self.lengths)])

    @property
    def duration(self) -> float:
        """Length of all runs together [s]."""
        return float(self.lengths.sum())

    @cached_property
    def num_workers(self) -> Array:
        """Number of workers of each run."""
        return np.array([run["num_workers"] for run in self.runs], np.int64)

    @cached_property
    def available(self) -> float:
        """Worker-seconds of all runs."""
        return float((self.num_workers * self.lengths).sum())

    def run_of(self, times: Array) -> Array:
        """Return the places of the runs in which moments were [s since 1970-01-01 UTC]; -1 before the first."""
        places: Array = np.searchsorted(self.starts, times, side="right") - 1
        return places

    def seconds(self, times: Array) -> Array:
        """Return moments [s since 1970-01-01 UTC] as seconds of the campaign's runs; NaN where a moment is NaN.

        Moments outside of all runs go to the nearest end of the run before.
        """
        times = np.asarray(times, np.float64)
        if not len(self.starts):
            return np.where(np.isnan(times), np.nan, 0.0)
        run = np.maximum(self.run_of(times), 0)
        within = np.clip(times - self.starts[run], 0.0, self.lengths[run])
        return np.where(np.isnan(times), np.nan, self.bounds[run] + within)

    @cached_property
    def ended(self) -> Array:
        """Ends of the evaluations [s of the campaign's runs]; NaN unless it has."""
        return self.seconds(self._own(self.columns.started) + self.columns.duration + self._unended)

    @cached_property
    def _unended(self) -> Array:
        return np.where(np.isnan(self.columns.ended), np.nan, 0.0)

    @cached_property
    def spans(self) -> Spans:
        """Spans in which workers evaluated; what is running, or was when its run was killed, ends with the run."""
        started = self._all.started - self._skews[self._all.host] if len(self.hosts) else self._all.started
        known = np.flatnonzero(np.isfinite(started) & bool(len(self.starts)))
        row = np.searchsorted(self.columns.id, self._all.evaluation[known])
        known = known[np.lexsort((started[known], row))]
        row, found, begun = np.sort(row), Beginnings(*(column[known] for column in self._all)), started[known]
        run = np.maximum(self.run_of(begun), 0)
        is_last = known < len(self.columns)
        # What began again had ended before that, whatever the file says.
        next_begun = np.where(np.append(np.diff(row) == 0, False)[: len(row)], np.append(begun[1:], np.inf), np.inf)
        is_running = found.state == STATES.index(State.RUNNING)
        until = np.where(is_running, np.minimum(self.ends[run], next_begun), begun + found.duration)
        # A span belongs to one run.
        start, end = self.seconds(begun), self.bounds[run] + np.clip(until - self.starts[run], 0.0, self.lengths[run])
        submitted = np.minimum(self.seconds(np.where(np.isnan(found.submitted), begun, found.submitted)), start)
        return Spans(row, start, np.maximum(start, end), run, found.rank, submitted, found.state, found.host, is_last)

    def _own(self, times: Array) -> Array:
        """Return moments of workers, one of each evaluation, by the clock that runs go by."""
        return times - self._skews[self.columns.host.codes] if len(times) else times

    @cached_property
    def _skews(self) -> Array:
        """Skews of hosts: how far the clock of each is ahead of that which runs go by [s]; 0 if it may be right.

        It is behind if evaluations began before they were submitted, and ahead if they ended after their run; how
        long those took to begin which did so soonest is all that can be known of it.
        """
        found, num = self._all, len(self.hosts)
        delay = np.where(np.isfinite(found.started), found.started - found.submitted, np.nan)
        known = np.isfinite(delay)
        soonest = np.full(num, np.inf)
        np.minimum.at(soonest, found.host[known], delay[known])
        beyond = np.full(num, -np.inf)
        if len(self.ends):
            late = found.ended - self.ends[np.maximum(self.run_of(found.begun), 0)]
            there = known & np.isfinite(late)
            np.maximum.at(beyond, found.host[there], late[there])
        is_behind, is_ahead = soonest < -LARGEST_SKEW, (soonest > LARGEST_SKEW) & (beyond > LARGEST_SKEW)
        return np.where((is_behind | is_ahead) & np.isfinite(soonest), soonest, 0.0)
