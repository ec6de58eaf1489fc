"""Page of a report: HTML of what is in it, with style, script, data and chart library inside."""

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata, resources
from string import Template
from typing import Any

from dhmpi.analysis.report.causes import Cause, LogTail
from dhmpi.analysis.report.content import CampaignContent, ReportContent
from dhmpi.analysis.report.figures import Figure
from dhmpi.analysis.report.markup import Markup, element, joined, table
from dhmpi.analysis.report.versus import Versus

SCRIPTS = ("format.js", "theme.js", "details.js", "table.js", "charts.js", "learning.js", "page.js")
# Parts of a campaign: their names in addresses, and their titles.
PARTS = {
    "summary": "Summary",
    "convergence": "Convergence",
    "curves": "Learning curves",
    "dimensions": "Dimensions",
    "workers": "Workers",
    "policy": "Policy",
    "failures": "Failures",
    "evaluations": "Evaluations",
    "environment": "Environment",
}


def render(content: ReportContent) -> bytes:
    """Return the page, in UTF-8."""
    campaigns = content.campaigns
    several = len(campaigns) > 1
    articles = [_article(each, number, several) for number, each in enumerate(campaigns)]
    title = campaigns[0].name if not several else f"{len(campaigns)} campaigns"
    head = [element("h1", f"Report of {title}")]
    if content.versus is not None:
        head += [_compared(content.versus), element("div", class_="controls", id="campaign-choice")]
    page = Template(_asset("page.html")).substitute(
        title=joined([f"{title} - dhmpi report"]),
        style=_asset("page.css"),
        navigation=_navigation(content),
        main=joined([*head, *articles]),
        footer=_footer(content),
        data=_packed(content.data()),
        library=_asset("echarts/echarts.min.js"),
        script="\n".join(map(_asset, SCRIPTS)),
    )
    return page.encode("utf-8", "backslashreplace")


@cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", *name.split("/")).read_text(encoding="utf-8")


def _packed(data: dict[str, Any]) -> str:
    """Return data as text that ends no script, whatever is in it; and a third as long as JSON."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def _navigation(content: ReportContent) -> Markup:
    names = [name for name in PARTS if any(name in _parts(each) for each in content.campaigns)]
    several = len(content.campaigns) > 1
    links = [("compared", "Comparison")] if several else []
    # With several campaigns, the first one that is shown has the part.
    links += [(_anchor(0, name), PARTS[name]) for name in names] if not several else [("campaign-choice", "Campaigns")]
    return element("ul", *(element("li", element("a", title, href=f"#{name}")) for name, title in links))


def _anchor(number: int, name: str) -> str:
    return f"{name}-{number + 1}"


def _parts(campaign: CampaignContent) -> Sequence[str]:
    parts = {figure.part for figure in campaign.figures}
    always = {"summary", "failures", "evaluations", "environment"}
    return [name for name in PARTS if name in always or name in parts]


def _article(campaign: CampaignContent, number: int, several: bool) -> Markup:
    sections = []
    for name in _parts(campaign):
        anchor = _anchor(number, name)
        title = element("h2", PARTS[name], id=f"{anchor}-title")
        body = _section(campaign, name, number)
        sections.append(element("section", title, *body, id=anchor, aria_labelledby=f"{anchor}-title"))
    head = [element("h2", campaign.name, class_="name")] if several else []
    return element("article", *head, *sections, data_campaign=str(number), aria_label=f"Campaign {campaign.name}")


def _section(campaign: CampaignContent, name: str, number: int) -> Iterator[Markup]:
    figures = [_figure(each) for each in campaign.figures if each.part == name]
    if name == "summary":
        yield from _summary(campaign, number)
    if figures:
        yield element("div", *figures, class_="figures")
    if name == "failures":
        yield from _failures(campaign)
    if name == "evaluations":
        yield element("p", campaign.shown, class_="note")
        yield element("div", class_="evaluations-root")
    if name == "environment":
        yield _facts(campaign.environment)
        if campaign.options:
            rows = table("Options", ("option", "value"), campaign.options)
            yield element("details", element("summary", f"All {len(campaign.options)} options"), rows)


def _summary(campaign: CampaignContent, number: int) -> Iterator[Markup]:
    yield element("p", campaign.lead, class_="lead")
    for note in campaign.notes:
        yield element("p", note, class_="note")
    tiles = (
        element("div", element("dt", tile.title), element("dd", tile.value, element("small", tile.detail)))
        for tile in campaign.tiles
    )
    yield element("dl", *tiles, class_="tiles")
    if campaign.best_point:
        yield element("h3", "The best point")
        titles = ("dimension", "value", "searched")
        yield table(campaign.best_caption, titles, campaign.best_point)
    again = campaign.reproduction
    if again.command:
        yield element("h3", "To repeat it")
        target = _anchor(number, "command")
        copy = element("button", "Copy", type="button", class_="copy", data_source=target, hidden=True)
        line = element("pre", element("code", again.command, id=target), tabindex="0")
        yield element("div", line, copy, class_="command")
        yield element("p", " ".join(again.notes), class_="note")


def _figure(figure: Figure) -> Markup:
    caption = element("figcaption", element("h3", figure.title), element("p", figure.caption))
    canvas = element("div", class_="canvas", role="img", aria_label=f"{figure.title}. {figure.caption}")
    return element("figure", caption, canvas, data_chart=figure.name, class_=figure.look or None)


def _failures(campaign: CampaignContent) -> Iterator[Markup]:
    causes = campaign.causes
    if not causes.causes:
        yield element("p", "No evaluation has failed.")
        return
    yield from (_cause(each) for each in causes.causes)
    if causes.num_more:
        yield element(
            "p", f"There are {causes.num_more} more causes: dhmpi show --errors tells them all.", class_="note"
        )


def _cause(cause: Cause) -> Markup:
    head = element("summary", element("b", f"{cause.count} x {cause.state}"), f": {cause.line}")
    body = [
        element("p", f"Evaluations {cause.ids}", class_="note"),
        element("h3", "What the first one says"),
        element("pre", cause.error or "nothing", tabindex="0"),
    ]
    for log in cause.logs:
        body += [element("h3", _title(log)), element("pre", log.text, tabindex="0")]
    return element("details", head, *body, class_="cause")


def _title(log: LogTail) -> str:
    who = f"evaluation {log.id}" if log.member is None else f"rank {log.member} of evaluation {log.id}"
    return f"{'What' if log.is_whole else 'The last that'} {who} has printed"


def _facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    items = [element(kind, value) for pair in pairs for kind, value in zip(("dt", "dd"), pair, strict=True)]
    return element("dl", *items, class_="facts")


def _compared(found: Versus) -> Markup:
    parts: list[str] = [element("h2", "Comparison", id="compared-title")]
    parts += [element("p", sentence) for sentence in found.sentences]
    if found.figure is not None:
        parts.append(element("div", _figure(found.figure), class_="figures"))
    parts += [table(each.caption, each.titles, each.rows) for each in found.tables]
    return element("section", *parts, id="compared", aria_labelledby="compared-title")


def _footer(content: ReportContent) -> Markup:
    moment = datetime.fromtimestamp(content.made, UTC)
    made = f"Made by dhmpi {metadata.version('dhmpi')} on {moment:%Y-%m-%d at %H:%M} UTC."
    library = "Charts by Apache ECharts 6.1.0, which is licensed under the Apache License 2.0."
    return joined([element("p", f"{made} {library}")])
