import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dhmpi.errors import ResultsError, StorageError
from dhmpi.evaluation import MEASURED_STATES, Evaluation, Origin, State
from dhmpi.results import Metadata, ResultsStore, read
from dhmpi.results import store as store_module
from dhmpi.results.journal import JournalWriter
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.snapshot import Snapshot, dump
from dhmpi.results.snapshot_reader import parse
from dhmpi.results.table import EvaluationTable, read_submitted

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.h5"


@pytest.fixture
def often(monkeypatch):
    """Make a snapshot in every commit."""
    monkeypatch.setattr(store_module, "SNAPSHOT_INTERVAL", 0.0)
    monkeypatch.setattr(store_module, "SNAPSHOT_SHARE", 0.0)


def journal_of(path):
    return path.with_name(path.name + ".journal")


def write(path, metadata, evaluations, running=()):
    store = ResultsStore.create(path, metadata)
    store.submitted(evaluations)
    store.finished(evaluations)
    store.submitted(running)
    store.commit()
    return store


# ---------------------------------------------------------------------------------------------------------------------
# What is written comes back

texts = st.text(max_size=10) | st.sampled_from(["", "a\0b", "\ud800", "日本", 'q"\\'])
choices = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | texts
json_values = st.recursive(
    choices, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
times = st.none() | st.floats(0, 4e9)


@st.composite
def campaigns(draw):
    space = {
        "f": (-1e300, 1e300),
        "i": (-(2**62), 2**62),
        "c": draw(st.lists(choices, min_size=1, max_size=4)),
        "a/b": [1],
    }
    evaluations = []
    for number in draw(st.lists(st.integers(0, 10**12), unique=True, max_size=6)):
        point = {
            "f": draw(st.floats(allow_nan=False)),
            "i": draw(st.integers(-(2**62), 2**62)),
            "c": draw(st.sampled_from(space["c"])),
            "a/b": 1,
        }
        state = draw(st.sampled_from([each for each in State if each is not State.PENDING]))
        evaluation = Evaluation(number, point, None, state, draw(times), draw(times), draw(times))
        objective = draw(st.floats(allow_nan=False, allow_infinity=False)) if state in MEASURED_STATES else None
        extra = draw(st.dictionaries(texts, json_values, max_size=3))
        rest = {"rank": draw(st.integers(-1, 2**31 - 1)), "host": draw(texts), "error": draw(texts)}
        evaluations.append(evaluation._replace(objective=objective, extra=extra, **rest))
    return Metadata("s", "p", space), evaluations


def came(*evaluations):
    """Return evaluations as a file has them whose results came in this order."""
    orders = iter(range(len(evaluations)))
    return [each._replace(order=next(orders)) if each.state.is_final else each for each in evaluations]


def same(left, right):
    """Compare as JSON does: 1 is neither 1.0 nor True."""
    return type(left) is type(right) and left == right


@quick
@given(campaigns())
def test_snapshot_and_journal_say_the_same(tmp_path, campaign):
    metadata, evaluations = campaign
    path = tmp_path / "results.h5"
    store = ResultsStore.create(path, metadata, overwrite=True)
    try:
        store.submitted(evaluations)
        store.finished(evaluations)
        store.commit()
        from_journal = read(path).evaluations
        store.snapshot()
        from_snapshot = read(path).evaluations
        assert from_journal == from_snapshot == store.evaluations
        for found, given_one in zip(from_snapshot, sorted(evaluations), strict=True):
            clean = {
                name: getattr(given_one, name).replace("\0", "\ufffd").replace("\ud800", "?")
                for name in ("host", "error")
            }
            if all(ord(each) < 0xD800 or ord(each) > 0xDFFF for each in given_one.host + given_one.error):
                assert (found.host, found.error) == (clean["host"], clean["error"])
            assert found._replace(host="", error="", order=-1) == given_one._replace(host="", error="")
            assert all(same(found.point[name], given_one.point[name]) for name in metadata.space)
        store.close("done")
        assert read(path).evaluations == from_snapshot
    finally:
        store.abandon()  # for the next example


def test_everything_comes_back(path, metadata, running, ended):
    evaluations = [ended(0), ended(1, State.FAILED, error="Traceback: é\0\ud800"), ended(2, State.TIMEOUT)]
    store = write(path, metadata, evaluations, [running(3)])
    expected = came(ended(0), ended(1, State.FAILED, error="Traceback: é\ufffd?"), ended(2, State.TIMEOUT), running(3))
    assert read(path).evaluations == store.evaluations == expected
    assert store.counts[State.DONE] == store.counts[State.RUNNING] == 1
    store.close("the end", complete=True)
    assert read(path).evaluations == expected
    assert read(path).metadata == replace(metadata, complete=True)
    assert os.listdir(path.parent) == ["results.h5"]
    store.close("again")
    with pytest.raises(ResultsError, match="it was closed"):
        store.commit()


def test_strange_extras_become_json(path, metadata, ended):
    class Strange:
        def __repr__(self):
            raise RuntimeError

    cycle = []
    cycle.append(cycle)
    extra = {"scalar": np.float32(0.5), "count": np.int64(3), "array": np.arange(3), "nan": math.nan, "inf": np.inf}
    extra |= {"tuple": (1, None), "set": {1}, "object": Strange(), "type": np.ndarray, "complex": np.complex128(1j)}
    extra |= {("k", 1): 10**9999, "cycle": cycle}
    store = write(path, metadata, [ended(0, extra=extra)])
    for _ in range(2):
        found = read(path).evaluations[0].extra
        assert found["scalar"] == 0.5
        assert found["count"] == 3
        assert found["array"] == [0, 1, 2]
        assert math.isnan(found["nan"])
        assert found["inf"] == math.inf
        assert found["tuple"] == [1, None]
        assert found["set"] == [1]
        assert found["object"] == "<Strange>"
        assert found["('k', 1)"].startswith("0x")
        store.snapshot()


def test_h5py_alone_reads_it(path, metadata, running, ended):
    write(path, metadata, [ended(1), ended(0)], [running(2)]).close("end")
    with h5py.File(path) as file:
        group = file["evaluations"]
        assert group["id"][:].tolist() == [0, 1, 2]
        assert group["state"][:].tolist() == [b"DONE", b"DONE", b"RUNNING"]
        assert math.isnan(group["objective"][2])
        assert group["host"].asstr()[:].tolist() == ["nid0", "nid0", ""]
        assert list(group["point"]) == list(metadata.space)
        dtypes = {name: group["point"][name].dtype for name in metadata.space}
        assert (dtypes["x"], dtypes["n"], dtypes["flag"]) == (np.float64, np.int64, np.bool_)
        assert [json.loads(each) for each in group["point/act"].asstr()] == ["relu", None, True]
        assert json.loads(group["point/x"].attrs["spec"]) == {"range": [0.0, 1.0]}
        datasets = [
            item
            for each in (group, group["point"], group["origin"])
            for item in each.values()
            if isinstance(item, h5py.Dataset)
        ]
        assert len(datasets) == 22
        assert all(each.shape == (3,) and each.chunks and {"unit", "meaning"} <= set(each.attrs) for each in datasets)
        assert file.attrs["search"] == "ambs"
        assert json.loads(file.attrs["command"]) == ["dhmpi", "ambs"]


def test_how_points_were_chosen_and_in_which_order_results_came(path, metadata, running, ended):
    origins = [Origin("design"), Origin("gp-quick", 1, 1, 3), Origin("RF", 2, 1, 0, '{"gains": [0.0, -1.0]}')]
    store = ResultsStore.create(path, metadata)
    store.submitted([running(number)._replace(origin=origin) for number, origin in enumerate(origins)])
    store.finished([ended(2), ended(0, State.LOST), ended(1)])
    store.commit()
    expected = [
        ended(0, State.LOST, origin=origins[0]),
        ended(1, origin=origins[1], order=1),
        ended(2, origin=origins[2], order=0),
    ]
    assert read(path).evaluations == expected
    store.submitted([running(0)])  # begun again: it was chosen only once
    store.snapshot()
    store.finished([ended(0)])
    store.close("end")
    assert read(path).evaluations == [ended(0, origin=origins[0], order=2), *expected[1:]]


def test_in_an_older_file_results_came_in_the_order_of_their_ends(path, metadata, running, ended):
    write(path, metadata, [ended(0, ended=9.0), ended(1, ended=8.0)], [running(2)]).close("end")
    with h5py.File(path, "r+") as file:
        del file["evaluations/origin"], file["evaluations/order"]
    expected = [ended(0, ended=9.0, order=1), ended(1, ended=8.0, order=0), running(2)]
    assert read(path).evaluations == expected


def test_files_and_journals_from_before_searches_remembered(path, metadata, running, ended):
    write(path, metadata, [ended(0, origin=Origin("RF", 1, 1, 0, '{"gains": [0.0]}'))]).close("end")
    with h5py.File(path, "r+") as file:
        del file["evaluations/origin/memory"]
    assert read(path).evaluations == [ended(0, origin=Origin("RF", 1, 1, 0), order=0)]
    [older] = read_submitted([(0, [0.5], 1000.0, ["RF", 1, 1, 0], 3, "nid0")], ["x"])
    assert older.origin == Origin("RF", 1, 1, 0)


def test_values_beyond_their_specification_are_kept(path, metadata, running):
    space = {"i": (0, 9), "s": ["a", "b"], "f": (0.0, 1.0)}
    point = {"i": 2.5, "s": "\0", "f": None}
    store = write(path, replace(metadata, space=space), [], [Evaluation(0, point)])
    store.close("end")
    assert read(path).evaluations[0].point == point


@pytest.mark.parametrize("space", [{}, {"x": (0, 1)}])
def test_small_spaces(path, space):
    point = dict.fromkeys(space, 1)
    write(path, Metadata("s", "p", space), [], [Evaluation(0, point)]).close("end")
    assert read(path).evaluations[0].point == point


def test_units_and_descriptions_are_kept_and_renewed(path, metadata):
    labels = {"x": {"unit": "s", "description": "é"}}
    ResultsStore.create(path, replace(metadata, labels=labels)).close("")
    assert read(path).metadata.labels == labels
    assert [read(path).metadata.with_unit(name) for name in ("x", "n")] == ["x [s]", "n"]
    ResultsStore.resume(path, replace(metadata, labels={"n": {"unit": "m"}})).close("")
    assert read(path).metadata.with_unit("n") == "n [m]"
    assert read(path).metadata.with_unit("x") == "x"


def test_beliefs_are_kept_and_stay(path, metadata):
    believed = replace(metadata, beliefs={"x": {"normal": [1.0, 0.5]}})
    ResultsStore.create(path, believed).close("")
    assert read(path).metadata.beliefs == believed.beliefs
    ResultsStore.resume(path, believed).close("")
    with pytest.raises(ResultsError, match=r"prior of dimension 'x' must be {'normal': .*} as in the file, got none"):
        ResultsStore.resume(path, metadata)


def test_lost_evaluations_are_submitted_again(path, metadata, running, ended):
    store = write(path, metadata, [ended(0, State.LOST, error="rank 2 is gone")])
    store.submitted([running(0)._replace(submitted=2000.0)])
    store.commit()
    expected = [running(0)._replace(submitted=2000.0)]
    assert read(path).evaluations == store.evaluations == expected
    assert store.counts[State.RUNNING] == sum(store.counts.values()) == 1
    store.finished([ended(0)])
    with pytest.raises(ResultsError, match="evaluation 0 must not be submitted again once it is DONE"):
        store.submitted([running(0)])
    with pytest.raises(ResultsError, match="evaluation 7 must be submitted before"):
        store.finished([ended(7)])


@pytest.mark.parametrize("is_again", [False, True])
def test_running_evaluations_say_where_they_run(path, metadata, running, ended, is_again):
    """In the snapshot and in the journal; also when they begin again elsewhere."""
    store = ResultsStore.create(path, metadata)
    if is_again:
        store.submitted([running(0)._replace(rank=1, host="nid1")])
        store.finished([ended(0, State.LOST)])
    store.submitted([running(0)._replace(rank=3, host="nid7"), running(1)])
    store.commit()
    for _ in range(2):
        first, second = read(path).evaluations
        assert (first.state, first.rank, first.host, first.started, first.ended) == ("RUNNING", 3, "nid7", 1000.0, None)
        assert (second.state, second.rank, second.host, second.started) == ("RUNNING", -1, "", None)
        store.snapshot()
    store.finished([ended(0)])
    store.close("end")
    assert read(path).evaluations[0]._replace(order=-1) == ended(0)


def test_journals_from_before_workers_were_known_are_read(path, metadata, running):
    store = ResultsStore.create(path, metadata)
    store.submitted([running(0)])
    [(_, [row])] = store._events
    store._events[:] = [("s", [row[:4]]), ("s", [(1, *row[1:3])])]
    store.commit()
    assert [(each.state, each.rank, each.started) for each in read(path).evaluations] == [("RUNNING", -1, None)] * 2


def test_what_is_refused_is_not_entered(path, metadata, running, ended):
    store = write(path, metadata, [ended(0)], [running(1)])
    wrong = running(3)._replace(point={})
    for action, evaluations in [
        (store.submitted, [running(2), running(0)]),
        (store.submitted, [running(2), wrong]),
        (store.finished, [ended(1), ended(7)]),
    ]:
        with pytest.raises(ResultsError, match="must"):
            action(evaluations)
        store.commit()
        assert read(path).evaluations == store.evaluations == came(ended(0), running(1))


def test_one_pass_may_submit_lose_and_submit_again(path, metadata, running, ended):
    store = ResultsStore.create(path, metadata)
    store.submitted([running(0), running(1)])
    store.finished([])
    store.finished([ended(0, State.LOST, error="rank 2 is gone", extra={"k": 1}), ended(1)])
    store.submitted([running(0), running(2)])
    store.commit()
    assert read(path).evaluations == store.evaluations == came(running(0), ended(1), running(2))
    assert (store.counts[State.RUNNING], store.counts[State.DONE]) == (2, 1)


@pytest.mark.parametrize("change", [{"y": 1}, None])
def test_points_must_have_the_dimensions(path, metadata, running, change):
    store = ResultsStore.create(path, metadata)
    point = {} if change is None else running(0).point | change
    with pytest.raises(ResultsError, match="evaluation 0 must have the dimensions x, n, act, name, flag, got"):
        store.submitted([running(0)._replace(point=point)])


def test_runs_and_statistics(path, metadata):
    store = ResultsStore.create(path, metadata)
    store.begin_run(3, ["nid0", "nid1"], "rank 0 searches", {"size": 3}, started=10.0)
    store.set_statistics({"ask": np.float64(0.5)})
    store.commit()
    run = {
        "started": 10.0,
        "ended": None,
        "num_workers": 3,
        "hosts": ["nid0", "nid1"],
        "layout": "rank 0 searches",
        "why": "",
        "roles": {"size": 3},
    }
    assert read(path).metadata == replace(metadata, runs=[run], statistics={"ask": 0.5})
    store.end_run("walltime", ended=20.0)
    store.close("budget", complete=True)
    found = read(path).metadata
    assert found.complete
    assert found.runs == [run | {"ended": 20.0, "why": "walltime"}]


def test_long_metadata(path, metadata):
    metadata = replace(metadata, options={"text": "x" * 200_000}, space={f"d{i}": [str(i)] for i in range(300)})
    ResultsStore.create(path, metadata).close("end")
    assert read(path).metadata == metadata


# ---------------------------------------------------------------------------------------------------------------------
# Crashes


def test_every_commit_can_be_opened(tmp_path, path, metadata, running, ended, often):
    store = ResultsStore.create(path, metadata)
    for number in range(40):
        store.submitted([running(number)])
        store.finished([ended(number, extra={"k": number})])
        store_module.SNAPSHOT_INTERVAL = 0.0 if number % 7 == 6 else 1e9
        store.commit()
        copy = tmp_path / f"copy{number}" / path.name
        copy.parent.mkdir()
        shutil.copy(path, copy)
        shutil.copy(journal_of(path), journal_of(copy))
        assert read(copy).evaluations == store.evaluations
        with h5py.File(copy) as file:
            assert len(file["evaluations/id"]) == len(file["evaluations/point/x"]) == (number + 1) // 7 * 7
    store.abandon()
    resumed = ResultsStore.resume(copy, metadata)
    assert resumed.evaluations == store.evaluations
    assert resumed.dropped == ""


def test_a_torn_journal_is_said_and_left_behind(path, metadata, running):
    store = write(path, metadata, [], [running(0)])
    store.submitted([running(1)])
    store.commit()
    with journal_of(path).open("r+b") as file:
        file.truncate(journal_of(path).stat().st_size - 3)
    assert "ends in an unfinished record" in read(path).dropped
    store.abandon()
    resumed = ResultsStore.resume(path, metadata)
    assert "ends in an unfinished record" in resumed.dropped
    resumed.submitted([running(2)])
    resumed.commit()
    assert read(path).evaluations == [running(0), running(2)]
    assert read(path).dropped == ""


def test_a_damaged_journal_is_said(path, metadata, running):
    store = ResultsStore.create(path, metadata)
    empty = journal_of(path).stat().st_size
    for number in range(2):
        store.submitted([running(number)])
        store.commit()
    data = bytearray(journal_of(path).read_bytes())
    data[empty + 12] ^= 1
    journal_of(path).write_bytes(data)
    assert "is damaged" in read(path).dropped
    data[3] ^= 1
    journal_of(path).write_bytes(data)
    assert "damaged header" in read(path).dropped


def put_journal(path, generation, campaign, owner=None):
    writer = JournalWriter(journal_of(path), generation, campaign, owner)
    writer.put_in_place()
    writer.append([["s", [[0, [0.5, 1, None, "b", True], 5.0]]]])
    writer.close()


@pytest.mark.parametrize(("generation", "num_found"), [(1, 1), (0, 0)])
def test_journals_of_this_and_older_generations(path, metadata, generation, num_found):
    ResultsStore.create(path, metadata)
    put_journal(path, generation, parse(path.read_bytes(), path).campaign)
    assert len(read(path).evaluations) == num_found
    assert read(path).dropped == ""


def test_a_record_written_twice_changes_nothing(path, metadata, ended):
    store = ResultsStore.create(path, metadata)
    for _ in range(2):
        store._journal.append([["s", [[0, list(ended(0).point.values()), 1000.0]]]])
        store._journal.append([["f", [[0, "DONE", 0.0, 1001.0, 1003.0, 1, "nid0", "", ""]]]])
    assert read(path).evaluations == came(ended(0))


def test_journals_of_newer_generations_and_other_campaigns(path, metadata):
    ResultsStore.create(path, metadata)
    put_journal(path, 1, "other")
    assert read(path).evaluations == []
    assert "belongs to another campaign" in ResultsStore.resume(path, metadata).dropped
    put_journal(path, 9, parse(path.read_bytes(), path).campaign)
    for opener in (read, lambda path: ResultsStore.resume(path, metadata)):
        with pytest.raises(ResultsError, match="must be snapshot 9 as its journal, got 2"):
            opener(path)


WRITER = """
import sys
from dhmpi.evaluation import MEASURED_STATES, Evaluation, Origin, State
from dhmpi.results import Metadata, ResultsStore, store
store.SNAPSHOT_INTERVAL, store.SNAPSHOT_SHARE = 0.01, 0
results = ResultsStore.create(sys.argv[1], Metadata("s", "p", {"x": (0, 10**9)}))
for number in range(10**9):
    results.submitted([Evaluation(number, {"x": number})])
    if number:
        results.finished([Evaluation(number - 1, {"x": number - 1}, float(number), State.DONE)])
    results.commit()
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def start_writer(path):
    return subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)


def test_killed_writers_lose_nothing_acknowledged(tmp_path):
    chance = random.Random(0)
    for index in range(10):
        path = tmp_path / f"{index}.h5"
        with start_writer(path) as writer:
            writer.stdout.readline()
            killer = threading.Timer(chance.uniform(0.02, 0.15), writer.kill)
            killer.start()
            acknowledged = [int(line) for line in writer.stdout.read().splitlines() if line]
            killer.join()
        assert writer.returncode == -signal.SIGKILL
        last = acknowledged[-1]
        campaign = read(path)
        found = campaign.evaluations
        assert [each.id for each in found] == list(range(len(found)))
        assert len(found) > last
        assert all(each.state is State.DONE and each.objective == each.id + 1 for each in found[:last])
        store = ResultsStore.resume(path, campaign.metadata)
        assert store.evaluations == found
        store.close("end")
        assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_readers_beside_a_writer(path, metadata, running, ended, often):
    store = ResultsStore.create(path, metadata)
    stop, failures, num_reads = time.monotonic() + 1.5, [], 0

    def keep_reading():
        nonlocal num_reads
        last = 0
        try:
            while time.monotonic() < stop:
                campaign = read(path)
                assert campaign.dropped == "" or "unfinished" in campaign.dropped
                assert len(campaign.evaluations) >= last
                last = len(campaign.evaluations)
                with h5py.File(path) as file:
                    assert len(file["evaluations/id"]) == len(file["evaluations/extra"])
                num_reads += 1
        except Exception as error:
            failures.append(error)

    reader = threading.Thread(target=keep_reading)
    reader.start()
    number = 0
    while reader.is_alive():
        store.submitted([running(number)])
        store.finished([ended(number)])
        store_module.SNAPSHOT_INTERVAL = 1e9 if number % 3 else 0.0
        store.commit()
        if number == 30:
            store.close("pause")
            store = ResultsStore.resume(path, metadata)
        number += 1
    reader.join()
    assert not failures
    assert num_reads > 3


# ---------------------------------------------------------------------------------------------------------------------
# Costs


def test_snapshots_are_rare(path, metadata, running, monkeypatch):
    store = ResultsStore.create(path, metadata)
    taken, store._cost = [], 0.0
    monkeypatch.setattr(store, "snapshot", lambda: taken.append(True))
    start = time.monotonic()
    store.commit(start + 100)
    assert not taken  # nothing changed
    store.submitted([running(0)])
    store.commit(start + 1)
    assert not taken
    store.commit(start + 6)
    assert len(taken) == 1
    store._cost = 2.0
    store.commit(start + 90)
    assert len(taken) == 1
    store.commit(start + 101)
    assert len(taken) == 2


def test_syncs_are_grouped(path, metadata, running, monkeypatch):
    store = ResultsStore.create(path, metadata)
    synced = []
    monkeypatch.setattr(store._journal, "sync", lambda: synced.append(True))
    start = time.monotonic()
    for number, seconds in enumerate([0.1, 0.2, 1.1, 1.2, 2.0, 2.2]):
        store.submitted([running(number)])
        store.commit(start + seconds)
    assert len(synced) == 2


def test_importing_is_light():
    code = "import sys, dhmpi.results; sys.exit(bool({'h5py', 'pandas', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ---------------------------------------------------------------------------------------------------------------------
# What cannot be created or resumed


def test_an_existing_file_is_not_replaced(path, metadata, running):
    write(path, metadata, [], [running(0)])
    expected = "exists; use resume=True to continue it, overwrite=True to replace it, or output for another file"
    with pytest.raises(ResultsError, match=f"results.h5 {expected}"):
        ResultsStore.create(path, metadata)
    store = ResultsStore.create(path, metadata, overwrite=True)
    assert read(path).evaluations == store.evaluations == []
    store.abandon()
    path.unlink()
    with pytest.raises(ResultsError, match=f"results.h5.journal {expected}"):
        ResultsStore.create(path, metadata)


def test_checking_changes_nothing(path, metadata):
    ResultsStore.check(path)
    assert os.listdir(path.parent) == []
    ResultsStore.create(path, metadata)
    before = path.read_bytes()
    with pytest.raises(ResultsError, match="exists"):
        ResultsStore.check(path)
    ResultsStore.check(path, overwrite=True)
    assert path.read_bytes() == before


def test_a_crash_while_overwriting_mixes_nothing(path, metadata, running, monkeypatch):
    write(path, metadata, [], [running(0)])

    def crash(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(JournalWriter, "put_in_place", crash)
    with pytest.raises(KeyboardInterrupt):
        ResultsStore.create(path, metadata, overwrite=True)
    monkeypatch.undo()
    assert read(path).evaluations == []
    assert "another campaign" in read(path).dropped


def test_places(tmp_path, metadata):
    with pytest.raises(ResultsError, match="must not be a directory"):
        ResultsStore.create(tmp_path, metadata)
    with pytest.raises(ResultsError, match=r"directory of the results file must exist, got .*missing; create it"):
        ResultsStore.create(tmp_path / "missing" / "results.h5", metadata)
    with pytest.raises(ResultsError, match="must be writable, got /proc"):
        ResultsStore.create("/proc/results.h5", metadata)
    with pytest.raises(ResultsError, match="does not exist"):
        ResultsStore.resume(tmp_path / "results.h5", metadata)
    with pytest.raises(ResultsError, match="does not exist"):
        read(tmp_path / "results.h5")
    with pytest.raises(ResultsError, match="must be a file, got a directory"):
        read(tmp_path)


def test_a_link_is_followed(tmp_path, path, metadata, running):
    link = tmp_path / "link.h5"
    link.symlink_to(path)
    write(link, metadata, [], [running(0)])
    assert link.is_symlink()
    assert read(path).evaluations == read(link).evaluations == [running(0)]


def test_leftovers_are_removed(path, metadata):
    token = "0123456789abcdef" * 2
    for name in (".results.h5.tmp", ".results.h5.journal.tmp", f".results.h5.{token}.tmp", ".results.h5..tmp"):
        (path.parent / name).write_bytes(b"x" * 100_000)
    ResultsStore.create(path, metadata).close("end")
    assert os.listdir(path.parent) == ["results.h5"]


def other_hdf5(path):
    with h5py.File(path, "w") as file:
        file["x"] = 1


def newer_schema(path):
    path.write_bytes(dump(Snapshot(Metadata("s", "p", {}), EvaluationTable([]), "c", 1, PolicyLog())))
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 99


def truncated(path):
    path.write_bytes(dump(Snapshot(Metadata("s", "p", {}), EvaluationTable([]), "c", 1, PolicyLog()))[:-500])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_text("a,b\n"), "must be an HDF5 file, got something else"),
        (lambda path: path.touch(), "must be an HDF5 file, got an empty file"),
        (other_hdf5, "must be a results file of dhmpi, got another HDF5 file"),
        (newer_schema, "must have schema 4 or older, got 99; use the dhmpi that wrote it"),
        (truncated, "is truncated or damaged"),
    ],
)
def test_other_files(path, metadata, make, sentence):
    make(path)
    for opener in (read, lambda path: ResultsStore.resume(path, metadata)):
        with pytest.raises(ResultsError, match=sentence):
            opener(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x": (0.0, 2.0)}, r"dimension 'x' must be \(0.0, 1.0\) as in the file, got \(0.0, 2.0\)"),
        ({"x": (0, 1)}, r"dimension 'x' must be \(0.0, 1.0\) as in the file, got \(0, 1\)"),
        ({"y": [1]}, r"dimension 'y' is in the problem, \[1\], but not in the file"),
        ({"x": None}, r"dimension 'x' is in the file, \(0.0, 1.0\), but not in the problem"),
    ],
)
def test_another_space_is_not_resumed(path, metadata, change, sentence):
    ResultsStore.create(path, metadata)
    space = {name: form for name, form in {**metadata.space, **change}.items() if form is not None}
    with pytest.raises(ResultsError, match=sentence):
        ResultsStore.resume(path, replace(metadata, space=space))


def test_another_order_or_search_is_not_resumed(path, metadata):
    ResultsStore.create(path, metadata)
    space = dict(reversed(metadata.space.items()))
    with pytest.raises(ResultsError, match="dimensions must be in the order x, n, act, name, flag of the file"):
        ResultsStore.resume(path, replace(metadata, space=space))
    with pytest.raises(ResultsError, match="search must be 'ambs' as in the file, got 'ga'"):
        ResultsStore.resume(path, replace(metadata, search="ga"))


def test_resuming_keeps_what_the_campaign_is(path, metadata, running, ended):
    store = write(path, metadata, [ended(0)], [running(1)])
    store.begin_run(3, [], "", started=5.0)
    store.close("walltime")
    again = replace(metadata, seed=1, created=9.0, version="9", options={"num": 4}, command=["x"])
    store = ResultsStore.resume(path, again)
    expected = replace(metadata, version="9", options={"num": 4}, command=["x"])
    assert replace(store.metadata, runs=[]) == expected
    assert len(store.metadata.runs) == 1
    assert read(path).metadata == store.metadata
    assert read(path).evaluations == store.evaluations == came(ended(0), running(1))


def test_one_writer_at_a_time(path, metadata):
    with start_writer(path) as writer:
        writer.stdout.readline()
        for opener in (
            lambda: ResultsStore.create(path, metadata, overwrite=True),
            lambda: ResultsStore.resume(path, metadata),
        ):
            with pytest.raises(ResultsError, match=f"process {writer.pid} on .* is writing it"):
                opener()
        assert read(path).metadata.search == "s"
        writer.kill()
        writer.stdout.read()
        time.sleep(0.1)  # now a zombie
        store = ResultsStore.resume(path, read(path).metadata)
        store.close("end")


def test_a_writer_that_was_replaced_stops(path, metadata, running):
    first = write(path, metadata, [], [running(0)])
    first._ownership.owner.end()  # taken for dead
    second = ResultsStore.resume(path, metadata)
    first.submitted([running(1)])
    for action in (first.snapshot, lambda: first.commit(time.monotonic() + 2), lambda: first.close("end")):
        with pytest.raises(StorageError, match="another process has taken it over"):
            action()
    second.close("end")
    assert read(path).evaluations == [running(0)]


@pytest.mark.parametrize("both", [False, True])
def test_what_somebody_removes_is_written_again(path, metadata, running, both):
    store = write(path, metadata, [], [running(0)])
    journal_of(path).unlink()
    if both:
        path.unlink()
    store.submitted([running(1)])
    store.commit(time.monotonic() + 2)
    assert journal_of(path).exists()
    assert read(path).evaluations == store.evaluations == [running(0), running(1)]


def test_a_full_disk_is_a_sentence_and_loses_nothing(path, metadata, running, monkeypatch):
    store = write(path, metadata, [], [running(0)])

    def full(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dhmpi.results.files.os.write", full)
    store.submitted([running(1)])
    for action in (store.commit, store.snapshot, lambda: store.close("end")):
        with pytest.raises(StorageError, match=r"cannot write .*: No space left on device; make room") as caught:
            action()
        assert isinstance(caught.value.__cause__, OSError)
        assert read(path).evaluations == [running(0)]
    monkeypatch.undo()
    store.commit()
    assert read(path).evaluations == [running(0), running(1)]
    assert not [each for each in os.listdir(path.parent) if each.startswith(".")]
