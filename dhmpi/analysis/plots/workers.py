"""Pictures of workers: when they were busy, where the time went, and what proposed their points."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from dhmpi.analysis import curves
from dhmpi.analysis.idle import Reason, idle_time
from dhmpi.analysis.lanes import Lanes, lanes, shares
from dhmpi.analysis.plots import style
from dhmpi.analysis.plots.view import View
from dhmpi.evaluation import State
from dhmpi.results.columns import Array
from dhmpi.results.table import STATES

# Of more lanes or spans than these, a Gantt chart shows how busy they were on a grid.
MOST_LANES, MOST_SPANS = 48, 3000
GRID = (100, 600)
MOST_NAMES = 20
NUM_INTERVALS = 60
REASON_COLOURS = dict(
    zip(Reason, (style.SKY, style.ORANGE, style.YELLOW, style.PURPLE, style.GREEN, style.GREY, style.DARK), strict=True)
)


def gantt(axes: Axes, view: View) -> Axes:
    """Draw when each worker evaluated; of many workers, how busy they were."""
    found = lanes(view.results, view.timeline)
    total = float(found.edges[-1])
    if not len(found.lane) or total <= 0:
        return style.nothing(axes, "workers", "no evaluation has begun")
    scale, label = style.time_scale(total)
    is_dense = len(found.names) > MOST_LANES or len(found.lane) > MOST_SPANS
    present = (_dense if is_dense else _sparse)(axes, found, scale)
    places, names = style.ticks(found.names, MOST_NAMES)
    axes.set_yticks(places, names)
    axes.set_ylim(len(found.names) - 0.5, -0.5)
    axes.set_xlim(0, total / scale)
    style.runs(axes, found.edges, scale)
    who = f"{len(found.names)} workers" if len(found.names) > 1 else "the worker"
    style.finish(axes, f"what {who} did", label, "")
    patches = [Patch(color=style.STATE_COLOURS[state], label=state.value) for state in present]
    return style.legend_below(axes, patches)


def _sparse(axes: Axes, found: Lanes, scale: float) -> list[State]:
    present = [STATES[code] for code in np.unique(found.state).tolist()]
    for state in present:
        chosen = found.state == STATES.index(state)
        left, width = found.start[chosen] / scale, (found.end - found.start)[chosen] / scale
        colour = style.STATE_COLOURS[state]
        # Short ones would be nothing but edge.
        edges = ["white" if each else colour for each in (width * scale > 0.005 * found.edges[-1]).tolist()]
        axes.barh(found.lane[chosen], width, left=left, height=0.8, color=colour, edgecolor=edges, linewidth=0.4)
    return present


def _dense(axes: Axes, found: Lanes, scale: float) -> list[State]:
    num_lanes = min(GRID[0], len(found.names))
    image = np.ones((num_lanes, GRID[1], 3))
    present = [STATES[code] for code in np.unique(found.state).tolist()]
    for state in present:
        share = shares(found, num_lanes, GRID[1], found.state == STATES.index(state))
        image -= share[:, :, None] * (1.0 - np.array(to_rgb(style.STATE_COLOURS[state])))
    extent = (0.0, float(found.edges[-1]) / scale, len(found.names) - 0.5, -0.5)
    axes.imshow(np.clip(image, 0, 1), aspect="auto", extent=extent, interpolation="nearest")
    return present


def utilisation(axes: Axes, view: View) -> Axes:
    """Draw how many workers were busy over time, and the mean."""
    found = curves.utilisation(view.results, view.timeline, 200)
    if found.mean is None:
        return style.nothing(axes, "busy workers", "no run has taken any time")
    scale, label = style.time_scale(view.timeline.duration)
    axes.stairs(found.busy, found.edges / scale, fill=True, color=style.BLUE, alpha=0.35)
    axes.stairs(found.busy, found.edges / scale, color=style.BLUE, linewidth=1.2)
    axes.stairs(found.available, found.edges / scale, color=style.DARK, linewidth=1.0, baseline=None, label="workers")
    mean = found.mean * float(found.available.mean())
    axes.axhline(mean, color=style.RED, linewidth=1.2, linestyle="--", label=f"mean, {100 * found.mean:.1f} %")
    axes.set_ylim(0, 1.25 * max(float(found.available.max()), 1.0))
    style.runs(axes, view.timeline.bounds, scale)
    style.finish(axes, "busy workers", label, "workers")
    axes.legend(fontsize=style.SMALL, frameon=False, ncols=2, loc="upper right")
    return axes


def idle(axes: Axes, view: View) -> Axes:
    """Draw where the time of the workers went: busy by state, idle by reason."""
    found = idle_time(view.results, view.timeline)
    title = "where the workers' time went"
    if found.available <= 0:
        return style.nothing(axes, title, "no run has taken any time")
    spent = sum(found.spent.values()) or 1.0
    bars = [
        (f"busy, {state}", seconds / spent * found.busy, style.STATE_COLOURS[state])
        for state, seconds in sorted(found.spent.items(), key=lambda part: -part[1])
    ]
    bars += [
        (f"idle, {why}", seconds, REASON_COLOURS[why])
        for why, seconds in sorted(found.idle.items(), key=lambda part: -part[1])
    ]
    for place, (_, seconds, colour) in enumerate(bars):
        share = 100 * seconds / found.available
        axes.barh(place, share, color=colour)
        axes.text(share + 1, place, f"{share:.1f} %", va="center", fontsize=style.SMALL)
    axes.set_yticks(range(len(bars)), [name for name, _, _ in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 115)
    return style.finish(axes, title, f"share of {found.available:.4g} worker-seconds [%]", "")


def models(axes: Axes, view: View) -> Axes:
    """Draw what proposed the points: shares of start, design, random and modes of the model."""
    found = curves.origins(view.results, view.timeline)
    title, unnamed = "what proposed the points", _unnamed(view)
    if not len(found.codes):
        return style.nothing(axes, title, "there is no evaluation")
    if found.names in ([], [""]):
        return style.nothing(axes, title, f"all points: {unnamed}")
    edges = _edges(len(found.codes))
    interval = np.searchsorted(edges, np.arange(len(found.codes)), side="right") - 1
    counts = np.zeros((len(found.names), len(edges) - 1))
    np.add.at(counts, (found.codes, interval), 1)
    bottom = np.zeros(len(edges) - 1)
    for place, name in enumerate(found.names):
        share = 100 * counts[place] / counts.sum(axis=0)
        colour = style.PALETTE[place % len(style.PALETTE)]
        label = style.text(name) if name else unnamed
        axes.bar(edges[:-1], share, np.diff(edges), bottom=bottom, align="edge", color=colour, label=label)
        bottom += share
    axes.set_ylim(0, 100)
    style.finish(axes, title, "evaluation", "points [%]")
    if "ask_median" in found.latency:
        asked = f"asking took {1000 * found.latency['ask_median']:.3g} ms"
        asked += f", 99 %: {1000 * found.latency['ask_p99']:.3g} ms" if "ask_p99" in found.latency else ""
        axes.set_xlabel(f"evaluation; {asked}", fontsize=9)
    return style.legend_below(axes)


def _unnamed(view: View) -> str:
    """Return what proposed those points that name no origin."""
    if view.results.metadata.search in ("hps-random", "nas-random"):
        return "drawn at random, without a model"
    return "chosen by agents" if len(view.results.policy) else "of an origin that is not in the file"


def ages(axes: Axes, view: View) -> Axes:
    """Draw how many results the search knew that its model did not."""
    found = curves.origins(view.results, view.timeline)
    known = np.flatnonzero(np.isfinite(found.age))
    if not len(known):
        return style.nothing(axes, "results that the model did not know", "no point came from a model")
    edges = _edges(len(found.age))
    parts = np.split(found.age[known], np.searchsorted(known, edges[1:-1]))
    filled = [place for place, part in enumerate(parts) if len(part)]
    middles = (edges[:-1] + edges[1:])[filled] / 2
    median, high = np.array([np.quantile(parts[place], (0.5, 0.9)) for place in filled]).T
    axes.fill_between(middles, 0, high, color=style.BLUE, alpha=0.2, linewidth=0, label="90 %")
    axes.plot(middles, median, color=style.BLUE, linewidth=1.6, label="median")
    axes.set_ylim(bottom=0)
    return style.finish(axes, "results that the model did not know", "evaluation", "results")


def _edges(num: int) -> Array:
    edges: Array = np.unique(np.linspace(0, num, NUM_INTERVALS + 1).astype(int))
    return edges
