"""Objectives in results files: by column, in the journal, and in what is resumed."""

import h5py
import numpy as np
import pytest

from dhmpi import results
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, Objective, State
from dhmpi.results import Metadata, ResultsStore

TWO = (Objective("accuracy", True), Objective("latency"))


def metadata(objectives=TWO):
    return Metadata("s", "p", {"x": (0.0, 1.0)}, maximises=objectives[0].maximises, objectives=objectives)


def pending(id):
    return Evaluation(id, {"x": id / 10}, submitted=1.0)


def done(id, accuracy, latency, **more):
    """An evaluation as an evaluator concludes it."""
    fields = {"extra": {"latency": latency, "more": "m"}, "objectives": (-accuracy, latency)} | more
    return Evaluation(id, {"x": id / 10}, -accuracy, State.DONE, 1.0, 1.0, 2.0, 0, "h", **fields)


def failed(id):
    return Evaluation(id, {"x": id / 10}, None, State.FAILED, 1.0, 1.0, 2.0, 0, "h", "e")


def stopped(id):
    return Evaluation(id, {"x": id / 10}, -0.99, State.STOPPED, 1.0, 1.0, 2.0, 0, "h", extra={"latency": 0.0}, step=1.0)


ENDED = [done(0, 0.5, 3.0), done(1, 0.9, 5.0), failed(2), done(3, 0.9, 4.0), stopped(4), done(5, 0.4, 3.5)]


@pytest.fixture
def path(tmp_path):
    store = ResultsStore.create(tmp_path / "r.h5", metadata())
    store.submitted([pending(each.id) for each in ENDED])
    store.finished(ENDED)
    store.close("over", True)
    return tmp_path / "r.h5"


def test_there_is_a_column_of_each_and_one_of_the_set(path):
    with h5py.File(path) as file:
        group = file["evaluations"]
        np.testing.assert_array_equal(group["objectives/accuracy"], [0.5, 0.9, np.nan, 0.9, 0.99, 0.4])
        np.testing.assert_array_equal(group["objectives/latency"], [3.0, 5.0, np.nan, 4.0, np.nan, 3.5])
        assert group["pareto"][()].tolist() == [True, False, False, True, False, False]
        assert file.attrs["objectives"] == '{"accuracy":true,"latency":false}'


def test_they_are_read_again(path):
    found = results.read(path)
    assert found.metadata.objectives == TWO
    assert [each.objectives for each in found.evaluations] == [each.objectives for each in ENDED]
    assert [each.id for each in found.pareto_set] == [3, 0]
    assert (found.best.id, [each.id for each in found.ranked(9)]) == (3, [3, 1, 0, 5])


def test_the_journal_has_them_in_the_extra(tmp_path):
    store = ResultsStore.create(tmp_path / "r.h5", metadata())
    store.submitted([pending(each.id) for each in ENDED])
    store.finished(ENDED)
    store.commit()
    found = results.read(tmp_path / "r.h5")  # the snapshot is empty
    assert [each.objectives for each in found.evaluations] == [each.objectives for each in ENDED]
    assert found.columns.is_pareto.tolist() == [True, False, False, True, False, False]
    store.abandon()


def test_what_the_journal_adds_to_a_snapshot_counts(path):
    store = ResultsStore.resume(path, metadata())
    assert [each.objectives for each in store.evaluations] == [each.objectives for each in ENDED]
    store.submitted([pending(6)])
    store.finished([done(6, 0.95, 1.0)])
    store.commit()
    assert [each.id for each in results.read(path).pareto_set] == [6]
    store.close("over", True)
    assert [each.id for each in results.read(path).pareto_set] == [6]


@pytest.mark.parametrize("others", [TWO[:1], TWO[::-1], (Objective("accuracy"), TWO[1])])
def test_others_are_refused(path, others):
    with pytest.raises(ResultsError, match=r"objectives must be accuracy \(large\), latency \(small\) as in the file"):
        ResultsStore.resume(path, metadata(others))


def test_a_single_one_has_a_column_and_there_is_no_set(tmp_path):
    store = ResultsStore.create(tmp_path / "r.h5", metadata(TWO[:1]))
    store.submitted([pending(0)])
    store.finished([done(0, 0.5, 3.0, objectives=())])
    store.close("over", True)
    with h5py.File(tmp_path / "r.h5") as file:
        assert file["evaluations/objectives/accuracy"][()].tolist() == [0.5]
        assert "pareto" not in file["evaluations"]
    found = results.read(tmp_path / "r.h5")
    assert (found.best.objectives, str(found)) == ((), "<Results of s on p: 1 evaluations, best accuracy 0.5>")


def test_names_may_be_strange(tmp_path):
    names = (Objective("50 %"), Objective("a b"), Objective(".."))
    store = ResultsStore.create(tmp_path / "r.h5", metadata(names))
    store.submitted([pending(0)])
    fields = {"extra": {"a b": 2.0, "..": 3.0}, "objectives": (-1.0, 2.0, 3.0)}
    store.finished([done(0, 1.0, 0.0, **fields)])
    store.close("over", True)
    assert results.read(tmp_path / "r.h5").best.objectives == (-1.0, 2.0, 3.0)


def test_what_was_taken_back_has_none(path):
    table = results.read(path).columns.table()
    table.take_back([3])
    assert table.evaluations()[3].objectives == ()


@pytest.mark.parametrize("objectives", ['{"accuracy":1}', '["accuracy"]', "7"])
def test_attributes_that_are_none_are_damage(path, objectives):
    with h5py.File(path, "r+") as file:
        file.attrs["objectives"] = objectives
    with pytest.raises(ResultsError, match="damaged"):
        results.read(path)
