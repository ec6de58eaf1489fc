"""Writer of reports: results files in, one page out."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from dhmpi import results
from dhmpi.analysis.report import page
from dhmpi.analysis.report.content import content_of
from dhmpi.errors import OptionError
from dhmpi.results import Results
from dhmpi.results.files import replace_file

SUFFIXES = (".html", ".htm")


def write(files: Sequence[str], output: str) -> Path:
    """Write the report of campaigns.

    Args:
        files: Their results files.
        output: The page; one that is there is replaced.

    Raises:
        OptionError: The page cannot be there.
        ResultsError: A file is missing, damaged, or no results file.
    """
    path = Path(output)
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(f"--output must end in {' or '.join(SUFFIXES)}, got {output!r}")
    if not path.absolute().parent.is_dir():
        raise OptionError(f"--output must be in a directory that exists, got {output!r}; make it first")
    if path.exists() and not path.is_file():
        raise OptionError(f"--output must be a file, got {output!r}, which is something else")
    data = page.render(content_of(*zip(*map(_read, files), strict=True)))
    replace_file(path, data, f"report-{os.getpid()}", lambda: None)
    return path


def _read(file: str) -> tuple[Results, float | None]:
    """Return a campaign, and the time if it is going on [s since 1970-01-01 UTC]."""
    found = results.read(file)
    if found.metadata.is_open and not results.is_written(file):
        found = results.read(file)  # it may just have ended
        return found, None
    return found, time.time() if found.metadata.is_open else None
