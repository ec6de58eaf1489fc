"""Writer of reports: results files in, one page out."""

import os
from collections.abc import Sequence
from pathlib import Path

from dhmpi import results
from dhmpi.analysis.report import page
from dhmpi.analysis.report.content import content_of
from dhmpi.errors import OptionError
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
    data = page.render(content_of([results.read(file) for file in files]))
    replace_file(path, data, f"report-{os.getpid()}", lambda: None)
    return path
