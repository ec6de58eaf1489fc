"""Pictures of points: what dimensions matter, and what is found along them."""

from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from dhmpi.analysis import curves
from dhmpi.analysis.importance import Method, Surface, fence, fenced, importances, meaning, surface
from dhmpi.analysis.plots import style
from dhmpi.analysis.plots.view import View
from dhmpi.analysis.summary import why_no_best
from dhmpi.analysis.unit_scales import Encoded, encoded
from dhmpi.errors import ResultsError
from dhmpi.evaluation import State
from dhmpi.results.columns import Array

MOST_BARS, MOST_AXES, MOST_LINES, MOST_CHOICES = 15, 9, 300, 15


def importance(axes: Axes, view: View, method: Method = "fanova") -> Axes:
    """Draw how important the dimensions are, by fANOVA or PED-ANOVA."""
    title = meaning(view.results, method)
    try:
        found = (view.importances if method == "fanova" else importances(view.results, method))[:MOST_BARS]
    except ResultsError as error:
        return style.nothing(axes, title, str(error))
    shares, spreads = 100 * np.array([(each.share, each.spread) for each in found]).T
    axes.barh(range(len(found)), shares, color=style.SKY)
    lower = np.minimum(shares, spreads)
    upper = np.minimum(100.0 - shares, spreads)
    axes.errorbar(shares, range(len(found)), xerr=[lower, upper], fmt="none", ecolor=style.DARK, capsize=3)
    axes.set_yticks(range(len(found)), [style.text(each.name) for each in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(0, max(5.0, min(105.0, 1.1 * float((shares + spreads).max(initial=0.0)))))
    return style.finish(axes, title, "share, and its standard error [%]", "")


def ranked(view: View) -> list[str]:
    """Return the names of the dimensions, the most important first; in their own order if that is not known."""
    try:
        return [each.name for each in view.importances]
    except ResultsError:
        return list(view.results.metadata.space)


def slices(axes: Axes, view: View, name: str) -> Axes:
    """Draw what was found along a dimension."""
    columns = view.results.columns
    done = np.flatnonzero(columns.is_in(State.DONE))
    label = style.text(name)
    if not len(done):
        return style.nothing(axes, label, why_no_best(view.results))
    rows = style.sample(done)
    best = columns.best()
    assert best is not None
    whole = _dimension(view, name, np.append(rows, best))
    dimension = _drawable(whole)
    found = style.drawable(curves.values(view.results)[rows])
    x = dimension.numbers[:-1]
    if dimension.choices:
        x = _categories(axes, dimension, found, x)
    ids = columns.id[rows]
    drawn = axes.scatter(x, found, c=ids, cmap=style.ORDER, s=11, alpha=0.8, linewidths=0, rasterized=True)
    top = style.drawable(curves.values(view.results)[[best]])
    axes.scatter(dimension.numbers[-1:], top, marker="*", s=110, color=style.RED, edgecolor="white", zorder=3)
    style.colour_bar(axes, drawn, "number of the evaluation")
    _scale(axes, dimension, "x")
    if (bounds := style.limits(found)) is not None:
        axes.set_ylim(min(bounds[0], top[0]), max(bounds[1], top[0]))
    named = style.text(view.results.metadata.with_unit(name))
    return style.finish(axes, f"{view.measure} along {label}", _label(whole, named), view.measure)


def _dimension(view: View, name: str, rows: Array) -> Encoded:
    return next(each for each in encoded(view.results, rows) if each.name == name)


def _drawable(dimension: Encoded) -> Encoded:
    """Return a dimension that Matplotlib can draw: in place of an immense range, the share of it."""
    if _is_drawable(dimension):
        return dimension
    return dimension._replace(numbers=dimension.unit, low=0.0, high=1.0, is_log=False)


def _label(dimension: Encoded, name: str) -> str:
    return name if _is_drawable(dimension) else f"{name} [share of its range]"


def _is_drawable(dimension: Encoded) -> bool:
    largest = max(abs(dimension.low), abs(dimension.high))
    return largest < style.LARGEST and not (dimension.is_log and (largest > 1e280 or dimension.low < 1e-280))


def _categories(axes: Axes, dimension: Encoded, found: Array, x: Array) -> Array:
    """Draw the distribution of each category, and return where its points are drawn: beside each other."""
    for place in range(len(dimension.choices)):
        there = found[x == place]
        if len(there) >= 5 and np.ptp(there) > 0 and np.abs(there).max() < 1e100:
            body = axes.violinplot([there], [place], showextrema=False, showmedians=True, widths=0.8)
            for part in cast(list[Any], body["bodies"]):
                part.set_facecolor(style.SKY)
            body["cmedians"].set_color(style.DARK)
    spread: Array = x + np.random.default_rng(0).uniform(-0.12, 0.12, len(x))
    return spread


def _scale(axes: Axes, dimension: Encoded, which: str) -> None:
    """Give an axis the scale of a dimension: logarithmic where it is searched so, names of categories."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    set_scale, set_limits = (axes.set_xscale, axes.set_xlim) if which == "x" else (axes.set_yscale, axes.set_ylim)
    if dimension.choices:
        places, names = style.ticks([_shown(choice) for choice in dimension.choices], MOST_CHOICES)
        axis.set_ticks(places, names)
        if which == "x" and _is_wide(names):
            axes.tick_params(axis="x", rotation=30)
    if dimension.high > dimension.low:
        set_limits(dimension.low, dimension.high)
    if dimension.is_whole:
        axis.set_major_locator(MaxNLocator(6, integer=True))
    if dimension.is_log:
        set_scale("log")  # when limits are set: of a wide range, automatic ones are none


def _shown(choice: object) -> str:
    return style.text(choice, 16)


def _is_wide(names: list[str]) -> bool:
    return sum(map(len, names)) > 45


def pairs(view: View) -> list[tuple[str, str]]:
    """Return the pairs of the three most important dimensions that have more than one value."""
    constant = {each.name for each in encoded(view.results, np.arange(0)) if each.is_constant}
    first = [name for name in ranked(view) if name not in constant][:3]
    return [(one, other) for place, one in enumerate(first) for other in first[place + 1 :]]


def contours(axes: Axes, view: View, pair: tuple[str, str]) -> Axes:
    """Draw what a model predicts over two dimensions, averaged over the others, and the evaluations; dark is good."""
    names = [style.text(view.results.metadata.with_unit(name), 20) for name in pair]
    title = f"predicted {view.measure}"
    try:
        found = surface(view.results, *pair)
    except ResultsError as error:
        return style.nothing(axes, title, str(error))
    value = -found.value if view.results.metadata.maximises else found.value
    colours = f"{style.QUALITY}_r" if view.results.metadata.maximises else style.QUALITY
    drawn = _surface(axes, found, style.drawable(value), colours)
    chosen = style.sample(np.arange(len(found.first.numbers)), 300)
    first, second = _drawable(found.first), _drawable(found.second)
    x, y = first.numbers[chosen], second.numbers[chosen]
    axes.scatter(x, y, s=4, color="white", alpha=0.6, linewidths=0, rasterized=True)
    best = view.results.columns.best()
    if best is not None:
        one, other = (_drawable(_dimension(view, name, np.array([best]))) for name in pair)
        axes.scatter(one.numbers, other.numbers, marker="*", s=120, color=style.RED, edgecolor="white", zorder=3)
    _scale(axes, first, "x")
    _scale(axes, second, "y")
    style.colour_bar(axes, drawn, f"{view.measure}, dark is good")
    return style.finish(axes, title, _label(found.first, names[0]), _label(found.second, names[1]))


def _surface(axes: Axes, found: Surface, value: Array, colours: str) -> Any:
    x, y = (
        places if _is_drawable(each) else np.linspace(0.0, 1.0, len(places))
        for each, places in ((found.first, found.x), (found.second, found.y))
    )
    is_stepped = any(each.choices or each.is_whole for each in (found.first, found.second))
    if is_stepped or float(np.ptp(value)) == 0.0:
        return axes.pcolormesh(x, y, value, shading="nearest", cmap=colours, rasterized=True)
    return axes.contourf(x, y, value, levels=12, cmap=colours)


def parallel(axes: Axes, view: View) -> Axes:
    """Draw evaluations as lines across the most important dimensions; good ones are dark, the best one is red."""
    columns = view.results.columns
    done = np.flatnonzero(columns.is_in(State.DONE))
    title = "evaluations across dimensions"
    if not len(done) or not view.results.metadata.space:
        return style.nothing(axes, title, why_no_best(view.results) if not len(done) else "there is no dimension")
    by_value = done[np.argsort(columns.objective[done], kind="stable")]
    rows = np.concatenate([by_value[:30], style.sample(by_value[30:], MOST_LINES - 30)])[::-1]
    dimensions = {each.name: each for each in encoded(view.results, rows)}
    shown = [dimensions[name] for name in ranked(view)[:MOST_AXES]]
    objective = columns.objective[rows]
    low, high = fence(objective)
    height = fenced(objective) if high > low else np.full(len(rows), 0.5)
    height = 1 - height if view.results.metadata.maximises else height
    lines = np.stack([*(each.unit for each in shown), height], axis=1)
    places = list(range(lines.shape[1]))
    segments = [np.column_stack([places, line]) for line in lines]
    rank = np.linspace(1.0, 0.0, len(rows))
    collection = LineCollection(segments, cmap=style.QUALITY, array=rank, linewidths=0.8, alpha=0.55, rasterized=True)
    axes.add_collection(collection)
    style.colour_bar(axes, collection, f"rank of the {view.measure}, dark is good", ("best", "worst"))
    axes.plot(places, lines[-1], color=style.RED, linewidth=2, label="best")
    for place in places:
        axes.axvline(place, color=style.DARK, linewidth=0.6)
    edges = [_ends(each) for each in shown]
    worst, best = (-low, -high) if view.results.metadata.maximises else (low, high)
    ends = [*edges, (f"{min(worst, best):.3g}", f"{max(worst, best):.3g}")]
    names = [*(style.text(each.name, 14) for each in shown), view.measure]
    rows_of_names = ["\n" * (1 + place % 2 * (len(places) > 6)) for place in places]
    below = [f"{bottom}{row}{name}" for name, row, (bottom, _) in zip(names, rows_of_names, ends, strict=True)]
    axes.set_xticks(places, below)
    for place, (_, top) in zip(places, ends, strict=True):
        axes.text(place, 1.02, top, ha="center", va="bottom", fontsize=7)
    axes.set_yticks([])
    axes.set_xlim(-0.2, len(places) - 0.8)
    axes.set_ylim(-0.02, 1.12)
    style.finish(axes, title, "", "")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelsize=7)
    axes.legend().set_visible(False)
    return axes


def _ends(dimension: Encoded) -> tuple[str, str]:
    if dimension.choices:
        return style.text(dimension.choices[0], 8), style.text(dimension.choices[-1], 8)
    half = 0.5 if dimension.is_whole else 0.0
    return f"{dimension.low + half:.3g}", f"{dimension.high - half:.3g}"
