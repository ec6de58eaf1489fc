"""Pareto set of a campaign as text."""

from collections.abc import Sequence

from dhmpi.analysis.export import returned
from dhmpi.results import Results
from dhmpi.support.printing import Stream, escape
from dhmpi.support.wording import counted

# Characters of a value that are shown.
LONGEST = 24


def pareto_line(results: Results) -> str:
    """Return how large the Pareto set of a campaign is, and what it dominates; nothing without several objectives."""
    if not results.metadata.has_several:
        return ""
    from dhmpi.analysis.pareto_front import pareto_front  # numpy is slow to import

    front = pareto_front(results)
    if front is None:
        return ""
    worst = zip(results.metadata.objectives, front.reference.tolist(), strict=True)
    reference = ", ".join(f"{escape(each.name, keep='')} {value:.6g}" for each, value in worst)
    volume = "not computed, for so many" if front.hypervolume is None else f"{front.hypervolume:.6g}"
    return f"{counted(front.size, 'evaluation')}; hypervolume {volume} (up to the worst: {reference})"


def print_pareto_set(results: Results, stream: Stream) -> None:
    """Print a table of the evaluations that no other one dominates, the best of the first objective first."""
    objectives, names = results.metadata.objectives, list(results.metadata.space)
    titles = ["evaluation", *(each.name for each in objectives), *map(results.metadata.with_unit, names)]
    rows = [
        [str(each.id), *(f"{value:.6g}" for value in returned(each, objectives))]
        + [_shown(each.point[name]) if name in each.point else "" for name in names]
        for each in results.pareto_set
    ]
    for line in _table([titles, *rows], 1 + len(objectives)):
        print(line, file=stream)
    if line := pareto_line(results):
        print(line, file=stream)


def _shown(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _table(rows: Sequence[Sequence[str]], num_right: int) -> list[str]:
    """Return rows as lines whose columns are aligned: the first ones, of numbers, to the right."""
    clean = [[escape(cell, keep="") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    lines = []
    for row in clean:
        cells = [
            cell.rjust(width) if place < num_right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
