"""Pictures of what evaluations reported while they ran: learning curves, and what was stopped where."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dhmpi.analysis.plots import style
from dhmpi.analysis.plots.view import View
from dhmpi.analysis.step_curves import (
    NO_REPORTS,
    LearningCurve,
    StepCost,
    evenly_by_state,
    learning_curves,
    step_cost,
    steps_text,
    survival,
)
from dhmpi.evaluation import State
from dhmpi.results.columns import Array

# Curves that can be told apart; those of a rare state, even if that is more than its share; and points of one.
MOST_CURVES, FEW_CURVES, MOST_STEPS = 200, 15, 200
# Steps and values of curves are logarithmic if the largest is so many times the smallest. So are the steps up to which
# evaluations went on, but only where linear ones would show nothing: there, areas are numbers of steps.
WIDE, VERY_WIDE = 20.0, 200.0
# No logarithmic axis shows more than this.
IMMENSE = 1e100
# Marks of the states in which curves end, as those of the report; that of what is DONE is left out, as most are.
MARKS = {
    **{State.STOPPED: "^", State.PAUSED: "D", State.RUNNING: "o", State.PENDING: "o"},
    **{State.FAILED: "^", State.TIMEOUT: "D", State.LOST: "s", State.CANCELLED: "s"},
}
HOLLOW = (State.STOPPED, State.PAUSED, State.RUNNING, State.PENDING)


def learning(axes: Axes, view: View) -> Axes:
    """Draw the learning curves of evaluations in the colours of their states; the best one stands out."""
    found = learning_curves(view.results)
    if not len(found):
        return style.nothing(axes, "learning curves", NO_REPORTS)
    columns = view.results.columns
    rows = evenly_by_state(columns, found.row, MOST_CURVES, FEW_CURVES)
    places = {state: np.searchsorted(found.row, rows[state]).tolist() for state in style.STATE_COLOURS if state in rows}
    shown = {state: [_thinned(found.at(place)) for place in some] for state, some in places.items()}
    num = sum(map(len, shown.values()))
    handles = [_draw(axes, curves, state, max(0.15, min(0.7, 25 / num))) for state, curves in shown.items()]
    drawn = [curve for curves in shown.values() for curve in curves]
    last: list[Array] = []
    for place in np.flatnonzero(found.row == columns.best()).tolist():
        best = _thinned(found.at(place))
        handles.append(_draw_best(axes, best, int(columns.id[found.row[place]])))
        drawn.append(best)
        last = [best.value[-1:]]
    _scale_values(axes, np.concatenate([curve.value for curve in drawn]), last, view.results.metadata.maximises)
    if _is_wide(np.concatenate([curve.step for curve in drawn]), WIDE):
        axes.set_xscale("log")
        _write_numbers(axes.xaxis)
    title = f"learning curves: {num:,} of {len(found):,} evaluations" if num < len(found) else "learning curves"
    style.finish(axes, title, "step", view.measure)
    return style.legend_below(axes, handles)


def _thinned(curve: LearningCurve) -> LearningCurve:
    places = style.sample(np.arange(len(curve.step)), MOST_STEPS)
    return LearningCurve(style.drawable(curve.step[places]), style.drawable(curve.value[places]))


def _draw(axes: Axes, curves: list[LearningCurve], state: State, alpha: float) -> Line2D:
    """Draw curves of a state, with marks at their ends, and return what stands in the legend."""
    colour, mark = style.STATE_COLOURS[state], MARKS.get(state, "")
    lines = [np.column_stack(curve) for curve in curves]
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.8, alpha=alpha, rasterized=True))
    # One point is no line.
    ends = np.array([line[-1] for line in lines if mark or len(line) == 1]).reshape(-1, 2)
    form: dict[str, Any] = {"marker": mark or "o", "markersize": 4.0, "markeredgecolor": colour}
    form["markerfacecolor"] = "none" if state in HOLLOW else colour
    # Above the thick line of the best: what is stopped often ends where that was.
    above: dict[str, Any] = {"alpha": min(1.0, alpha + 0.3), "zorder": 3.5}
    axes.plot(ends[:, 0], ends[:, 1], linestyle="none", rasterized=True, **above, **form)
    return Line2D([], [], color=colour, label=state.value, **form | {"marker": mark})


def _draw_best(axes: Axes, curve: LearningCurve, number: int) -> Line2D:
    """Draw the curve of the best evaluation above all others."""
    form: dict[str, Any] = {"color": style.STATE_COLOURS[State.DONE], "linewidth": 2.4}
    around = [withStroke(linewidth=4.5, foreground="white")]
    axes.plot(curve.step, curve.value, zorder=3, path_effects=around, **form)
    star: dict[str, Any] = {"marker": "*", "markersize": 12.0, "markerfacecolor": style.RED, "markeredgecolor": "white"}
    axes.plot(curve.step[-1:], curve.value[-1:], linestyle="none", zorder=4, **star)
    return Line2D([], [], label=f"best, evaluation {number}", **form, **star)


def _scale_values(axes: Axes, values: Array, best: list[Array], maximises: bool) -> None:
    """Leave out what is far from all else, but not where the best curve ends, and let small values be told apart."""
    values = values[np.isfinite(values)]
    axes.autoscale_view()
    is_logarithmic = len(values) > 0 and not maximises and _is_wide(values, WIDE)
    if is_logarithmic:
        axes.set_yscale("log")
        _write_numbers(axes.yaxis)
    if (bounds := style.limits(np.log10(values) if is_logarithmic else values)) is not None:
        if is_logarithmic:
            bounds = 10 ** bounds[0], 10 ** bounds[1]
        ends = [float(each) for each in np.concatenate([*best, np.empty(0)]) if np.isfinite(each)]
        axes.set_ylim(min([bounds[0], *ends]), max([bounds[1], *ends]))


def _is_wide(numbers: Array, times: float) -> bool:
    """Whether numbers are positive, and the largest is so many times the smallest."""
    first, last = float(numbers.min()), float(numbers.max())
    return first > 0 and times <= last / first < IMMENSE


def _write_numbers(axis: Axis) -> None:
    """Let a logarithmic axis have numbers that people read."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axis.set_minor_formatter(NullFormatter())


def stopped(axes: Axes, view: View) -> Axes:
    """Draw how many evaluations were still going on at each step, and how many steps stopping saved."""
    title = "evaluations still going on"
    found, cost = survival(view.results), step_cost(view.results)
    if not len(found.step):
        return style.nothing(axes, title, NO_REPORTS)
    # What was stopped lies upon the others, so that what it would have taken is the empty place above it.
    states = [state for state in style.STATE_COLOURS if state in found.num]
    states.sort(key=lambda state: state is State.STOPPED)
    is_logarithmic = _is_wide(np.append(found.step, found.end), VERY_WIDE)
    first = 0.8 * found.step[0] if is_logarithmic else min(0.0, found.step[0])
    x = style.drawable(np.append(first, found.step))
    num = [np.append(found.num[state][:1], found.num[state]) for state in states]
    colours = [style.STATE_COLOURS[state] for state in states]
    axes.stackplot(x, num, colors=colours, labels=[state.value for state in states], step="pre", linewidth=0)
    if State.STOPPED in found.num and cost is not None and cost.saved:
        _draw_saved(axes, (*x, max(found.end, x[-1])), (np.sum(num, axis=0), num[-1]), cost)
    if is_logarithmic:
        axes.set_xscale("log")
        _write_numbers(axes.xaxis)
    if found.end > x[0]:
        axes.set_xlim(x[0], found.end)
    axes.set_ylim(0, 1.02 * sum(each[0] for each in num))
    style.finish(axes, f"{title}; {cost}" if cost is not None else title, "step", "evaluations")
    return style.legend_below(axes)


def _draw_saved(axes: Axes, x: Sequence[float], num: tuple[Array, Array], cost: StepCost) -> None:
    """Draw what those would have taken that were stopped.

    Args:
        axes: Where the others are drawn.
        x: Steps, and the end of a full training.
        num: How many were still going on at each step, and of how many of these it was not the end.
        cost: What was saved.
    """
    going_on, stopped_later = (np.append(each, 0) for each in num)
    going_on[-1] = going_on[-2] - stopped_later[-2]
    top = going_on + stopped_later[0] - stopped_later
    label = f"saved: {steps_text(cost.saved or 0.0)}"
    form: dict[str, Any] = {"facecolor": "none", "edgecolor": style.GREY, "hatch": "////", "linewidth": 0.0}
    axes.fill_between(x, going_on, top, step="pre", label=label, **form)
