"""Pictures of how campaigns went on: the best value so far, states, failures, and searches compared."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from dhmpi.analysis import curves
from dhmpi.analysis.comparison import Comparison, SearchGroup
from dhmpi.analysis.curves import Axis, Curve
from dhmpi.analysis.plots import style
from dhmpi.analysis.plots.view import View
from dhmpi.analysis.step_curves import NO_REPORTS
from dhmpi.analysis.summary import why_no_best
from dhmpi.evaluation import State

MOST_CAUSES = 5
LABELS = {"evaluations": "evaluations", "steps": "steps of all evaluations"}


def incumbent(axes: Axes, view: View, axis: Axis = "evaluations") -> Axes:
    """Draw the best value so far, and the values of the evaluations."""
    curve = curves.incumbent(view.results, axis, view.timeline)
    title, (scale, label) = f"best {view.measure} so far", _scale(axis, view.timeline.duration)
    if not len(curve.x):
        has_steps = axis != "steps" or np.isfinite(view.results.columns.step).any()
        return style.nothing(axes, title, why_no_best(view.results) if has_steps else NO_REPORTS)
    rows = curves.in_order(view.results, view.timeline)
    places = curves.places(view.results, view.timeline, rows, axis)
    values = curves.values(view.results)[rows]
    shown = style.sample(np.flatnonzero(np.isfinite(values)))
    found = style.drawable(values[shown])
    axes.scatter(places[shown] / scale, found, s=6, color=style.GREY, alpha=0.6, linewidths=0, rasterized=True)
    axes.step(curve.x / scale, style.drawable(curve.y), where="post", color=style.BLUE, linewidth=1.8)
    if axis == "seconds":
        style.runs(axes, view.timeline.bounds, scale)
    if (bounds := style.limits(found)) is not None:
        best = style.drawable(curve.y[-1:])[0]
        axes.set_ylim(min(bounds[0], best), max(bounds[1], best))
    return style.finish(axes, title, label, view.measure)


def _scale(axis: Axis, seconds: float) -> tuple[float, str]:
    """Return by what places of an axis are divided, and its label."""
    return style.time_scale(seconds) if axis == "seconds" else (1.0, LABELS[axis])


def compared(axes: Axes, comparison: Comparison, axis: Axis = "evaluations") -> Axes:
    """Draw the best values so far of several searches: medians, and bands between the quartiles."""
    measure = style.text(comparison.measure)
    longest = max([each.x[-1] for group in comparison.groups for each in group.seconds], default=0.0)
    scale, label = _scale(axis, longest)
    drawn = []
    num = len(comparison.groups)
    for place, (group, colour) in enumerate(zip(comparison.groups, _colours(comparison.groups), strict=True)):
        band = {"evaluations": group.by_evaluations, "seconds": group.by_seconds, "steps": group.by_steps}[axis]
        if not len(band.x):
            continue
        x, median = band.x / scale, style.drawable(band.median)
        name = f"{style.text(group.name)} ({band.num})" if band.num > 1 else style.text(group.name)
        axes.step(x, median, where="post", color=colour, linewidth=style.nested_width(place, num), label=name)
        if band.num > 1:
            lower, upper = style.drawable(band.lower), style.drawable(band.upper)
            axes.fill_between(x, lower, upper, step="post", color=colour, alpha=0.2, linewidth=0)
        drawn.append(median)
    if not drawn:
        why = NO_REPORTS if axis == "steps" else "no evaluation has succeeded"
        return style.nothing(axes, f"best {measure} so far", why)
    if (bounds := style.limits(np.concatenate(drawn))) is not None:
        axes.set_ylim(*bounds)
    several = any(group.num_campaigns > 1 for group in comparison.groups)
    title = f"best {measure} so far" + (", median and quartiles" if several else "")
    return style.finish(axes, title, label, measure)


def _colours(groups: Sequence[SearchGroup]) -> list[str]:
    return [style.PALETTE[place % len(style.PALETTE)] for place in range(len(groups))]


def finals(axes: Axes, comparison: Comparison) -> Axes:
    """Draw the best values of campaigns after as many evaluations each, by search."""
    measure = style.text(comparison.measure)
    title = f"best {measure} after {comparison.num_evaluations} evaluations"
    if not any(len(group.finals) for group in comparison.groups):
        return style.nothing(axes, title, "no evaluation has succeeded")
    for place, (group, colour) in enumerate(zip(comparison.groups, _colours(comparison.groups), strict=True)):
        found = style.drawable(group.finals)
        if not len(found):
            continue
        spread = place + np.linspace(-0.15, 0.15, len(found)) if len(found) > 1 else np.array([float(place)])
        axes.scatter(spread, found, s=18, color=colour, alpha=0.8, linewidths=0)
        axes.hlines(float(np.median(found)), place - 0.25, place + 0.25, color=colour, linewidth=2)
    places, names = style.ticks([group.name for group in comparison.groups], 12)
    axes.set_xticks(places, names)
    axes.set_xlim(-0.6, len(comparison.groups) - 0.4)
    label = ""
    if len(comparison.tests) == 1:
        label = f"Mann-Whitney test: p = {comparison.tests[0].p_value:.2g}"
    return style.finish(axes, title, label, measure)


def targets(axes: Axes, comparison: Comparison) -> Axes:
    """Draw which share of the campaigns of each search had reached the target after so many evaluations."""
    if comparison.target is None:
        return style.nothing(axes, "target reached", "a search has no campaign with a value, so there is no target")
    num = len(comparison.groups)
    for place, (group, colour) in enumerate(zip(comparison.groups, _colours(comparison.groups), strict=True)):
        longest = max([each.x[-1] for each in group.evaluations], default=0.0)
        reached = np.sort(group.evaluations_to_target[np.isfinite(group.evaluations_to_target)])
        curve = Curve(
            np.concatenate([[0.0], reached, [longest]]),
            np.concatenate([np.arange(len(reached) + 1.0), [len(reached)]]) / max(group.num_campaigns, 1),
        )
        width = style.nested_width(place, num)
        axes.step(curve.x, 100 * curve.y, where="post", color=colour, linewidth=width, label=style.text(group.name))
    axes.set_ylim(-3, 103)
    title = f"campaigns that have reached {comparison.target:.4g}"
    return style.finish(axes, title, "evaluations", "campaigns [%]")


def states(axes: Axes, view: View) -> Axes:
    """Draw how many evaluations were in which state over time."""
    if not len(view.results.columns):
        return style.nothing(axes, "evaluations by state", "there is no evaluation")
    found = curves.states(view.results, view.timeline)
    scale, label = style.time_scale(view.timeline.duration)
    layers = [(state, found.ended[state]) for state in style.STATE_COLOURS if state in found.ended]
    layers += [(state, num) for state, num in ((State.RUNNING, found.running), (State.PENDING, found.waiting))]
    layers = [(state, num) for state, num in layers if num.any()]
    if not layers:
        return style.nothing(axes, "evaluations by state", "no evaluation has begun")
    colours = [style.STATE_COLOURS[state] for state, _ in layers]
    names = [state.value for state, _ in layers]
    axes.stackplot(found.x / scale, [num for _, num in layers], colors=colours, labels=names, linewidth=0)
    style.runs(axes, view.timeline.bounds, scale)
    style.finish(axes, "evaluations by state", label, "evaluations")
    return style.legend_below(axes)


def failures(axes: Axes, view: View) -> Axes:
    """Draw how many evaluations had failed over time, by cause."""
    causes = curves.failures(view.results, view.timeline)
    if not causes:
        return style.nothing(axes, "failures by cause", "no evaluation has failed")
    scale, label = style.time_scale(view.timeline.duration)
    kinds = [(f"{len(each.rows)} x {each.state}: {each.line or 'no error'}", each.seconds) for each in causes]
    if len(kinds) > MOST_CAUSES:
        others = np.sort(np.concatenate([seconds for _, seconds in kinds[MOST_CAUSES - 1 :]]))
        num = len(kinds) - MOST_CAUSES + 1
        kinds = [*kinds[: MOST_CAUSES - 1], (f"{len(others)} x of {num} more kinds", others)]
    colours = style.RED, style.ORANGE, style.PURPLE, style.DARK, style.GREY
    for number, ((name, seconds), colour) in enumerate(zip(kinds, colours, strict=False)):
        places = np.unique(np.linspace(0, max(len(seconds) - 1, 0), 500).astype(int))[: len(seconds)]
        x = np.concatenate([[0.0], seconds[places], [view.timeline.duration]]) / scale
        y = np.concatenate([[0], places + 1, [len(seconds)]])
        width = style.nested_width(number, len(kinds))
        axes.step(x, y, where="post", color=colour, linewidth=width, label=style.text(name, 56))
    most = max(len(seconds) for _, seconds in kinds)
    axes.set_ylim(0, max(1.0, most * (1.1 + 0.1 * len(kinds))))  # room for the legend
    style.runs(axes, view.timeline.bounds, scale)
    return style.finish(axes, "failures by cause", label, "failures")
