import csv
import io
import json
import math

from dhmpi.evaluation import State
from dhmpi.results import Results, export_csv, export_json


def test_csv(metadata, running, ended):
    evaluations = [
        ended(0, extra={"a": [1, 2]}),
        ended(1, State.FAILED, error='line\n"two", é', extra={"b": None}),
        running(2),
    ]
    stream = io.StringIO(newline="")
    export_csv(Results(metadata, evaluations), stream)
    header, *rows = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    times = ["submitted", "started", "ended"]
    names = ["x", "n", "act", "name", "flag"]
    assert header == ["id", *names, "objective", "state", *times, "rank", "host", "error", "extra.a", "extra.b"]
    assert rows[0][:8] == ["0", "0.0", "1", "relu", "é", "True", "0.0", "DONE"]
    assert rows[0][-2:] == ["[1,2]", ""]
    assert rows[1][6:8] == ["", "FAILED"]
    assert rows[1][13] == 'line\n"two", é'
    assert rows[2][9:11] == ["", ""]


def test_json(metadata, running, ended):
    evaluations = [ended(0, extra={"loss": [math.nan, 1.0], "best": math.inf}), running(1)]
    stream = io.StringIO()
    export_json(Results(metadata, evaluations), stream)
    found = json.loads(stream.getvalue(), parse_constant=lambda name: 1 / 0)
    assert found["metadata"]["space"]["x"] == {"range": [0.0, 1.0]}
    assert found["metadata"]["seed"] == 42
    assert found["evaluations"][0]["extra"] == {"loss": [None, 1.0], "best": None}
    assert found["evaluations"][0]["state"] == "DONE"
    assert found["evaluations"][1]["point"] == running(1).point
    assert found["evaluations"][1]["objective"] is None


def test_nothing(metadata):
    stream = io.StringIO()
    export_json(Results(metadata, []), stream)
    assert json.loads(stream.getvalue())["evaluations"] == []
