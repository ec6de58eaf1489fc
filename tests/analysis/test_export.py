import csv
import io
import json
import math
from dataclasses import replace

from dhmpi.analysis.export import export_csv, export_json
from dhmpi.evaluation import State
from dhmpi.results import Results


def test_csv(metadata, running, ended):
    evaluations = [
        ended(0, extra={"a": [1, 2]}),
        ended(1, State.FAILED, error='line\n"two", é', extra={"b": None}),
        running(2),
    ]
    stream = io.StringIO(newline="")
    export_csv(Results.of(metadata, evaluations), stream)
    header, *rows = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    times = ["submitted", "started", "ended"]
    names = ["x", "n", "act", "name", "flag"]
    assert header == ["id", *names, "objective", "state", *times, "rank", "host", "error", "extra.a", "extra.b"]
    assert rows[0][:8] == ["0", "0.0", "1", "relu", "é", "True", "0.0", "DONE"]
    assert rows[0][-2:] == ["[1,2]", ""]
    assert rows[1][6:8] == ["", "FAILED"]
    assert rows[1][13] == 'line\n"two", é'
    assert rows[2][9:11] == ["", ""]


def test_none_is_no_empty_cell(metadata, running, ended):
    stream = io.StringIO(newline="")
    export_csv(Results.of(metadata, [ended(1), running(2)]), stream)
    header, first, second = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert first[header.index("act")] == "None"
    assert (second[header.index("act")], second[header.index("objective")]) == ("True", "")


def test_none_is_no_text_either(metadata, ended):
    found = replace(metadata, space={"act": ["a", None, "None", ""]})
    evaluations = [ended(number)._replace(point={"act": value}) for number, value in enumerate(["a", None, "None"])]
    stream = io.StringIO(newline="")
    export_csv(Results.of(found, evaluations), stream)
    assert [row[1] for row in csv.reader(io.StringIO(stream.getvalue(), newline=""))] == ["act", "a", "null", "None"]


def test_what_is_to_be_large_has_a_column(metadata, ended, running):
    evaluations = [each._replace(point={"reward": 1}) for each in (ended(3), running(4))]
    found = Results.of(replace(metadata, maximises=True, space={"reward": (0, 1)}), evaluations)
    stream = io.StringIO(newline="")
    export_csv(found, stream)
    header, first, second = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert header[:4] == ["id", "point.reward", "objective", "reward"]
    assert float(first[3]) == -float(first[2]) != 0
    assert second[2:4] == ["", ""]
    stream = io.StringIO()
    export_json(found, stream)
    assert [each["reward"] for each in json.loads(stream.getvalue())["evaluations"]] == [
        -evaluations[0].objective,
        None,
    ]


def test_results_are_shown_in_a_line(metadata, ended):
    found = Results.of(metadata, [ended(number) for number in range(1, 400)])
    assert repr(found) == f"<Results of ambs on pkg.Problem: 399 evaluations, best objective {found.best.objective}>"
    found = Results.of(replace(metadata, maximises=True), [])
    assert repr(found) == "<Results of ambs on pkg.Problem: 0 evaluations, best reward None>"


def test_json(metadata, running, ended):
    evaluations = [ended(0, extra={"loss": [math.nan, 1.0], "best": math.inf}), running(1)]
    stream = io.StringIO()
    export_json(Results.of(metadata, evaluations), stream)
    found = json.loads(stream.getvalue(), parse_constant=lambda name: 1 / 0)
    assert found["metadata"]["space"]["x"] == {"range": [0.0, 1.0]}
    assert found["metadata"]["seed"] == 42
    assert found["evaluations"][0]["extra"] == {"loss": [None, 1.0], "best": None}
    assert found["evaluations"][0]["state"] == "DONE"
    assert found["evaluations"][1]["point"] == running(1).point
    assert found["evaluations"][1]["objective"] is None


def test_nothing(metadata):
    stream = io.StringIO()
    export_json(Results.of(metadata, []), stream)
    assert json.loads(stream.getvalue())["evaluations"] == []


def test_last_steps_have_a_column_if_anything_was_reported(metadata, ended):
    stream = io.StringIO(newline="")
    export_csv(Results.of(metadata, [ended(0), ended(1, State.STOPPED)._replace(objective=0.5, step=3.0)]), stream)
    first, second = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    assert (first["step"], second["step"], second["state"], second["objective"]) == ("", "3.0", "STOPPED", "0.5")
