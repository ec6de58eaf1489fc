"""Kinds of pictures: their names, and the panels that each consists of."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from dhmpi.analysis.comparison import compare
from dhmpi.analysis.kind_names import SEVERAL
from dhmpi.analysis.plots import agents, convergence, fronts, points, reported, workers
from dhmpi.analysis.plots.view import View
from dhmpi.errors import OptionError
from dhmpi.evaluation import State

Panel = Callable[[Axes], Axes]
MOST_SLICES = 9


def _single(draw: Callable[..., Axes]) -> Callable[[View], list[Panel]]:
    return lambda view: [partial(draw, view=view)]


_ONE: Mapping[str, Callable[[View], list[Panel]]] = {
    "incumbent": _single(convergence.incumbent),
    "time": lambda view: [partial(convergence.incumbent, view=view, axis="seconds")],
    "steps": lambda view: [partial(convergence.incumbent, view=view, axis="steps")],
    "pareto": lambda view: [partial(fronts.pareto, view=view, pair=pair) for pair in fronts.pairs(view)],
    "hypervolume": _single(fronts.hypervolume),
    "states": _single(convergence.states),
    "failures": _single(convergence.failures),
    "curves": _single(reported.learning),
    "survival": _single(reported.stopped),
    "gantt": _single(workers.gantt),
    "utilisation": _single(workers.utilisation),
    "idle": _single(workers.idle),
    "models": lambda view: [partial(workers.models, view=view), partial(workers.ages, view=view)],
    "importance": _single(points.importance),
    "ped-anova": lambda view: [partial(points.importance, view=view, method="ped-anova")],
    "slices": lambda view: [partial(points.slices, view=view, name=name) for name in points.ranked(view)[:MOST_SLICES]],
    "contours": lambda view: [partial(points.contours, view=view, pair=pair) for pair in points.pairs(view)],
    "parallel": _single(points.parallel),
    "distinct": _single(agents.distinct),
    "rewards": _single(agents.rewards),
    "learning": lambda view: [partial(agents.learned, view=view, column=column) for column in agents.LEARNED],
}


def panels(views: Sequence[View], kinds: Sequence[str]) -> list[Panel]:
    """Return the panels of some kinds of pictures, in order.

    Args:
        views: Campaigns; several are compared.
        kinds: Names of kinds; none for those that say most.

    Raises:
        OptionError: A kind does not show so many campaigns.
        ResultsError: Campaigns cannot be compared.
    """
    if len(views) == 1:
        return _of_one(views[0], kinds)
    for kind in kinds:
        if kind not in SEVERAL:
            raise OptionError(
                f"the picture {kind} must be of one file, got {len(views)}; "
                f"give one, or a picture that compares: {', '.join(SEVERAL)}"
            )
    comparison = compare([view.results for view in views])
    drawings: Mapping[str, Panel] = {
        "incumbent": partial(convergence.compared, comparison=comparison),
        "time": partial(convergence.compared, comparison=comparison, axis="seconds"),
        "steps": partial(convergence.compared, comparison=comparison, axis="steps"),
        "finals": partial(convergence.finals, comparison=comparison),
        "targets": partial(convergence.targets, comparison=comparison),
    }
    if not kinds:
        kinds = [kind for kind in SEVERAL if kind != "steps" or comparison.has_steps]
    return [drawings[kind] for kind in kinds]


def _of_one(view: View, kinds: Sequence[str]) -> list[Panel]:
    if not kinds:
        return _sheet(view)
    found: list[Panel] = []
    for kind in kinds:
        if kind not in _ONE:
            raise OptionError(f"the picture {kind} must be of several files, got 1; give more, or another picture")
        found += _ONE[kind](view)
    if not found:
        raise OptionError(f"the picture {', '.join(kinds)} must have dimensions with several values, got none")
    return found


def _sheet(view: View) -> list[Panel]:
    """Return the panels that say most of a campaign: six, or nine if evaluations have reported."""
    panels = _most_telling(view)
    if np.isfinite(view.results.columns.step).any():
        third = "states" if view.results.metadata.space else "time"  # without dimensions, the states are there already
        panels[3:3] = _of_one(view, ["curves", "survival", third])
    return panels


def _most_telling(view: View) -> list[Panel]:
    has_failures = view.results.columns.is_in(State.FAILED, State.TIMEOUT).any()
    last = "failures" if has_failures else "utilisation"
    if len(view.results.policy):
        learned = partial(agents.learned, view=view, column="entropy")
        return [*_of_one(view, ["incumbent", "rewards"]), learned, *_of_one(view, ["distinct", last, "idle"])]
    if view.results.metadata.seeks_architectures:
        return _of_one(view, ["incumbent", "rewards", "importance", "distinct", last, "idle"])
    first = points.ranked(view)[:1]
    along = [partial(points.slices, view=view, name=name) for name in first] or _of_one(view, ["states"])
    if view.results.metadata.has_several:
        return [
            partial(fronts.pareto, view=view),
            *_of_one(view, ["hypervolume", "importance"]),
            *along,
            *_of_one(view, [last, "idle"]),
        ]
    return [*_of_one(view, ["incumbent", "importance"]), *along, *_of_one(view, ["gantt", last, "idle"])]
