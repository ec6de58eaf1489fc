import importlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from dhmpi.benchmark import HpProblem
from dhmpi.benchmark.functions import polynome_2, rosenbrock, three_hump_camel
from dhmpi.benchmark.hps import (
    b1,
    b2,
    b3,
    capsule,
    cifar10cnn,
    digits,
    dummy1,
    dummy2,
    gcn,
    mnistcnn,
    mnistmlp,
    polynome2,
    rosen2,
    rosen10,
    rosen30,
)
from dhmpi.benchmark.hps.digits.digits_mlp import build, load_parts
from dhmpi.benchmark.hps.standalone import main

NETWORKS = [b1, b2, b3, capsule, cifar10cnn, gcn, mnistcnn, mnistmlp]
ALL = [polynome2, rosen2, rosen10, rosen30, dummy1, dummy2, digits, *NETWORKS]
SOLVED = [polynome2, rosen2, rosen10, rosen30, dummy1]


def name_of(package):
    return package.__name__.rpartition(".")[2]


@pytest.fixture(params=ALL, ids=name_of)
def package(request):
    return request.param


@pytest.fixture(params=SOLVED, ids=name_of)
def solved(request):
    return request.param


def test_exports(package):
    assert package.__all__ == ["Problem", "run"]
    assert isinstance(package.Problem, HpProblem)
    assert package.Problem.has_starting_point
    assert "minimised" in package.__doc__
    assert "minimised" in package.run.__doc__


def test_optimum(solved):
    optimum = importlib.import_module(f"{solved.__name__}.problem").OPTIMUM
    space = solved.Problem.dimensions
    assert space.canonical(optimum.point) == optimum.point
    assert solved.run(optimum.point) == optimum.objective
    assert all(solved.run(point) > optimum.objective for point in space.sample(np.random.default_rng(0), 200))


@pytest.mark.parametrize(
    ("package", "objective"),
    [(polynome2, -285), (dummy1, 2), (rosen2, 3609), (rosen10, 9 * 3609), (rosen30, 29 * 3609)],
)
def test_default_point(package, objective):
    assert package.run(package.Problem.starting_point_asdict) == objective


def test_rosenbrock_values():
    assert rosen2.run({"x1": 3.0, "x2": 4.0}) == 2504
    assert rosen10.run({f"x{i}": 0.0 for i in range(1, 11)}) == 9
    assert rosen10.run({f"x{i}": 1.0 for i in range(1, 11)}) == 0
    assert rosenbrock([i + 2.0 for i in range(1, 11)]) == 3_090_084
    assert rosenbrock([-1.5, 0.5, 2.5, 3.5]) == 1577.5


@pytest.mark.parametrize(
    ("x", "y", "penalty", "objective"),
    [
        (2.5, -3.1, "no", 14.0344791667),
        (0.0, 0.0, "yes", 2),
        (0.3, 1.0, "no", 1.4716165),
        (-0.3, 1.0, "no", 0.8716165),
    ],
)
def test_dummy1_values(x, y, penalty, objective):
    assert dummy1.run({"x": x, "y": y, "penalty": penalty}) == pytest.approx(objective, abs=1e-7)


def test_every_corner_of_polynome2_is_optimal():
    assert polynome2.run({f"e{i}": 10 * (-1) ** i for i in range(10)}) == -1000
    assert polynome_2([0, 0]) == 0


def test_three_hump_camel_has_its_minimum_at_the_origin():
    assert three_hump_camel(0.0, 0.0) == 0
    assert three_hump_camel(1e-3, -1e-3) > 0


# --- digits


def test_digits_parts():
    parts = load_parts()
    assert [len(part.digits) for part in parts] == [1078, 359, 360]
    assert all(part.images.shape == (len(part.digits), 64) for part in parts)
    assert all(part.images.min() >= 0 and part.images.max() <= 1 for part in parts)
    assert all(np.bincount(part.digits).min() >= len(part.digits) / 12 for part in parts)


def test_digits_default():
    default = digits.Problem.starting_point_asdict
    result = digits.run(default)
    assert list(result) == ["objective", "test_accuracy"]
    assert -1 <= result["objective"] < -0.8
    assert 0.8 < result["test_accuracy"] <= 1
    assert digits.run(default) == result


def test_digits_learns_more_with_a_better_point():
    better = digits.Problem.starting_point_asdict | {"num_units": 128, "num_epochs": 20, "learning_rate": 5e-3}
    assert digits.run(better)["objective"] < digits.run(digits.Problem.starting_point_asdict)["objective"]


@pytest.mark.parametrize("name", digits.Problem.space)
def test_every_dimension_of_digits_changes_the_classifier(name):
    default = digits.Problem.starting_point_asdict
    values = digits.Problem.dimensions.sample(np.random.default_rng(0), 20)
    other = next(point[name] for point in values if point[name] != default[name])
    assert len(default) >= 8
    assert build(default).get_params() == build(dict(default)).get_params()
    assert build(default | {name: other}).get_params() != build(default).get_params()
    assert isinstance(build(default), MLPClassifier)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_digits_solvers_end_without_warning(solver):
    point = digits.Problem.starting_point_asdict | {"solver": solver, "num_epochs": 5}
    assert digits.run(point)["objective"] < 0


def test_digits_training_that_diverges_raises_without_warning():
    wild = {"num_layers": 3, "num_units": 256, "activation": "identity", "solver": "sgd", "learning_rate": 0.1}
    with pytest.raises(ValueError, match="non-finite"):
        digits.run(digits.Problem.starting_point_asdict | wild | {"momentum": 0.99, "alpha": 0.1})


def test_light_problems_import_neither_scikit_learn_nor_an_evaluator():
    names = ", ".join(f"dhmpi.benchmark.hps.{name_of(package)}" for package in SOLVED)
    code = f"import sys, {names}; assert not {{'sklearn', 'skopt', 'mpi4py'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- dummy2


def test_dummy2_fits_a_line():
    default = dummy2.Problem.starting_point_asdict
    assert dummy2.Problem.space == {"epochs": (2, 500), "learning_rate": (1e-4, 0.05), "penalty": (0.0, 3.0)}
    assert default == {"epochs": 10, "learning_rate": 0.01, "penalty": 0.5}
    best = dummy2.run({"epochs": 500, "learning_rate": 0.05, "penalty": 0.0})
    assert 0.05 < best["objective"] < 0.25  # half the variance of the noise is 0.125
    assert dummy2.run(default) == dummy2.run(dict(default))
    assert list(best) == ["objective", "test_loss"]


@pytest.mark.parametrize("name", dummy2.Problem.space)
def test_every_dimension_of_dummy2_changes_the_objective(name):
    default = dummy2.Problem.starting_point_asdict
    other = default | {name: {"epochs": 11, "learning_rate": 0.02, "penalty": 0.4}[name]}
    assert dummy2.run(other)["objective"] < dummy2.run(default)["objective"]


# --- alone


@pytest.mark.parametrize(
    ("words", "objective"),
    [
        (["rosen2"], 2504),
        (["rosen10"], 3_090_084),
        (["dummy1"], 14.0344791667),
        (["dummy1", "--penalty", "yes"], 16.0344791667),
        (["polynome2", "--e0", "-3"], -294),
    ],
)
def test_a_benchmark_runs_alone(words, objective, capsys):
    assert main(f"dhmpi.benchmark.hps.{words[0]}", words[1:]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("objective: ")
    assert float(line.split()[1]) == pytest.approx(objective)


def test_a_network_runs_alone(capsys, monkeypatch):
    monkeypatch.setenv("DHMPI_DATA", "synthetic")
    assert main("dhmpi.benchmark.hps.mnistmlp", ["--nunits", "8", "--epochs", "2", "--num_samples", "50"]) == 0
    entries = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert (entries["num_epochs"], entries["data_source"]) == ("2", "synthetic")
    assert -1 <= float(entries["objective"]) <= 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("dummy1 --x nan", "--x must be a finite number, got nan"),
        ("dummy2 --epochs -4", "--epochs must be above 0, got -4"),
        ("dummy2 --penalty -1", "--penalty must be at least 0, got -1"),
        ("mnistmlp --nunits 0", "--nunits must be above 0, got 0"),
        ("mnistmlp --nhidden 0", "--nhidden must be above 0, got 0"),
        ("mnistmlp --dropout 1.5", "--dropout must be from 0 to 1, got 1.5"),
    ],
)
def test_options_that_make_no_sense_are_a_sentence(words, told, capsys, monkeypatch):
    monkeypatch.setenv("DHMPI_DATA", "synthetic")
    name, *rest = words.split()
    assert main(f"dhmpi.benchmark.hps.{name}", rest) == 2
    assert told in capsys.readouterr().err


def test_missing_data_are_said_in_a_sentence(capsys, tmp_path):
    assert main("dhmpi.benchmark.hps.mnistmlp", ["--data_source", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"mnist.npz must be in {tmp_path}, got none; get it from ")


def test_programs_and_problems_come_without_a_warning(package):
    for module in (f"{package.__name__}.problem", "dhmpi.benchmark.nas.linearReg.problem"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", module], capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("Problem\n{")
        if package is not digits:  # once is enough for the other
            return


@pytest.mark.parametrize("name", ["rosen2", "gen"])
def test_the_help_of_a_benchmark(name):
    words = [sys.executable, "-W", "error", "-m", f"dhmpi.benchmark.hps.{name}", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python -m dhmpi.benchmark.hps.{name.replace('gen', 'gcn')} [-h]")
