"""Objectives of evaluations that were stopped early, foretold as the models of `ambs` foretell them."""

from collections.abc import Iterator

import numpy as np

from dhmpi.evaluation import State
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.support.forecast import Forecast, RungValues
from dhmpi.support.step_rungs import LARGEST, rung


def telling_rows(results: Results) -> Array:
    """Return the rows of evaluations that say what their points are worth: DONE, or STOPPED after some steps."""
    columns = results.columns
    is_foretold = columns.is_in(State.STOPPED) & (columns.step > 0) & (np.abs(columns.objective) < LARGEST)
    return np.flatnonzero(columns.is_in(State.DONE) | is_foretold)


def num_foretold(results: Results) -> int:
    """Return of how many evaluations the objective is foretold."""
    return int(results.columns.is_in(State.STOPPED)[telling_rows(results)].sum())


def objectives(results: Results, rows: Array) -> Array:
    """Return the objectives of evaluations; of those that were STOPPED, what they would probably have come to.

    Args:
        results: The campaign.
        rows: Which evaluations, of `telling_rows`.
    """
    columns = results.columns
    found = columns.objective[rows]
    stopped = np.flatnonzero(columns.is_in(State.STOPPED)[rows])
    if not len(stopped):
        return found
    courses = list(_courses(results, rows))
    forecast = Forecast([each for each in courses if each.objective is None or abs(each.objective) < LARGEST])
    tops = np.array([max(courses[place].values) for place in stopped.tolist()])
    found = found.copy()
    found[stopped] = forecast.ends(tops, found[stopped]).objectives
    return found


def _courses(results: Results, rows: Array) -> Iterator[RungValues]:
    """Yield the values of evaluations at rungs."""
    columns, reports = results.columns, results.reports
    ids, is_stopped = columns.id[rows], columns.is_in(State.STOPPED)[rows]
    known = np.flatnonzero(np.isin(reports.evaluation, ids) & (reports.step > 0) & (np.abs(reports.value) < LARGEST))
    known = known[np.argsort(reports.evaluation[known], kind="stable")]
    begins, ends = (np.searchsorted(reports.evaluation[known], ids, side) for side in ("left", "right"))
    for place, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        part, objective = known[begin:end], float(columns.objective[rows[place]])
        values = dict(zip(map(rung, reports.step[part].tolist()), reports.value[part].tolist(), strict=True))
        if is_stopped[place]:  # in files without reports, this is all there is
            values[rung(float(columns.step[rows[place]]))] = objective
        yield RungValues(values, None if is_stopped[place] else objective)
