"""A campaign as the bytes of an HDF5 file.

Files are made and read in memory: the file system sees one write, a full disk is an ordinary error, and neither
locks nor files that others have open matter.
"""

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from dhmpi.evaluation import INACTIVE
from dhmpi.results.beginnings import Beginnings
from dhmpi.results.checksum import with_checksum
from dhmpi.results.knowledge import NO_KNOWLEDGE, Knowledge
from dhmpi.results.metadata import Metadata
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.report_log import ReportHistory, Reports
from dhmpi.results.schema import (
    ACTIVE,
    ATTRIBUTES,
    COLUMNS,
    EARLIER,
    EARLIER_COLUMNS,
    FORMAT,
    GROUP,
    KNOWLEDGE,
    KNOWLEDGE_COLUMNS,
    OBJECTIVE_MEANING,
    OBJECTIVES,
    ORIGIN,
    ORIGIN_COLUMNS,
    PARETO,
    PARETO_COLUMN,
    POINT,
    POLICY,
    POLICY_COLUMNS,
    REPORT_COLUMNS,
    REPORTS,
    SOURCES,
    STATE,
    STATE_COLUMNS,
    SUPERSEDED,
    VERSION,
    Column,
    Dimension,
    link_of,
)
from dhmpi.results.table import STATES, EvaluationTable
from dhmpi.support.json_text import clean, dumps
from dhmpi.support.pareto import is_non_dominated

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What stands for the value of a dimension where it is inactive.
_FILLER = {"float64": np.nan, "int64": 0, "bool": False, "string": ""}
_STRING = h5py.string_dtype()
_STATE_NAMES = np.array([state.value for state in STATES], dtype="S9")
_CHUNK = 1 << 14  # rows
_LONGEST = 64  # bytes of texts that all take as many
_GROWTH = 1 << 22  # bytes
FIRST_SEALED = 2  # the first version of the layout with a checksum


class Snapshot(NamedTuple):
    """Content of a results file that is to be written.

    Attributes:
        metadata: The campaign as a whole.
        table: Its evaluations.
        campaign: Its identifier.
        generation: Number of the snapshot.
        policy: What its agents have learned.
        reports: What its evaluations have reported.
        knowledge: What it knew from earlier campaigns.
    """

    metadata: Metadata
    table: EvaluationTable
    campaign: str
    generation: int
    policy: PolicyLog
    reports: ReportHistory = ReportHistory()
    knowledge: Knowledge = NO_KNOWLEDGE


def dump(snapshot: Snapshot) -> bytes:
    """Return the bytes of the HDF5 file."""
    with h5py.File(FORMAT, "w", driver="core", backing_store=False, block_size=_GROWTH) as file:
        _write_attributes(file, snapshot)
        table, order = snapshot.table, _order(snapshot.table)
        group = file.create_group(GROUP)
        for column in COLUMNS:
            _write(group, column, column.name, _values(table, column.name)[order])
        _write_objectives(group, table, order)
        origin = group.create_group(ORIGIN)
        for column in ORIGIN_COLUMNS:
            _write(origin, column, column.name, _values(table, column.name)[order])
        points = file.create_group(f"{GROUP}/{POINT}", track_order=True)
        for place, dimension in enumerate(snapshot.metadata.dimensions):
            values: Any = [row[place] for row in table.points]
            if dimension.name in table.optional:
                active: Any = np.array([value != INACTIVE for value in values], bool)
                column = Column(dimension.link, "bool", "", f"whether {dimension.name} is active in the point")
                _write(group.require_group(ACTIVE), column, dimension.link, active[order])
                values = [_FILLER.get(dimension.dtype) if value == INACTIVE else value for value in values]
            _write_dimension(points, dimension, values, order)
        if table.earlier:
            _write_earlier(group.create_group(EARLIER), Beginnings.of(table.earlier))
        current, superseded = snapshot.reports
        if len(current.step):
            reports = file.create_group(REPORTS)
            _write_reports(reports, current)
            if len(superseded.step):
                _write_reports(reports.create_group(SUPERSEDED), superseded)
        if snapshot.knowledge.sources:
            _write_knowledge(file.create_group(KNOWLEDGE), snapshot.knowledge)
        if snapshot.policy:
            _write_policy(file.create_group(POLICY), snapshot.policy)
        file.flush()
        return with_checksum(bytes(file.id.get_file_image()))


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
        return _names(column)
    values = _texts([""] * len(table))
    for row, text in column.items():
        values[row] = text
    return values


def _texts(values: Sequence[str]) -> Any:
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts


def _names(values: Sequence[str]) -> Any:
    """Return texts of which few differ: bytes of one length take less time, and place, than texts of any length."""
    encoded = {value: value.encode() for value in set(values)}
    if max(map(len, encoded.values()), default=0) > _LONGEST:
        return _texts(values)
    return np.array([encoded[value] for value in values], dtype=bytes)


def _write(group: Any, column: Column, link: str, values: Any) -> Any:
    dtype = _STRING if values.dtype == object else values.dtype
    if column.dtype != "state" and values.dtype.kind == "S":
        dtype = h5py.string_dtype("utf-8", max(1, values.dtype.itemsize))
        values = values.astype(dtype)
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


def _write_objectives(group: Any, table: EvaluationTable, order: Any) -> None:
    """Write what problems have declared, as it was returned, and of several which evaluations are not dominated."""
    if not table.objectives:
        return
    values = np.array([table.objective, *table.others])[:, order]
    written = group.create_group(OBJECTIVES, track_order=True)
    for (name, maximises), column in zip(table.objectives, values, strict=True):
        returned = -column if maximises else column  # as `evaluation.turned` does for one
        _write(written, Column(name, "float64", "", OBJECTIVE_MEANING), link_of(name), returned)
    if len(table.objectives) > 1:
        _write(group, PARETO_COLUMN, PARETO, is_non_dominated(values.T))


def _write_earlier(group: Any, earlier: Beginnings) -> None:
    written = earlier._replace(state=_STATE_NAMES[earlier.state], host=_names(earlier.host.tolist()))
    for column, values in zip(EARLIER_COLUMNS, written, strict=True):
        _write(group, column, column.name, values)


def _write_reports(group: Any, reports: Reports) -> None:
    for column, values in zip(REPORT_COLUMNS, reports, strict=True):
        _write(group, column, column.name, values)


def _write_knowledge(group: Any, knowledge: Knowledge) -> None:
    group.attrs[SOURCES] = dumps(knowledge.sources)
    values = {
        "source": np.array([each.source for each in knowledge.observations], np.int32),
        "objective": np.array([each.objective for each in knowledge.observations], np.float64),
        "point": _texts([dumps(each.point) for each in knowledge.observations]),
    }
    for column in KNOWLEDGE_COLUMNS:
        _write(group, column, column.name, values[column.name])


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
        return _names(values)
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
        "objectives": {each.name: each.maximises for each in metadata.objectives},
    }
    for column in ATTRIBUTES:
        value = special[column.name] if column.name in special else getattr(metadata, column.name)
        if column.dtype == "json":
            file.attrs[column.name] = dumps(value)
        elif column.dtype == "string":
            file.attrs[column.name] = clean(value)
        else:
            file.attrs.create(column.name, value, dtype=column.dtype)
