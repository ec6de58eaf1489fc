"""The installation of a site that this dhmpi is part of, if it is part of one."""

import sys
from pathlib import Path


def modulefiles() -> str:
    """Return the folder of modules of the prefix that holds this environment, or nothing.

    Jobs need it where the scheduler exports nothing of the environment in which they were submitted.
    """
    prefix = Path(sys.prefix).parent
    is_installed = (prefix / "modulefiles" / "deephyper").is_dir() and (prefix / "bin" / "dhmpi").exists()
    return str(prefix / "modulefiles") if is_installed else ""
