"""Figures that a live view shows, as they are at one moment."""

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from dhmpi.analysis.step_curves import StepCost, finite_or_none, total_steps
from dhmpi.analysis.top.tally import RATE_NUMBER, RATE_SECONDS, Tally
from dhmpi.errors import OptionError
from dhmpi.evaluation import NO_MODELS, RANDOM, State
from dhmpi.results import Metadata, rank_table
from dhmpi.results.liveness import SILENCE
from dhmpi.results.owner import Owner


class Liveness(StrEnum):
    """State of a campaign, as seen from outside."""

    RUNNING = "running"
    SILENT = "running, or killed"
    KILLED = "killed"
    ENDED = "ended"
    COMPLETE = "complete"


class NodeUse(NamedTuple):
    """Use of a host in the latest run.

    Attributes:
        host: Its name.
        num_workers: Its workers.
        num_running: Evaluations that are running there.
        utilisation: Busy worker-seconds / available worker-seconds, 0 to 1.
    """

    host: str
    num_workers: int
    num_running: int
    utilisation: float


class TimeLeft(NamedTuple):
    """Time until an end of the campaign.

    Attributes:
        seconds: So long, at the present rate.
        end: What it is the end of.
    """

    seconds: float
    end: str


class LiveFigures(NamedTuple):
    """Figures of the latest run of a campaign at one moment.

    Attributes:
        progress: What the campaign is doing.
        now: The moment; that of the end if it has ended [s since 1970-01-01 UTC].
        seconds: How long the run has taken [s].
        rate: Evaluations that end per second.
        left: When it ends, the earliest first.
        utilisation: Busy worker-seconds / available worker-seconds, 0 to 1; None if nothing was available.
        utilisation_of_all: The same of all runs.
        nodes: The same of the latest run for each host, the least busy first.
    """

    progress: Liveness
    now: float
    seconds: float
    rate: float
    left: Sequence[TimeLeft]
    utilisation: float | None
    utilisation_of_all: float | None
    nodes: Sequence[NodeUse]


def progress_of(metadata: Metadata, owner: Owner | None, heard: float | None, now: float) -> Liveness:
    """Return what a campaign is doing.

    Args:
        metadata: The campaign as a whole.
        owner: The process that writes its file, or has been killed.
        heard: When it showed a sign of life last [s since 1970-01-01 UTC].
        now: The time [s since 1970-01-01 UTC].
    """
    if metadata.complete:
        return Liveness.COMPLETE
    if not metadata.is_open:
        return Liveness.ENDED
    if owner is None:
        return Liveness.KILLED
    is_alive = owner.is_alive
    if is_alive is None:  # on another host; it has a heartbeat
        return Liveness.RUNNING if heard is not None and now - heard <= SILENCE else Liveness.SILENT
    return Liveness.RUNNING if is_alive else Liveness.KILLED


def live_figures(tally: Tally, progress: Liveness, now: float) -> LiveFigures:
    """Return the figures of a tally that has begun."""
    assert tally.metadata is not None
    run: Mapping[str, Any] = tally.metadata.runs[-1] if tally.metadata.runs else {}
    if not run:
        return LiveFigures(progress, now, 0.0, 0.0, (), None, None, ())
    if progress in (Liveness.ENDED, Liveness.COMPLETE):
        now = tally.latest if run["ended"] is None else float(run["ended"])
    elif progress is Liveness.KILLED:
        now = tally.latest
    started = float(run["started"])
    seconds = max(0.0, now - started)
    is_going_on = progress in (Liveness.RUNNING, Liveness.SILENT)
    rate = _rate(tally, started, now) if is_going_on else tally.num_in_run / seconds if seconds else 0.0
    busy = Counter(tally.busy)
    if is_going_on:
        for each in tally.running.values():
            if each.in_run and math.isfinite(each.begun):
                busy[each.host] += max(0.0, now - max(each.begun, started))  # type: ignore[assignment]  # of floats
    available = float(run["num_workers"]) * seconds
    busy_seconds = math.fsum(busy.values())
    utilisation = _share(busy_seconds, available)
    of_all = _share(tally.busy_before + busy_seconds, tally.available_before + available)
    left = _left(tally, run, rate, now) if is_going_on else ()
    nodes = _nodes(tally, run, busy, seconds)
    return LiveFigures(progress, now, seconds, rate, left, utilisation, of_all, nodes)


def _share(busy: float, available: float) -> float | None:
    return min(1.0, busy / available) if available > 0 else None


def _rate(tally: Tally, started: float, now: float) -> float:
    """Return how many evaluations ended per second of late."""
    since = math.ceil(max(started, now - RATE_SECONDS))
    number = tally.num_since(since)
    if number < RATE_NUMBER:
        ends = [end for end in tally.last_ends if end >= started]
        if not ends:
            return 0.0
        since, number = math.floor(min([*ends[:1], since]) if len(ends) == RATE_NUMBER else started), len(ends)
    return number / max(1.0, now - since)


def _left(tally: Tally, run: Mapping[str, Any], rate: float, now: float) -> list[TimeLeft]:
    assert tally.metadata is not None
    options, found = tally.metadata.options, []
    most, minutes, end, limit = (
        finite_or_none(value)
        for value in (options.get("max_evals"), options.get("max_minutes"), options.get("end_time"), run.get("limit"))
    )
    if most is not None and rate > 0:
        found.append(TimeLeft(max(0.0, most - tally.num_ended) / rate, f"{most:.0f} evaluations"))
    if limit is not None:
        found.append(TimeLeft(max(0.0, limit - now), "the end of the time"))
    elif minutes is not None:
        found.append(TimeLeft(max(0.0, run["started"] + 60 * minutes - now), "the end of the time"))
    elif end is not None:
        found.append(TimeLeft(max(0.0, end - now), "the end of the time"))
    return sorted(found)


def _nodes(tally: Tally, run: Mapping[str, Any], busy: Mapping[str, float], seconds: float) -> list[NodeUse]:
    running = Counter(each.host for each in tally.running.values() if each.in_run)
    workers = Counter({host: len(ranks) for host, ranks in tally.workers.items()}) | _workers(run)
    hosts = [host for host in {*workers, *busy, *running} if host]
    available = {host: workers[host] * seconds for host in hosts}
    found = [
        NodeUse(
            host,
            workers[host],
            running[host],
            min(1.0, busy.get(host, 0.0) / available[host]) if available[host] > 0 else 0.0,
        )
        for host in hosts
    ]
    return sorted(found, key=lambda node: (node.utilisation, node.host))


def _workers(run: Mapping[str, Any]) -> Counter[str]:
    """Return how many workers each host has, as the roles of the ranks say; nothing if they do not."""
    try:
        first = {row.worker: row.host for row in reversed(rank_table.rows(run)) if row.worker}
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OptionError):
        return Counter()
    return Counter(first.values())


def step_cost(tally: Tally) -> StepCost | None:
    """Return what evaluations cost in steps; None if none has reported any. As `step_curves.step_cost` counts it."""
    assert tally.metadata is not None
    last = total_steps(np.array([tally.ended_steps, *tally.last_steps.values()]))
    taken = max(last, finite_or_none(tally.metadata.statistics.get("steps")) or 0.0)
    if not taken:
        return None
    most, num = max_steps(tally), tally.counts[State.STOPPED]
    saved = None if most is None else min(max(0.0, most * num - tally.stopped_steps), sys.float_info.max)
    return StepCost(taken, saved, taken - last, sum(tally.counts.values()))


def max_steps(tally: Tally) -> float | None:
    """Return the `--max-steps` of the latest run; None without it."""
    assert tally.metadata is not None
    return finite_or_none(tally.metadata.options.get("max_steps"))


class ModelPoints(NamedTuple):
    """Points that should come from a model.

    Attributes:
        number: All of them.
        num_without: Those among them that came from none.
    """

    number: int
    num_without: int


def model_points(tally: Tally) -> ModelPoints | None:
    """Return how many points came from a model; None for a search without one. As `summary.model_use` counts them."""
    assert tally.metadata is not None
    number = sum(num for model, num in tally.models.items() if model not in NO_MODELS)
    num_without = tally.models[RANDOM]
    if number == num_without and not tally.metadata.statistics.get("points_without_model"):
        return None
    return ModelPoints(number, num_without)
