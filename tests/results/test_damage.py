"""Whatever has happened to a results file, it is noticed, and said in one sentence."""

import io
import json
import random
import struct
import zlib
from dataclasses import replace

import h5py
import numpy as np
import pytest

from dhmpi.analysis import terminal
from dhmpi.cli import main
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Report, State
from dhmpi.results import ResultsStore, export_csv, export_json, load, read
from dhmpi.results.checksum import is_intact, with_checksum
from dhmpi.results.schema import PolicyRow

SIZE_OF_SEAL = len(with_checksum(b""))


@pytest.fixture
def path(tmp_path, metadata, ended):
    """A campaign in which there is something of everything."""
    path = tmp_path / "results.h5"
    store = ResultsStore.create(path, replace(metadata, created=1e9))
    store.begin_run(3, ["nid0"], "rank 0 searches", started=1e9)
    evaluations = [ended(number, extra={"loss": number}) for number in range(8)]
    store.submitted(evaluations)
    store.finished(evaluations)
    store.submitted([ended(7)._replace(id=8)])
    store.reported([Report(8, step, 1.0, 1e9) for step in (1.0, 2.0)])
    store.finished([ended(8, State.PAUSED)])
    store.submitted([ended(9)])
    store.finished([ended(9)])
    store.submitted([ended(7)._replace(id=8, submitted=2e9)])
    store.reported([Report(8, 1.0, 1.0, 1e9)])
    store.learned([PolicyRow(*[float(number)] * 26) for number in range(2)])
    arrays = {name: np.arange(4, dtype=np.float32) for name in ("parameters", "first_moment", "second_moment")}
    store.keep_policy(arrays, 5)
    store.set_statistics({"mode": "gp", "ask_median": 0.1, "ask_p99": 0.2, "busy_share": 0.5})
    store.close("the end", complete=True)
    return path


def look(path):
    """Do everything that can be done with a file."""
    found = read(path)
    terminal.show(found, io.StringIO())
    terminal.report(found, str(path), io.StringIO())
    terminal.completeness(found, None, io.StringIO())
    export_csv(found, io.StringIO())
    export_json(found, io.StringIO())
    load(path)
    return found


def noticed(path):
    """Return what somebody is told who looks at a file."""
    try:
        return look(path).dropped
    except ResultsError as error:
        return str(error)


def test_any_bit_that_is_flipped_is_noticed(path):
    whole, chance = path.read_bytes(), random.Random(1)
    sentences = [
        f"{path} is damaged, since its checksum does not fit; restore it from a copy",
        f"{path} must be an HDF5 file, got something else",
        f"{path} has lost its checksum: another program has changed it, or damage",
    ]
    places = [chance.randrange(len(whole)) for _ in range(150)]
    for place in (*places, *range(len(whole) - SIZE_OF_SEAL, len(whole))):
        data = bytearray(whole)
        data[place] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        assert noticed(path) in sentences


def test_any_end_that_is_missing_is_noticed(path):
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 997), *range(len(whole) - 2 * SIZE_OF_SEAL, len(whole))):
        path.write_bytes(whole[:length])
        assert len(noticed(path).splitlines()) == 1


def test_a_file_of_the_first_version_is_read_and_gets_a_checksum(path, metadata):
    expected = read(path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 1
        del file.attrs["maximises"]
    assert is_intact(path.read_bytes()) is None
    found = look(path)
    assert (found.evaluations, found.metadata, found.dropped) == (expected.evaluations, expected.metadata, "")
    ResultsStore.resume(path, metadata).close("again")
    assert is_intact(path.read_bytes())


def test_what_another_program_has_added_is_no_damage_but_noted(path, capsys):
    expected = read(path).evaluations
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "mine"
        file["mine"] = np.arange(3)
    assert look(path).evaluations == expected
    assert main(["show", str(path)]) == 0
    assert f"note        {path} has lost its checksum" in capsys.readouterr().out


RUN = {"started": 1.0, "ended": 2.0, "num_workers": 3, "hosts": [], "layout": "", "why": ""}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, "nonsense") for name in ("seed", "created", "complete", "maximises", "schema", "generation")],
        *[(name, 3) for name in ("search", "problem", "campaign", "space", "options", "runs", "statistics", "command")],
        *[(name, "[1") for name in ("space", "options", "runs", "statistics", "command")],
        *[(name, [1, 2]) for name in ("seed", "search", "created", "format", "space", "schema")],
        ("space", '{"x": 3}'),
        ("space", '{"x": {"range": [0]}}'),
        ("space", '{"x": {"range": ["a", "b"]}}'),
        ("space", '{"x": {"choices": 3}}'),
        ("command", "[1]"),
        ("options", "[]"),
        *[("labels", text) for text in ("[]", '{"x": 3}', '{"x": {"unit": 3}}')],
        *[("beliefs", text) for text in ("[]", '{"x": 3}', '{"x": {"normal": ["a", 1]}}', '{"x": {}}')],
        ("statistics", "[]"),
        ("created", 1e300),
        ("created", -1e9),
        ("created", float("nan")),
        ("runs", "{}"),
        ("runs", json.dumps([RUN | {"roles": "rank 0 searches"}])),
        ("runs", "[1]"),
        ("runs", json.dumps([{"started": 1.0}])),
        *[("runs", json.dumps([RUN | change])) for change in ({"started": "x"}, {"ended": 1e300}, {"hosts": 3})],
        *[("runs", json.dumps([RUN | change])) for change in ({"num_workers": -1}, {"why": 1}, {"started": None})],
        ("runs", json.dumps([RUN | {"ended": float("inf")}])),
        ("runs", "[" * 100_000),
    ],
)
def test_nonsense_in_attributes_is_a_sentence(path, capsys, name, value):
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(ResultsError, match=r"attribute|damaged|must be a results file"):
        look(path)
    assert main(["show", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "statistics",
    [
        {"mode": 1},
        {"mode": "gp", "ask_median": "x", "ask_p99": None, "busy_share": []},
        {"agents": {}},
        {"agents": 1, "episodes": "x"},
        {"lost_idle_seconds": "x", "lost_cancelled_seconds": {}},
        {"lost_idle_seconds": float("nan"), "lost_cancelled_seconds": float("inf")},
    ],
)
def test_strange_statistics_are_passed_over(path, statistics):
    with h5py.File(path, "r+") as file:
        file.attrs["statistics"] = json.dumps(statistics)
    assert look(path).metadata.statistics.keys() == statistics.keys()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("evaluations/started", np.full(8, 1e300)),
        ("evaluations/ended", np.full(8, -1.0)),
        ("evaluations/objective", np.full(8, np.nan)),
        ("evaluations/objective", np.zeros(7)),
        ("evaluations/id", np.zeros(8, dtype=np.int64)),
        ("evaluations/rank", np.zeros(3, dtype=np.int32)),
        ("evaluations/state", np.full(8, b"WELL")),
        ("evaluations/extra", np.array(["[1"] * 8, dtype=object)),
        ("evaluations/extra", np.array(["3"] * 8, dtype=object)),
        ("evaluations/host", np.zeros(8)),
        ("evaluations/point/act", np.array(["[1"] * 8, dtype=object)),
        ("evaluations/point/x", np.zeros(2)),
        ("policy/agent", np.full(2, np.nan)),
        ("policy/loss", np.zeros(1)),
        ("policy/state/parameters", np.zeros((2, 2))),
    ],
)
def test_nonsense_in_datasets_is_a_sentence(path, name, values):
    with h5py.File(path, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=values, dtype=h5py.string_dtype() if values.dtype == object else None)
        file[name].attrs.update(attributes)
    with pytest.raises(ResultsError, match="is truncated or damaged"):
        look(path)


def test_more_rows_than_there_can_be_are_not_read(path):
    with h5py.File(path, "r+") as file:
        for name in ("evaluations/id", "evaluations/objective"):
            file[name].resize((10**12,))
    with pytest.raises(ResultsError, match="must not have more rows than the file has bytes, got 1000000000000"):
        read(path)


def external_link(file, name, other):
    del file[name]
    file[name] = h5py.ExternalLink(str(other), f"/{name}")


def soft_link(file, name, other):
    file.move(name, "elsewhere")
    file[name] = h5py.SoftLink("/elsewhere")


def external_storage(file, name, other):
    del file[name]
    file.create_dataset(name, (8,), np.float64, external=[(str(other), 0, 64)])


def virtual(file, name, other):
    del file[name]
    layout = h5py.VirtualLayout((8,), np.float64)
    layout[:] = h5py.VirtualSource(str(other), name, (8,))
    file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("make", [external_link, soft_link, external_storage, virtual])
def test_other_files_are_not_read(path, tmp_path, capsys, make):
    other = tmp_path / "other.h5"
    other.write_bytes(path.read_bytes())
    with h5py.File(path, "r+") as file:
        make(file, "evaluations/objective", other)
    assert main(["export", "--csv", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "objective must be in the file, got" in captured.err


@pytest.mark.parametrize("name", ["evaluations", "evaluations/point", "policy", "policy/state"])
def test_groups_of_other_files_are_not_read(path, tmp_path, name):
    other = tmp_path / "other.h5"
    other.write_bytes(path.read_bytes())
    with h5py.File(path, "r+") as file:
        external_link(file, name, other)
    with pytest.raises(ResultsError, match="must be in the file, got a link to"):
        read(path)


@pytest.mark.parametrize(
    "event",
    [
        ["s", [[9]]],
        ["s", 3],
        ["f", [["x"] * 9]],
        ["f", [[77, "DONE", 0.5, 1.0, 2.0, 1, "", "", ""]]],
        ["m", "[1"],
        ["m", '{"strange": 1}'],
        ["l", [["x"]]],
        [1],
    ],
)
def test_a_journal_that_no_dhmpi_has_written_is_a_sentence(path, metadata, event):
    store = ResultsStore.resume(path, metadata)
    store._journal.append([event])
    with pytest.raises(ResultsError, match="holds what no dhmpi has written"):
        look(path)


def test_the_checksum_covers_every_byte():
    data = b"\x89HDF\r\n\x1a\n" + bytes(range(200))
    whole = with_checksum(data)
    assert is_intact(whole)
    assert is_intact(data) is None
    assert is_intact(b"") is None
    assert is_intact(whole[:-SIZE_OF_SEAL] + b"x" + whole[-SIZE_OF_SEAL:]) is False
    _, length, crc = struct.unpack("<8sQI", whole[-SIZE_OF_SEAL:])
    assert (length, crc) == (len(data), zlib.crc32(data))
