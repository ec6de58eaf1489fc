"""Pages of the live view, as lines of text that fit a terminal."""

import math
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import nsmallest
from typing import Any, NamedTuple

from dhmpi.analysis.top.live_figures import LiveFigures, Liveness, max_steps, model_points, step_cost
from dhmpi.analysis.top.tally import Running, Tally
from dhmpi.evaluation import State, turned
from dhmpi.results import rank_table
from dhmpi.support.printing import escape
from dhmpi.support.wording import counted

BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.-~=+*#"
SORTS: Mapping[str, Callable[[Running], Any]] = {
    "age": lambda each: (each.begun, each.id),
    "host": lambda each: (each.host, each.rank, each.id),
    "rank": lambda each: (each.rank, each.id),
}
KEYS = "s sort  / filter  p pause  i why idle  ? help  q quit"
# Columns of a terminal below which there is no room for wide columns of a list.
NARROW = 66
# Rows of a section where there is no end to the page.
MOST_ROWS = 10
# No terminal has more rows.
TALLEST = 1000
HELP = """\
s      running evaluations by age, host or worker
/      filter: only lines that hold a text; Enter keeps it, Esc ends it
p      pause: the page stays as it is, until p again
i      why workers are idle: where their time went, by reason
?, h   this page
Esc    back to the campaign
q      quit; so does Ctrl-C

objective    the best one so far (reward); the curve is that of all evaluations, from the first to the latest
rate         of the last minute, or of the last ten evaluations if these took longer; of an ended run, its mean
left         at this rate until --max-evals; until the time ends, as the scheduler, --max-minutes and --end-time say
utilisation  busy worker-seconds / available worker-seconds of all runs, with what is running until now
steps        what evaluations have reported; full training is --max-steps of all of them
running      step and value are those that an evaluation has reported last
hosts        the same of the latest run for each, the least busy first
errors       the latest kind first; dhmpi show --errors FILE has all that they say"""


class Line(NamedTuple):
    """Line of a page.

    Attributes:
        text: Printable.
        style: title, good, bad, dim, or nothing.
    """

    text: str = ""
    style: str = ""


class PageSize(NamedTuple):
    """PageSize of a page.

    Attributes:
        columns: Its width in columns of a terminal.
        rows: Its height; None: as many as are needed.
        is_unicode: Whether more than ASCII can be shown.
    """

    columns: int = 80
    rows: int | None = None
    is_unicode: bool = True


class Choice(NamedTuple):
    """Choice of a person: what is listed, and how.

    Attributes:
        sort: Order of the running evaluations, a key of `SORTS`.
        filter: Only lines with this text are listed.
    """

    sort: str = "age"
    filter: str = ""


def fit(text: str, size: PageSize) -> str:
    """Return text without control characters that fits the width; wide characters take two columns."""
    text = escape(text, keep="")
    if not size.is_unicode:
        text = text.encode("ascii", "backslashreplace").decode()
    if len(text) <= size.columns and text.isascii():
        return text
    width, fitting = 0, ""
    for each in text:
        width += 0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        if width > size.columns:
            return fitting
        fitting += each
    return fitting


def campaign_page(path: str, tally: Tally, figures: LiveFigures, choice: Choice, size: PageSize) -> list[Line]:
    """Return the page of a campaign that has begun.

    Args:
        path: How its file is called.
        tally: What is known.
        figures: What it makes.
        choice: What a person has chosen to see.
        size: That of the page.
    """
    head = [part for line in _head(path, tally, figures, size) for part in wrapped(line, size)]
    sections = [_running(tally, figures, choice, size), _nodes(tally, figures, choice), _errors(tally, choice)]
    sections = [section for section in sections if len(section) > 1]
    free = None if size.rows is None else size.rows - len(head)
    lines = list(head)
    for section, num in zip(sections, _shares([len(each) for each in sections], free), strict=True):
        if num > 1:
            lines += [Line(), *(Line(fit(text, size), style) for text, style in section[:num])]
    return lines if size.rows is None else lines[: size.rows]


def wrapped(line: Line, size: PageSize) -> Iterable[Line]:
    """Yield a line that is too long in parts, under what it says, at most three of them."""
    text = escape(line.text, keep="")
    if len(text) <= size.columns or size.columns < 30:
        parts = [text]
    else:
        parts = textwrap.wrap(text, size.columns, subsequent_indent=13 * " ", max_lines=3, placeholder=" ...")
    return (Line(fit(part, size), line.style) for part in parts)


def _shares(lengths: Sequence[int], free: int | None) -> list[int]:
    """Return how many lines each section gets, its title among them; before each there is an empty one."""
    if free is None:
        return [min(length, MOST_ROWS + 2) for length in lengths]
    shares = [0] * len(lengths)
    free -= len(lengths)
    while free > 0 and any(share < length for share, length in zip(shares, lengths, strict=True)):
        for place, length in enumerate(lengths):
            if free > 0 and shares[place] < length:
                shares[place] += 1
                free -= 1
    return shares


def _head(path: str, tally: Tally, figures: LiveFigures, size: PageSize) -> Iterable[Line]:
    """Yield the lines of the campaign as a whole."""
    metadata = tally.metadata
    assert metadata is not None
    run: Mapping[str, Any] = metadata.runs[-1] if metadata.runs else {}
    why = f": {run['why']}" if figures.progress in (Liveness.ENDED, Liveness.COMPLETE) and run.get("why") else ""
    good = figures.progress in (Liveness.RUNNING, Liveness.COMPLETE)
    yield Line(f"{path}  {_moment(figures.now)}  {figures.progress}{why}", "title" if good else "bad")
    nodes, number = len(figures.nodes), len(metadata.runs)
    where = f", {nodes} hosts" if nodes > 1 else ""
    ran = (
        f"; run {number}, {counted(run['num_workers'], 'worker')}{where}, for {duration(figures.seconds)}"
        if run
        else ""
    )
    yield Line(f"{metadata.search} on {metadata.problem}{ran}")
    most = metadata.options.get("max_evals")
    of = f" of {most}" if isinstance(most, int) else ""
    counts = "  ".join(f"{tally.counts[state]} {state}" for state in State if tally.counts[state])
    yield Line(f"{'evaluations':13}{tally.num_ended}{of}  {counts}")
    left = ", ".join(f"{duration(each.seconds)} to {each.end}" for each in figures.left)
    rate = f"{_short(figures.rate)}/s, {_short(60 * figures.rate)}/min"
    yield Line(f"{'rate':13}{rate}" + (f"; left: {left}" if left else ""))
    if cost := step_cost(tally):
        yield Line(f"{'steps':13}{cost}")
    if figures.utilisation_of_all is not None:
        share, latest = figures.utilisation_of_all, figures.utilisation
        of_all = f" of all {number} runs" if number > 1 else ""
        of_latest = f"; latest run {_percent(latest)}" if number > 1 and latest is not None else ""
        yield Line(f"{'utilisation':13}{_percent(share)} {_bar(share, size)}{of_all}{of_latest}")
    yield from _best(tally, size)
    if search := _search(tally):
        yield Line(f"{'search':13}{search}")


def _best(tally: Tally, size: PageSize) -> Iterable[Line]:
    """Yield the incumbent, and how it has become better."""
    assert tally.metadata is not None
    maximises = tally.metadata.maximises
    name = f"{escape(tally.metadata.main_objective.name, keep='')[:12]:13}"
    if not tally.incumbents:
        yield Line(f"{name}none yet")
        return
    best = tally.incumbents[-1]
    value = turned(best.objective, maximises)
    text = f"{name}{value:.6g} (evaluation {best.id}) "
    yield Line(text + sparkline(tally, max(0, min(size.columns, 160) - len(text)), size.is_unicode), "good")


def sparkline(tally: Tally, columns: int, is_unicode: bool) -> str:
    """Return the best objective so far against the evaluations that have ended; better is higher for rewards alone."""
    assert tally.metadata is not None
    found = tally.incumbents
    if columns < 4 or not found:
        return ""
    width, blocks = min(columns, max(tally.num_ended, 1)), BLOCKS if is_unicode else ASCII_BLOCKS
    places = [max(0, math.ceil((column + 1) * tally.num_ended / width) - 1) for column in range(width)]
    values: list[float | None] = []
    index = -1
    for place in places:
        while index + 1 < len(found) and found[index + 1].place <= place:
            index += 1
        values.append(turned(found[index].objective, tally.metadata.maximises) if index >= 0 else None)
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)

    def block(value: float | None) -> str:
        if value is None:
            return " "
        share = 0.0 if high == low else (value / 2 - low / 2) / (high / 2 - low / 2)  # no overflow
        return blocks[min(len(blocks) - 1, int(share * len(blocks)))]

    return "".join(map(block, values))


def _search(tally: Tally) -> str:
    """Return what the search is doing: its surrogate, or what its agents have learned."""
    assert tally.metadata is not None
    parts, points = [], model_points(tally)
    if points is not None:
        parts.append(f"{tally.model or 'no model'} proposed the latest point")
        parts.append(f"{points.num_without} of {points.number} points without a model")
    policy, statistics = tally.policy.columns, tally.metadata.statistics
    if num := len(tally.policy):
        parts.append(counted(num, "update"))
        learned = [place for place in (0, num - 1) if policy["episodes"][place]]
        if learned:
            entropies = " to ".join(f"{policy['entropy'][place]:.3g}" for place in learned)
            parts.append(f"entropy {entropies}, mean reward {policy['reward_mean'][learned[-1]]:.4g}")
    agents = statistics.get("agents")
    if isinstance(agents, int):
        parts.insert(0, counted(agents, "agent"))
    return "; ".join(parts)


def _running(tally: Tally, figures: LiveFigures, choice: Choice, size: PageSize) -> list[Line]:
    found: Iterable[Running] = tally.running.values()
    number = len(tally.running)
    if choice.filter:
        found = [each for each in found if _fits(Line("  ".join(_cells(each, tally, figures))), choice)]
        number = len(found)
    rows = [_cells(each, tally, figures) for each in nsmallest(TALLEST, found, key=SORTS[choice.sort])]
    was = " when it was killed" if figures.progress is Liveness.KILLED else ""
    worker = _worker(tally)
    titles = ["id", worker, "time", *(["step", "value"] if tally.latest_reports else []), "host"]
    sort = worker if choice.sort == "rank" else choice.sort
    head = Line(f"running{was}, by {sort}: {number}", "title")
    texts = _aligned([titles, *rows], size)
    return [head, Line(texts[0], "dim"), *map(Line, texts[1:])] if rows else []


def _aligned(rows: Sequence[Sequence[str]], size: PageSize) -> list[str]:
    """Return rows of cells as lines; on a narrow terminal, columns are no wider than what they hold."""
    is_narrow = size.columns < NARROW
    least = (0,) * 5 if is_narrow else (9, 6, 9, 9, 11)
    widths = [max(least[place], *map(len, column)) for place, column in enumerate(list(zip(*rows, strict=True))[:-1])]
    gap = " " if is_narrow else "  "
    return [gap + gap.join([*map(str.rjust, row[:-1], widths), row[-1]]) for row in rows]


def _worker(tally: Tally) -> str:
    """Return what workers are called."""
    runs = tally.metadata.runs if tally.metadata is not None else []
    return rank_table.name_of_workers(runs[-1]) if runs else "rank"


def _cells(each: Running, tally: Tally, figures: LiveFigures) -> list[str]:
    """Return what is listed of an evaluation; if any has reported, its latest step and value, too."""
    rank = str(each.rank) if each.rank >= 0 else "-"
    reported = []
    if tally.latest_reports:
        report = tally.latest_reports.get(each.id)
        reported = ["-", "-"] if report is None else [_step(report.step, tally), _value(report.value, tally)]
    return [str(each.id), rank, _age(each, figures), *reported, each.host]


def _step(step: float, tally: Tally) -> str:
    most = max_steps(tally)
    return f"{step:g}" if most is None else f"{step:g}/{most:g}"


def _value(value: float, tally: Tally) -> str:
    assert tally.metadata is not None
    return f"{turned(value, tally.metadata.maximises):.6g}"


def _age(each: Running, figures: LiveFigures) -> str:
    if not math.isfinite(each.begun):
        return "-"
    seconds = max(0.0, figures.now - each.begun)
    return duration(seconds) if seconds > 10 else f"{seconds:.1f} s"


def _nodes(tally: Tally, figures: LiveFigures, choice: Choice) -> list[Line]:
    rows = [
        Line(f"  {_percent(node.utilisation):>8}  {node.num_workers:>7}  {node.num_running:>7}  {node.host}")
        for node in figures.nodes
    ]
    rows = _filtered(rows, choice)
    titles = Line(f"  {'busy':>8}  {'workers':>7}  {'running':>7}  host", "dim")
    has_earlier = tally.metadata is not None and len(tally.metadata.runs) > 1
    where = "hosts in the latest run" if has_earlier else "hosts"
    return [Line(f"{where}, the least busy first: {len(rows)}", "title"), titles, *rows] if rows else []


def _errors(tally: Tally, choice: Choice) -> list[Line]:
    groups = sorted(tally.errors.values(), key=lambda group: -group.place)
    rows = [
        Line(f"  {each.number:>6} x {each.state}, last {each.last}: {each.line or 'no error'}", "bad")
        for each in groups
    ]
    rows = _filtered(rows, choice)
    return [Line(f"errors, the latest first: {len(rows)}", "title"), *rows] if rows else []


def _filtered(rows: Iterable[Line], choice: Choice) -> list[Line]:
    return [row for row in rows if _fits(row, choice)]


def _fits(row: Line, choice: Choice) -> bool:
    return choice.filter.casefold() in row.text.casefold()


def help_page(size: PageSize) -> list[Line]:
    """Return the page of the keys, and of what the figures are."""
    lines = (part for text in HELP.splitlines() for part in wrapped(Line(text), size))
    return [Line(fit("keys and figures", size), "title"), Line(), *lines]


def duration(seconds: float) -> str:
    """Return a duration for people."""
    return str(timedelta(seconds=round(seconds))) if seconds < 1e9 else "for ever"


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time).strftime("%Y-%m-%d %H:%M:%S") if math.isfinite(time) else "-"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _bar(share: float, size: PageSize) -> str:
    width = min(30, max(0, size.columns - 24))
    filled = round(share * width)
    return f"[{'#' * filled}{'.' * (width - filled)}]" if width >= 5 else ""
