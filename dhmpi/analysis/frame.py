"""A campaign as a pandas data frame; the only importer of pandas."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dhmpi.analysis.export import header, point_columns, rows, value_columns
from dhmpi.evaluation import INACTIVE
from dhmpi.results.reader import PathLike, Results, read
from dhmpi.results.schema import COLUMNS, PARETO, PARETO_COLUMN, POLICY_COLUMNS

_WITH_GAPS = {"int64": "Int64", "float64": "float64", "bool": "boolean"}
_DTYPES = {"int64": np.int64, "float64": np.float64, "int32": np.int32, "bool": np.bool_}


def load(path: PathLike) -> pd.DataFrame:
    """Read a campaign as one row per evaluation.

    Args:
        path: The results file; it may still be being written.

    Returns:
        The columns id, one per dimension (after `point.` if another column has its name, or could have), objective,
        reward (minus that, of searches for architectures) or one per objective that the problem has declared, pareto if
        there are several (whether no other one dominates it), state, submitted, started, ended [s since 1970-01-01
        UTC], rank, host, error, step if any was reported, and one per key of the extras, after `extra.`.

    Raises:
        ResultsError: It is missing, damaged, or no results file.
    """
    return frame(read(path))


def load_policy(path: PathLike) -> pd.DataFrame:
    """Read how a policy has learned: the columns of `/policy`, one row per update.

    Args:
        path: The results file; it may still be being written.

    Raises:
        ResultsError: It is missing, damaged, or no results file.
    """
    columns = read(path).policy.columns
    return pd.DataFrame({column.name: np.array(columns[column.name]).astype(column.dtype) for column in POLICY_COLUMNS})


def load_reports(path: PathLike) -> pd.DataFrame:
    """Read what evaluations have reported by `context.report`: their learning curves.

    Args:
        path: The results file; it may still be being written.

    Returns:
        The columns evaluation, step, value, as it was reported, and time [s since 1970-01-01 UTC], in the order in
        which reports came; of one evaluation, steps grow.

    Raises:
        ResultsError: It is missing, damaged, or no results file.
    """
    results = read(path)
    found = pd.DataFrame(results.reports._asdict()).drop(columns="order")
    if results.metadata.maximises:
        found["value"] = -found["value"]
    return found


def frame(results: Results) -> pd.DataFrame:
    """Return a campaign as one row per evaluation."""
    names = header(results)
    columns = zip(*rows(results), strict=True) if results.evaluations else iter([()] * len(names))
    dtypes = {column.name: column.dtype for column in (*COLUMNS, PARETO_COLUMN)}
    dtypes |= {name: "float64" for name in value_columns(results) if name != PARETO}
    dtypes |= zip(point_columns(results), (each.dtype for each in results.metadata.dimensions), strict=True)
    return pd.DataFrame({name: _series(values, dtypes.get(name)) for name, values in zip(names, columns, strict=True)})


def _series(values: Sequence[object], dtype: str | None) -> pd.Series:
    if INACTIVE in values:  # integers and truth values of which some are missing
        known = [None if value == INACTIVE else value for value in values]
        return pd.Series(known, dtype=_WITH_GAPS.get(dtype or "", object))
    if dtype in _DTYPES:
        try:
            return pd.Series(values, dtype=_DTYPES[dtype])
        except (TypeError, ValueError, OverflowError):  # a value beyond its specification
            return pd.Series(values, dtype=object)
    if dtype is None and all(value is None or type(value) in (int, float) for value in values):
        return pd.Series(values, dtype=np.float64 if None in values or not values else None)
    return pd.Series(values, dtype=object)
