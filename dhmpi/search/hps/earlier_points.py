"""Warm starts of searches: the option, and which points of earlier campaigns come first."""

from collections.abc import Sequence
from dataclasses import dataclass

from dhmpi.evaluation import Observation, Point
from dhmpi.search.hps.hp_search import PointsOptions
from dhmpi.space.choices import Categorical
from dhmpi.space.space import Space
from dhmpi.support.options import option, texts

# Points nearer to each other than this, in shares of the widths of all dimensions, are not distinct.
DISTINCT = 0.05


@dataclass(frozen=True, kw_only=True)
class WarmStartOptions(PointsOptions):
    """Options of searches that make use of earlier results."""

    warm_start: tuple[str, ...] | None = option(
        None,
        texts,
        "results of earlier campaigns on this or a similar problem, to begin with: results files, CSV files, Optuna's "
        "journals or databases",
    )


def best_points(space: Space, observations: Sequence[Observation], num: int) -> list[Point]:
    """Return the best points of earlier campaigns that are distinct, those of all sources in turns.

    Args:
        space: Where they lie.
        observations: What is known of them.
        num: How many, if there are as many.
    """
    ranked: dict[int, list[Observation]] = {}
    for each in sorted(observations, key=lambda each: each.objective):
        ranked.setdefault(each.source, []).append(each)
    found: list[Point] = []
    queues = [iter(several) for _, several in sorted(ranked.items())]
    while queues and len(found) < num:
        queue = queues.pop(0)
        new = (each.point for each in queue if all(_distance(space, each.point, one) > DISTINCT for one in found))
        point = next(new, None)
        if point is not None:
            found.append(point)
            queues.append(queue)
    return found


def _distance(space: Space, left: Point, right: Point) -> float:
    """Return the mean distance of two points over the dimensions, each from 0 to 1."""
    total = 0.0
    for name, dim in zip(space.names, space.dimensions, strict=True):
        if name in left and name in right:
            if isinstance(dim, Categorical):
                total += dim.index(left[name]) != dim.index(right[name])
            else:
                one, other = dim.to_unit([left[name], right[name]]).tolist()
                total += abs(one - other)
        else:
            total += (name in left) != (name in right)
    return total / len(space.names)
