"""Curves of a campaign: how its figures went on, from the columns of its results.

Values are as people see them: a campaign that looks for the largest has rewards. Times are seconds of the campaign's
runs, without the pauses between them.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from dhmpi.analysis.details import kinds_of_errors
from dhmpi.analysis.timeline import Timeline
from dhmpi.evaluation import FINAL_STATES, State
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.results.table import STATES

# Points of a curve on a grid.
NUM_POINTS = 500
Axis = Literal["evaluations", "seconds", "steps"]


class Curve(NamedTuple):
    """Curve of steps: a value holds until the next place.

    Attributes:
        x: Places, ascending; the last one is where it ends.
        y: Values, as many.
    """

    x: Array
    y: Array

    def at(self, places: Array) -> Array:
        """Return the values at some places; NaN before the first."""
        if not len(self.x):
            return np.full(len(places), np.nan)
        found = np.searchsorted(self.x, places, side="right") - 1
        return np.where(found < 0, np.nan, self.y[np.maximum(found, 0)])


class Band(NamedTuple):
    """Curves of several campaigns on a common grid: the budgets that all of them have had.

    Attributes:
        x: The grid.
        median: Medians of the curves.
        lower: Their lower quartiles.
        upper: Their upper quartiles.
        num: How many curves there are.
    """

    x: Array
    median: Array
    lower: Array
    upper: Array
    num: int


def values(results: Results) -> Array:
    """Return what run functions returned: objectives, or rewards if these are looked for; NaN where there is none."""
    objective = results.columns.done_objective
    # As `evaluation.turned` does for one.
    return -objective if results.metadata.maximises else objective


def in_order(results: Results, timeline: Timeline | None = None) -> Array:
    """Return the rows of the evaluations that have ended for good, in the order of their ends."""
    columns = results.columns
    final = np.flatnonzero(columns.is_in(*FINAL_STATES))
    if (columns.order[final] >= 0).all():
        return final[np.argsort(columns.order[final], kind="stable")]
    ended = (timeline or Timeline(results)).ended[final]  # older files do not say
    return final[np.argsort(ended, kind="stable")]


def incumbent(results: Results, axis: Axis = "evaluations", timeline: Timeline | None = None) -> Curve:
    """Return the best value so far, against the evaluations that have ended, failures among them, their steps, or time.

    Args:
        results: The campaign.
        axis: What it is drawn against.
        timeline: That of the campaign, if it has been made.
    """
    timeline = timeline or Timeline(results)
    rows = in_order(results, timeline)
    place = places(results, timeline, rows, axis)
    known = np.flatnonzero(np.isfinite(place))
    known = known[np.argsort(place[known], kind="stable")]
    rows, place = rows[known], place[known]
    if not len(rows) or (axis == "steps" and place[-1] == 0.0):
        return Curve(np.empty(0), np.empty(0))
    best = np.fmin.accumulate(results.columns.done_objective[rows])
    changes = np.flatnonzero(np.append(True, best[1:] != best[:-1]))
    changes = changes[np.isfinite(best[changes])]
    if not len(changes):
        return Curve(np.empty(0), np.empty(0))
    best = -best if results.metadata.maximises else best
    end = timeline.duration if axis == "seconds" else place[-1]
    last = [] if place[changes[-1]] >= end else [end]
    return Curve(np.append(place[changes], last), np.append(best[changes], best[changes[-1:]][: len(last)]))


def places(results: Results, timeline: Timeline, rows: Array, axis: Axis) -> Array:
    """Return where evaluations that have ended are on an axis; NaN if that is not known.

    Args:
        results: The campaign.
        timeline: Its timeline.
        rows: The evaluations, in the order of their ends.
        axis: The axis; that of steps counts those of evaluations that have ended.
    """
    if axis == "seconds":
        return timeline.ended[rows]
    if axis == "steps":
        return np.cumsum(np.maximum(np.nan_to_num(results.columns.step[rows]), 0.0))
    return np.arange(1.0, len(rows) + 1)


def band(curves: Sequence[Curve], is_whole: bool = False, num: int = NUM_POINTS) -> Band:
    """Return the median and the quartiles of curves where all of them have a value.

    Args:
        curves: At least one; those without any value are left out.
        is_whole: Whether places are whole numbers, as those of evaluations.
        num: How many places there are at most.
    """
    known = [curve for curve in curves if len(curve.x)]
    if not known or (first := max(each.x[0] for each in known)) > (last := min(each.x[-1] for each in known)):
        nothing = np.empty(0)
        return Band(nothing, nothing, nothing, nothing, len(known))
    grid = np.linspace(first, last, num)
    if is_whole:
        grid = np.unique(np.round(grid))
    with np.errstate(over="ignore", invalid="ignore"):
        lower, median, upper = np.quantile([each.at(grid) for each in known], (0.25, 0.5, 0.75), axis=0)
    return Band(grid, median, lower, upper, len(known))


class StateCurves(NamedTuple):
    """Numbers of evaluations in each state.

    Attributes:
        x: Time [s].
        ended: How many had ended, in order of their states.
        running: How many were being evaluated.
        waiting: How many had been submitted, and had not begun.
    """

    x: Array
    ended: Mapping[State, Array]
    running: Array
    waiting: Array


def states(results: Results, timeline: Timeline | None = None, num: int = NUM_POINTS) -> StateCurves:
    """Return how many evaluations were in which state over time."""
    timeline = timeline or Timeline(results)
    columns, spans = results.columns, timeline.spans
    x = np.linspace(0.0, timeline.duration, num)
    ended: dict[State, Array] = {}
    # When what had ended before was sent off again; never if it was redone, and is PENDING.
    is_followed = np.append(np.diff(spans.row) == 0, False)[: len(spans.row)]
    latest = timeline.seconds(columns.submitted[spans.row])
    again = np.where(is_followed, np.append(spans.submitted[1:], np.nan)[: len(spans.row)], latest)
    for code, state in enumerate(STATES):
        is_earlier = (spans.state == code) & ~spans.is_last
        is_latest = columns.is_in(state)
        if state not in (State.PENDING, State.RUNNING) and (is_earlier.any() or is_latest.any()):
            until_again = _count(spans.end[is_earlier], x) - _count(again[is_earlier], x)
            ended[state] = _count(timeline.ended[is_latest], x) + until_again
    is_going_on = (spans.state == STATES.index(State.RUNNING)) & spans.is_last & (spans.run == len(timeline.runs) - 1)
    end = np.where(is_going_on, np.inf, spans.end)
    running = _count(spans.start, x) - _count(end, x)
    unbegun = np.flatnonzero(np.isfinite(columns.submitted) & np.isnan(columns.started) & ~is_final(results))
    waiting = _count(spans.submitted, x) + _count(timeline.seconds(columns.submitted[unbegun]), x)
    return StateCurves(x, ended, running, waiting - _count(spans.start, x))


def is_final(results: Results) -> Array:
    """Return which evaluations have ended for good, or were cancelled or lost, bool."""
    return ~results.columns.is_in(State.PENDING, State.RUNNING)


def _count(times: Array, grid: Array) -> Array:
    """Return how many times are not later than each place of a grid; NaN and infinity are never.

    What ended when a run did may be a rounding error behind the last place.
    """
    known = np.minimum(times[np.isfinite(times)], grid[-1])
    return np.searchsorted(np.sort(known), grid, side="right")


class UtilisationCurve(NamedTuple):
    """Numbers of busy workers, as means of equal intervals.

    Attributes:
        edges: Where the intervals begin and end [s], one more than there are intervals.
        busy: Mean number of workers that evaluated.
        available: Mean number of workers.
        mean: Busy worker-seconds / available worker-seconds, 0 to 1; None without a run.
    """

    edges: Array
    busy: Array
    available: Array
    mean: float | None


def utilisation(results: Results, timeline: Timeline | None = None, num: int = NUM_POINTS) -> UtilisationCurve:
    """Return how many workers were busy over time."""
    timeline = timeline or Timeline(results)
    if timeline.available <= 0:
        return UtilisationCurve(np.empty(0), np.empty(0), np.empty(0), None)
    spans, bounds = timeline.spans, timeline.bounds
    edges = np.linspace(0.0, timeline.duration, num + 1)
    width = np.diff(edges)
    busy = np.diff(since(spans.start, edges) - since(spans.end, edges)) / width
    reached = np.interp(edges, bounds, np.append(0.0, np.cumsum(timeline.num_workers * timeline.lengths)))
    mean = min(1.0, float((spans.end - spans.start).sum()) / timeline.available)
    return UtilisationCurve(edges, np.maximum(busy, 0.0), np.diff(reached) / width, mean)


def since(moments: Array, places: Array) -> Array:
    """Return at each place the sum of the times that have passed since moments before it."""
    ascending = np.sort(moments)
    number = np.searchsorted(ascending, places, side="right")
    passed: Array = number * places - np.append(0.0, np.cumsum(ascending))[number]
    return passed


class FailureCause(NamedTuple):
    """Failures that differ at most in the values of points.

    Attributes:
        state: FAILED or TIMEOUT.
        line: What the error of the first one says, in one line.
        rows: Their rows, ascending.
        seconds: When they ended [s], ascending; without those of which that is not known.
    """

    state: State
    line: str
    rows: Array
    seconds: Array


def failures(results: Results, timeline: Timeline | None = None) -> list[FailureCause]:
    """Return failures by cause, the most frequent one first."""
    timeline, columns = timeline or Timeline(results), results.columns
    kinds = kinds_of_errors(columns)
    # All at once: every failure may have a kind of its own.
    rows = np.array([row for kind in kinds for row in kind.rows], np.int64)
    of_kind = np.repeat(np.arange(len(kinds)), np.array([len(kind.rows) for kind in kinds], np.int64))
    is_known = np.isfinite(timeline.ended[rows])
    seconds, known = timeline.ended[rows[is_known]], of_kind[is_known]
    seconds = seconds[np.lexsort((seconds, known))]
    places = np.arange(len(kinds) + 1)
    edges, known_edges = (np.searchsorted(each, places).tolist() for each in (of_kind, known))
    return [
        FailureCause(
            kind.state,
            kind.line,
            rows[edges[place] : edges[place + 1]],
            seconds[known_edges[place] : known_edges[place + 1]],
        )
        for place, kind in enumerate(kinds)
    ]


class Origins(NamedTuple):
    """Origins of points: what proposed them, and how much it knew.

    Attributes:
        names: What proposed points: start, design, random, or modes of a model; in order of appearance.
        codes: For each evaluation the place of its name, in order of id.
        submitted: When each was sent off [s]; NaN if that is not known.
        age: Results that were known and not in the model, for each one with a model; NaN otherwise.
        latency: What the search measured of the time that a point took [s]: ask_median, ask_p90, ask_p99, ask_max, as
            far as they are there; of the latest run.
    """

    names: Sequence[str]
    codes: Array
    submitted: Array
    age: Array
    latency: Mapping[str, float]


def origins(results: Results, timeline: Timeline | None = None) -> Origins:
    """Return what proposed points, in order of id."""
    columns, statistics = results.columns, results.metadata.statistics
    age = np.where(columns.fitted > 0, columns.known - columns.fitted, np.nan)
    measured = {name: statistics.get(name) for name in ("ask_median", "ask_p90", "ask_p99", "ask_max")}
    latency = {name: float(value) for name, value in measured.items() if isinstance(value, int | float)}
    submitted = (timeline or Timeline(results)).seconds(columns.submitted)
    return Origins(list(columns.model.names), columns.model.codes, submitted, age, latency)


class LearningCurves(NamedTuple):
    """Figures of what agents have learned, one value for each update of an agent, in the order of their ends.

    Attributes:
        episodes: How many episodes had been learned from.
        seconds: When the updates ended [s].
        columns: The columns of `/policy`.
    """

    episodes: Array
    seconds: Array
    columns: Mapping[str, Array]


def learning(results: Results, timeline: Timeline | None = None) -> LearningCurves:
    """Return what agents have learned; nothing for a search without any."""
    columns = {name: np.array(column, np.float64) for name, column in results.policy.columns.items()}
    by_time = np.argsort(columns["ended"], kind="stable")
    columns = {name: column[by_time] for name, column in columns.items()}
    seconds = (timeline or Timeline(results)).seconds(columns["ended"])
    return LearningCurves(np.cumsum(columns["episodes"]), seconds, columns)


class Rolling(NamedTuple):
    """Values of evaluations, smoothed.

    Attributes:
        x: Number of evaluations that had ended.
        mean: Mean of the latest ones with a value.
        lower: Their 10 % quantile.
        upper: Their 90 % quantile.
        window: How many these are.
    """

    x: Array
    mean: Array
    lower: Array
    upper: Array
    window: int


def rolling(results: Results, window: int | None = None, num: int = 200) -> Rolling:
    """Return the mean and quantiles of the latest values that evaluations have found.

    Args:
        results: The campaign.
        window: Over how many. Default: a twentieth of all, at least 10.
        num: How many places there are at most.
    """
    found = values(results)[in_order(results)]
    place = np.flatnonzero(np.isfinite(found))
    found = found[place]
    window = window or max(10, len(found) // 20)
    window = min(window, len(found))
    if not window:
        nothing = np.empty(0)
        return Rolling(nothing, nothing, nothing, nothing, 0)
    ends = np.unique(np.linspace(window, len(found), num).astype(int))
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [found[end - window : end] for end in ends]
        quantiles = np.array([np.quantile(part, (0.1, 0.9)) for part in parts])
        mean = np.array([part.mean() for part in parts])
    return Rolling(place[ends - 1] + 1.0, mean, quantiles[:, 0], quantiles[:, 1], window)
