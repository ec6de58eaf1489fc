"""Points without some dimensions, in every file and format."""

import csv
import io
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from dhmpi.analysis.deephyper_csv import export_deephyper
from dhmpi.analysis.duplicates import duplicates
from dhmpi.analysis.export import export_csv, export_json
from dhmpi.analysis.frame import frame
from dhmpi.analysis.parquet import write_parquet
from dhmpi.analysis.report.evaluation_rows import dimension_values
from dhmpi.analysis.unit_scales import encoded
from dhmpi.errors import ResultsError
from dhmpi.evaluation import State
from dhmpi.results import Results, ResultsStore, read

OPTIONAL = ("x", "n", "act", "name", "flag")


@pytest.fixture
def nested(metadata):
    """The metadata of a campaign in which `first` decides what else there is."""
    conditions = {name: [{"when": "first", "is_in": [name]}] for name in OPTIONAL}
    space = {"first": ["none", *OPTIONAL], **metadata.space}
    return replace(metadata, space=space, rules={"conditions": conditions})


@pytest.fixture
def evaluations(ended):
    """One of each kind of point: with one optional dimension at most."""
    points = [{"first": "none"}, *({"first": name, name: ended(2).point[name]} for name in OPTIONAL)]
    points.append({"first": "act", "act": None})
    return [ended(id, point=point, order=id) for id, point in enumerate(points)]


@pytest.fixture
def file(tmp_path, nested, evaluations):
    store = ResultsStore.create(tmp_path / "results.h5", nested)
    store.submitted([each._replace(state=State.RUNNING) for each in evaluations])
    store.finished(evaluations)
    store.commit()
    yield store
    store.abandon()


def test_journal_and_snapshot(tmp_path, file, evaluations):
    expected = [each.point for each in evaluations]
    assert [each.point for each in read(tmp_path / "results.h5").evaluations] == expected
    assert [each.point for each in file.evaluations] == expected
    file.snapshot()
    found = read(tmp_path / "results.h5")
    assert [each.point for each in found.evaluations] == expected
    assert [each.point for each in found.columns.evaluations([0, 6])] == [expected[0], expected[6]]
    assert found.columns.table().evaluations() == found.evaluations
    file.close("end")
    again = ResultsStore.resume(tmp_path / "results.h5", file.metadata)
    assert [each.point for each in again.evaluations] == expected
    again.abandon()


def test_h5py_alone_reads_it(tmp_path, file):
    file.close("end")
    with h5py.File(tmp_path / "results.h5") as found:
        group = found["evaluations"]
        assert list(group["active"]) == sorted(OPTIONAL)
        assert group["active/n"][()].tolist() == [False, False, True, False, False, False, False]
        assert group["point/n"][2] == 3
        assert np.isnan(group["point/x"][()][[0, 2, 3]]).all()
        assert group["point/flag"].dtype == bool
        assert json.loads(found.attrs["rules"])["conditions"]["n"] == [{"when": "first", "is_in": ["n"]}]


def test_a_point_must_have_what_is_always_there(tmp_path, file, running):
    with pytest.raises(ResultsError, match="evaluation 9 must have the dimensions first, x"):
        file.submitted([running(9)._replace(point={"x": 0.5})])
    with pytest.raises(ResultsError, match="evaluation 9 must have the dimensions first, x"):
        file.submitted([running(9)._replace(point={"first": "none", "y": 0.5})])


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({}, "conditions must be .* as in the file, got none"),
        ({"conditions": {"x": [{"when": "first", "is_in": ["x"]}]}}, "conditions must be .* as in the file, got"),
    ],
)
def test_rules_must_be_those_of_the_file(tmp_path, file, nested, rules, sentence):
    file.close("end")
    with pytest.raises(ResultsError, match=sentence):
        ResultsStore.resume(tmp_path / "results.h5", replace(nested, rules=rules))


def test_constraints_must_be_those_of_the_file(metadata):
    given = replace(metadata, rules={"constraints": [{"expression": "n > 1"}]})
    with pytest.raises(ResultsError, match="constraints must be none as in the file, got"):
        metadata.resumed(given)


# --- formats


def rows_of(write, results):
    stream = io.StringIO(newline="")
    write(results, stream)
    return list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))


def test_csv_has_empty_cells(nested, evaluations):
    rows = rows_of(export_csv, Results.of(nested, evaluations))
    assert [rows[0][name] for name in OPTIONAL] == [""] * 5
    assert [rows[2][name] for name in OPTIONAL] == ["", "3", "", "", ""]
    assert rows[6]["act"] == "None"


def test_csv_of_deephyper_has_empty_cells(nested, evaluations):
    rows = rows_of(export_deephyper, Results.of(nested, evaluations))
    assert [rows[2][f"p:{name}"] for name in OPTIONAL] == ["", "3", "", "", ""]


def test_json_has_what_is_active(nested, evaluations):
    stream = io.StringIO()
    export_json(Results.of(nested, evaluations), stream)
    found = json.loads(stream.getvalue())
    assert [each["point"] for each in found["evaluations"]] == [each.point for each in evaluations]
    assert found["metadata"]["rules"] == nested.rules


def test_data_frames_have_gaps(nested, evaluations):
    found = frame(Results.of(nested, evaluations))
    assert {name: str(found[name].dtype) for name in OPTIONAL} == {
        "x": "float64",
        "n": "Int64",
        "act": "object",
        "name": "object",
        "flag": "boolean",
    }
    assert found["n"].isna().tolist() == [True, True, False, True, True, True, True]
    assert found["n"][2] == 3


def test_parquet_has_gaps(tmp_path, nested, evaluations):
    from pyarrow import parquet

    write_parquet(Results.of(nested, evaluations), tmp_path / "t.parquet")
    found = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert found["n"] == [None, None, 3, None, None, None, None]
    assert found["x"][1] == 2 / 7


def test_numbers_that_analyses_compute_with(nested, evaluations):
    by_name = {each.name: each for each in encoded(Results.of(nested, evaluations))}
    assert by_name["n"].unit.tolist() == [0.5, 0.5, pytest.approx((3 - 0.5) / 9), 0.5, 0.5, 0.5, 0.5]
    assert np.isnan(by_name["n"].numbers).tolist() == [True, True, False, True, True, True, True]


def test_the_report_shows_nothing(nested, evaluations):
    found = {each.name: each for each in dimension_values(Results.of(nested, evaluations), np.arange(7))}
    assert found["n"].values[:3] == [None, None, 3]
    labels = [found["act"].labels[place] for place in found["act"].values]
    assert labels[0] == "-"
    assert labels[6] == "None"


def test_points_that_differ_in_nothing_active_are_the_same(nested, evaluations):
    again = evaluations[2]._replace(id=7, order=7)
    found = duplicates(Results.of(nested, [*evaluations, again]))
    assert found.distinct[-1] == 7
    assert found.size is None
