import importlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from dhmpi.benchmark import HpProblem
from dhmpi.benchmark.functions import polynome_2, rosenbrock, three_hump_camel
from dhmpi.benchmark.hps import digits, dummy1, polynome2, rosen2, rosen10, rosen30
from dhmpi.benchmark.hps.digits.digits_mlp import build, load_parts

ALL = [polynome2, rosen2, rosen10, rosen30, dummy1, digits]
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
