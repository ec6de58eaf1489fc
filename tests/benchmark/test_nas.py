import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

from dhmpi.benchmark import Problem
from dhmpi.benchmark import benchmark_functions_wrappers as wrappers
from dhmpi.errors import ProblemError
from dhmpi.support.loader import load, load_problem

REGRESSION = ["ackleyReg", "dixonpriceReg", "levyReg", "linearReg", "polynome2Reg", "saddleReg"]
IMAGES = ["mnist1D", "mnist2D", "mnistNas", "cifar10"]
TRAINED = [*REGRESSION, *IMAGES, "digitsNas"]
NAMES = [*TRAINED, "table"]


def problem_of(name):
    return importlib.import_module(f"dhmpi.benchmark.nas.{name}.problem").Problem


def load_data_of(name):
    return importlib.import_module(f"dhmpi.benchmark.nas.{name}.load_data").load_data


# --- problems


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_is_found_by_its_documented_name(name):
    problem = load_problem(f"dhmpi.benchmark.nas.{name}.problem.Problem")
    assert isinstance(problem, Problem)
    assert load_problem(f"dhmpi.benchmark.nas.{name}") is problem
    assert json.loads(json.dumps(problem.space)) == problem.space


@pytest.mark.parametrize("name", TRAINED)
def test_problems_have_the_documented_entries(name):
    space = problem_of(name).space
    preprocessing = ["preprocessing"] if name in REGRESSION else []
    assert list(space) == ["regression", "load_data", *preprocessing, "create_structure", "hyperparameters"]
    assert space["regression"] is (name in REGRESSION)


@pytest.mark.parametrize(
    ("name", "cells", "hyperparameters"),
    [
        ("linearReg", 5, (100, 0.01, "adam", 10, "mean_squared_error", ["mean_squared_error"])),
        ("ackleyReg", 5, (100, 0.01, "adam", 50, "mean_squared_error", ["mean_squared_error"])),
        ("mnist1D", 5, (128, 0.01, "adam", 10, "categorical_crossentropy", ["acc"])),
        ("mnistNas", 5, (128, 0.01, "adam", 10, "categorical_crossentropy", ["acc"])),
        ("mnist2D", None, (100, 0.001, "adam", 50, "categorical_crossentropy", ["acc"])),
    ],
)
def test_documented_hyperparameters(name, cells, hyperparameters):
    space = problem_of(name).space
    names = ("batch_size", "learning_rate", "optimizer", "num_epochs", "loss_metric", "metrics")
    assert space["hyperparameters"] == dict(zip(names, hyperparameters, strict=True))
    assert space["create_structure"].get("kwargs", {}).get("num_cells") == cells


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("entry", ["load_data", "preprocessing", "create_structure"])
def test_functions_are_found_by_their_names(name, entry):
    if entry in problem_of(name).space:
        assert callable(load(problem_of(name).space[entry]["func"], entry))


def test_problems_import_nothing_heavy():
    names = ", ".join(f"dhmpi.benchmark.nas.{name}.{module}" for name in TRAINED for module in ("problem", "load_data"))
    heavy = "{'tensorflow', 'keras', 'sklearn', 'networkx', 'mpi4py'}"
    code = f"import sys, dhmpi.benchmark.nas.table, {names}; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- data of the regressions

# Of the documented 100,000 points: x[0][:3], y[0], mean and standard deviation of the training targets, variance of the
# validation targets, smallest and largest target.
STATISTICS = {
    "ackleyReg": ([25.0576, -25.9308, 26.6738], -20.9737044, -21.1456, 0.420512, 0.174186, -22.1209, -14.8975),
    "dixonpriceReg": (
        [38.2349, -39.5672, 40.7009],
        -2.18389971e8,
        -2.69963e8,
        1.30968e8,
        1.67183e16,
        -9.85729e8,
        -7.35749e5,
    ),
    "levyReg": ([7.64699, -7.91344, 8.14019], -62.3492418, -120.353, 48.369, 2287.19, -404.859, -6.62962),
    "linearReg": ([12.6474, 89.6716, 10.2061], 437.5404923, 505.644, 90.639, 8118.75, 163.818, 858.609),
    "polynome2Reg": (
        [38.2349, -39.5672, 40.7009],
        -9155.934252,
        -8336.55,
        2365.04,
        5.45451e6,
        -19424.6,
        -850.231,
    ),
    "saddleReg": (
        [-38.2349, 39.5672, -40.7009],
        623621.8621,
        627623,
        267031,
        6.96607e10,
        7788.64,
        2.15016e6,
    ),
}


@pytest.mark.parametrize("name", REGRESSION)
def test_data_are_the_documented_ones(name):
    first_x, first_y, mean, deviation, variance, smallest, largest = STATISTICS[name]
    (train_x, train_y), (valid_x, valid_y) = load_data_of(name)()
    assert [part.shape for part in (train_x, train_y)] == [(80_000, 10), (80_000, 1)]
    assert [part.shape for part in (valid_x, valid_y)] == [(20_000, 10), (20_000, 1)]
    assert train_x[0][:3] == pytest.approx(first_x, rel=1e-5)
    assert train_y[0, 0] == pytest.approx(first_y, rel=1e-8)
    assert train_y.mean() == pytest.approx(mean, rel=1e-5)
    assert train_y.std() == pytest.approx(deviation, rel=1e-5)
    assert valid_y.var() == pytest.approx(variance, rel=1e-5)
    assert min(train_y.min(), valid_y.min()) == pytest.approx(smallest, rel=1e-5)
    assert max(train_y.max(), valid_y.max()) == pytest.approx(largest, rel=1e-5)


@pytest.mark.parametrize("name", REGRESSION)
def test_fewer_points_are_the_first_ones(name):
    (few_x, few_y), (few_valid, _) = load_data_of(name)(size=50)
    (train_x, train_y), _ = load_data_of(name)(size=1000)
    np.testing.assert_array_equal(few_x, train_x[:40])
    np.testing.assert_allclose(few_y, train_y[:40], rtol=1e-12)
    np.testing.assert_array_equal(few_valid, train_x[40:50])


@pytest.mark.parametrize("name", REGRESSION)
def test_the_test_part_comes_after_the_others(name, capsys):
    plain = load_data_of(name)(size=100)
    *same, (test_x, test_y) = load_data_of(name)(size=100, test=True)
    assert len(plain) == len(same) == 2
    for part, other in zip(plain, same, strict=True):
        np.testing.assert_array_equal(part[0], other[0])
    assert test_x.shape == (10, 10)
    assert test_y.shape == (10, 1)
    everything = np.concatenate([part[0] for part in (*same, (test_x,))])
    assert len(np.unique(everything, axis=0)) == 110
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", REGRESSION)
def test_data_depend_on_the_seed_alone(name):
    state = np.random.get_state()[1].tolist()
    first, again, other = (load_data_of(name)(dim=3, size=10, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0][0], again[0][0])
    assert not np.isin(other[0][0], first[0][0]).any()
    assert first[0][0].shape == (8, 3)
    assert np.random.get_state()[1].tolist() == state


@pytest.mark.parametrize("name", REGRESSION)
def test_data_that_cannot_be(name):
    least = 2 if name == "saddleReg" else 1
    with pytest.raises(ProblemError, match=f"dim must be an integer of at least {least}, got {least - 1}"):
        load_data_of(name)(dim=least - 1)
    with pytest.raises(ProblemError, match="size must be an integer of at least 2, got 1"):
        load_data_of(name)(size=1)


# --- wrapped functions


@pytest.fixture(params=["griewank_", "ackley_", "dixonprice_", "polynome_2", "levy_", "linear_", "saddle_"])
def wrapped(request):
    return getattr(wrappers, request.param)()


@pytest.mark.parametrize("dim", [2, 3, 10])
def test_no_point_of_the_box_beats_the_optimum(wrapped, dim):
    function, (low, high), optimum = wrapped
    best = optimum(dim)
    assert best.shape == (dim,)
    assert low < high
    assert low <= best.min() <= best.max() <= high
    rng = np.random.default_rng(0)
    corners = rng.choice([low, high], size=(200, dim))
    near = np.clip(best + rng.normal(0, 1e-3, size=(200, dim)), low, high)
    points = np.concatenate([rng.uniform(low, high, size=(200, dim)), corners, near])
    assert (function(points) <= function(best) + 1e-12 * abs(function(best)) + 1e-12).all()


@pytest.mark.parametrize(
    ("name", "maximum"),
    [("griewank_", 0), ("ackley_", 0), ("dixonprice_", 0), ("polynome_2", 0), ("levy_", 0), ("linear_", 500)],
)
def test_documented_maxima(name, maximum):
    function, _, optimum = getattr(wrappers, name)()
    assert function(optimum(5)) == pytest.approx(maximum, abs=1e-12)


def test_the_maximum_of_the_saddle_is_at_a_corner():
    assert wrappers.saddle_().function(np.full(4, -50.0)) == pytest.approx(51**4 / 2)
