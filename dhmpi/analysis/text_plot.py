"""Curve of the best value so far in the terminal, in characters alone."""

import numpy as np

from dhmpi.analysis.curves import Curve, incumbent
from dhmpi.analysis.summary import why_no_best
from dhmpi.results import Results
from dhmpi.results.columns import Array
from dhmpi.support.printing import Stream, escape

# Dots of a Braille character, from its first row to its last (Unicode, U+2800).
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
HEIGHT = 15
LEAST_WIDTH = 30


def print_incumbent(results: Results, stream: Stream, width: int = 80, is_unicode: bool = True, path: str = "") -> None:
    """Print how the best value went on, against the evaluations that have ended.

    Args:
        results: The campaign.
        stream: Where it is printed.
        width: How wide it may be [characters].
        is_unicode: Whether it may have other characters than those of ASCII.
        path: How the file is called.
    """
    curve = incumbent(results)
    measure = escape(results.metadata.main_objective.name, keep="")
    title = f"best {measure} so far, {escape(results.metadata.search, keep='')} on "
    title += f"{escape(results.metadata.problem, keep='')} ({escape(path, keep='')})"
    print(title if is_unicode else title.encode("ascii", "backslashreplace").decode(), file=stream)
    if not len(curve.x):
        print(why_no_best(results), file=stream)
        return
    for line in lines(curve, max(width, LEAST_WIDTH), HEIGHT, is_unicode):
        print(line, file=stream)


def lines(curve: Curve, width: int, height: int, is_unicode: bool) -> list[str]:
    """Return a curve of steps as lines of text, with labels."""
    low, high = float(curve.y.min()), float(curve.y.max())
    labels = [f"{high:.5g}", f"{low:.5g}"]
    margin = max(map(len, labels)) + 1
    num = width - margin - 2
    dots = _dots(curve, (2 * num, 4 * height) if is_unicode else (num, height))
    drawn = _braille(dots) if is_unicode else ["".join("*" if dot else " " for dot in row) for row in dots]
    side, corner, bottom = ("│", "└", "─") if is_unicode else ("|", "+", "-")
    left = [labels[0], *[""] * (height - 2), labels[1]]
    shown = [f"{label:>{margin}}{side}{row}".rstrip() for label, row in zip(left, drawn, strict=True)]
    last = f"{curve.x[-1]:.0f}"
    axis = f"{' ' * margin} 1{'evaluations'.center(max(num - 1 - len(last), 0))}{last}"
    return [*shown, f"{' ' * margin}{corner}{bottom * num}", axis.rstrip()]


def _dots(curve: Curve, size: tuple[int, int]) -> Array:
    """Return which dots of a picture a curve of steps touches, shape (height, width), from the top."""
    width, height = size
    values = curve.at(np.linspace(1.0, max(curve.x[-1], 1.0), width))
    low, high = float(curve.y.min()) / 2, float(curve.y.max()) / 2  # halves: the range may exceed the largest number
    share = (values / 2 - low) / (high - low) if high > low else np.where(np.isnan(values), np.nan, 0.5)
    dots = np.zeros((height, width), bool)
    before = None
    for column, part in enumerate(share):
        if np.isnan(part):
            continue
        row = round((1.0 - float(part)) * (height - 1))
        first, last = sorted((row, row if before is None else before))
        dots[first : last + 1, column] = True
        before = row
    return dots


def _braille(dots: Array) -> list[str]:
    rows = []
    for top in range(0, dots.shape[0], 4):
        codes = np.full(dots.shape[1] // 2, 0x2800)
        for down, pair in enumerate(_DOTS):
            for right, bit in enumerate(pair):
                codes += bit * dots[top + down, right::2]
        rows.append("".join(map(chr, codes.tolist())).replace("\u2800", " "))
    return rows
