"""What evaluations have reported, in memory and in the file."""

import math

import h5py
import numpy as np
import pytest

from dhmpi import results
from dhmpi.evaluation import Evaluation, Report, State
from dhmpi.results import Metadata, ResultsStore
from dhmpi.results.checksum import with_checksum
from dhmpi.results.journal import JournalTail
from dhmpi.results.report_log import MOST_LEFT_OUT, MOST_ROWS, ReportLog

METADATA = Metadata("s", "p", {"x": (0.0, 1.0)})


def reports(id, *steps, value=1.0):
    return [Report(id, float(step), value, 100.0 + step) for step in steps]


def log_of(*groups):
    log = ReportLog()
    for group in groups:
        log.append(group, 0)
    return log


def steps_of(log, id):
    return log.columns().of(id).step.tolist()


def test_reports_stay_in_order():
    log = log_of(reports(4, 1, 2), reports(3, 1), reports(4, 3))
    assert log.columns().evaluation.tolist() == [4, 4, 3, 4]
    assert (steps_of(log, 4), steps_of(log, 3), steps_of(log, 5)) == ([1, 2, 3], [1], [])
    assert (log.last_step(4), log.last_step(3), log.last_step(5)) == (3, 1, None)


def test_a_step_that_comes_again_replaces_what_was():
    log = log_of(reports(0, 1, 2), reports(1, 1), reports(0, 2, value=7.0))
    assert len(log) == 3
    assert log.columns().of(0).value.tolist() == [1.0, 7.0]


@pytest.mark.parametrize(("first", "left"), [(1, [1, 4]), (2, [1, 2, 4]), (0.5, [0.5, 4])])
def test_a_new_beginning_replaces_what_followed(first, left):
    log = log_of(reports(0, 1, 2, 3), reports(1, 1, 2, 3), reports(0, first), reports(0, 4))
    assert steps_of(log, 0) == left
    assert steps_of(log, 1) == [1, 2, 3]
    assert log.last_step(0) == 4


def test_very_many_of_one_evaluation_are_thinned_and_those_of_others_are_not():
    log = log_of(reports(1, *range(50)), reports(0, *range(3 * MOST_ROWS)), reports(1, 50))
    assert steps_of(log, 1) == list(range(51))
    left = steps_of(log, 0)
    assert MOST_ROWS / 2 <= len(left) <= MOST_ROWS
    assert (left[0], left[-1]) == (0, 3 * MOST_ROWS - 1)
    assert np.diff(left).min() > 0
    assert np.diff(left).max() <= 4  # evenly, so that the beginning is there, too


def test_what_is_redone_is_forgotten():
    log = log_of(reports(0, 1, 2), reports(1, 1), reports(2, 1))
    log.forget([0, 2])
    assert log.columns().evaluation.tolist() == [1]
    log.append(reports(0, 1), 0)
    assert steps_of(log, 0) == [1]


def superseded(history):
    columns = history.superseded
    return sorted(zip(columns.evaluation.tolist(), columns.step.tolist(), columns.order.tolist(), strict=True))


def test_what_is_superseded_is_kept_as_far_as_models_have_known_it():
    """The steps 1, 1.1 are of one rung; what came while a result was known, and was replaced meanwhile, none knew."""
    log = ReportLog()
    log.append(reports(0, 1, 1.1, 2, 3), 0)
    log.append(reports(0, 4, 2, 5), 1)
    log.append(reports(0, 1) + reports(1, 7), 2)
    assert steps_of(log, 0) == [1]
    assert superseded(log.history()) == [(0, 1.1, 0), (0, 2, 0), (0, 2, 1), (0, 3, 0), (0, 5, 1)]
    known = [(report.step, order) for report, order in log.history().ordered() if report.id == 0]
    assert known == [(1.1, 0), (2, 0), (3, 0), (2, 1), (5, 1), (1, 2)]


def test_what_is_left_out_does_not_fill_the_memory():
    log = ReportLog()
    for step in range(20_000, 0, -1):
        log.append(reports(0, step) + reports(1, 20_001 - step), 0)
        assert len(log._step) <= 2 * len(log) + 2 * MOST_LEFT_OUT
    assert (steps_of(log, 0), len(steps_of(log, 1))) == ([1], log._places[1].num_rows)
    assert superseded(log.history())[0][0] == 1


def test_a_file_has_what_was_superseded_however_its_writer_ended(tmp_path):
    path = tmp_path / "r.h5"
    store = ResultsStore.create(path, METADATA)
    store.submitted([Evaluation(id, {"x": id / 10}) for id in range(2)])
    store.reported(reports(0, 1, 2, 3) + reports(1, 1))
    store.finished([Evaluation(1, {}, 0.5, State.DONE)])
    store.snapshot()
    store.reported(reports(0, 1, 2))
    store.commit()  # and then the process is killed
    expected = [(0, 1, 0), (0, 2, 0), (0, 3, 0)]
    assert superseded(results.read(path).report_history) == expected  # from the journal
    store._ownership.release()
    ResultsStore.resume(path, METADATA).close("over")
    found = results.read(path)
    assert superseded(found.report_history) == expected  # from the file
    assert found.reports.step.tolist() == [1, 1, 2]
    assert results.redo(path, ids=[1]) == {1: State.DONE}
    assert superseded(results.read(path).report_history) == expected
    store = ResultsStore.resume(path, METADATA)
    store.finished([Evaluation(0, {}, 0.5, State.DONE)])
    store.close("over")
    results.redo(path, ids=[0])
    assert superseded(results.read(path).report_history) == []


def test_it_is_known_how_many_results_there_were_when_a_report_came(tmp_path):
    path = tmp_path / "r.h5"
    store = ResultsStore.create(path, METADATA)
    store.submitted([Evaluation(0, {"x": 0.5}), Evaluation(1, {"x": 0.6})])
    store.reported(reports(0, 1))
    store.reported(reports(1, 1))
    store.finished([Evaluation(1, {"x": 0.6}, 1.0, State.DONE)])
    store.reported(reports(0, 2, 3))
    store.commit()
    for _ in range(2):  # from the journal, and from the file
        assert results.read(path).reports.order.tolist() == [0, 0, 1, 1]
        store.close("over")
    path.write_bytes(path.read_bytes()[: -len(with_checksum(b""))])
    with h5py.File(path, "a") as file:
        del file["reports/order"]  # as before there was such a thing
    path.write_bytes(with_checksum(path.read_bytes()))
    assert results.read(path).reports.order.tolist() == [-1, -1, -1, -1]


def test_values_that_are_not_finite_stay(tmp_path):
    path = tmp_path / "r.h5"
    values = [math.nan, math.inf, -math.inf, 0.5]
    store = ResultsStore.create(path, METADATA)
    store.submitted([Evaluation(0, {"x": 0.5})])
    for step, value in enumerate(values):
        store.reported(reports(0, step, value=value))
        store.commit()
    assert results.read(path).reports.value.tolist() == pytest.approx(values, nan_ok=True)  # from the journal
    store.close("over")
    assert results.read(path).reports.value.tolist() == pytest.approx(values, nan_ok=True)  # from the file


def test_a_file_has_them_however_its_writer_ended(tmp_path):
    path = tmp_path / "r.h5"
    store = ResultsStore.create(path, METADATA)
    store.submitted([Evaluation(id, {"x": id / 10}) for id in range(3)])
    store.reported(reports(0, 1, 2) + reports(1, 1))
    store.commit()
    store.snapshot()
    store.finished([Evaluation(0, {}, 0.5, State.STOPPED, started=1.0, ended=2.0, step=2.0)])
    store.reported(reports(1, 2) + reports(2, 7))
    store.commit()  # and then the process is killed

    def check():
        found = results.read(path)
        assert found.reports.evaluation.tolist() == [0, 0, 1, 1, 2]
        assert found.columns.step.tolist() == [2, 2, 7]
        assert [each.step for each in found.evaluations] == [2, 2, 7]
        assert [each.state for each in found.evaluations] == [State.STOPPED, State.RUNNING, State.RUNNING]
        assert found.best is None
        return found

    before = check()
    store._ownership.release()
    again = ResultsStore.resume(path, METADATA)
    assert [each.step for each in again.evaluations] == [2, 2, 7]
    assert before.reports.time.tolist() == again.results.reports.time.tolist()
    again.close("over")
    check()
    assert results.redo(path, ids=[0]) == {0: State.STOPPED}
    found = results.read(path)
    assert found.reports.evaluation.tolist() == [1, 1, 2]
    assert found.columns.step.tolist() == pytest.approx([math.nan, 2, 7], nan_ok=True)


def test_a_reader_of_frames_sees_values_as_they_were_reported(tmp_path):
    for maximises, value in ((False, 0.25), (True, -0.25)):
        path = tmp_path / f"{maximises}.h5"
        store = ResultsStore.create(path, Metadata("s", "p", {"x": (0.0, 1.0)}, maximises=maximises))
        store.submitted([Evaluation(0, {"x": 0.5})])
        store.reported(reports(0, 1, 2, value=0.25))
        store.close("over")
        frame = results.load_reports(path)
        assert list(frame) == ["evaluation", "step", "value", "time"]
        assert frame["value"].tolist() == [value, value]
    assert results.load_reports(path).dtypes.astype(str).tolist() == ["int64", "float64", "float64", "float64"]


def test_a_campaign_without_reports_has_none(tmp_path):
    path = tmp_path / "r.h5"
    ResultsStore.create(path, METADATA).close("over")
    assert len(results.read(path).reports.step) == 0
    assert results.load_reports(path).empty


def test_a_record_that_was_written_twice_changes_nothing(tmp_path):
    path = tmp_path / "r.h5"
    store = ResultsStore.create(path, METADATA)
    store.submitted([Evaluation(0, {"x": 0.5})])
    for _ in range(2):
        store.reported(reports(0, 1, 2, 3))
    store.commit()
    assert results.read(path).reports.step.tolist() == [1, 2, 3]
    assert JournalTail(tmp_path / "r.h5.journal").read()
