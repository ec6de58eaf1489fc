"""When workers had evaluations that have begun again, in memory and in the file."""

import h5py
import numpy as np
import pytest

from dhmpi import results
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, ResultsStore
from dhmpi.results.beginnings import Beginnings
from dhmpi.results.checksum import with_checksum
from dhmpi.results.table import STATES, EvaluationTable

METADATA = Metadata("s", "p", {"x": (0.0, 1.0)})


def sent(number, submitted, **more):
    return Evaluation(number, {"x": 0.5}, submitted=submitted, **more)


def shown(path):
    earlier = results.read(path).columns.earlier
    states = [STATES[code] for code in earlier.state.tolist()]
    times = zip(earlier.submitted.tolist(), earlier.started.tolist(), earlier.ended.tolist(), strict=True)
    return list(zip(earlier.evaluation.tolist(), states, times, earlier.rank.tolist(), earlier.host, strict=True))


def paused(number, ended=3.0):
    return Evaluation(number, {}, None, State.PAUSED, started=2.0, ended=ended, rank=4, host="nid4")


def test_a_file_has_them_however_its_writer_ended(tmp_path):
    path = tmp_path / "r.h5"
    store = ResultsStore.create(path, METADATA)
    store.submitted([sent(number, 1.0, rank=number, host=f"nid{number}") for number in range(3)])
    store.finished([paused(0)])
    store.commit()
    assert shown(path) == []
    store.submitted([sent(0, 5.0)])
    store.commit()
    first = (0, State.PAUSED, (1.0, 2.0, 3.0), 4, "nid4")
    assert shown(path) == [first]  # from the journal
    store.snapshot()
    assert shown(path) == [first]  # from the file
    store.submitted([sent(1, 6.0)])  # had its run been killed
    store.commit()
    second = (1, State.RUNNING, (1.0, 1.0, pytest.approx(np.nan, nan_ok=True)), 1, "nid1")
    assert shown(path) == [first, second]  # from both
    store._ownership.release()
    store = ResultsStore.resume(path, METADATA)
    assert shown(path) == [first, second]
    assert [each.evaluation for each in store.results.columns.earlier.rows()] == [0, 1]
    store.finished([paused(0, 9.0)])
    store.submitted([sent(0, 10.0)])
    store.close("over")
    assert shown(path) == [first, second, (0, State.PAUSED, (5.0, 2.0, 9.0), 4, "nid4")]


def test_what_has_not_begun_leaves_nothing(tmp_path):
    table = EvaluationTable(["x"])
    table.submit([sent(0, 1.0)])
    table.finish([Evaluation(0, {}, None, State.CANCELLED)])
    table.submit([sent(0, 2.0)])
    assert table.earlier == []


def test_a_record_that_was_written_twice_changes_nothing(tmp_path):
    path = tmp_path / "r.h5"
    store = ResultsStore.create(path, METADATA)
    store.submitted([sent(0, 1.0)])
    store.commit()
    store.finished([paused(0)])
    store.submitted([sent(0, 5.0, rank=1, host="nid1")])
    store._events *= 2
    store.commit()
    assert len(shown(path)) == 1


def test_when_workers_had_what_is_redone_is_kept(tmp_path):
    path = tmp_path / "r.h5"
    store = ResultsStore.create(path, METADATA)
    store.submitted([sent(0, 1.0)])
    store.finished([paused(0)._replace(state=State.FAILED)])
    store.close("over")
    assert results.redo(path) == {0: State.FAILED}
    assert shown(path) == [(0, State.FAILED, (1.0, 2.0, 3.0), 4, "nid4")]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("evaluation", 7, "what has begun again must be among its evaluations"),
        ("state", b"GONE", "states must be known"),
        ("started", -5.0, "times must be seconds since 1970"),
    ],
)
def test_what_cannot_be_is_told(tmp_path, name, value, sentence):
    path = tmp_path / "r.h5"
    store = ResultsStore.create(path, METADATA)
    store.submitted([sent(0, 1.0)])
    store.finished([paused(0)])
    store.submitted([sent(0, 5.0)])
    store.close("over")
    path.write_bytes(path.read_bytes()[: -len(with_checksum(b""))])
    with h5py.File(path, "a") as file:
        file["evaluations/earlier"][name][0] = value
    with pytest.raises(ResultsError, match=sentence):
        results.read(path)
    path.write_bytes(with_checksum(path.read_bytes()))
    with pytest.raises(ResultsError, match=sentence):
        results.read(path).columns.earlier  # noqa: B018  # it is read when it is wanted


def test_there_are_none_in_older_files(tmp_path):
    path = tmp_path / "r.h5"
    ResultsStore.create(path, METADATA).close("over")
    with h5py.File(path) as file:
        assert "earlier" not in file["evaluations"]
    assert results.read(path).columns.earlier.rows() == Beginnings.of(()).rows() == []
