"""Lanes of a Gantt chart: what each worker did, and when."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dhmpi.analysis.timeline import Timeline
from dhmpi.analysis.worker_names import names_of_workers, word_of_workers
from dhmpi.results import Results
from dhmpi.results.columns import Array


class Lanes(NamedTuple):
    """Lanes of a Gantt chart, one for each worker: a rank, a group of ranks, or one of a pool.

    Attributes:
        names: Who they are: `rank 3`, `ranks 4-7, GPUs 0-3`, `worker 0`, with the host where there are several.
        lane: For each span the place of its lane.
        start: When it began [s].
        end: When it ended [s].
        state: The state in which it ended, its place in `STATES`.
        row: The row of its evaluation.
        edges: Where runs begin, and where the last one ends [s].
    """

    names: Sequence[str]
    lane: Array
    start: Array
    end: Array
    state: Array
    row: Array
    edges: Array


def lanes(results: Results, timeline: Timeline | None = None) -> Lanes:
    """Return what each worker did; workers that never had anything to do have a lane if the file names them."""
    timeline = timeline or Timeline(results)
    spans = timeline.spans
    leaders: dict[int, str] = {}
    for run in timeline.runs:
        leaders |= names_of_workers(run)
    hosts: dict[int, str] = {}
    ranks, first = np.unique(spans.rank, return_index=True)
    for rank, host in zip(ranks.tolist(), spans.host[first].tolist(), strict=True):
        hosts[rank] = timeline.hosts[host]
    known = sorted({*leaders, *ranks.tolist()})
    several = len({*hosts.values()}) > 1
    word = word_of_workers(results.metadata)
    names = [
        _name(leaders.get(rank) or f"{word} {rank}", rank, hosts.get(rank, "") if several else "") for rank in known
    ]
    lane = np.searchsorted(np.array(known, np.int64), spans.rank)
    return Lanes(names, lane, spans.start, spans.end, spans.state, spans.row, timeline.bounds)


def _name(worker: str, rank: int, host: str) -> str:
    if rank < 0:
        return "unknown"
    return ", ".join(filter(None, (worker, host)))


def shares(found: Lanes, num_lanes: int, num_times: int, chosen: Array | None = None) -> Array:
    """Return how busy lanes were, for a chart with less room than there are lanes and spans.

    Args:
        found: The lanes.
        num_lanes: Rows of the chart; neighbouring lanes share one.
        num_times: Its columns, equal intervals of time.
        chosen: Which of the spans count, bool. Default: all.

    Returns:
        Busy worker-seconds / worker-seconds, shape (num_lanes, num_times).
    """
    total, num = float(found.edges[-1]), len(found.names)
    if total <= 0 or not num:
        return np.zeros((num_lanes, num_times))
    chosen = np.ones(len(found.lane), bool) if chosen is None else chosen
    place = found.lane[chosen] * num_lanes // num
    busy = np.zeros((num_lanes, num_times + 2))
    # Each moment lets the time since then grow: by a part of its own interval, and by all of those behind it.
    for moments, sign in ((found.start[chosen], 1.0), (found.end[chosen], -1.0)):
        position = np.clip(moments / total * num_times, 0.0, num_times)
        interval = np.minimum(position.astype(np.int64), num_times)
        part = position - interval
        np.add.at(busy, (place, interval), sign * (1.0 - part))
        np.add.at(busy, (place, interval + 1), sign * part)
    sizes = np.bincount(np.arange(num) * num_lanes // num, minlength=num_lanes)
    filled = np.cumsum(busy, axis=1)[:, :num_times] / np.maximum(sizes, 1)[:, None]
    return np.clip(filled, 0.0, 1.0)
