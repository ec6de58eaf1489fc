"""Style of pictures: colours, texts and scales. Nothing here is global: others' pictures stay as they are."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from dhmpi.evaluation import State
from dhmpi.results.columns import Array
from dhmpi.support.printing import escape

# Colours that people with any colour vision can tell apart (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
)
GREY, LIGHT, DARK = "#999999", "#DDDDDD", "#333333"
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, DARK)
STATE_COLOURS: Mapping[State, str] = {
    State.DONE: BLUE,
    State.STOPPED: GREEN,
    State.PAUSED: DARK,
    State.FAILED: RED,
    State.TIMEOUT: ORANGE,
    State.LOST: PURPLE,
    State.CANCELLED: GREY,
    State.RUNNING: SKY,
    State.PENDING: LIGHT,
}
SMALL = 8
# Colours from the best to the worst, and from the first to the last: dark is what counts.
QUALITY = "viridis"
ORDER = LinearSegmentedColormap.from_list("order", ["#B9D5EC", "#0072B2", "#08264B"])
# Axes of what is counted, in whole numbers.
COUNTED = {
    *("evaluation", "evaluations", "evaluations that have ended", "points", "results", "failures"),
    *("workers", "architectures learned from", "number of the evaluation"),
}
# Characters of a line of a title, of which long names beside the axes take some, and those that it has in any case.
TITLE_WIDTH, SHORT_NAME, LEAST_TITLE_WIDTH = 52, 6, 28
# Columns of a legend below axes.
LEGEND_COLUMNS = 5
# Characters of a name, and points of a scatter plot, at most.
LONGEST = 28
MOST_POINTS = 2000
LARGEST = 1e300


def text(value: object, longest: int = LONGEST) -> str:
    """Return a name or a value as it may stand in a picture: in one line, not too long, and no formula."""
    shown = escape(value if isinstance(value, str) else repr(value), keep="")
    shown = shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
    return shown.replace("$", r"\$")


def finish(axes: Axes, title: str, x: str, y: str) -> Axes:
    """Give axes their title and labels, and return them."""
    _entitle(axes, title)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    for axis, label in ((axes.xaxis, x), (axes.yaxis, y)):
        if label in COUNTED:
            axis.set_major_locator(_whole_numbers())
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=SMALL, frameon=False)
    return axes


def legend_below(axes: Axes, handles: Sequence[Any] | None = None) -> Axes:
    """Draw the legend below axes whose data may be anywhere, and return these.

    Args:
        axes: With their labels.
        handles: What stands in the legend. Default: what is drawn that has a label.
    """
    shown = axes.get_legend_handles_labels()[0] if handles is None else handles
    form: dict[str, Any] = {"fontsize": SMALL - 1, "frameon": False, "columnspacing": 1.2, "handletextpad": 0.5}
    axes.legend(
        handles=shown, ncols=min(len(shown), LEGEND_COLUMNS), loc="upper center", bbox_to_anchor=(0.5, -0.16), **form
    )
    return axes


def _entitle(axes: Axes, title: str) -> None:
    longest = max((len(label.get_text()) for label in axes.get_yticklabels()), default=0)
    width = max(LEAST_TITLE_WIDTH, TITLE_WIDTH - max(0, longest - SHORT_NAME))
    axes.set_title(textwrap.fill(title, width), fontsize=10, loc="left")


def _whole_numbers() -> MaxNLocator:
    return MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)


def nested_width(place: int, num: int) -> float:
    """Return the width of one of several lines: of equal lines, the first ones are seen around the later ones."""
    return 1.6 + 1.5 * min(num - 1 - place, 4)


def colour_bar(axes: Axes, drawn: Any, label: str, ends: Sequence[str] = ()) -> None:
    """Draw beside axes what the colours mean; `ends` are texts for the lower and the upper end, in place of numbers."""
    bar = axes.figure.colorbar(drawn, ax=axes)
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)
    bar.set_label(label, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL - 1)
    if ends:
        bar.set_ticks([drawn.norm.vmin, drawn.norm.vmax], labels=list(ends))
    elif label in COUNTED:
        bar.locator = _whole_numbers()
        bar.update_ticks()


def nothing(axes: Axes, title: str, why: str) -> Axes:
    """Say in axes why there is nothing to draw, and return them."""
    _entitle(axes, title)
    axes.set_axis_off()
    axes.text(0.5, 0.5, text(why, 200), ha="center", va="center", fontsize=9, wrap=True, transform=axes.transAxes)
    return axes


def time_scale(seconds: float) -> tuple[float, str]:
    """Return by what seconds are divided so that so many are a number that people read, and the label of the axis."""
    for length, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 3 * length:
            return length, f"time [{unit}]"
    return 1.0, "time [s]"


def drawable(values: Array) -> Array:
    """Return values that Matplotlib can compute with."""
    clipped: Array = np.clip(values, -LARGEST, LARGEST)
    return clipped


def sample(rows: Array, most: int = MOST_POINTS) -> Array:
    """Return at most so many of some rows, evenly chosen."""
    if len(rows) <= most:
        return rows
    chosen: Array = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    return chosen


def limits(values: Array) -> tuple[float, float] | None:
    """Return limits of an axis that leave out what is far from all else; None if there is nothing to leave out."""
    known = drawable(values[np.isfinite(values)])
    if len(known) < 5:
        return None
    low, high = np.quantile(known, (0.02, 0.98))
    width = high - low
    if width <= 0 or (known.min() >= low - 2 * width and known.max() <= high + 2 * width):
        return None
    least, most = max(float(known.min()), low - 0.5 * width), min(float(known.max()), high + 0.5 * width)
    return least - 0.05 * width, most + 0.05 * width


def runs(axes: Axes, edges: Array, scale: float) -> None:
    """Mark where the runs of a campaign follow each other."""
    for edge in edges[1:-1]:
        axes.axvline(edge / scale, color=GREY, linewidth=0.8, linestyle=":")


def ticks(names: Sequence[str], most: int) -> tuple[list[int], list[str]]:
    """Return places and texts of ticks for names, of which not more than so many are written."""
    step = max(1, -(-len(names) // most))
    places = list(range(0, len(names), step))
    return places, [text(names[place]) for place in places]
