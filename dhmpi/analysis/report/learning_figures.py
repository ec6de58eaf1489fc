"""Figures of what evaluations reported while they ran: learning curves, and how many went on at each step."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dhmpi.analysis.report.evaluation_rows import numbers
from dhmpi.analysis.report.figures import Figure
from dhmpi.analysis.report.sample import spread
from dhmpi.analysis.step_curves import (
    LearningCurveSet,
    evenly_by_state,
    learning_curves,
    percent_text,
    step_cost,
    steps_text,
    survival,
)
from dhmpi.results import Results
from dhmpi.results.columns import Array

# Curves that are drawn, and those of a rare state, even if that is more than its share.
MOST_CURVES, FEW_CURVES = 150, 15
# Points of one curve, and of all curves together.
MOST_STEPS, MOST_POINTS = 100, 100_000
# Places of the chart of what went on.
NUM_PLACES = 200


def learning(results: Results, shown: Array, share: float = 1.0) -> Iterator[Figure]:
    """Yield what evaluations reported; nothing if none did.

    Args:
        results: The campaign.
        shown: Rows of the evaluations that the report shows, ascending.
        share: Of the room that a report has, what this campaign gets, 0 to 1.
    """
    found = learning_curves(results)
    if not len(found):
        return
    places = np.flatnonzero(np.isin(found.row, shown))
    most = int(min(MOST_STEPS, max(2, share * MOST_POINTS / max(len(places), 1))))
    curves = {int(np.searchsorted(shown, found.row[place])): _points(found, place, most) for place in places.tolist()}
    drawn = _drawn(results, found.row[places])
    some = f"{len(drawn):,} of {len(found):,} evaluations" if len(drawn) < len(found) else "evaluations"
    caption = (
        f"What {some} reported at each step, in the colours of their states, with a symbol where they ended. "
        "A click on a line shows its evaluation."
    )
    data = {"curves": curves, "drawn": np.searchsorted(shown, drawn).tolist()}
    yield Figure("learning", "curves", "Learning curves", caption, "wide tall", {"learning": data})
    yield from _survival(results)


def _drawn(results: Results, rows: Array) -> Array:
    """Return the rows of the evaluations whose curves are drawn, the best one among them."""
    if not len(rows):
        return rows
    some = np.concatenate(list(evenly_by_state(results.columns, rows, MOST_CURVES, FEW_CURVES).values()))
    return np.union1d(some, rows[rows == results.columns.best()])


def _points(found: LearningCurveSet, place: int, most: int) -> list[list[float | None]]:
    curve = found.at(place)
    chosen = spread(np.arange(len(curve.step)), most)
    values = [None if value is None else float(f"{value:.6g}") for value in numbers(curve.value[chosen])]
    return [numbers(curve.step[chosen]), values]


def _survival(results: Results) -> Iterator[Figure]:
    found, cost = survival(results, NUM_PLACES), step_cost(results)
    if not len(found.step) or cost is None:
        return
    caption = f"How many evaluations took at least so many steps, by the states they are in now. Together {cost}."
    if cost.saved and cost.share is not None:
        rest = percent_text(1 - cost.share) if cost.share < 1 else "less than was taken twice"
        caption += f" Stopping saved {steps_text(cost.saved)}, {rest}."
    data: dict[str, Any] = {
        "step": numbers(found.step),
        "num": [[state.value, num.tolist()] for state, num in found.num.items()],
        "end": found.end,
        "saved": bool(cost.saved),
    }
    yield Figure("survival", "curves", "Evaluations still going on", caption, "wide", {"survival": data})
