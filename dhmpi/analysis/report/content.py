"""Content of a report: what its page says and shows, as named records."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dhmpi.analysis import curves
from dhmpi.analysis.report import figures, overview
from dhmpi.analysis.report.causes import Causes, causes_of
from dhmpi.analysis.report.evaluation_rows import dimension_values, evaluation_rows, names_of_codes
from dhmpi.analysis.report.figures import Figure
from dhmpi.analysis.report.front_figures import front
from dhmpi.analysis.report.learning_figures import learning
from dhmpi.analysis.report.overview import Duration, Tile
from dhmpi.analysis.report.reproduction import Reproduction, reproduction
from dhmpi.analysis.report.sample import Sample, choose
from dhmpi.analysis.report.versus import Versus, versus
from dhmpi.analysis.timeline import Timeline
from dhmpi.analysis.worker_names import word_of_workers
from dhmpi.results import Results
from dhmpi.support.printing import escape


@dataclass(frozen=True)
class CampaignContent:
    """Content of a report about one campaign.

    Attributes:
        name: Name of its file.
        lead: What was searched, how, for how long, and what was found.
        notes: Sentences about what is not as it should be.
        tiles: The figures that are shown large.
        best_caption: What the best point is.
        best_point: Its dimensions: name, value, and what was searched.
        reproduction: The command that repeats it.
        figures: The charts.
        causes: Why evaluations failed.
        shown: Which evaluations the report has one by one.
        environment: Where, with what and from what it ran.
        options: Those of the latest run.
        data: What its charts and its table are made from, JSON values.
    """

    name: str
    lead: str
    notes: Sequence[str]
    tiles: Sequence[Tile]
    best_caption: str
    best_point: Sequence[tuple[str, str, str]]
    reproduction: Reproduction
    figures: Sequence[Figure]
    causes: Causes
    shown: str
    environment: Sequence[tuple[str, str]]
    options: Sequence[tuple[str, str]]
    data: dict[str, Any]


@dataclass(frozen=True)
class ReportContent:
    """Content of a report.

    Attributes:
        campaigns: Of each campaign.
        versus: Of all of them together; None for a single one.
        made: When the report was made [s since 1970-01-01 UTC].
    """

    campaigns: Sequence[CampaignContent]
    versus: Versus | None
    made: float

    def data(self) -> dict[str, Any]:
        """Return what charts and tables are made from, JSON values."""
        found: dict[str, Any] = {"campaigns": [each.data for each in self.campaigns]}
        return found | ({"comparison": self.versus.data} if self.versus else {})


class Showing(NamedTuple):
    """Room that a campaign gets in a report, and whether it is going on.

    Attributes:
        share: Its share of the room, 0 to 1.
        is_going_on: Whether it is.
    """

    share: float
    is_going_on: bool


def content_of(campaigns: Sequence[Results], nows: Sequence[float | None] | None = None) -> ReportContent:
    """Return what a report says of some campaigns.

    Args:
        campaigns: The campaigns.
        nows: When each is looked at, if it is going on [s since 1970-01-01 UTC]; None for one that is not.
    """
    names = _names([each.path for each in campaigns])
    nows = nows or [None] * len(campaigns)
    timelines = list(map(Timeline, campaigns, nows))
    share = 1.0 / len(campaigns)
    found = [
        _campaign(results, timeline, name, Showing(share, now is not None))
        for results, timeline, name, now in zip(campaigns, timelines, names, nows, strict=True)
    ]
    return ReportContent(found, versus(campaigns, timelines, names) if len(campaigns) > 1 else None, time.time())


def _names(paths: Sequence[Path | None]) -> list[str]:
    """Return what the campaigns are called: names of their files, with folders if two are the same."""
    plain = [path.name if path else "campaign" for path in paths]
    if len(set(plain)) < len(plain):
        plain = [str(path) if path else name for path, name in zip(paths, plain, strict=True)]
    if len(set(plain)) < len(plain):
        plain = [f"{number}. {name}" for number, name in enumerate(plain, 1)]
    return [escape(name, keep="") for name in plain]


def _campaign(results: Results, timeline: Timeline, name: str, showing: Showing) -> CampaignContent:
    metadata = results.metadata
    causes = causes_of(results, timeline)
    improvements = figures.improvements(results, timeline)
    sample = choose(results.columns, improvements.rows, showing.share)
    drawn: list[Figure] = [
        *figures.convergence(results, timeline, improvements, sample.rows),
        *front(results, timeline, sample.rows),
        *learning(results, sample.rows, showing.share),
        *figures.dimensions(results),
        *figures.workers(results, timeline, sample.rows),
        *figures.policy(results, timeline),
        *figures.failures(results, timeline, causes),
    ]
    duration = Duration(timeline.duration, curves.utilisation(results, timeline, 1).mean)
    best = results.best
    return CampaignContent(
        name=name,
        lead=overview.lead(results, timeline),
        notes=list(overview.notes(results, showing.is_going_on)),
        tiles=list(overview.tiles(results, duration, causes)),
        best_caption="" if best is None else f"Point of evaluation {best.id}",
        best_point=overview.best_point(results),
        reproduction=reproduction(metadata),
        figures=drawn,
        causes=causes,
        shown=_shown(len(results.columns), sample),
        environment=list(overview.environment(results)),
        options=overview.options(metadata),
        data=_data(results, name, timeline, sample, causes) | {"figures": _merged(each.data for each in drawn)},
    )


def _data(results: Results, name: str, timeline: Timeline, sample: Sample, causes: Causes) -> dict[str, Any]:
    metadata = results.metadata
    logs = [asdict(log) for cause in causes.causes for log in cause.logs]
    return {
        "name": name,
        "word": overview.word_of(metadata),
        "workerWord": word_of_workers(metadata),
        "maximises": metadata.maximises,
        "lasted": timeline.duration,
        "numEnded": len(curves.in_order(results, timeline)),
        "counts": [[state.value, number] for state, number in sorted(results.columns.counts().items())],
        **names_of_codes(results),
        "dimensions": [vars(each) for each in dimension_values(results, sample.rows)],
        "causes": [{"state": each.state.value, "line": each.line, "error": each.error} for each in causes.causes],
        "logs": logs,
        "rows": evaluation_rows(results, timeline, sample, causes),
    }


def _merged(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def _shown(num: int, sample: Sample) -> str:
    """Return which evaluations the report has one by one."""
    if len(sample.rows) == num:
        return f"All {num:,} evaluations." if num else "There are no evaluations yet."
    return (
        f"{len(sample.rows):,} of {num:,} evaluations, which charts show too: the best ones, failures, those that were "
        "the best for a while, and others evenly spread. Totals and curves are of all of them."
    )
