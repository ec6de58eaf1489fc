"""Pictures of architecture searches: what agents found and learned, and how much of the space they saw."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from dhmpi.analysis import curves
from dhmpi.analysis.duplicates import duplicates
from dhmpi.analysis.plots import style
from dhmpi.analysis.plots.view import View
from dhmpi.analysis.summary import why_no_best

# What is drawn of a policy: column, title, unit.
LEARNED = {
    "entropy": ("entropy of the policy", "entropy of a decision [nat]"),
    "kl": ("how far updates move the policy", "KL divergence [nat]"),
    "clip_fraction": ("clipped decisions", "share of decisions"),
    "staleness_mean": ("staleness", "steps of the policy"),
}


def rewards(axes: Axes, view: View) -> Axes:
    """Draw the moving average of what was found, and the band of its 10 % and 90 % quantiles."""
    found = curves.rolling(view.results)
    title = f"{view.measure} of the latest {found.window} evaluations"
    if not found.window:
        return style.nothing(axes, f"latest {view.measure}s", why_no_best(view.results))
    x, lower, upper = found.x, style.drawable(found.lower), style.drawable(found.upper)
    axes.fill_between(x, lower, upper, color=style.BLUE, alpha=0.2, linewidth=0, label="10 % to 90 %")
    axes.plot(x, style.drawable(found.mean), color=style.BLUE, linewidth=1.8, label="mean")
    return style.finish(axes, title, "evaluations", view.measure)


def learned(axes: Axes, view: View, column: str = "entropy") -> Axes:
    """Draw a figure of the policy's updates: one of `LEARNED`; a dot for each, and their moving average."""
    title, label = LEARNED[column]
    found = curves.learning(view.results, view.timeline)
    values = found.columns[column]
    known = np.flatnonzero(np.isfinite(values) & (found.columns["episodes"] > 0))
    if not len(known):
        return style.nothing(axes, title, "no agent has learned anything")
    x, y = found.episodes[known], style.drawable(values[known])
    shown = style.sample(np.arange(len(x)))
    axes.scatter(x[shown], y[shown], s=7, color=style.GREY, alpha=0.6, linewidths=0, rasterized=True)
    window = max(1, len(y) // 20)
    sums = np.cumsum(np.append(0.0, y))
    means = (sums[window:] - sums[:-window]) / window
    kept = style.sample(np.arange(len(means)), 500)
    axes.plot(
        x[window - 1 :][kept],
        means[kept],
        color=style.BLUE,
        linewidth=1.8,
        label=f"mean of {window} updates" if window > 1 else None,
    )
    return style.finish(axes, title, "architectures learned from", label)


def distinct(axes: Axes, view: View) -> Axes:
    """Draw how many different points there were, how many needed no evaluation, and their share of the space."""
    found = duplicates(view.results)
    if not len(found.rows):
        return style.nothing(axes, "different points", "no evaluation has ended")
    place = style.sample(np.arange(len(found.rows)), 500)
    axes.plot(place + 1, place + 1, color=style.LIGHT, linewidth=5.0, label="evaluations")
    axes.plot(place + 1, found.distinct[place], color=style.BLUE, linewidth=1.8, label="different points")
    if found.hits[-1]:
        axes.plot(place + 1, found.hits[place], color=style.ORANGE, linewidth=1.8, label="answered from the cache")
    learning = curves.learning(view.results, view.timeline)
    hits = learning.columns["hits"].sum()
    title = "different points"
    if len(learning.episodes):
        title += f"; {hits:.0f} of {learning.episodes[-1]:.0f} architectures learned from were known already"
    elif found.size is not None:
        title += f": {_percent(found.distinct[-1] / found.size)} of the space"
    style.finish(axes, title, "evaluations", "points")
    if found.size is not None and found.size < 1e6:
        size = found.size
        share = axes.secondary_yaxis("right", functions=(lambda n: np.divide(n, size), lambda s: np.multiply(s, size)))
        share.yaxis.set_major_formatter(PercentFormatter(1.0))
        share.tick_params(labelsize=style.SMALL)
        share.set_ylabel(f"share of {found.size} points", fontsize=9)
    return axes


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
