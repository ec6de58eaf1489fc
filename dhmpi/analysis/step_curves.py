"""Curves against steps: what evaluations reported, how many of them went on, and what early stopping saved.

Values are as people see them: a campaign that looks for the largest has rewards.
"""

import math
import sys
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dhmpi.evaluation import FINAL_STATES, State
from dhmpi.results import Results
from dhmpi.results.columns import Array, Columns

# Places of a survival curve.
NUM_PLACES = 500
NO_REPORTS = "no evaluation has reported anything (context.report)"


class LearningCurve(NamedTuple):
    """Learning curve of an evaluation.

    Attributes:
        step: How far it was, ascending.
        value: What it reported then; NaN for what is no finite number.
    """

    step: Array
    value: Array


class LearningCurveSet(NamedTuple):
    """Learning curves of all evaluations that have reported, one behind the other.

    Attributes:
        row: Rows of the evaluations, ascending.
        edges: Where their curves begin and end, one more than there are.
        step: Steps of all.
        value: Values of all.
    """

    row: Array
    edges: Array
    step: Array
    value: Array

    def __len__(self) -> int:
        return len(self.row)

    def at(self, place: int) -> LearningCurve:
        """Return one of the curves."""
        part = slice(self.edges[place], self.edges[place + 1])
        return LearningCurve(self.step[part], self.value[part])


def learning_curves(results: Results) -> LearningCurveSet:
    """Return what evaluations have reported, by evaluation."""
    reports, ids = results.reports, results.columns.id
    known = np.flatnonzero(np.isin(reports.evaluation, ids))
    known = known[np.argsort(reports.evaluation[known], kind="stable")]
    numbers, first = np.unique(reports.evaluation[known], return_index=True)
    value = np.where(np.isfinite(reports.value), reports.value, np.nan)[known]
    value = -value if results.metadata.maximises else value
    edges = np.append(first, len(known))
    return LearningCurveSet(np.searchsorted(ids, numbers), edges, reports.step[known], value)


def evenly_by_state(columns: Columns, rows: Array, most: int, least: int) -> Mapping[State, Array]:
    """Return about so many of some rows by state, evenly chosen.

    Args:
        columns: All evaluations.
        rows: Some of their rows.
        most: How many together; of each state, as large a share.
        least: How many of each state, if there are so many, even if that is more than its share.
    """
    chosen = {}
    for state in columns.counts():
        found = rows[columns.is_in(state)[rows]]
        num = min(len(found), max(least, round(most * len(found) / len(rows)))) if len(found) else 0
        if num:
            chosen[state] = found[np.linspace(0, len(found) - 1, num).astype(int)]
    return chosen


class Survival(NamedTuple):
    """Numbers of evaluations that were still going on at each step.

    Attributes:
        step: Last steps of evaluations, ascending.
        num: How many took each of these, by the state in which they are now.
        end: The last step of a full training, as far as that is known.
    """

    step: Array
    num: Mapping[State, Array]
    end: float


def survival(results: Results, num: int = NUM_PLACES) -> Survival:
    """Return how many evaluations that have reported were still going on at each step, of at most so many steps."""
    columns = results.columns
    step = np.unique(columns.step[np.isfinite(columns.step)])
    if len(step) > num:  # half of them among the first ones, where most evaluations are stopped
        places = np.append(np.geomspace(1, len(step), num // 2), np.linspace(1, len(step), num // 2))
        step = step[np.unique(np.round(places).astype(int)) - 1]
    found = {}
    for state in columns.counts():
        last = columns.step[columns.is_in(state)]
        last = np.sort(last[np.isfinite(last)])
        if len(last):
            found[state] = len(last) - np.searchsorted(last, step, side="left")
    end = max(float(step.max(initial=0.0)), max_steps(results) or 0.0)
    return Survival(step, found, end)


class StepCost(NamedTuple):
    """Steps of a campaign, beside those of a full training of all.

    Attributes:
        taken: How many evaluations have taken, those included that were taken again after a loss.
        saved: How many more it would have been if nothing had been stopped; None without `--max-steps`.
        repeated: How many were taken again.
        num: How many evaluations there are.
    """

    taken: float
    saved: float | None
    repeated: float
    num: int

    @property
    def share(self) -> float | None:
        """Share of a full training of all that was taken; None if that is not known, or nothing was saved."""
        return self.taken / (self.taken - self.repeated + self.saved) if self.saved else None

    def __str__(self) -> str:
        said, share = steps_text(self.taken), self.share
        if share is None:
            return said
        of_all = f" of all {self.num:,} evaluations" if self.num > 1 else ""
        return f"{said}, {percent_text(share)} of full training{of_all}"


def percent_text(share: float) -> str:
    """Return a share in words."""
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"


def steps_text(number: float) -> str:
    """Return a number of steps in words."""
    shown = f"{number:,.0f}" if 100 <= number < 1e15 else f"{number:.3g}"
    return f"{shown} step{'s' * (shown != '1')}"


def total_steps(steps: Array) -> float:
    """Return the sum of steps; the largest number, if it is larger than all numbers."""
    with np.errstate(over="ignore"):
        return min(float(np.sum(steps)), sys.float_info.max)


def step_cost(results: Results) -> StepCost | None:
    """Return what the evaluations of all runs cost in steps; None if none has reported any.

    A full training of what was STOPPED takes the `--max-steps` of the latest run. What has ended otherwise, or not yet,
    counts as it is: stopping saved nothing of it.
    """
    columns = results.columns
    last = np.maximum(np.nan_to_num(columns.step), 0.0)
    noted = finite_or_none(results.metadata.statistics.get("steps"))  # while a run goes on, that of the runs before
    num_last = total_steps(last)
    taken = max(num_last, noted or 0.0)
    if not taken:
        return None
    most, saved = max_steps(results), None
    if most is not None:
        saved = total_steps(np.maximum(most - last[columns.is_in(State.STOPPED)], 0.0))
    return StepCost(taken, saved, taken - num_last, len(columns))


def step_doubts(results: Results) -> list[str]:
    """Return sentences on why a stopper of the latest run did not do what was expected; mostly none."""
    columns, options, most, found = results.columns, results.metadata.options, max_steps(results), []
    furthest = float(np.nan_to_num(columns.step, nan=-np.inf).max(initial=-np.inf))
    has_ended = bool(columns.is_in(*FINAL_STATES).any())
    if options.get("stopper") not in (None, "none") and has_ended and furthest == -np.inf:
        found.append(
            f"--stopper {options['stopper']} has stopped nothing, since no evaluation has reported anything; "
            "run functions report by context.report(step, value)"
        )
    if most is not None and furthest > most:
        found.append(
            f"evaluations have reported up to step {furthest:.10g}, beyond --max-steps {most:.10g}, "
            "where a full training ends and nothing is stopped any more; give its last step"
        )
    return found


def max_steps(results: Results) -> float | None:
    """Return the `--max-steps` of the latest run; None without it."""
    return finite_or_none(results.metadata.options.get("max_steps"))


def finite_or_none(value: object) -> float | None:
    """Return a finite number; None for anything else that a file may have in its place."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
