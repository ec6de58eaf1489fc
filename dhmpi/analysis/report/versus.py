"""Campaigns of a report side by side: what the page says of all of them together."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dhmpi.analysis import curves
from dhmpi.analysis.comparison import Comparison, SearchGroup, compare, group_name
from dhmpi.analysis.curves import Axis, Band, Curve
from dhmpi.analysis.report.evaluation_rows import numbers
from dhmpi.analysis.report.figures import Figure
from dhmpi.analysis.report.overview import counted, duration_text, number_text, word_of
from dhmpi.analysis.report.sample import FAILURES, spread
from dhmpi.analysis.timeline import Timeline
from dhmpi.errors import ResultsError
from dhmpi.evaluation import turned
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.support.printing import escape

# Campaigns with a curve of their own, and steps of a curve.
MOST_CURVES, NUM_STEPS = 8, 500
AXES: dict[str, Axis] = {"count": "evaluations", "seconds": "seconds", "steps": "steps"}


@dataclass(frozen=True)
class TextTable:
    """Table of texts.

    Attributes:
        caption: What it is.
        titles: Of its columns.
        rows: Its rows.
    """

    caption: str
    titles: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Versus:
    """Comparison of campaigns, in words, tables and a chart.

    Attributes:
        sentences: What was compared, and how it came out.
        figure: The curves; None if they cannot be compared.
        tables: Figures of the campaigns, and of their searches.
        data: What the chart is made from, JSON values.
    """

    sentences: Sequence[str]
    figure: Figure | None
    tables: Sequence[TextTable]
    data: dict[str, Any]


def versus(campaigns: Sequence[Results], timelines: Sequence[Timeline], names: Sequence[str]) -> Versus:
    """Return what there is to say of campaigns together; little, if their problems differ."""
    try:
        found = compare(campaigns)
    except ResultsError as error:
        table = _campaigns(campaigns, timelines, names, None)
        return Versus([f"These campaigns cannot be compared: {escape(str(error), keep='')}."], None, [table], {})
    word = word_of(campaigns[0].metadata)
    tables = [_campaigns(campaigns, timelines, names, found), _searches(found, word)]
    if found.tests:
        tables.append(_tests(found))
    data = {"word": word, "maximises": found.maximises, "curves": _curves(campaigns, timelines, names, found)}
    caption = "Lines are medians of the campaigns of a search, dashed lines their quartiles; or single campaigns."
    figure = Figure("comparison", "compared", f"Best {word} so far", caption, "wide")
    return Versus(list(_sentences(found, len(campaigns), word)), figure, tables, data)


def _sentences(found: Comparison, num: int, word: str) -> Iterator[str]:
    yield (
        f"{counted(num, 'campaign')} of {counted(len(found.groups), 'search', 'searches')} on one problem, at equal "
        f"budgets: the {counted(found.num_evaluations, 'evaluation')}, and the {duration_text(found.seconds)}, that "
        "all of them have had."
    )
    known = [group for group in found.groups if len(group.finals)]
    if known:
        pick = max if found.maximises else min
        best = pick(known, key=lambda group: float(np.median(group.finals)))
        value = number_text(float(np.median(best.finals)))
        yield f"At equal numbers of evaluations, {best.name} has the best median {word}: {value}."
    if len(found.groups) > 1 and not found.tests:
        yield "For a rank test, two searches need at least two campaigns each."


def _campaigns(
    campaigns: Sequence[Results], timelines: Sequence[Timeline], names: Sequence[str], found: Comparison | None
) -> TextTable:
    words = [word_of(results.metadata) for results in campaigns]
    is_one_word = len(set(words)) == 1
    best_of = f"best {words[0]}" if is_one_word else "best"
    titles = ["campaign", "search", "evaluations", best_of, "duration", "workers busy", "failures"]
    rows = []
    for results, timeline, name, word in zip(campaigns, timelines, names, words, strict=True):
        best, busy = results.best, curves.utilisation(results, timeline, 1).mean
        value = None if best is None else turned(best.objective, results.metadata.maximises)
        found_best = number_text(value) if is_one_word or value is None else f"{word} {number_text(value)}"
        row = [name, group_name(results.metadata), f"{len(results.columns):,}", found_best]
        row += [duration_text(timeline.duration), "unknown" if busy is None else f"{100 * busy:.1f} %"]
        row.append(f"{int(results.columns.is_in(*FAILURES).sum()):,}")
        if found is not None:
            row.append(_at(results, timeline, "evaluations", found.num_evaluations))
            row.append(_at(results, timeline, "seconds", found.seconds))
        rows.append(row)
    if found is not None:
        titles += [f"best in {found.num_evaluations:,} evaluations", f"best in {duration_text(found.seconds)}"]
    return TextTable("Campaigns", titles, rows)


def _at(results: Results, timeline: Timeline, axis: Axis, budget: float) -> str:
    value = float(curves.incumbent(results, axis, timeline).at(np.array([budget]))[0])
    return "none" if math.isnan(value) else number_text(value)


def _searches(found: Comparison, word: str) -> TextTable:
    target = "none" if found.target is None else number_text(found.target)
    titles = ["search", "campaigns", f"median {word} at equal evaluations", "quartiles", "median in equal time"]
    titles += [f"reached {target}", "median evaluations until then", "median time until then"]
    return TextTable("Searches", titles, [_search(group) for group in found.groups])


def _search(group: SearchGroup) -> list[str]:
    reached = int(np.isfinite(group.evaluations_to_target).sum())
    return [
        group.name,
        str(group.num_campaigns),
        _quantiles(group.finals, 0.5),
        _quantiles(group.finals, 0.25, 0.75),
        _quantiles(group.finals_in_time, 0.5),
        f"{reached} of {group.num_campaigns}",
        _median(group.evaluations_to_target, lambda value: f"{value:,.1f}".removesuffix(".0")),
        _median(group.seconds_to_target, duration_text),
    ]


def _quantiles(values: Array, *shares: float) -> str:
    texts = [number_text(float(np.quantile(values, share))) for share in shares] if len(values) else ["none"]
    return " to ".join(dict.fromkeys(texts))


def _median(values: Array, text: Any) -> str:
    """Return the median as text; it is never, if half of the campaigns have not reached it."""
    if not len(values):
        return "none"
    lower, upper = (float(each) for each in np.sort(values)[[(len(values) - 1) // 2, len(values) // 2]])
    return text((lower + upper) / 2) if math.isfinite(upper) else "never"


def _tests(found: Comparison) -> TextTable:
    titles = ["searches", "p-value", "what it says"]
    rows = []
    for test in found.tests:
        says = "they differ (5 % level)" if test.p_value < 0.05 else "no difference is shown"
        rows.append([f"{test.first} and {test.second}", f"{test.p_value:.3g}", says])
    return TextTable("Mann-Whitney rank tests at equal numbers of evaluations", titles, rows)


def _curves(
    campaigns: Sequence[Results], timelines: Sequence[Timeline], names: Sequence[str], found: Comparison
) -> dict[str, list[dict[str, Any]]]:
    """Return the curves of searches with several campaigns, and of single campaigns where these are few."""
    axes = {key: axis for key, axis in AXES.items() if axis != "steps" or found.has_steps}
    drawn: dict[str, list[dict[str, Any]]] = {key: [] for key in axes}
    several = {group.name for group in found.groups if group.num_campaigns > 1}
    is_one_search = len(found.groups) == 1
    for group in found.groups:
        if group.name in several:
            for key, band in zip(axes, (group.by_evaluations, group.by_seconds, group.by_steps), strict=False):
                drawn[key] += _band(f"{group.name}, {counted(group.num_campaigns, 'campaign')}", band)
    groups = [group_name(each.metadata) for each in campaigns]
    single = [place for place, name in enumerate(groups) if is_one_search or name not in several]
    for place in single[:MOST_CURVES]:
        for key, axis in axes.items():
            curve = curves.incumbent(campaigns[place], axis, timelines[place])
            drawn[key] += _single(f"{names[place]} ({groups[place]})", curve)
    return drawn


def _band(name: str, band: Band) -> Iterable[dict[str, Any]]:
    if len(band.x):
        quartiles = {"low": numbers(band.lower), "high": numbers(band.upper)}
        yield {"name": name, "x": numbers(band.x), "median": numbers(band.median), **quartiles}


def _single(name: str, curve: Curve) -> Iterable[dict[str, Any]]:
    if len(curve.x):
        steps = spread(np.arange(len(curve.x)), NUM_STEPS)
        yield {"name": name, "x": numbers(curve.x[steps]), "median": numbers(curve.y[steps])}
