"""Checks of a results file, which other programs may have changed; everything else relies on them."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dhmpi.evaluation import MEASURED_STATES
from dhmpi.results.column_source import NUMBERS, Array
from dhmpi.results.columns import Columns
from dhmpi.results.schema import Column

# Later times than that of the year 5138 are none [s since 1970-01-01 UTC].
LAST_TIME = 1e11


def checked(column: Column, value: Any) -> Any:
    """Return an attribute's value as Python has it.

    Args:
        column: What it is to be.
        value: What the file says: a text, a number, or what numpy makes of one.

    Raises:
        ValueError: It is something else.
    """
    found = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    if column.dtype == "json" and isinstance(found, str):
        found = json.loads(found)
    if not _IS[column.name if column.name in _IS else column.dtype](found):
        raise ValueError(f"attribute {column.name} must be {column.meaning}, got {value!r:.80}")
    return found


def is_time(value: Any) -> bool:
    """Whether a value is a time [s since 1970-01-01 UTC]."""
    return _is_number(value) and 0 <= value <= LAST_TIME


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list_of(value: Any, is_item: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(is_item, value))


def _is_run(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_mapping(value.get("roles", {})):
        return False
    return all(name in value and is_right(value[name]) for name, is_right in _RUN.items())


def _is_spec(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if "choices" in value:
        return isinstance(value["choices"], list)
    bounds = value.get("range", [])
    return _is_list_of(bounds, _is_number) and len(bounds) == 2 and _is_text(value.get("prior", ""))


_RUN: Mapping[str, Callable[[Any], bool]] = {
    "started": is_time,
    "ended": lambda value: value is None or is_time(value),
    "num_workers": lambda value: _is_int(value) and 0 <= value < 2**31,
    "hosts": lambda value: _is_list_of(value, _is_text),
    "layout": _is_text,
    "why": _is_text,
}


def _is_source(value: Any) -> bool:
    if not isinstance(value, dict) or not value:
        return value == {}
    files = value.get("files")
    are_pairs = bool(files) and _is_list_of(files, lambda pair: _is_list_of(pair, _is_text) and len(pair) == 2)
    return are_pairs and _is_text(value.get("module")) and _is_text(value.get("attribute"))


def _is_belief(value: Any) -> bool:
    return _is_mapping(value) and len(value) == 1 and all(_is_list_of(each, _is_number) for each in value.values())


def _is_label(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


# By name, or else by type.
_IS: Mapping[str, Callable[[Any], bool]] = {
    "space": lambda value: isinstance(value, dict) and all(map(_is_spec, value.values())),
    "source": _is_source,
    "beliefs": lambda value: isinstance(value, dict) and all(map(_is_belief, value.values())),
    "labels": lambda value: isinstance(value, dict) and all(map(_is_label, value.values())),
    "objectives": lambda value: isinstance(value, dict) and all(isinstance(each, bool) for each in value.values()),
    "command": lambda value: _is_list_of(value, _is_text),
    "runs": lambda value: _is_list_of(value, _is_run),
    "created": is_time,
    "json": _is_mapping,
    "string": _is_text,
    "int64": _is_int,
    "float64": _is_number,
    "bool": lambda value: isinstance(value, bool),
}


def check_columns(columns: Columns) -> None:
    """Check what all readers rely on.

    Raises:
        ValueError: It is not so.
    """
    if not (np.diff(columns.id) > 0).all():
        raise ValueError("its ids must differ")
    require_times(columns.submitted, columns.started, columns.ended)
    if not np.isfinite(columns.objective[columns.is_in(*MEASURED_STATES)]).all():
        raise ValueError("what is DONE or STOPPED must have a finite objective")
    if len(columns.objectives) > 1 and np.isinf(columns.vectors).any():
        raise ValueError("objectives must be finite")


def require_times(*columns: Array) -> None:
    """Check that columns hold times, or NaN.

    Raises:
        ValueError: One does not.
    """
    for times in columns:
        if not (np.isnan(times) | ((times >= 0) & (times <= LAST_TIME))).all():
            raise ValueError("its times must be seconds since 1970")


def check_all_columns(columns: Columns) -> None:
    """Check every column.

    Raises:
        ValueError: One is not as it must be.
    """
    for name in (*NUMBERS, "earlier"):
        getattr(columns, name)
    for name in columns.names:
        columns.values(name)
    texts = (*columns.extra.values(), *columns.memory.values())
    if len(columns.host.codes) != len(columns.model.codes) or len(columns.error) > len(columns):
        raise ValueError("its columns must have one length")
    if not all(isinstance(json.loads(text), dict) for text in texts):
        raise ValueError("extras and memories must be JSON objects")
