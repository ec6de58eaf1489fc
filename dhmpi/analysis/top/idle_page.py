"""Page of the live view that tells why workers are idle."""

import textwrap

from dhmpi.analysis.idle import MEANINGS, idle_time
from dhmpi.analysis.timeline import Timeline
from dhmpi.analysis.top.live_page import Line, PageSize, duration, fit
from dhmpi.results import Results


def idle_page(results: Results, now: float | None, size: PageSize) -> list[Line]:
    """Return where the time of the workers went in all runs, each reason with what it means.

    Args:
        results: The campaign.
        now: The time, if it is going on [s since 1970-01-01 UTC].
        size: PageSize of the page.
    """
    lines = [Line("why workers are idle", "title"), Line()]
    found = idle_time(results, Timeline(results, now))
    if found.available <= 0:
        return [*lines, Line("no run has begun")]

    def row(seconds: float, what: str, style: str = "") -> Line:
        return Line(fit(f"{100 * seconds / found.available:5.1f} %  {duration(seconds):>12}  {what}", size), style)

    lines.append(row(found.available, "workers times the lengths of all runs"))
    lines.append(row(found.busy, "busy", "good"))
    for reason, seconds in sorted(found.idle.items(), key=lambda part: -part[1]):
        lines.append(row(seconds, reason, "bad"))
        wrapped = textwrap.wrap(MEANINGS[reason], max(20, size.columns - 23))
        lines += [Line(fit(f"{'':23}{text}", size), "dim") for text in wrapped]
    lines.append(Line())
    states = ", ".join(f"{duration(seconds)} {state}" for state, seconds in found.spent.items())
    lines.append(Line(fit(f"busy by state: {states}", size)))
    return lines if size.rows is None else lines[: size.rows]
