"""Campaigns over all kinds of dimensions: what is searched is what was written, also from the file."""

import pytest

from dhmpi import results
from dhmpi.cli import main
from dhmpi.space.choices import OrderedList

PROBLEM = """
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("batch", [16, 32, 64, 128], 32, ordered=True)
Problem.add_dim("size", ["small", "medium", "large"], "small", ordered=True)
Problem.add_dim("momentum", (0.5, 0.9), 0.6, step=0.1)
Problem.add_dim("even", (2, 20), 4, step=2)
Problem.add_dim("rate", (1e-4, 1e-1, "log-uniform"), 0.01)
Problem.add_dim("solver", ["adam", None, True], None)
Problem.add_dim("epochs", 20, 20)


def run(point):
    sizes = ["small", "medium", "large"]
    return abs(point["batch"] - 64) / 64 + sizes.index(point["size"]) + point["momentum"] + point["even"] / 20
"""
LEGAL = {
    "batch": [16, 32, 64, 128],
    "size": ["small", "medium", "large"],
    "momentum": [0.5, 0.6, 0.7, 0.8, 0.9],
    "even": list(range(2, 21, 2)),
    "solver": ["adam", None, True],
    "epochs": [20],
}


@pytest.mark.parametrize(
    "search", ["hps-random", "ga --population-size 6", "ambs", "ambs --learner RF", "ambs --learner GP"]
)
def test_points_are_legal_and_a_campaign_goes_on(search, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.py").write_text(PROBLEM)
    words = [*search.split(), "--problem", "p.py", "--quiet", "--isolation", "inline", "--max-evals"]
    assert main([*words, "16"]) == 0
    assert main([*words, "24", "--resume"]) == 0
    found = results.read("results.h5")
    assert found.metadata.space["batch"] == OrderedList(LEGAL["batch"])
    assert found.metadata.space["solver"] == LEGAL["solver"]
    for each in found.evaluations:
        assert each.state == "DONE"
        for name, values in LEGAL.items():
            assert any(type(each.point[name]) is type(value) and each.point[name] == value for value in values)
    assert len({tuple(each.point.values()) for each in found.evaluations}) == 24
    capsys.readouterr()
    assert main(["check", "results.h5"]) == 0
    for command in (["show"], ["best"], ["plot", "-o", "p.png"], ["report"], ["export", "--csv", "-o", "r.csv"]):
        assert main([command[0], "results.h5", *command[1:]]) == 0, command


def test_a_changed_order_is_a_changed_problem(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.py").write_text(PROBLEM)
    words = ["hps-random", "--problem", "p.py", "--quiet", "--isolation", "inline", "--max-evals"]
    assert main([*words, "4"]) == 0
    (tmp_path / "q.py").write_text(PROBLEM.replace('"large"], "small", ordered=True', '"large"], "small"'))
    words[words.index("p.py")] = "q.py"
    assert main([*words, "6", "--resume"]) == 2
    listed = "['small', 'medium', 'large']"
    assert f"dimension 'size' must be ordered({listed}) as in the file, got {listed}" in capsys.readouterr().err
