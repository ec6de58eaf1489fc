"""A campaign as a Parquet file; the only importer of pyarrow."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet as pq

from dhmpi.analysis.export import header, metadata_text, point_columns, rows, value_columns
from dhmpi.evaluation import INACTIVE
from dhmpi.results.reader import Results
from dhmpi.results.schema import COLUMNS, PARETO, PARETO_COLUMN, Dimension
from dhmpi.support.json_text import clean, dumps

_TYPES = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "int32": pa.int32(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "state": pa.string(),
}
_KINDS = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def write_parquet(results: Results, path: Path) -> None:
    """Write one row per evaluation, with the columns of CSV and the types of the results file.

    What is missing is null. Where the values of a column have several types, or are lists or mappings, it holds JSON
    text. The metadata are JSON text in those of the schema, under `dhmpi`.

    Args:
        results: What to write.
        path: The file.
    """
    types = {column.name: _TYPES.get(column.dtype) for column in (*COLUMNS, PARETO_COLUMN)}
    types |= {name: pa.float64() for name in value_columns(results) if name != PARETO}
    types |= zip(point_columns(results), map(_type_of, results.metadata.dimensions), strict=True)
    names = header(results)
    columns: Sequence[Sequence[Any]] = list(zip(*rows(results), strict=True)) or [()] * len(names)
    columns = [[None if value == INACTIVE else value for value in each] for each in columns]
    arrays = [
        _array(values, types[name] if name in types else _common_type(values))
        for name, values in zip(names, columns, strict=True)
    ]
    table = pa.table(dict(zip(names, arrays, strict=True)))
    with open(path, "wb") as file:  # a path that cannot be written would be removed, though it were a device
        pq.write_table(table.replace_schema_metadata({"dhmpi": metadata_text(results)}), file)


def _type_of(dimension: Dimension) -> "pa.DataType | None":
    """Return the type of a dimension, whose values may be None; nothing if its choices have several types."""
    return _TYPES[dimension.dtype] if dimension.dtype in _TYPES else _common_type(dimension.spec["choices"])


def _common_type(values: Iterable[Any]) -> "pa.DataType | None":
    """Return the type that all values have but None; nothing if there is no such type."""
    kinds = {type(value) for value in values if value is not None}
    return _KINDS.get(next(iter(kinds))) if len(kinds) == 1 else None


def _array(values: Sequence[Any], wanted: "pa.DataType | None") -> pa.Array:
    """Return a column of a type; of JSON texts without one, or if a value does not have it."""
    if wanted is not None:
        try:
            return pa.array([clean(value) if isinstance(value, str) else value for value in values], type=wanted)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass  # a value beyond its specification, or an integer of more than 64 bits
    return pa.array([None if value is None else dumps(value) for value in values], type=pa.string())
