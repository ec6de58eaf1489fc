"""Columns: they say what the records say, whichever way they came about."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.results import Metadata, ResultsStore, read
from dhmpi.results.columns import FEW, Columns

SPACE = {"x": (0.0, 1.0), "n": (0, 9), "act": ["relu", "tanh"], "flag": [True, False], "any": [None, "a", 1]}


def point(number):
    return {
        "x": number / 1000,
        "n": number % 10,
        "act": ("relu", "tanh")[number % 2],
        "flag": number % 3 == 0,
        "any": (None, "a", 1)[number % 3],
    }


def submitted(number):
    origin = Origin("RF", number, number // 2, 3, json.dumps({"lie": number}) if number % 5 == 0 else "")
    return Evaluation(number, point(number), submitted=1000.0 + number, origin=origin, rank=1 + number % 4, host="é")


def ended(number):
    state = (State.DONE, State.DONE, State.FAILED, State.TIMEOUT, State.LOST)[number % 5]
    return submitted(number)._replace(
        objective=float(-number) if state is State.DONE else None,
        state=state,
        started=1000.5 + number,
        ended=1003.0 + number,
        host=f"node{number % 4}",
        error="" if state is State.DONE else f"Traceback\nValueError: {number}",
        extra={"size": [number]} if number % 4 == 0 else {},
    )


def write(path, num, num_journal, close=False):
    """Write evaluations, of which the last few are in the journal alone, and so is how some of the first ended."""
    store = ResultsStore.create(path, Metadata("s", "p", SPACE))
    numbers = range(num - num_journal)
    store.submitted(map(submitted, numbers))
    store.finished(map(ended, list(numbers)[: num - 2 * num_journal]))
    store.commit()
    store.snapshot()
    store.submitted(map(submitted, range(num - num_journal, num)))
    store.finished(map(ended, range(num - 2 * num_journal, num - num_journal)))
    store.commit()
    if close:
        store.leave()
    return store


@pytest.mark.parametrize("num", [12, 2 * FEW + 30])
@pytest.mark.parametrize("close", [False, True])
def test_columns_say_what_the_records_say(tmp_path, num, close):
    store = write(tmp_path / "r.h5", num, 3, close)
    found = read(tmp_path / "r.h5")
    assert found.evaluations == store.evaluations
    columns = found.columns
    assert len(columns) == num
    assert columns.id.tolist() == list(range(num))
    assert columns.counts() == {state: number for state, number in store.counts.items() if number}
    assert columns.values("x").dtype == np.float64
    assert columns.values("n").dtype == np.int64
    for name in SPACE:
        assert columns.values(name).tolist() == [point(number)[name] for number in range(num)]
    assert columns.host.at(np.arange(num)).tolist() == [each.host for each in found.evaluations]
    assert columns.duration.tolist() == [each.duration for each in found.evaluations]
    assert found.best == min((each for each in found.evaluations if each.objective is not None), key=lambda e: e[2])
    if not close:
        store.close("enough")


@pytest.mark.parametrize("rows", [[], [3], [11, 0, 5]])
def test_some_rows_are_read_by_themselves(tmp_path, rows):
    write(tmp_path / "r.h5", 12, 0, close=True)
    columns = read(tmp_path / "r.h5").columns
    assert columns.evaluations(rows) == [read(tmp_path / "r.h5").evaluations[row] for row in rows]
    assert "host" not in vars(columns)


def test_a_table_is_what_columns_were_made_of(tmp_path):
    store = write(tmp_path / "r.h5", 12, 3)
    columns = store.results.columns
    again = columns.table()
    assert again.evaluations() == store.evaluations
    assert (again.counts, again.num_ordered) == (list(store.counts.values()), 8)
    assert Columns.of(columns.table([2, 7])).evaluations() == [store.evaluations[row] for row in (2, 7)]
    store.close("enough")


def test_the_best_is_the_first_of_equals():
    evaluations = [Evaluation(number, {}, 1.0, State.DONE) for number in (4, 2)]
    evaluations.append(Evaluation(1, {}, None, State.FAILED))
    columns = Columns.of_evaluations((), evaluations)
    assert columns.evaluations([columns.best()])[0].id == 2
    assert Columns.of_evaluations((), []).best() is None


def test_without_evaluations_there_is_nothing():
    columns = Columns.of_evaluations(("x",), [])
    assert (len(columns), columns.counts(), columns.evaluations(), columns.values("x").tolist()) == (0, {}, [], [])


def test_long_texts_are_kept(tmp_path):
    store = ResultsStore.create(tmp_path / "r.h5", Metadata("s", "p", {}))
    hosts = ["n" * 65, "", "é" * 32]
    store.submitted(Evaluation(number, {}, rank=1, host=host) for number, host in enumerate(hosts))
    store.close("enough")
    assert [each.host for each in read(tmp_path / "r.h5").evaluations] == hosts


def test_what_a_column_holds_is_checked_when_it_is_read(tmp_path):
    """A checksum says that nobody has changed a file, not that it was right."""
    from dhmpi.results import snapshot
    from dhmpi.results.policy_log import PolicyLog

    table = Columns.of_evaluations((), [ended(0)._replace(point={})]).table()
    table.extra[0] = "{"
    metadata = replace(Metadata("s", "p", {}))
    (tmp_path / "r.h5").write_bytes(snapshot.dump(snapshot.Snapshot(metadata, table, "c", 1, PolicyLog())))
    found = read(tmp_path / "r.h5")
    with pytest.raises(ResultsError, match=r"an extra of a results file must be a JSON object, got '\{'"):
        found.evaluations  # noqa: B018  # it is read here
