"""Results: one campaign writes one HDF5 file that is whole at any moment."""

from typing import TYPE_CHECKING

from dhmpi.results.export import export_csv, export_json
from dhmpi.results.life import is_written
from dhmpi.results.metadata import Metadata
from dhmpi.results.reader import PathLike, Results, read
from dhmpi.results.redo import redo
from dhmpi.results.store import ResultsStore
from dhmpi.results.summary import ModelUse, Summary, model_use, summarise

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Metadata",
    "ModelUse",
    "Results",
    "ResultsStore",
    "Summary",
    "export_csv",
    "export_json",
    "is_written",
    "load",
    "load_policy",
    "model_use",
    "read",
    "redo",
    "summarise",
]


def load(path: PathLike) -> "pd.DataFrame":
    """Read a campaign as a pandas data frame, one row per evaluation.

    Args:
        path: The results file; it may still be being written.

    Raises:
        ResultsError: It is missing, damaged, or no results file.
    """
    from dhmpi.results import frame  # pandas is slow to import

    return frame.load(path)


def load_policy(path: PathLike) -> "pd.DataFrame":
    """Read how a policy has learned as a pandas data frame, one row per update of an agent; empty without agents.

    Args:
        path: The results file; it may still be being written.

    Raises:
        ResultsError: It is missing, damaged, or no results file.
    """
    from dhmpi.results import frame  # pandas is slow to import

    return frame.load_policy(path)
