"""Campaigns of a report side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dhmpi.analysis.report.figures import Figure
from dhmpi.results import Results


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
    """What there is to say of several campaigns together.

    Attributes:
        sentences: What was compared, and how it came out.
        figure: The curves; None if they cannot be compared.
        tables: Figures of the campaigns.
        data: What the chart is made from, JSON values.
    """

    sentences: Sequence[str]
    figure: Figure | None
    tables: Sequence[TextTable]
    data: dict[str, Any]


def compare(campaigns: Sequence[Results], names: Sequence[str]) -> Versus:
    """Compare campaigns."""
    return Versus((), None, (), {})
