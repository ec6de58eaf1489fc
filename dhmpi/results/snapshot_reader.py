"""A campaign out of the bytes of an HDF5 file; columns stay in them until they are looked at."""

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import h5py
import numpy as np

from dhmpi.errors import ResultsError
from dhmpi.evaluation import INACTIVE, Objective, Observation
from dhmpi.results.beginnings import BEGINNING_TYPES, Beginnings
from dhmpi.results.checks import check_all_columns, check_columns, checked, require_times
from dhmpi.results.checksum import is_intact
from dhmpi.results.column_source import NUMBERS, Array, ColumnSource, Texts, objects
from dhmpi.results.columns import Columns
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
    OBJECTIVES,
    ORIGIN,
    ORIGIN_COLUMNS,
    POINT,
    POLICY,
    REPORT_COLUMNS,
    REPORTS,
    SOURCES,
    STATE,
    STATE_COLUMNS,
    SUPERSEDED,
    VERSION,
    PolicyRow,
    documented,
    link_of,
)
from dhmpi.results.table import STATES

SIGNATURE = b"\x89HDF\r\n\x1a\n"
LARGEST_NUMBER = 8  # bytes
# No column takes so many times as much memory as its file has bytes, however well somebody has compressed the file.
MOST_EXPANDED = 64
FIRST_SEALED = 2  # the first version of the layout with a checksum


class Content(NamedTuple):
    """Content of a results file that was read.

    Attributes:
        metadata: The campaign as a whole.
        columns: Its evaluations.
        campaign: Its identifier.
        generation: Number of the snapshot.
        policy: What its agents have learned.
        reports: Returns what its evaluations have reported, which is read when it is wanted.
        doubt: A sentence about why damage might go unnoticed; empty if it cannot.
        knowledge: What it knew from earlier campaigns.
    """

    metadata: Metadata
    columns: Columns
    campaign: str
    generation: int
    policy: PolicyLog
    reports: Callable[[], ReportHistory]
    doubt: str = ""
    knowledge: Knowledge = NO_KNOWLEDGE


def parse(data: bytes, name: str | os.PathLike[str]) -> Content:
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
    with _explained(name):
        file = h5py.File(io.BytesIO(data), "r")
        found = _read(file, name)
        if intact:
            return found
        check_all_columns(found.columns)  # no checksum vouches for what is read later
        found.reports()
        if file.attrs["schema"] < FIRST_SEALED:
            return found
        return found._replace(doubt=f"{name} has lost its checksum: another program has changed it, or damage")


@contextlib.contextmanager
def _explained(name: str | os.PathLike[str]) -> Iterator[None]:
    """Make one sentence of whatever h5py makes of damaged bytes."""
    try:
        yield
    except (ResultsError, MemoryError):
        raise
    except Exception as error:
        raise ResultsError(f"{name} is truncated or damaged ({error}); restore it from a copy") from error


def _read(file: Any, name: str | os.PathLike[str]) -> Content:
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
    found["objectives"] = tuple(Objective(*each) for each in found.get("objectives", {}).items())
    campaign, generation = found.pop("campaign"), found.pop("generation")
    del found["format"], found["schema"]
    metadata = Metadata(**found)
    policy = PolicyLog() if _is_missing(file, POLICY) else _read_policy(_member(file, POLICY))
    group = _member(file, GROUP)
    source = _FileColumns(group, metadata, name).source()
    columns = Columns(list(metadata.space), source, metadata.optional, metadata.objectives)
    check_columns(columns)

    def reports() -> ReportHistory:
        with _explained(name):
            return ReportHistory() if _is_missing(file, REPORTS) else _read_history(_member(file, REPORTS))

    knowledge = NO_KNOWLEDGE if _is_missing(file, KNOWLEDGE) else _read_knowledge(_member(file, KNOWLEDGE))
    return Content(metadata, columns, campaign, generation, policy, reports, knowledge=knowledge)


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
    if isinstance(found, h5py.Dataset):
        _require_possible(found)
    return found


def _require_possible(dataset: Any) -> None:
    """Check that a dataset is not larger than its file can be; what it claims would be allocated."""
    size = dataset.file.id.get_filesize()
    if dataset.size is None or dataset.size > size:
        raise ValueError(f"{dataset.name} must not have more rows than the file has bytes, got {dataset.size}")
    if dataset.size * dataset.dtype.itemsize > MOST_EXPANDED * size:
        raise ValueError(f"{dataset.name} must fit in a file of {size} bytes, got rows of {dataset.dtype.itemsize}")


class _FileColumns:
    """Columns in the group of an open file.

    Args:
        group: The group of the evaluations.
        metadata: The campaign as a whole.
        name: Name of the file, for sentences.
    """

    def __init__(self, group: Any, metadata: Metadata, name: str | os.PathLike[str]) -> None:
        self._group, self._name = group, name
        self._dimensions, self._optional = {each.name: each for each in metadata.dimensions}, metadata.optional
        self._objectives = metadata.objectives
        ids = _member(group, "id")[()].astype(np.int64)
        # Files are written in order of id.
        self._order: Any = slice(None) if (np.diff(ids) > 0).all() else np.argsort(ids, kind="stable")
        self._num = len(ids)

    def source(self) -> ColumnSource:
        """Return the source of these columns."""
        return ColumnSource(self.numbers, self.texts, self.sparse, self.values, self.earlier, self.others)

    def numbers(self, name: str) -> Array:
        """Return a column of numbers; in an older file, results came in the order of their ends."""
        with _explained(self._name):
            if name == "state":
                return self._states()
            place = self._place(name)
            if place is None:
                if name == "order":
                    return self._order_of_ends()
                return np.full(self._num, np.nan if name == "step" else 0, NUMBERS[name])
            return _numbers(name, self._rows(place[()]), NUMBERS[name])

    def texts(self, name: str, rows: Array | None) -> Texts:
        """Return a column in which few texts occur often, or some rows of it."""
        with _explained(self._name):
            place = self._place(name)
            if place is None:
                return Texts(np.zeros(self._num if rows is None else len(rows), np.int32), [""])
            return _decoded(self._rows(_bytes(place) if rows is None else place, rows).tolist())

    def sparse(self, name: str) -> dict[int, str]:
        """Return the texts that are not empty."""
        with _explained(self._name):
            place = self._place(name)
            if place is None or not place.id.get_storage_size():  # what was never written reads as empty
                return {}
            column = self._rows(_bytes(place))
            return {row: column[row].decode() for row in np.flatnonzero(column.astype(bool)).tolist()}

    def values(self, name: str, rows: Array | None) -> Array:
        """Return the values of a dimension, or some rows of them; `INACTIVE` where it is."""
        found = self._stored_values(name, rows)
        if name not in self._optional:
            return found
        with _explained(self._name):
            active = _member(_member(self._group, ACTIVE), self._dimensions[name].link)
            chosen = self._rows(active[()] if rows is None else active, rows).astype(bool)
        pairs = zip(found.tolist(), chosen.tolist(), strict=True)
        return objects([value if is_active else INACTIVE for value, is_active in pairs])

    def _stored_values(self, name: str, rows: Array | None) -> Array:
        with _explained(self._name):
            dataset = _member(_member(self._group, POINT), self._dimensions[name].link)
            if h5py.check_string_dtype(dataset.dtype) is None:
                _require_numbers(name, dataset.dtype)
                return self._rows(dataset[()] if rows is None else dataset, rows)
            texts = [text.decode() for text in self._rows(_bytes(dataset) if rows is None else dataset, rows).tolist()]
            return objects([json.loads(text) for text in texts] if dataset.attrs["encoding"] == "json" else texts)

    def earlier(self) -> Beginnings:
        """Return earlier beginnings."""
        with _explained(self._name):
            if _is_missing(self._group, EARLIER):
                return Beginnings.of(())
            return _read_earlier(_member(self._group, EARLIER), _member(self._group, "id")[()])

    def others(self, number: int) -> Array:
        """Return the values of an objective after the first, to be small."""
        name, maximises = self._objectives[number]
        with _explained(self._name):
            column = self._rows(_member(_member(self._group, OBJECTIVES), link_of(name))[()])
            values = _numbers(name, column, np.float64)
        return -values if maximises else values  # as `evaluation.turned` does for one

    def _rows(self, column: Any, rows: Array | None = None) -> Array:
        """Return a column in order of id; of a dataset, read some rows of it."""
        if column.shape != (self._num,):
            raise ValueError("its columns must have one length")
        if rows is None:
            found: Array = column[self._order]
            return found
        places = np.arange(self._num)[self._order][rows]
        return np.array([column[place] for place in places.tolist()], dtype=object if not len(rows) else None)

    def _place(self, name: str) -> Any:
        """Return the dataset of a column, or None if this file is older than it."""
        is_origin = any(column.name == name for column in ORIGIN_COLUMNS)
        if is_origin and _is_missing(self._group, ORIGIN):
            return None
        group = _member(self._group, ORIGIN) if is_origin else self._group
        [column] = (each for each in (*COLUMNS, *ORIGIN_COLUMNS) if each.name == name)
        return None if column.optional and _is_missing(group, name) else _member(group, name)

    def _states(self) -> Array:
        return _codes(self._rows(_member(self._group, "state")[()]))

    def _order_of_ends(self) -> Array:
        states, ended = self.numbers("state"), self.numbers("ended")
        final = np.flatnonzero(np.isin(states, [code for code, state in enumerate(STATES) if state.is_final]))
        order = np.full(self._num, -1, np.int64)
        order[final[np.argsort(ended[final], kind="stable")]] = np.arange(len(final))
        return order


def _codes(names: Array) -> Array:
    """Return the codes of states."""
    codes = np.full(len(names), len(STATES), np.uint8)
    for code, state in enumerate(STATES):
        codes[names == state.value.encode()] = code
    if (codes == len(STATES)).any():
        raise ValueError(f"its states must be known, got {names[codes == len(STATES)][0]!r:.80}")
    return codes


def _read_earlier(group: Any, ids: Array) -> Beginnings:
    columns = {column.name: _member(group, column.name) for column in EARLIER_COLUMNS}
    if len({column.shape for column in columns.values()}) != 1 or columns["state"].ndim != 1:
        raise ValueError("the columns of its earlier beginnings must have one length")
    host, state = _bytes(columns.pop("host")), columns.pop("state")
    numbers = {name: _numbers(name, column[()], BEGINNING_TYPES[name]) for name, column in columns.items()}
    found = Beginnings(**numbers, state=_codes(state[()]), host=objects([text.decode() for text in host.tolist()]))
    require_times(found.submitted, found.started, found.ended)
    if not np.isin(found.evaluation, ids).all():
        raise ValueError("what has begun again must be among its evaluations")
    return found


def _require_numbers(name: str, dtype: Any) -> None:
    if dtype.kind not in "biuf" or dtype.itemsize > LARGEST_NUMBER:
        raise ValueError(f"{name} must hold numbers of at most {8 * LARGEST_NUMBER} bits, got {dtype}")


def _numbers(name: str, column: Array, dtype: Any) -> Array:
    """Return a column as numbers of a type that can hold them."""
    _require_numbers(name, column.dtype)
    with np.errstate(invalid="raise", over="raise"):
        found: Array = column.astype(dtype)
    return found


def _decoded(texts: list[bytes]) -> Texts:
    places: dict[bytes, int] = {}
    codes = [places.setdefault(text, len(places)) for text in texts]
    return Texts(np.array(codes, dtype=np.int32), [text.decode() for text in places])


def _bytes(dataset: Any) -> Array:
    """Return texts as their bytes."""
    if h5py.check_string_dtype(dataset.dtype) is None:
        raise ValueError(f"{dataset.name} must be text, got {dataset.dtype}")
    found: Array = dataset[()]
    return found


def _read_history(group: Any) -> ReportHistory:
    current = _read_reports(group)
    return (
        ReportHistory(current)
        if _is_missing(group, SUPERSEDED)
        else ReportHistory(current, _read_reports(_member(group, SUPERSEDED)))
    )


def _read_reports(group: Any) -> Reports:
    known = [column for column in REPORT_COLUMNS if not (column.optional and _is_missing(group, column.name))]
    datasets = {column.name: _member(group, column.name) for column in known}
    if len({dataset.shape for dataset in datasets.values()}) > 1 or datasets["step"].ndim != 1:
        raise ValueError("the columns of its reports must have one length")
    columns = {each.name: _numbers(each.name, datasets[each.name][()], each.dtype) for each in known}
    found = Reports(**{"order": np.full(len(columns["step"]), -1), **columns})
    if not np.isfinite(found.step).all():
        raise ValueError("steps of reports must be finite")
    return found


def _read_knowledge(group: Any) -> Knowledge:
    source = _numbers("source", _member(group, "source")[()], np.int32).tolist()
    objective = _numbers("objective", _member(group, "objective")[()], np.float64).tolist()
    points = [json.loads(text) for text in _bytes(_member(group, "point"))]
    observations = [Observation(*row) for row in zip(points, objective, source, strict=True)]
    knowledge = Knowledge(json.loads(group.attrs[SOURCES]), observations)
    knowledge.check()
    return knowledge


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
