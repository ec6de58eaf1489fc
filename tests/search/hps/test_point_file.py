import io
import json

import pytest

from dhmpi.analysis.deephyper_csv import export_deephyper
from dhmpi.analysis.export import export_csv, export_json, export_points
from dhmpi.errors import InputError
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results
from dhmpi.search.hps.point_file import read_points
from dhmpi.space.space import Space

SPACE = Space.from_specs(
    {
        "n": (1, 64),
        "rate": (1e-5, 1.0, "log-uniform"),
        "act": ["relu", "None", None, True, 1, 1.0, "2", 2.5],
        "objective": ["low", "high"],
    }
)
FULL = [
    {"n": 8, "rate": 0.1, "act": "relu", "objective": "low"},
    {"n": 64, "rate": 1e-5, "act": None, "objective": "high"},
    {"n": 1, "rate": 0.25, "act": True, "objective": "high"},
]


@pytest.fixture
def values_in(tmp_path):
    """The values of the points in a file with this text."""

    def values(text, name="points.csv"):
        (tmp_path / name).write_text(text)
        return [dict(each.values) for each in read_points(str(tmp_path / name), SPACE.by_name)]

    return values


def exported(export, **more):
    metadata = Metadata("ga", "problem", SPACE.specs())
    evaluations = [Evaluation(id, point, 1.0, State.DONE, 0.0, 0.0, 1.0, order=id) for id, point in enumerate(FULL)]
    stream = io.StringIO()
    export(Results.of(metadata, evaluations), stream, **({"evaluations": evaluations} if more else {}))
    return stream.getvalue()


def test_names_come_first_and_empty_cells_are_not_given(values_in):
    text = "\ufeffact, n,seconds,rate\nrelu,8,3.5,\n\n,,,1e-3\n"
    assert values_in(text) == [{"n": 8, "act": "relu"}, {"rate": 0.001}]


@pytest.mark.parametrize("export", [export_csv, export_deephyper, export_json])
def test_what_is_exported_can_be_evaluated(values_in, export):
    """Although one dimension is called objective, and a text None."""
    assert values_in(exported(export)) == FULL
    assert [type(each["act"]) for each in values_in(exported(export))] == [str, type(None), bool]


def test_best_points_can_be_evaluated(values_in):
    assert values_in(exported(export_points, some=True)) == FULL


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("relu", "relu"),
        ("None", "None"),
        ("null", None),
        ("true", True),
        ("1", 1),
        ("1.0", 1.0),
        ("2", "2"),
        ("2.50", 2.5),
    ],
)
def test_cells_are_the_categories_that_are_written_so(values_in, cell, value):
    [found] = values_in(f"act\n{cell}\n")
    assert found == {"act": value}
    assert type(found["act"]) is type(value)


def test_integers_may_be_written_as_pandas_does(values_in):
    assert values_in("n,rate\n8.0,1\n") == [{"n": 8, "rate": 1.0}]


@pytest.mark.parametrize("separator", ["\n", "\n\n"])
def test_json_is_a_list_or_an_object_per_line(values_in, separator):
    points = [{"n": 3, "act": None, "rate": None, "comment": []}, {"p:rate": 0.5}]
    expected = [{"n": 3, "act": None}, {"rate": 0.5}]
    assert values_in(json.dumps(points)) == expected
    assert values_in(separator.join(map(json.dumps, points))) == expected
    assert values_in(json.dumps(points[0])) == expected[:1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("n,rate\n3,0.5\n65,0.1\n", "points.csv, line 3: dimension 'n': value must be an integer from 1 to 64, got 65"),
        ("n,rate\n3,0.5\nmany,0.1\n", "line 3: dimension 'n': value must be an integer from 1 to 64, got 'many'"),
        ("act\nselu\n", r"line 2: dimension 'act': value must be one of .*, got 'selu'; change it or add"),
        ("n,n\n3,4\n", "line 1: columns must have names of their own, got 'n' twice"),
        ("n,rate\n3\n", "line 2: a line must have 2 cells as the first one, got 1"),
        ("units\n3\n", "line 2: points must have values of n, rate, act, objective, got units; rename them"),
        ("n,rate\n", "points must be a file with a point at least, got none in .*points.csv"),
        ("", "points must be a file with a point at least, got none"),
        ("n,rate\n,\n", "points must be a file with a point at least, got none"),
        ('n\n"3', r"line 2: points must be CSV or JSON \(unexpected end of data\)"),
        ("[{}]", "points.csv, point 1: points must have values of .*, got nothing"),
        ('[{"n": 3}, 4]', "point 2: a point must be a JSON object, got 4"),
        ('[{"n": 3},\n{"n": 99,]', "line 2: points must be CSV or JSON"),
        ('{"n": 3}\n{"n": 99}', "line 2: dimension 'n': value must be an integer from 1 to 64, got 99"),
        ('{"n": 3}\n{"n": ', "line 2: points must be CSV or JSON"),
        ('{"n": 3}\n[1]', r"line 2: a point must be a JSON object, got \[1\]"),
        ('{"evaluations": 3}', "points must have values of"),
        ('[{"n": true}]', "point 1: dimension 'n': value must be an integer from 1 to 64, got True"),
    ],
)
def test_what_is_no_point_is_told_with_its_line(values_in, text, sentence):
    with pytest.raises(InputError, match=sentence):
        values_in(text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"points must be a file that can be read, got .*none.csv \(No such file"):
        read_points(str(tmp_path / "none.csv"), SPACE.by_name)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"got .*binary \(no UTF-8\)"):
        read_points(str(tmp_path / "binary"), SPACE.by_name)


def test_a_column_that_may_be_misspelt_is_named(values_in, caplog):
    values_in("n,learning_rate\n3,0.5\n")
    assert caplog.messages == ["points.csv: act, objective, rate in no point; passed over: learning_rate"]
