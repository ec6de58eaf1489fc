"""Figures of a campaign in a report: what each says in a sentence, and the numbers that it is drawn from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dhmpi.analysis import curves
from dhmpi.analysis.idle import MEANINGS, IdleTime, idle_time
from dhmpi.analysis.importance import MOST_EVALUATIONS, NAMES, Method, importances, meaning
from dhmpi.analysis.lanes import Lanes, lanes
from dhmpi.analysis.report.causes import Causes
from dhmpi.analysis.report.evaluation_rows import numbers
from dhmpi.analysis.report.overview import counted, duration_text, number_text, word_of
from dhmpi.analysis.report.sample import spread
from dhmpi.analysis.timeline import Timeline
from dhmpi.errors import ResultsError
from dhmpi.evaluation import State
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.support.printing import escape

# Steps of the best so far, intervals of the time of workers, of failures, and updates of policies that are drawn.
NUM_STEPS, NUM_INTERVALS, NUM_BARS, NUM_UPDATES = 1000, 300, 40, 300
# Causes of failures with a colour of their own.
NUM_CAUSES = 6


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        name: Which chart it is.
        part: In which part of the report it is.
        title: Its title.
        caption: What it says, for those who cannot see it too.
        look: wide, tall, or both; empty for neither.
        data: The numbers that the chart needs besides the evaluations, by name.
    """

    name: str
    part: str
    title: str
    caption: str
    look: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Improvements:
    """Evaluations that were the best when they ended.

    Attributes:
        rows: Their rows.
        number: How many evaluations had ended then.
        seconds: When that was [s of the campaign's runs].
        values: What they found.
    """

    rows: Array
    number: Array
    seconds: Array
    values: Array


def improvements(results: Results, timeline: Timeline) -> Improvements:
    """Return the evaluations that were the best when they ended."""
    curve = curves.incumbent(results, "evaluations", timeline)
    is_step = np.append(True, curve.y[1:] != curve.y[:-1])[: len(curve.y)]  # the last place says where the curve ends
    number = curve.x[is_step].astype(np.int64)
    rows = curves.in_order(results, timeline)[number - 1]
    seconds = np.fmax.accumulate(timeline.ended[rows]) if len(rows) else np.empty(0)
    return Improvements(rows, number, seconds, curve.y[is_step])


def convergence(results: Results, timeline: Timeline, found: Improvements, shown: Array) -> Iterator[Figure]:
    """Yield how the search got on.

    Args:
        results: The campaign.
        timeline: Its timeline.
        found: Its improvements.
        shown: Rows of the evaluations that the report shows, ascending.
    """
    if not len(results.columns):
        return
    if len(found.rows):
        steps = spread(np.arange(len(found.rows)), NUM_STEPS)
        word = word_of(results.metadata)
        went = _went(number_text(found.values[0]), number_text(found.values[-1]))
        last = f"{counted(int(found.number[-1]), 'evaluation')} and {duration_text(found.seconds[-1])}"
        if len(found.rows) == 1:
            caption = f"The best {word} {went}, after {last}."
        else:
            caption = f"The best {word} {went} in {counted(len(found.rows) - 1, 'improvement')}, the last after {last}."
        data = {
            "count": found.number[steps].tolist(),
            "seconds": numbers(found.seconds[steps]),
            "value": numbers(found.values[steps]),
            "place": _places(shown, found.rows[steps]),
        }
        yield Figure("convergence", "convergence", f"Best {word} so far", caption, data={"incumbent": data})
    states = ", ".join(f"{number:,} {state}" for state, number in sorted(results.columns.counts().items()))
    yield Figure("states", "convergence", "All evaluations over time", f"Each has the colour of its state: {states}.")


def _went(first: str, last: str) -> str:
    """Return how a figure went on, by how it is written."""
    return f"stayed at {last}" if first == last else f"went from {first} to {last}"


def dimensions(results: Results) -> Iterator[Figure]:
    """Yield what the dimensions have to do with what was found."""
    if results.best is None or not results.columns.names:
        return
    word = word_of(results.metadata)
    caption = f"The {word} against the value of one dimension; the colour says how early or late an evaluation ended."
    yield from _importance(results)
    yield Figure("slices", "dimensions", f"{word.capitalize()} by dimension", caption)
    caption = "A line is an evaluation; drag along an axis to see those alone that pass there."
    yield Figure("parallel", "dimensions", "Parallel coordinates", caption, "wide")


# Values of dimensions, of all evaluations together, that a forest is fitted to.
MOST_FOR_FOREST = 100_000


def _importance(results: Results) -> Iterator[Figure]:
    num, size = len(results.columns), len(results.columns) * len(results.columns.names)
    # Of more evaluations a forest would see a sample only; and with more values, it takes longer than all else.
    method: Method = "fanova" if num <= MOST_EVALUATIONS and size <= MOST_FOR_FOREST else "ped-anova"
    try:
        found = importances(results, method)
    except ResultsError:  # too few have a result, which the overview says
        return
    place = {name: number for number, name in enumerate(results.columns.names)}
    named = [(escape(each.name, keep=""), each) for each in found]
    data = [
        {"name": name, "dimension": place[each.name], "value": each.share, "spread": each.spread}
        for name, each in named
    ]
    first = ", ".join(f"{name} {each.text}" for name, each in named[:3])
    caption = f"{meaning(results, method)}. The most important ones, with standard errors: {first}."
    title = f"Importance of the dimensions, by {NAMES[method]}"
    yield Figure("importance", "dimensions", title, caption, data={"importance": data})


def workers(results: Results, timeline: Timeline, shown: Array) -> Iterator[Figure]:
    """Yield what workers did; the arguments are those of `convergence`."""
    busy = curves.utilisation(results, timeline, NUM_INTERVALS)
    if busy.mean is None:
        return
    there = float(busy.available.mean())
    caption = (
        f"On average {busy.mean * there:.3g} of {there:.3g} workers were busy: {100 * busy.mean:.1f} % of their time."
    )
    data = {"seconds": numbers(busy.edges[:-1]), "busy": numbers(busy.busy), "available": numbers(busy.available)}
    yield Figure("utilisation", "workers", "Busy workers", caption, data={"utilisation": data})
    yield from _idle(results, timeline)
    yield from _timeline(results, timeline, shown)


# Workers, and bars of all of them together, in the chart of who did what when.
MOST_WORKERS, MOST_BARS = 40, 4000


def _timeline(results: Results, timeline: Timeline, shown: Array) -> Iterator[Figure]:
    found = lanes(results, timeline)
    num = len(found.names)
    if not num:
        return
    chosen = spread(np.arange(num), MOST_WORKERS)
    bars: list[list[float]] = []
    for place, lane in enumerate(chosen.tolist()):
        bars += _bars(place, found, np.flatnonzero(found.lane == lane), MOST_BARS // len(chosen))
    places = _places(shown, np.array([bar[5] for bar in bars], np.int64))
    bars = [[*bar[:5], place if bar[4] == 1 else -1] for bar, place in zip(bars, places, strict=True)]
    some = f"{len(chosen)} of {num:,} workers" if len(chosen) < num else counted(num, "worker")
    together = "; what is too short to be seen is drawn together" if any(bar[4] > 1 for bar in bars) else ""
    caption = f"What {some} evaluated when, in the colours of the states{together}."
    data = {"workers": [escape(found.names[lane], keep="") for lane in chosen.tolist()], "bars": bars}
    yield Figure("timeline", "workers", "Who evaluated when", caption, "wide tall", {"timeline": data})


def _bars(worker: int, found: Lanes, spans: Array, most: int) -> list[list[float]]:
    """Return the bars of a worker: [worker, start, end, state, how many evaluations, row of the first]."""
    if not len(spans):
        return []
    start, end, state = found.start[spans], found.end[spans], found.state[spans]
    groups = np.arange(len(spans))
    if len(spans) > most:
        groups = np.floor(start / max(float(found.edges[-1]), 1e-9) * most).astype(np.int64)
    order = np.lexsort((start, groups))
    bars = []
    for part in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        common = int(np.bincount(state[part]).argmax())
        begin, until = float(start[part].min()), float(end[part].max())
        bars.append([worker, begin, until, common, len(part), int(found.row[spans[part[0]]])])
    return bars


def _places(shown: Array, rows: Array) -> list[int]:
    """Return the places of rows among those that are shown; -1 for the others."""
    if not len(shown):
        return [-1] * len(rows)
    places = np.minimum(np.searchsorted(shown, rows), len(shown) - 1)
    found: list[int] = np.where(shown[places] == rows, places, -1).tolist()
    return found


def _idle(results: Results, timeline: Timeline) -> Iterator[Figure]:
    found = idle_time(results, timeline)
    if found.available <= 0:
        return
    reasons = sorted(found.idle.items(), key=lambda part: -part[1])
    parts = [("evaluations", found.busy), *((why.value, seconds) for why, seconds in reasons)]
    data = [{"name": name, "seconds": seconds, "share": seconds / found.available} for name, seconds in parts]
    caption = (
        f"Workers were idle {_percent(sum(found.idle.values()), found)} of their time"
        f"{''.join(f'; {_percent(seconds, found)} {why}: {MEANINGS[why]}' for why, seconds in reasons[:3])}."
    )
    yield Figure("idle", "workers", "Where the time of workers went", caption, data={"idle": data})


def _percent(seconds: float, of: IdleTime) -> str:
    return f"{100 * seconds / of.available:.1f} %"


def failures(results: Results, timeline: Timeline, causes: Causes) -> Iterator[Figure]:
    """Yield when evaluations failed, and of what."""
    if not causes.causes:
        return
    total = int(results.columns.is_in(State.FAILED, State.TIMEOUT).sum())
    edges = np.linspace(0.0, max(timeline.duration, 1e-9), NUM_BARS + 1)
    counts = [np.histogram(seconds, edges)[0] for seconds in causes.seconds]
    named = [
        {"name": f"{cause.state}: {cause.line}", "counts": count.tolist()}
        for cause, count in zip(causes.causes[:NUM_CAUSES], counts, strict=False)
    ]
    if counts[NUM_CAUSES:]:
        named.append({"name": "all other causes", "counts": np.sum(counts[NUM_CAUSES:], axis=0).tolist()})
    first = causes.causes[0]
    caption = (
        f"{counted(total, 'evaluation')} of {len(results.columns):,} failed, of {counted(causes.num, 'cause')}. "
        f"The most frequent one, {first.count:,} times: {first.line}"
    )
    data = {"seconds": numbers(edges[:-1]), "causes": named}
    yield Figure("failures", "failures", "Failures by cause over time", caption, "wide", {"failures": data})


_POLICY = ("reward_q10", "reward_median", "reward_q90", "reward_max", "entropy", "kl", "clip_fraction")


def policy(results: Results, timeline: Timeline) -> Iterator[Figure]:
    """Yield what agents learned; nothing for a search without any."""
    learned = curves.learning(results, timeline)
    num = len(learned.seconds)
    if not num:
        return
    parts = np.array_split(np.arange(num), min(num, NUM_UPDATES))
    data: dict[str, Any] = {name: numbers(_means(learned.columns[name], parts)) for name in _POLICY}
    data["seconds"] = numbers(_means(learned.seconds, parts))
    agents = len(np.unique(learned.columns["agent"]))
    mean = f"; a point is the mean of about {num / len(parts):.3g} updates" if len(parts) < num else ""
    learned_from, chosen = int(learned.episodes[-1]), results.metadata.statistics.get("episodes")
    of_all = f" of the {chosen:,} that were chosen" if isinstance(chosen, int) and chosen > learned_from else ""
    caption = (
        f"{counted(num, 'update')} of {counted(agents, 'agent')}, from {counted(learned_from, 'architecture')}"
        f"{of_all}{mean}."
    )
    yield Figure("rewards", "policy", "Rewards of the batches", f"Quantiles in {caption}", "", {"policy": data})
    entropy = learned.columns["entropy"][np.isfinite(learned.columns["entropy"])]
    went = f" The entropy {_went(f'{entropy[0]:.3g}', f'{entropy[-1]:.3g}')} nat." if len(entropy) else ""
    yield Figure("policy", "policy", "Entropy, KL and clip fraction", f"{caption}{went}", "tall")


def _means(values: Array, parts: Sequence[Array]) -> Array:
    """Return the mean of the numbers in each part, NaN where there is none."""
    known = [part[np.isfinite(values[part])] for part in parts]
    return np.array([values[part].mean() if len(part) else np.nan for part in known])
