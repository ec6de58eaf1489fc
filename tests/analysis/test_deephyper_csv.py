import csv
import io
from dataclasses import replace

from dhmpi.analysis.deephyper_csv import export_deephyper
from dhmpi.evaluation import State
from dhmpi.results import Results


def written(results):
    stream = io.StringIO(newline="")
    export_deephyper(results, stream)
    return list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))


def test_names_and_values_are_those_of_deephyper(metadata, ended):
    [line] = written(Results.of(metadata, [ended(4, extra={"a": [1, 2], "rank": "x"})]))
    point = {"p:x": str(4 / 7), "p:n": "5", "p:act": "0.5", "p:name": "é", "p:flag": "True"}
    assert point.items() <= line.items()
    assert [line[name] for name in ("objective", "job_id", "job_status")] == ["-2.0", "4", "DONE"]
    times = [line[f"m:timestamp_{name}"] for name in ("submit", "start", "end", "gather")]
    assert times == ["4.0", "5.0", "7.0", "7.0"]  # since the campaign began
    assert (line["m:rank"], line["m:host"], line["m:a"], line["m:extra.rank"]) == ("2", "nid0", "[1,2]", "x")


def test_what_is_maximised_keeps_its_sign(metadata, ended):
    [line] = written(Results.of(replace(metadata, maximises=True), [ended(4)._replace(objective=-0.75)]))
    assert line["objective"] == "0.75"


def test_failures_are_told_by_an_f(metadata, ended):
    lines = written(Results.of(metadata, [ended(0, State.FAILED, error="no"), ended(1, State.TIMEOUT)]))
    assert [(each["objective"], each["job_status"], each["m:error"]) for each in lines] == [
        ("F", "DONE", "no"),
        ("F", "CANCELLED", ""),
    ]


def test_results_are_in_the_order_in_which_they_came(metadata, ended, running):
    evaluations = [ended(0, order=1), running(1), ended(2, State.CANCELLED), ended(3, order=0)]
    assert [each["job_id"] for each in written(Results.of(metadata, evaluations))] == ["3", "0"]


def test_what_was_stopped_is_told_from_what_ran_to_its_end(metadata, ended):
    evaluations = [ended(0)._replace(step=27.0), ended(1, State.STOPPED)._replace(objective=0.5, step=3.0)]
    lines = written(Results.of(metadata, evaluations))
    found = [[each[name] for name in ("objective", "job_status", "m:budget", "m:stopped")] for each in lines]
    assert found == [["-0.0", "DONE", "27.0", "False"], ["-0.5", "DONE", "3.0", "True"]]
    assert "m:stopped" not in written(Results.of(metadata, [ended(0)]))[0]
