"""Pareto set of a campaign: its size, its hypervolume, and how that went on."""

from typing import NamedTuple

import numpy as np

from dhmpi.analysis.curves import Axis, Curve, in_order, places
from dhmpi.analysis.timeline import Timeline
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.support.hypervolume import growing_area, hypervolume, reference_point
from dhmpi.support.pareto import is_non_dominated

# Places of a curve for which hypervolumes are computed, of three objectives and of more.
NUM_PLACES, FEW_PLACES = 60, 15


class ParetoFront(NamedTuple):
    """Pareto front of a campaign.

    Attributes:
        size: How many evaluations are in the set.
        hypervolume: What they dominate up to the reference point; None if that would take too long.
        reference: The reference point, as people see it: the worst value of each objective that was found.
    """

    size: int
    hypervolume: float | None
    reference: Array


def pareto_front(results: Results) -> ParetoFront | None:
    """Return the front of a campaign with several objectives; None if there are not, or nothing is DONE."""
    if not results.metadata.has_several:
        return None
    columns = results.columns
    worst = reference_point(columns.vectors)
    if worst is None:
        return None
    found = hypervolume(columns.vectors[columns.is_pareto], worst)
    return ParetoFront(int(columns.is_pareto.sum()), found, as_returned(results, worst))


def as_returned(results: Results, values: Array) -> Array:
    """Return vectors of objectives as run functions return them, or the other way round."""
    return np.where([each.maximises for each in results.metadata.objectives], -values, values)


def hypervolume_curve(results: Results, axis: Axis = "evaluations", timeline: Timeline | None = None) -> Curve:
    """Return the hypervolume so far; the reference point is the worst that was found until the end.

    Args:
        results: A campaign with several objectives.
        axis: What it is drawn against.
        timeline: That of the campaign, if it has been made.
    """
    timeline = timeline or Timeline(results)
    rows = in_order(results, timeline)
    place, worst = places(results, timeline, rows, axis), reference_point(results.columns.vectors)
    known = np.flatnonzero(np.isfinite(place) & ~np.isnan(results.columns.vectors[rows]).any(axis=1))
    known = known[np.argsort(place[known], kind="stable")]
    if worst is None or not len(known):
        return Curve(np.empty(0), np.empty(0))
    vectors, at = results.columns.vectors[rows[known]], place[known]
    if vectors.shape[1] == 2:
        volumes = np.fromiter(growing_area(vectors, worst), float, len(vectors))
    else:
        num = NUM_PLACES if vectors.shape[1] == 3 else FEW_PLACES
        chosen = np.unique(np.linspace(0, len(vectors) - 1, num).round().astype(int))
        at, volumes = at[chosen], _volumes(vectors, chosen, worst)
    changes = np.flatnonzero(np.append(True, volumes[1:] != volumes[:-1]) & ~np.isnan(volumes))
    if not len(changes):
        return Curve(np.empty(0), np.empty(0))
    end = timeline.duration if axis == "seconds" else float(place[np.isfinite(place)].max())
    last = [] if at[changes[-1]] >= end else [end]
    return Curve(np.append(at[changes], last), np.append(volumes[changes], volumes[changes[-1:]][: len(last)]))


def _volumes(vectors: Array, chosen: Array, worst: Array) -> Array:
    """Return the hypervolume of the first vectors, until each of some places; NaN where that would take too long."""
    front, begin, found = vectors[:0], 0, []
    for place in chosen.tolist():
        front = np.concatenate([front, vectors[begin : place + 1]])
        front, begin = front[is_non_dominated(front)], place + 1
        volume = hypervolume(front, worst)
        found.append(np.nan if volume is None else volume)
    return np.array(found)
