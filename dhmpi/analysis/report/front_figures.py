"""Figures of the Pareto front in a report, of a campaign with several objectives."""

from collections.abc import Iterator

import numpy as np

from dhmpi.analysis.pareto_front import as_returned, hypervolume_curve, pareto_front
from dhmpi.analysis.report.evaluation_rows import numbers
from dhmpi.analysis.report.figures import NUM_STEPS, Figure
from dhmpi.analysis.report.overview import counted, number_text
from dhmpi.analysis.report.sample import spread
from dhmpi.analysis.timeline import Timeline
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.support.printing import escape


def front(results: Results, timeline: Timeline, shown: Array) -> Iterator[Figure]:
    """Yield the Pareto front, and how the hypervolume grew; nothing without several objectives.

    Args:
        results: The campaign.
        timeline: Its timeline.
        shown: Rows of the evaluations that the report shows, ascending.
    """
    found = pareto_front(results)
    if found is None:
        return
    columns, objectives = results.columns, results.metadata.objectives
    known = np.flatnonzero(~np.isnan(columns.vectors[shown]).any(axis=1))
    values = as_returned(results, columns.vectors[shown[known]])
    data = {
        "objectives": [
            {"name": escape(each.name, keep=""), "maximises": each.maximises, "values": numbers(column)}
            for each, column in zip(objectives, values.T, strict=True)
        ],
        "place": known.tolist(),
        "isFront": columns.is_pareto[shown[known]].tolist(),
    }
    some = "" if len(known) == int((~np.isnan(columns.vectors).any(axis=1)).sum()) else ", of which some are shown"
    caption = f"No other evaluation dominates these {counted(found.size, 'evaluation')}{some}. A click shows one."
    yield Figure("pareto", "convergence", "Pareto front", caption, data={"pareto": data})
    curve = hypervolume_curve(results, "evaluations", timeline)
    if not len(curve.x):
        return
    worst = zip(objectives, found.reference.tolist(), strict=True)
    reference = ", ".join(f"{escape(each.name, keep='')} {number_text(value)}" for each, value in worst)
    steps = spread(np.arange(len(curve.x)), NUM_STEPS)
    grown = {"count": numbers(curve.x[steps]), "value": numbers(curve.y[steps])}
    caption = f"What the front dominates, up to the worst that was found ({reference}): {number_text(curve.y[-1])}."
    yield Figure("hypervolume", "convergence", "Hypervolume so far", caption, data={"hypervolume": grown})
