"""A campaign as the bytes of an HDF5 file, and back; the only importer of h5py.

Files are made and read in memory: the file system sees one write, a full disk is an ordinary error, and neither
locks nor files that others have open matter.
"""

import io
import json
import os
import sys
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from dhmpi.errors import ResultsError
from dhmpi.evaluation import State
from dhmpi.results.checks import LAST_TIME, checked
from dhmpi.results.checksum import is_intact, with_checksum
from dhmpi.results.metadata import Metadata
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.schema import (
    ATTRIBUTES,
    COLUMNS,
    FORMAT,
    GROUP,
    ORIGIN,
    ORIGIN_COLUMNS,
    POINT,
    POLICY,
    POLICY_COLUMNS,
    STATE,
    STATE_COLUMNS,
    VERSION,
    Column,
    Dimension,
    PolicyRow,
    documented,
)
from dhmpi.results.table import STATES, EvaluationTable
from dhmpi.support.json_text import clean, dumps

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_STRING = h5py.string_dtype()
_STATE_NAMES = np.array([state.value for state in STATES], dtype="S9")
_CHUNK = 1 << 14  # rows
_GROWTH = 1 << 22  # bytes
FIRST_SEALED = 2  # the first version of the layout with a checksum


class Snapshot(NamedTuple):
    """Content of a results file.

    Attributes:
        metadata: The campaign as a whole.
        table: Its evaluations.
        campaign: Its identifier.
        generation: Number of the snapshot.
        policy: What its agents have learned.
        doubt: A sentence about why damage might go unnoticed; empty if it cannot.
    """

    metadata: Metadata
    table: EvaluationTable
    campaign: str
    generation: int
    policy: PolicyLog
    doubt: str = ""


def dump(snapshot: Snapshot) -> bytes:
    """Return the bytes of the HDF5 file."""
    with h5py.File(FORMAT, "w", driver="core", backing_store=False, block_size=_GROWTH) as file:
        _write_attributes(file, snapshot)
        table, order = snapshot.table, _order(snapshot.table)
        group = file.create_group(GROUP)
        for column in COLUMNS:
            _write(group, column, column.name, _values(table, column.name)[order])
        origin = group.create_group(ORIGIN)
        for column in ORIGIN_COLUMNS:
            _write(origin, column, column.name, _values(table, column.name)[order])
        points = file.create_group(f"{GROUP}/{POINT}", track_order=True)
        columns = zip(*table.points, strict=True) if len(table) else iter([()] * len(table.names))
        for dimension, values in zip(snapshot.metadata.dimensions, columns, strict=True):
            _write_dimension(points, dimension, values, order)
        if snapshot.policy:
            _write_policy(file.create_group(POLICY), snapshot.policy)
        file.flush()
        return with_checksum(bytes(file.id.get_file_image()))


def parse(data: bytes, name: str | os.PathLike[str]) -> Snapshot:
    """Read the bytes of a results file.

    Args:
        data: All of them.
        name: Name of the file, for sentences.

    Raises:
        ResultsError: They are no HDF5, damaged, or not written by this or an older dhmpi.
    """
    if not data.startswith(SIGNATURE):
        raise ResultsError(f"{name} must be an HDF5 file, got {'something else' if data else 'an empty file'}")
    intact = is_intact(data)
    if intact is False:
        raise ResultsError(f"{name} is damaged, since its checksum does not fit; restore it from a copy")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            found = _read(file, name, len(data))
            if intact or file.attrs["schema"] < FIRST_SEALED:
                return found
            return found._replace(doubt=f"{name} has lost its checksum: another program has changed it, or damage")
    except ResultsError:
        raise
    except Exception as error:  # whatever h5py makes of damaged bytes
        raise ResultsError(f"{name} is truncated or damaged ({error}); restore it from a copy") from error


def _order(table: EvaluationTable) -> Any:
    rows = np.array(table.rows_by_id(), dtype=np.int64)
    return slice(None) if np.array_equal(rows, np.arange(len(rows))) else rows


def _values(table: EvaluationTable, name: str) -> Any:
    column = getattr(table, name)
    if isinstance(column, array):
        return np.array(column)
    if isinstance(column, bytearray):
        return _STATE_NAMES[np.frombuffer(bytes(column), dtype=np.uint8)]
    if isinstance(column, list):
        return _texts(column)
    values = _texts([""] * len(table))
    for row, text in column.items():
        values[row] = text
    return values


def _texts(values: Sequence[str]) -> Any:
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts


def _write(group: Any, column: Column, link: str, values: Any) -> Any:
    dtype = _STRING if values.dtype == object else values.dtype
    chunk = (min(max(len(values), 1), _CHUNK),)
    dataset = group.create_dataset(
        link, (len(values),), dtype, maxshape=(None,), chunks=chunk, fletcher32=dtype is not _STRING
    )
    if dtype is not _STRING or values.any():  # what is not written reads as empty
        dataset[...] = values
    dataset.attrs["unit"] = column.unit
    dataset.attrs["meaning"] = clean(column.meaning)
    return dataset


def _write_dimension(group: Any, dimension: Dimension, values: Sequence[Any], order: Any) -> None:
    typed = _typed(dimension.dtype, values)
    column = _texts([dumps(value) for value in values]) if typed is None else typed
    dataset = _write(group, dimension, dimension.link, column[order])
    dataset.attrs["encoding"] = "json" if typed is None else "value"
    dataset.attrs["spec"] = dumps(dimension.spec)


def _write_policy(group: Any, policy: PolicyLog) -> None:
    for column in POLICY_COLUMNS:
        _write(group, column, column.name, np.array(policy.columns[column.name]).astype(column.dtype))
    if policy.state:
        state = group.create_group(STATE)
        state.attrs["version"] = policy.version
        for column in STATE_COLUMNS:
            _write(state, column, column.name, np.asarray(policy.state[column.name], dtype=column.dtype))


def _typed(dtype: str, values: Sequence[Any]) -> Any:
    """Return values as the dtype of their dimension, or None if one of them would not come back as it is."""
    if dtype == "json":
        return None
    if dtype == "string":
        if not all(isinstance(value, str) and clean(value) == value for value in values):
            return None
        return _texts(values)
    kinds = {"bool": "b", "int64": "iu", "float64": "fiu"}[dtype]
    try:
        found = np.array(values, dtype=None if values else dtype)
    except (ValueError, OverflowError):
        return None
    exact = found.ndim == 1 and found.dtype.kind in kinds and found.dtype != np.uint64
    return found.astype(dtype) if exact else None


def _write_attributes(file: Any, snapshot: Snapshot) -> None:
    metadata = snapshot.metadata
    special: dict[str, Any] = {
        "format": FORMAT,
        "schema": VERSION,
        "campaign": snapshot.campaign,
        "generation": snapshot.generation,
        "space": {dimension.name: dimension.spec for dimension in metadata.dimensions},
    }
    for column in ATTRIBUTES:
        value = special[column.name] if column.name in special else getattr(metadata, column.name)
        if column.dtype == "json":
            file.attrs[column.name] = dumps(value)
        elif column.dtype == "string":
            file.attrs[column.name] = clean(value)
        else:
            file.attrs.create(column.name, value, dtype=column.dtype)


def _read(file: Any, name: str | os.PathLike[str], size: int) -> Snapshot:
    kind = file.attrs.get("format")
    if not isinstance(kind, str) or kind != FORMAT:
        raise ResultsError(f"{name} must be a results file of dhmpi, got another HDF5 file")
    version = file.attrs["schema"]
    if version > VERSION:
        raise ResultsError(f"{name} must have schema {VERSION} or older, got {version}; use the dhmpi that wrote it")
    found = {
        column.name: checked(column, file.attrs[column.name])
        for column in ATTRIBUTES
        if not column.optional or column.name in file.attrs
    }
    found["space"] = {key: documented(spec) for key, spec in found["space"].items()}
    campaign, generation = found.pop("campaign"), found.pop("generation")
    del found["format"], found["schema"]
    metadata = Metadata(**found)
    policy = PolicyLog() if _is_missing(file, POLICY) else _read_policy(_member(file, POLICY))
    return Snapshot(metadata, _read_table(_member(file, GROUP), metadata, size), campaign, generation, policy)


def _is_missing(group: Any, name: str) -> bool:
    return group.get(name, getlink=True) is None


def _member(group: Any, name: str) -> Any:
    """Return a group or dataset that is in the file itself: it may name any other file that its reader can read."""
    link = group.get(name, getlink=True)
    if link is None:
        raise ValueError(f"{name} is missing")
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"{name} must be in the file, got a link to {link.path!r:.80}")
    found = group[name]
    if isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
        raise ValueError(f"{name} must be in the file, got data in others")
    return found


def _read_table(group: Any, metadata: Metadata, size: int) -> EvaluationTable:
    table = EvaluationTable(list(metadata.space))
    if _member(group, "id").size > size:
        raise ValueError("it must not have more rows than bytes")
    columns = {
        column.name: _read_column(_member(group, column.name), column.dtype in ("string", "json"))
        for column in COLUMNS
        if not column.optional or not _is_missing(group, column.name)
    }
    for name in ("id", "objective", "submitted", "started", "ended", "rank"):
        values = getattr(table, name)
        values.frombytes(columns[name].astype(values.typecode).tobytes())
    codes = {state.value: code for code, state in enumerate(STATES)}
    table.state.extend(codes[name.decode()] for name in columns["state"].tolist())
    table.counts = [table.state.count(code) for code in range(len(STATES))]
    table.host = columns["host"].tolist()
    table.error = {row: text for row, text in enumerate(columns["error"].tolist()) if text}
    table.extra = {row: text for row, text in enumerate(columns["extra"].tolist()) if text}
    _read_origin(group, columns, table)
    table.rows = {number: row for row, number in enumerate(table.id)}
    place = _member(group, POINT)
    points = [_read_dimension(_member(place, dimension.link)) for dimension in metadata.dimensions]
    table.points = list(zip(*points, strict=True)) if points else [()] * len(table)
    _check(table)
    return table


def _read_origin(group: Any, columns: dict[str, Any], table: EvaluationTable) -> None:
    """Read how points were chosen, and in which order results came; in an older file, that of their ends."""
    num = len(table.id)
    if _is_missing(group, ORIGIN):
        final = [row for row in range(num) if table.is_final(row)]
        table.order.extend([-1] * num)
        for place, row in enumerate(sorted(final, key=lambda row: table.ended[row])):
            table.order[row] = place
        table.num_ordered = len(final)
        table.model.extend([""] * num)
        for values in (table.known, table.fitted, table.detail):
            values.extend([0] * num)
        return
    table.order.frombytes(columns["order"].astype("q").tobytes())
    table.num_ordered = max(table.order, default=-1) + 1
    place = _member(group, ORIGIN)
    origin = {
        column.name: _read_column(_member(place, column.name), column.dtype in ("string", "json"))
        for column in ORIGIN_COLUMNS
        if not column.optional or not _is_missing(place, column.name)
    }
    table.model = [sys.intern(text) for text in origin["model"].tolist()]
    for name in ("known", "fitted", "detail"):
        getattr(table, name).frombytes(origin[name].astype("q").tobytes())
    table.memory = {row: text for row, text in enumerate(origin.get("memory", np.empty(0)).tolist()) if text}


def _check(table: EvaluationTable) -> None:
    """Check what all readers rely on."""
    columns = (table.rows, table.points, table.state, table.objective, table.rank, table.host)
    times = (table.submitted, table.started, table.ended)
    origins = (table.order, table.model, table.known, table.fitted, table.detail)
    if {len(column) for column in (*columns, *times, *origins)} != {len(table)}:
        raise ValueError("its columns must have one length and its ids must differ")
    if not all((np.isnan(column) | ((column >= 0) & (column <= LAST_TIME))).all() for column in map(np.array, times)):
        raise ValueError("its times must be seconds since 1970")
    done = np.frombuffer(bytes(table.state), dtype=np.uint8) == STATES.index(State.DONE)
    if np.isnan(np.array(table.objective)[done]).any():
        raise ValueError("what is DONE must have an objective")
    if not all(isinstance(json.loads(text), dict) for text in (*table.extra.values(), *table.memory.values())):
        raise ValueError("extras and memories must be JSON objects")


def _read_policy(group: Any) -> PolicyLog:
    policy = PolicyLog()
    columns = [_member(group, name)[()].tolist() for name in PolicyRow._fields]
    policy.append(PolicyRow(*values) for values in zip(*columns, strict=True))
    if not _is_missing(group, STATE):
        state = _member(group, STATE)
        policy.state = {column.name: _member(state, column.name)[()] for column in STATE_COLUMNS}
        policy.version = int(state.attrs["version"])
        if len({array.shape for array in policy.state.values()}) != 1 or policy.state["parameters"].ndim != 1:
            raise ValueError("the arrays of its policy must have one length")
    return policy


def _read_column(dataset: Any, must_be_text: bool = False) -> Any:
    text = h5py.check_string_dtype(dataset.dtype)
    if must_be_text and (text is None or text.length is not None):
        raise ValueError(f"{dataset.name} must be text, got {dataset.dtype}")
    return (dataset.asstr() if text is not None and text.length is None else dataset)[()]


def _read_dimension(dataset: Any) -> list[Any]:
    values: list[Any] = _read_column(dataset).tolist()
    return [json.loads(value) for value in values] if dataset.attrs["encoding"] == "json" else values
