"""Lanes of a Gantt chart: what each worker did, and when."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dhmpi.analysis.timeline import Timeline
from dhmpi.errors import OptionError
from dhmpi.results import Results, rank_table
from dhmpi.results.columns import Array
from dhmpi.support.printing import in_short


class Lanes(NamedTuple):
    """Lanes of a Gantt chart, one for each worker: a rank, or a group of ranks.

    Attributes:
        names: Who they are: `rank 3`, `ranks 4-7, GPUs 0-3`, with the host where there are several.
        lane: For each span the place of its lane.
        start: When it began [s].
        end: When it ended [s].
        state: The state of its evaluation, its place in `STATES`.
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
    spans, columns = timeline.spans, results.columns
    leaders: dict[int, str] = {}
    for run in timeline.runs:
        leaders |= _workers(run)
    hosts: dict[int, str] = {}
    ranks, first = np.unique(spans.rank, return_index=True)
    for rank, host in zip(ranks.tolist(), columns.host.at(spans.row[first]).tolist(), strict=True):
        hosts[rank] = host
    known = sorted({*leaders, *ranks.tolist()})
    several = len({*hosts.values()}) > 1
    names = [_name(leaders.get(rank, ""), rank, hosts.get(rank, "") if several else "") for rank in known]
    lane = np.searchsorted(np.array(known, np.int64), spans.rank)
    return Lanes(names, lane, spans.start, spans.end, columns.state[spans.row], spans.row, timeline.bounds)


def _name(worker: str, rank: int, host: str) -> str:
    if rank < 0:
        return "unknown"
    return ", ".join(filter(None, (worker or f"rank {rank}", host)))


def _workers(run: Mapping[str, Any]) -> dict[int, str]:
    """Return who the workers of a run are, by the first of their ranks; nothing if its file does not say."""
    if "roles" not in run:
        return {}
    try:
        table = rank_table.rows(run)
    except (KeyError, TypeError, AttributeError, ValueError, OptionError):
        return {}  # another program has written them
    members: dict[str, list[rank_table.Row]] = {}
    for row in table:
        if row.worker:
            members.setdefault(row.worker, []).append(row)
    return {int(group[0].rank): _described(group) for group in members.values()}


def _described(group: Sequence[rank_table.Row]) -> str:
    ranks = [int(row.rank) for row in group]
    gpus = [gpu for row in group for gpu in row.gpus.split(",") if gpu]
    named = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {in_short(ranks)}"
    if not gpus:
        return named
    devices = in_short(sorted(set(map(int, gpus)))) if all(map(str.isdigit, gpus)) else ", ".join(dict.fromkeys(gpus))
    return f"{named}, {'GPU' if len(gpus) == 1 else 'GPUs'} {devices}"


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
