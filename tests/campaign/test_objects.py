"""Categories that are objects, from the problem to the run function and the file."""

import csv
from pathlib import Path

import pytest
from contracts import object_problem

from dhmpi.cli import main
from dhmpi.evaluation import State
from dhmpi.results import read

FILE = Path(object_problem.__file__)


@pytest.mark.parametrize("search", ["hps-random", "ga", "ambs"])
@pytest.mark.parametrize(
    "where",
    [
        ["--isolation", "inline"],
        ["--isolation", "process"],
        ["--evaluator", "threadPool"],
        ["--evaluator", "processPool", "--num-workers", "1"],
        ["--evaluator", "subprocess", "--num-workers", "1"],
    ],
)
def test_the_run_function_gets_objects(tmp_path, monkeypatch, capsys, search, where):
    monkeypatch.chdir(tmp_path)
    num = 4 if search == "ambs" else 8
    assert main([search, "--problem", str(FILE), "--quiet", "--max-evals", str(num), *where]) == 0
    found = read("results.h5")
    assert [each.state for each in found.evaluations] == [State.DONE] * num
    first = found.evaluations[0]
    assert first.point["optimizer"] == f"{FILE.stem}:SGD"
    assert first.objective == 0.8 + 0.25 - 6
    assert first.extra == {"color": "BLUE"}
    capsys.readouterr()
    assert main(["check", "results.h5"]) == 0
    assert capsys.readouterr().out == f"the same: {search} proposes all {num} points again\n"


def test_points_of_an_export_are_evaluated_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["hps-random", "--problem", str(FILE), "--quiet", "--isolation", "inline"]
    assert main([*words, "--max-evals", "6"]) == 0
    assert main(["export", "results.h5", "--csv", "--output", "points.csv"]) == 0
    assert main([*words, "--sampler", "points", "--points", "points.csv", "--output", "again.h5"]) == 0
    assert [each.point for each in read("again.h5").evaluations] == [
        each.point for each in read("results.h5").evaluations
    ]
    assert next(csv.DictReader((tmp_path / "points.csv").read_text().splitlines()))["betas"] == "[0.8,0.99]"


def test_programs_get_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.sh").write_text(
        '#!/bin/sh\ntest "$1" = "[0.8,0.99]" && test "$2" = Color.BLUE && echo DH-OUTPUT: 3\n'
    )
    (tmp_path / "program.sh").chmod(0o755)
    words = ["hps-random", "--problem", str(FILE), "--quiet", "--max-evals", "1"]
    assert main([*words, "--run", "exec:./program.sh {betas} {color}"]) == 0
    assert read("results.h5").best.objective == 3.0
