"""Evaluations of a report as columns of JSON values: what its table, its points and their details show."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dhmpi.analysis import curves
from dhmpi.analysis.report.causes import Causes
from dhmpi.analysis.report.sample import Sample
from dhmpi.analysis.timeline import Timeline
from dhmpi.evaluation import INACTIVE, State
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.results.schema import Dimension
from dhmpi.results.table import STATES
from dhmpi.support.printing import escape
from dhmpi.support.terminal_text import as_shown

# Characters of one error and of one result, and of all of them together.
LONGEST_TEXT, MOST_TEXT = 1500, 600_000
# Results besides the objective that are columns of the table.
MOST_EXTRAS = 6
# The largest whole number that a browser knows exactly.
LARGEST_WHOLE = 2**53


@dataclass(frozen=True)
class DimensionValues:
    """Values of a dimension.

    Attributes:
        name: Its name, without control characters.
        spec: What was searched, as text.
        labels: Texts of its values, if these are choices; empty for a range.
        is_log: Whether it is searched on a logarithmic scale.
        values: For each evaluation the value, or the place of its text in `labels`.
    """

    name: str
    spec: str
    labels: Sequence[str]
    is_log: bool
    values: Sequence[Any]


def evaluation_rows(results: Results, timeline: Timeline, sample: Sample, causes: Causes) -> dict[str, Any]:
    """Return some evaluations by column, as JSON values.

    Args:
        results: The campaign.
        timeline: Its timeline.
        sample: Which evaluations.
        causes: Of its failures.
    """
    columns, rows = results.columns, sample.rows
    in_order = curves.in_order(results, timeline)
    number = np.zeros(len(columns), np.int64)
    number[in_order] = np.arange(1, len(in_order) + 1)
    chosen = rows.tolist()
    texts = _Texts()
    extras = {place: texts.short(columns.extra[row]) for place, row in enumerate(chosen) if row in columns.extra}
    return {
        "id": columns.id[rows].tolist(),
        "state": columns.state[rows].tolist(),
        "value": numbers(curves.values(results)[rows]),
        **{name: numbers(getattr(columns, name)[rows]) for name in ("submitted", "started", "ended")},
        "step": numbers(columns.step[rows]),
        "stopped": numbers(_stopped(results)[rows]),
        "rank": columns.rank[rows].tolist(),
        "host": columns.host.codes[rows].tolist(),
        "model": columns.model.codes[rows].tolist(),
        "duration": numbers(columns.duration[rows] + np.where(np.isnan(columns.ended[rows]), np.nan, 0.0)),
        "seconds": numbers(_seconds(results, timeline)[rows]),
        "number": number[rows].tolist(),
        "cause": causes.of_row[rows].tolist(),
        "drawn": sample.is_drawn.astype(int).tolist(),
        "extra": extras,
        "error": {
            place: texts.short(columns.error[row], as_shown) for place, row in enumerate(chosen) if row in columns.error
        },
        "columns": _extra_columns(columns.extra, chosen),
    }


def _stopped(results: Results) -> Array:
    """Return the values with which evaluations were stopped early, as people see them; NaN for all others."""
    columns = results.columns
    values = np.where(columns.is_in(State.STOPPED), columns.objective, np.nan)
    return -values if results.metadata.maximises else values


def _seconds(results: Results, timeline: Timeline) -> Array:
    """Return when evaluations ended, or began if they have not, or were submitted [s of the campaign's runs]."""
    columns = results.columns
    begun = timeline.seconds(np.where(np.isnan(columns.started), columns.submitted, columns.started))
    return np.where(np.isnan(timeline.ended), begun, timeline.ended)


def names_of_codes(results: Results) -> dict[str, Sequence[str]]:
    """Return what the numbers of states, hosts and models mean."""
    columns = results.columns
    return {
        "states": [state.value for state in STATES],
        "final": [state.value for state in State if state.is_final],
        "hosts": [escape(name, keep="") for name in columns.host.names],
        "models": [escape(name, keep="") for name in columns.model.names],
    }


def dimension_values(results: Results, rows: Array) -> list[DimensionValues]:
    """Return the values of every dimension in some evaluations."""
    return [_dimension(each, results.columns.values(each.name)[rows]) for each in results.metadata.dimensions]


def numbers(values: Array) -> list[float | None]:
    """Return numbers as JSON has them: None for what is no finite number."""
    return [value if math.isfinite(value) else None for value in np.asarray(values, np.float64).tolist()]


def value_text(value: Any) -> str:
    """Return a value as people see it: a text as it is, nothing where it is inactive, all else as Python writes it."""
    if value == INACTIVE:
        return "-"
    return escape(value if isinstance(value, str) else repr(value), keep="")


def _dimension(dimension: Dimension, column: Array) -> DimensionValues:
    spec, values = dimension.spec, column.tolist()
    name, searched = escape(dimension.name, keep=""), escape(repr(dimension.documented), keep="")
    if "choices" not in spec:
        whole = [_exact(value) for value in values]
        return DimensionValues(name, searched, (), "log" in str(spec.get("prior", "")), whole)
    places: dict[str, int] = {}
    for value in (*spec["choices"], *values):
        places.setdefault(repr(value), len(places))
    named = {repr(value): value_text(value) for value in (*spec["choices"], *values)}
    labels = [named[key] for key in places]
    if len(set(labels)) < len(labels):  # None, and the text "None"
        labels = [escape(key, keep="") for key in places]
    return DimensionValues(name, searched, labels, False, [places[repr(value)] for value in values])


def _exact(value: Any) -> Any:
    """Return a number as JSON has it, as a text if a browser would round it; nothing where it is inactive."""
    if value == INACTIVE:
        return None
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _extra_columns(texts: Mapping[int, str], rows: Sequence[int]) -> list[dict[str, Any]]:
    """Return the columns of those results that are numbers or short texts, and there most often."""
    found: dict[str, dict[int, Any]] = {}
    for place, row in enumerate(rows):
        extra = json.loads(texts.get(row, "{}"))
        for key, value in extra.items() if isinstance(extra, dict) else ():
            if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 40):
                found.setdefault(key, {})[place] = escape(value, keep="") if isinstance(value, str) else _exact(value)
    often = sorted(found, key=lambda key: -len(found[key]))[:MOST_EXTRAS]
    return [{"name": escape(key, keep=""), "values": found[key]} for key in often]


class _Texts:
    """Texts as far as there is room for them."""

    def __init__(self) -> None:
        self._left = MOST_TEXT

    def short(self, text: str, shown_as: Callable[[str], str] = str) -> str:
        most = max(0, min(LONGEST_TEXT, self._left))
        if not most and text:
            return " ..."
        text = shown_as(text)
        shown = escape(text) if len(text) <= most else f"{escape(text[:most])} ..."
        self._left -= len(shown)
        return shown
