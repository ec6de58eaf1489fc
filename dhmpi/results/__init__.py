"""Results: one campaign writes one HDF5 file that is whole at any moment."""

import importlib
from typing import TYPE_CHECKING

from dhmpi.results.liveness import is_written
from dhmpi.results.metadata import Metadata
from dhmpi.results.reader import Results, is_results_file, read
from dhmpi.results.redo import redo
from dhmpi.results.store import ResultsStore

if TYPE_CHECKING:
    from dhmpi.analysis.export import export_csv, export_json
    from dhmpi.analysis.frame import load, load_policy, load_reports
    from dhmpi.analysis.summary import ModelUse, Summary, model_use, summarise

__all__ = [
    "Metadata",
    "ModelUse",
    "Results",
    "ResultsStore",
    "Summary",
    "export_csv",
    "export_json",
    "is_results_file",
    "is_written",
    "load",
    "load_policy",
    "load_reports",
    "model_use",
    "read",
    "redo",
    "summarise",
]

# Names that are documented here, and whose modules are in dhmpi.analysis.
_ANALYSIS = {
    "ModelUse": "summary",
    "Summary": "summary",
    "export_csv": "export",
    "export_json": "export",
    "load": "frame",
    "load_policy": "frame",
    "load_reports": "frame",
    "model_use": "summary",
    "summarise": "summary",
}


def __getattr__(name: str) -> object:
    """Import a name from dhmpi.analysis when it is asked for; pandas is slow to import."""
    if name not in _ANALYSIS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"dhmpi.analysis.{_ANALYSIS[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
