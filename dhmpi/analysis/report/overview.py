"""Overview of a campaign: what a busy person wants to know, in sentences and figures."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dhmpi.analysis.pareto_front import pareto_front
from dhmpi.analysis.report.causes import Causes
from dhmpi.analysis.report.evaluation_rows import value_text
from dhmpi.analysis.step_curves import percent_text, step_cost, steps_text
from dhmpi.analysis.summary import why_no_best
from dhmpi.analysis.timeline import Timeline
from dhmpi.evaluation import State, turned
from dhmpi.results import Metadata, Results
from dhmpi.support.json_text import dumps
from dhmpi.support.printing import escape

# Statistics whose names say too little.
LABELS = ("unit", "description")
STATISTICS = {"busy_share": "share of the time that rank 0 was computing"}


@dataclass(frozen=True)
class Tile:
    """A figure that is shown large.

    Attributes:
        title: What it is.
        value: The figure.
        detail: What else there is to say; may be empty.
    """

    title: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Duration:
    """Duration of a campaign, and how busy its workers were meanwhile.

    Attributes:
        seconds: Length of all runs together.
        utilisation: Busy worker-seconds / available worker-seconds, 0 to 1; None if that is not known.
    """

    seconds: float
    utilisation: float | None


def lead(results: Results, timeline: Timeline) -> str:
    """Return what was searched, how, for how long, and what was found, in sentences."""
    metadata, columns = results.metadata, results.columns
    what = f"{metadata.search} searched {counted(len(metadata.space), 'dimension')} of {metadata.problem}"
    word = word_of(metadata)
    aims = metadata.objectives or [metadata.main_objective]
    names = [f"the {'largest' if each.maximises else 'smallest'} {escape(each.name, keep='')}" for each in aims]
    wanted = f"for {' and '.join(names)}"
    took = f"{counted(len(columns), 'evaluation')} in {duration_text(timeline.duration)}"
    if not len(columns):
        return f"{what} {wanted}. There are no evaluations yet."
    best = results.best
    if best is None:
        why = why_no_best(results)
        return f"{what} {wanted}: {took}. {why[0].upper()}{why[1:]}."
    value = turned(best.objective, metadata.maximises)
    found = f"The best {word} is {number_text(value)}, of evaluation {best.id}"
    ended = float(timeline.ended[results.columns.rows_of([best.id])][0])
    after = "" if math.isnan(ended) else f", which ended {duration_text(ended)} after the beginning"
    return f"{what} {wanted}: {took}. {found}{after}."


def notes(results: Results, is_going_on: bool) -> Iterator[str]:
    """Yield sentences about what is not as it should be, or not yet."""
    metadata = results.metadata
    if not metadata.runs:
        yield "The campaign has not begun."
    elif is_going_on:
        yield "The campaign was running when this report was made: it says what was there then."
    elif metadata.is_open:
        yield "The campaign was killed, and goes on with --resume."
    elif not metadata.complete:
        yield f"The campaign is not complete: {metadata.runs[-1]['why'] or 'it has ended'}. It goes on with --resume."
    if results.dropped:
        yield f"Not all could be read: {results.dropped}."


def tiles(results: Results, duration: Duration, causes: Causes) -> Iterator[Tile]:
    """Yield the figures that are shown large."""
    metadata, columns = results.metadata, results.columns
    word, best, counts = word_of(metadata), results.best, columns.counts()
    if best is None:
        yield Tile(f"best {word}", "none", why_no_best(results))
    else:
        yield Tile(f"best {word}", number_text(turned(best.objective, metadata.maximises)), f"evaluation {best.id}")
    if (front := pareto_front(results)) is not None:
        yield Tile("Pareto set", f"{front.size:,}", f"hypervolume {number_text(front.hypervolume)}")
    done = counts.get(State.DONE, 0)
    stopped = counts.get(State.STOPPED, 0)
    also = f", {stopped:,} stopped early" if stopped else ""
    yield Tile("evaluations", f"{len(columns):,}", f"{done:,} with a result{also}")
    if cost := step_cost(results):
        share = "" if cost.share is None else f"{percent_text(cost.share)} of full training"
        yield Tile("steps", steps_text(cost.taken).rpartition(" ")[0], share)
    runs = len(metadata.runs)
    workers = metadata.runs[-1]["num_workers"] if runs else 0
    yield Tile("duration", duration_text(duration.seconds), f"{counted(runs, 'run')}, {counted(workers, 'worker')}")
    if duration.utilisation is not None:
        yield Tile("workers busy", f"{100 * duration.utilisation:.1f} %", "of their time")
    failed = sum(counts.get(state, 0) for state in (State.FAILED, State.TIMEOUT))
    num_causes = len(causes.causes) + causes.num_more
    yield Tile("failures", f"{failed:,}", counted(num_causes, "cause") if failed else "nothing failed")


def best_point(results: Results) -> list[tuple[str, str, str]]:
    """Return name, value and what was searched, of each dimension; nothing without a best evaluation."""
    best = results.best
    if best is None:
        return []
    metadata = results.metadata
    searched = {each.name: _shortened(repr(each.documented)) for each in metadata.dimensions}
    for name, label in metadata.labels.items():
        searched[name] = ", ".join([searched[name], *(escape(label[key], keep="") for key in LABELS if label.get(key))])
    return [(name, value_text(value), searched[name]) for name, value in best.point.items()]


def environment(results: Results) -> Iterator[tuple[str, str]]:
    """Yield where, with what and from what a campaign ran: names and texts."""
    metadata = results.metadata
    counts = results.columns.counts()
    yield "search", metadata.search
    yield "problem", metadata.problem
    for path, checksum in metadata.source.get("files", ()):
        yield "its file", f"{path} (SHA-256 {checksum})"
    yield "seed", str(metadata.seed)
    yield "dhmpi", metadata.version or "of an unknown version"
    yield "results file", str(results.path or "none")
    yield "created", moment_text(metadata.created)
    yield "states", ", ".join(f"{number:,} {state}" for state, number in sorted(counts.items())) or "none"
    for number, run in enumerate(metadata.runs, 1):
        yield f"run {number}", _run(run["started"], run["ended"], run["why"])
        yield "its layout", f"{counted(run['num_workers'], 'worker')}; {run['layout']}"
        hosts = [str(host) for host in run["hosts"]]
        more = f" and {len(hosts) - 20} more" if len(hosts) > 20 else ""
        yield "its hosts", f"{', '.join(hosts[:20])}{more}"
    if metadata.redone:
        yield "redone", f"{counted(metadata.redone, 'result')} taken back, to be evaluated again"
    for name, value in metadata.statistics.items():
        yield (
            STATISTICS.get(name, name.replace("_", " ")),
            number_text(value) if isinstance(value, float) else _shortened(str(value)),
        )


def options(metadata: Metadata) -> list[tuple[str, str]]:
    """Return the options of the latest run: names and values."""
    return [
        (name, _shortened(value if isinstance(value, str) else dumps(value)))
        for name, value in metadata.options.items()
    ]


def word_of(metadata: Metadata) -> str:
    """Return what people call the value of an evaluation."""
    return escape(metadata.main_objective.name, keep="")


def counted(number: int, what: str, several: str = "") -> str:
    """Return a number of things; `several` is what more than one are called, if not by an s."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def number_text(value: float | None) -> str:
    """Return a number as people read it."""
    return "none" if value is None else f"{value:.6g}"


def duration_text(seconds: float) -> str:
    """Return a duration in the two units that say most."""
    if math.isnan(seconds):
        return "an unknown time"
    if 0 < seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    units = ((86400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s"))
    large, small, name, part = next(unit for unit in units if whole >= unit[0])
    return f"{whole // large} {name} {whole % large // small} {part}"


def moment_text(moment: float) -> str:
    """Return a moment [s since 1970-01-01 UTC] as date and time."""
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return "unknown"


def _run(started: float, ended: float | None, why: str) -> str:
    if ended is None:
        return f"{moment_text(started)}, without an end"
    return f"{moment_text(started)}, for {duration_text(max(0.0, ended - started))}{f'; {why}' if why else ''}"


def _shortened(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[: most - 4]} ..."
