"""Writer of reports: results files in, one page out."""

import time
from collections.abc import Sequence
from pathlib import Path

from dhmpi import results
from dhmpi.analysis.report import page
from dhmpi.analysis.report.content import content_of
from dhmpi.errors import OptionError
from dhmpi.results import Results
from dhmpi.support.whole_file import whole_file

SUFFIXES = (".html", ".htm")


def write(files: Sequence[str], output: str) -> Path:
    """Write the report of campaigns.

    Args:
        files: Their results files.
        output: The page; one that is there is replaced.

    Raises:
        OptionError: The page cannot be there.
        OutputError: It cannot be written.
        ResultsError: A file is missing, damaged, or no results file.
    """
    path = Path(output)
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"--output must end in {' or '.join(SUFFIXES)}, got {output!r}")
    with whole_file(output, "output") as written:
        written.write_bytes(page.render(content_of(*zip(*map(_read, files), strict=True))))
    return path


def _read(file: str) -> tuple[Results, float | None]:
    """Return a campaign, and the time if it is going on [s since 1970-01-01 UTC]."""
    found = results.read(file)
    if found.metadata.is_open and not results.is_written(file):
        found = results.read(file)  # it may just have ended
        return found, None
    return found, time.time() if found.metadata.is_open else None
