"""The figures of a campaign."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dhmpi.evaluation import NO_MODELS, RANDOM, Evaluation, State
from dhmpi.results.reader import Results

if TYPE_CHECKING:
    from dhmpi.results.columns import Array, Columns


@dataclass(frozen=True)
class Summary:
    """The figures of a campaign.

    Attributes:
        counts: Number of evaluations in every state that occurs.
        best: The evaluation with the smallest objective; None before one is DONE.
        utilisation: Busy worker-seconds / available worker-seconds over all runs, 0 to 1; None without a run.
        duration: Length of all runs together [s].
        num_runs: Number of starts.
    """

    counts: Mapping[State, int]
    best: Evaluation | None
    utilisation: float | None
    duration: float
    num_runs: int


def summarise(results: Results, now: float | None = None) -> Summary:
    """Compute the figures of a campaign.

    Args:
        results: What its file says.
        now: When the latest run is seen, if it is going on [s since 1970-01-01 UTC]. Default: the last time that an
            evaluation of it mentions.
    """
    runs, columns = results.metadata.runs, results.columns
    windows = run_windows(runs, columns, now)
    busy = float(columns.duration.sum()) + float(earlier_seconds(columns, windows).sum())
    available = math.fsum(run["num_workers"] * (end - start) for run, (start, end) in zip(runs, windows, strict=True))
    return Summary(
        counts=columns.counts(),
        best=results.best,
        utilisation=min(1.0, busy / available) if available > 0 else None,
        duration=math.fsum(end - start for start, end in windows),
        num_runs=len(windows),
    )


def why_no_best(results: Results) -> str:
    """Return why no evaluation is the best, for people."""
    num_stopped = results.columns.counts().get(State.STOPPED, 0)
    if not num_stopped:
        return "no evaluation has succeeded"
    return f"no evaluation came to its end, and {num_stopped} {'was' if num_stopped == 1 else 'were'} stopped early"


@dataclass(frozen=True)
class ModelUse:
    """From which models the points of a campaign came.

    Attributes:
        num_points: Points that were asked after the first results, and so should come from a model.
        num_without: Those among them that came from none.
        median_age: Results that were known but not in the model, for half of the points with a model.
        largest_age: The same, for the oldest one.
    """

    num_points: int
    num_without: int
    median_age: float
    largest_age: int


def model_use(columns: "Columns") -> ModelUse:
    """Count from which models points came."""
    import numpy as np

    model, names = columns.model.codes, columns.model.names
    asked = np.isin(model, [code for code, name in enumerate(names) if name not in NO_MODELS])
    ages = (columns.known - columns.fitted)[asked & (columns.fitted > 0)]
    num_without = int(np.isin(model, [code for code, name in enumerate(names) if name == RANDOM]).sum())
    median, largest = (float(np.median(ages)), int(ages.max())) if len(ages) else (0.0, 0)
    return ModelUse(int(asked.sum()), num_without, median, largest)


def run_windows(
    runs: Sequence[Mapping[str, Any]], columns: "Columns", now: float | None = None
) -> list[tuple[float, float]]:
    """Return when every run began and ended [s since 1970-01-01 UTC].

    A killed run could not say when: then the last moment that an evaluation mentions before the next run.

    Args:
        runs: The runs of the metadata.
        columns: All evaluations.
        now: End of the last run, if it has none. Default: as for a killed run.
    """
    windows = []
    for index, run in enumerate(runs):
        start, end, is_last = run["started"], run["ended"], index + 1 == len(runs)
        if end is None and is_last and now is not None:
            end = now
        if end is None:
            end = _last_moment(columns, start, math.inf if is_last else runs[index + 1]["started"])
        windows.append((start, max(start, end)))
    return windows


def earlier_seconds(columns: "Columns", windows: Sequence[tuple[float, float]]) -> "Array":
    """Return how long workers had evaluations that have begun again since [s]; those of a killed run until its end."""
    import numpy as np

    earlier = columns.earlier
    if not windows or not len(earlier.begun):
        return earlier.duration
    starts, ends = np.array(windows).T
    until = ends[np.maximum(np.searchsorted(starts, earlier.begun, side="right") - 1, 0)]
    seconds: Array = np.where(np.isnan(earlier.ended), np.maximum(until - earlier.begun, 0.0), earlier.duration)
    return seconds


def _last_moment(columns: "Columns", start: float, limit: float) -> float:
    """Return when an evaluation last began or ended, by the clock that runs go by; its worker's may be another one."""
    import numpy as np

    begun = np.where(np.isnan(columns.submitted), columns.started, columns.submitted)
    earlier = columns.earlier
    moments = np.concatenate([begun, begun + columns.duration, earlier.begun, earlier.begun + earlier.duration])
    return float(moments[(moments >= start) & (moments < limit)].max(initial=start))
