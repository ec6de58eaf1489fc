"""Pictures of campaigns with several objectives: the Pareto front, and how the hypervolume grew."""

from itertools import combinations
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from dhmpi.analysis.pareto_front import as_returned, hypervolume_curve
from dhmpi.analysis.plots import style
from dhmpi.analysis.plots.view import View
from dhmpi.analysis.summary import why_no_best
from dhmpi.evaluation import Objective

# Pairs of objectives that are drawn, each in a picture of its own.
MOST_PAIRS = 6
ONE = "the problem has one objective"


def pairs(view: View) -> list[tuple[int, int]]:
    """Return the pairs of objectives that are drawn; one for a campaign without, which has a picture that says so."""
    return list(combinations(range(len(view.results.metadata.objectives)), 2))[:MOST_PAIRS] or [(0, 1)]


def pareto(axes: Axes, view: View, pair: tuple[int, int] = (0, 1)) -> Axes:
    """Draw two objectives of the evaluations, and which are in the Pareto set; of two, the front as a line."""
    results, objectives = view.results, view.results.metadata.objectives
    columns, title = results.columns, "Pareto front"
    if not results.metadata.has_several:
        return style.nothing(axes, title, ONE)
    known = np.flatnonzero(~np.isnan(columns.vectors).any(axis=1))
    if not len(known):
        return style.nothing(axes, title, why_no_best(results))
    x, y = as_returned(results, columns.vectors)[:, list(pair)].T
    shown = style.sample(known)
    front = known[columns.is_pareto[known]]
    front = front[np.lexsort((y[front], x[front]))]
    axes.scatter(style.drawable(x[shown]), style.drawable(y[shown]), s=8, color=style.GREY, alpha=0.6, linewidths=0)
    if len(objectives) == 2:
        # What the front dominates has corners towards the worse values of the other objective.
        where: Literal["pre", "post"] = "pre" if objectives[0].maximises else "post"
        axes.step(style.drawable(x[front]), style.drawable(y[front]), where=where, color=style.BLUE, linewidth=1.2)
    axes.scatter(style.drawable(x[front]), style.drawable(y[front]), s=18, color=style.BLUE, linewidths=0)
    of_all = f"{title}: {len(front)} of {len(known)} evaluations"
    return style.finish(axes, of_all, *(style.text(_label(objectives[place])) for place in pair))


def _label(objective: Objective) -> str:
    return f"{objective.name} ({'larger' if objective.maximises else 'smaller'} is better)"


def hypervolume(axes: Axes, view: View) -> Axes:
    """Draw how the hypervolume grew, up to the worst values that were found until the end."""
    title = "hypervolume so far"
    if not view.results.metadata.has_several:
        return style.nothing(axes, title, ONE)
    curve = hypervolume_curve(view.results, "evaluations", view.timeline)
    if not len(curve.x):
        return style.nothing(axes, title, why_no_best(view.results))
    axes.step(curve.x, style.drawable(curve.y), where="post", color=style.BLUE, linewidth=1.8)
    return style.finish(axes, title, "evaluations", "hypervolume")
