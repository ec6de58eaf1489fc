"""Sheet of pictures: panels side by side, in one file."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dhmpi.analysis.plots.kinds import panels
from dhmpi.analysis.plots.view import View
from dhmpi.errors import OptionError

FORMATS = (".png", ".svg", ".pdf")
PANEL = (5.0, 3.4)  # inches
RESOLUTION = 110  # pixels per inch


def figure(views: Sequence[View], kinds: Sequence[str] = ()) -> Figure:
    """Return a figure with the panels of some kinds of pictures.

    Args:
        views: Campaigns; several are compared.
        kinds: Names of kinds. Default: those that say most.

    Raises:
        OptionError: A kind does not show so many campaigns.
        ResultsError: Campaigns cannot be compared.
    """
    drawn = panels(views, kinds)
    num_columns = min(3, len(drawn)) if len(drawn) != 4 else 2
    num_rows = math.ceil(len(drawn) / num_columns)
    sheet = Figure(figsize=(PANEL[0] * num_columns, PANEL[1] * num_rows), layout="constrained")
    for place, panel in enumerate(drawn):
        panel(sheet.add_subplot(num_rows, num_columns, place + 1))
    return sheet


def save(sheet: Figure, path: str) -> None:
    """Write a figure; the name says in which format.

    Raises:
        OptionError: There is no such format.
        OSError: The file cannot be written.
    """
    check_name(path)
    # Ticks beyond the largest number are left out.
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        # A font may lack the letters of a name; it shows boxes then.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        dates = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        sheet.savefig(path, dpi=RESOLUTION, metadata=dates[Path(path).suffix.lower()])


def check_name(path: str) -> None:
    """Check the name of a picture.

    Raises:
        OptionError: It does not say a format.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise OptionError(f"a picture must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {path!r}")
