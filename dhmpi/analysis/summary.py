"""The figures of a campaign."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from dhmpi.evaluation import DESIGN, RANDOM, START, Evaluation, State
from dhmpi.results.metadata import Metadata
from dhmpi.results.reader import best


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


def summarise(metadata: Metadata, evaluations: Sequence[Evaluation], now: float | None = None) -> Summary:
    """Compute the figures of a campaign.

    Args:
        metadata: The campaign as a whole.
        evaluations: Its evaluations.
        now: When the latest run is seen, if it is going on [s since 1970-01-01 UTC]. Default: the last time that an
            evaluation of it mentions.
    """
    windows = run_windows(metadata.runs, evaluations, now)
    return Summary(
        counts=dict(Counter(evaluation.state for evaluation in evaluations)),
        best=best(evaluations),
        utilisation=_utilisation(metadata.runs, windows, evaluations),
        duration=math.fsum(end - start for start, end in windows),
        num_runs=len(windows),
    )


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


def model_use(evaluations: Sequence[Evaluation]) -> ModelUse:
    """Count from which models points came."""
    origins = [each.origin for each in evaluations if each.origin.model not in ("", START, DESIGN)]
    ages = [origin.known - origin.fitted for origin in origins if origin.fitted]
    num_without = sum(origin.model == RANDOM for origin in origins)
    return ModelUse(len(origins), num_without, median(ages) if ages else 0.0, max(ages, default=0))


def run_windows(
    runs: Sequence[Mapping[str, Any]], evaluations: Sequence[Evaluation], now: float | None = None
) -> list[tuple[float, float]]:
    """Return when every run began and ended [s since 1970-01-01 UTC].

    A killed run could not say when: then the last moment that an evaluation mentions before the next run.

    Args:
        runs: The runs of the metadata.
        evaluations: All evaluations.
        now: End of the last run, if it has none. Default: as for a killed run.
    """
    times = [time for each in evaluations for time in _moments(each)]
    return windows_of(runs, lambda first, last: max((t for t in times if first <= t <= last), default=first), now)


def windows_of(
    runs: Sequence[Mapping[str, Any]], latest: Callable[[float, float], float], now: float | None = None
) -> list[tuple[float, float]]:
    """Return when every run began and ended, as `run_windows`.

    Args:
        runs: The runs of the metadata.
        latest: Returns the last moment that an evaluation mentions between two, both included; the first if there is
            none.
        now: End of the last run, if it has none. Default: as for a killed run.
    """
    windows = []
    for index, run in enumerate(runs):
        start, end, is_last = run["started"], run["ended"], index + 1 == len(runs)
        if end is None and is_last and now is not None:
            end = now
        if end is None:
            end = latest(start, math.inf if is_last else runs[index + 1]["started"])
        windows.append((start, max(start, end)))
    return windows


def _moments(evaluation: Evaluation) -> list[float]:
    """Return when an evaluation began and ended, by the clock that runs go by; its worker's may be another one."""
    begun = evaluation.started if evaluation.submitted is None else evaluation.submitted
    return [] if begun is None else [begun, begun + evaluation.duration]


def _utilisation(
    runs: Sequence[Mapping[str, Any]], windows: Sequence[tuple[float, float]], evaluations: Sequence[Evaluation]
) -> float | None:
    available = math.fsum(run["num_workers"] * (end - start) for run, (start, end) in zip(runs, windows, strict=True))
    if available <= 0:
        return None
    return min(1.0, math.fsum(each.duration for each in evaluations) / available)
