"""`dhmpi problems`."""

from pathlib import Path

import pytest

import dhmpi
from dhmpi.campaign import catalogue
from dhmpi.cli import main
from dhmpi.errors import OptionError

ROOM = Path(dhmpi.__file__).parent / "benchmark"


def test_all_are_listed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DHMPI_DATA", str(tmp_path))
    assert main(["problems"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "kind", "dimensions", "optimum", "needs"]
    rows = {
        line.split()[0]: line.split(None, 4)[1:] for line in lines if line and not line.startswith("hyperparameters")
    }
    assert sorted(rows) == sorted(path.parent.name for path in ROOM.glob("[hn][pa]s/*/problem.py"))
    assert rows["rosen2"] == ["hyperparameters", "2", "0", "nothing"]
    assert rows["polynome2"][:3] == ["hyperparameters", "10", "-1000"]
    assert rows["mathEnv"][:3] == ["architectures", "10", "-308.642"]
    assert rows["linearReg"][:3] == ["architectures", "15", "unknown"]
    assert rows["mnist1D"][3].startswith("mnist.npz (not here)")


def test_names_are_unique():
    assert len(catalogue.names()) == len(list(ROOM.glob("[hn][pa]s/*/problem.py")))


def test_data_that_are_here(tmp_path, monkeypatch):
    import numpy as np

    monkeypatch.setenv("DHMPI_DATA", str(tmp_path))
    images, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    found = catalogue.look_up("mnist1D")
    assert (found.needs, found.lacks, found.state) == ("mnist.npz", "", "here")
    (tmp_path / "mnist.npz").write_bytes((tmp_path / "mnist.npz").read_bytes()[:-100])
    assert catalogue.look_up("mnist1D").state == "broken"

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:  # root may read everything
        patched.setattr(Path, "stat", denied)
        assert catalogue.look_up("mnist1D").state == "not readable"


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("gen", "gcn"),
        ("mnistenn", "mnistcnn"),
        ("dhmpi.benchmark.hps.mnistmlp", "mnistmlp"),
        ("dhmpi.benchmark.mnistmlp", "mnistmlp"),
        ("dhmpi.benchmark.nas.mathEnv", "mathEnv"),
    ],
)
def test_other_names_of_a_problem(name, package):
    assert catalogue.look_up(name).name == package


@pytest.mark.parametrize("name", ["rosen2", "table", "mathEnv", "linearReg"])
def test_one_is_printed_with_a_command_that_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["problems", name]) == 0
    out = capsys.readouterr().out
    assert catalogue.look_up(name).about.strip() in out
    [words] = [line.split()[3:] for line in out.splitlines() if line.startswith("search it")]
    if name != "linearReg":  # which trains
        assert main([*words, "--max-evals", "3", "--quiet"]) == 0


def test_known_rewards_are_the_best():
    from dhmpi.benchmark.nas.mathEnv import numbers
    from dhmpi.benchmark.nas.table import Table

    assert catalogue.look_up("mathEnv").optimum == pytest.approx(numbers.BEST)
    assert catalogue.look_up("table").optimum == pytest.approx(Table(seed=0).optimum.reward)


def test_a_name_that_is_misspelt():
    with pytest.raises(OptionError, match=r"no such problem: 'rosen'; did you mean 'rosen\d'\?"):
        catalogue.look_up("rosen")


def test_a_problem_of_one_s_own_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("catalogue_mine.py").write_text(
        "from dhmpi.benchmark import HpProblem\nProblem = HpProblem()\nProblem.add_dim('x', (0, 5), 2)\n"
    )
    assert main(["problems", "catalogue_mine.py"]) == 0
    assert "{'x': (0, 5)}" in capsys.readouterr().out
    assert main(["problems", "catalogue_your.py"]) == 2
