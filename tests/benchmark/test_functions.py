"""The library of functions, against values of DeepHyper 0.0.5 and at their minima."""

import importlib
import re

import numpy as np
import pytest

from dhmpi.benchmark import functions
from dhmpi.benchmark.known_minima import KNOWN
from dhmpi.errors import ProblemError

POINTS = ([1, 2, 3], [0, 0, 0], [1, 1, 1], [-1.5, 0.5, 2.5, 3.5])


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "ackley": (7.016453608, 0, 3.625384938, 9.702710942),
        "dixonprice": (866, 1, 5, 2382.25),
        "ellipse": (101.6666667, 1, 0, 303.75),
        "griewank": (1.01702797, 0, 0.6565677382, 1.006753153),
        "levy": (0.9091554459, 0.8066891082, 0, 5.619759186),
        "michalewicz": (-0.8772789718, 0, -1.450456725, 0.8030204551),
        "nesterov": (1, 2.25, 0, 5.125),
        "perm": (0, 4.494461068, 0.6748281368, 0.1365585576),
        "powell": (752, 0, 137, 6677.3125),
        "powersum": (84, 2324, 1931, 6584.625),
        "rastrigin": (14, 0, 3, 101),
        "rosenbrock": (201, 2, 0, 1577.5),
        "saddle": (4.833333333, 0.5, 0, 10.40625),
        "schwefel": (1251.170617, 1256.9487, 1254.424287, 1671.17435),
        "sphere": (14, 0, 3, 21),
        "sum2": (36, 0, 6, 70.5),
        "trid": (-3, 3, -2, 5.75),
        "zakharov": (2464, 0, 93, 12286.3125),
    }.items(),
)
def test_function_values(name, values):
    function = getattr(functions, name)
    for point, value in zip(POINTS, values, strict=True):
        assert function(point) == pytest.approx(value, rel=1e-8, abs=1e-12)
    stacked = function(np.array(POINTS[:3]))
    assert stacked.shape == (3,)
    assert stacked == pytest.approx(list(values[:3]), rel=1e-8, abs=1e-12)
    assert function(np.array(POINTS[:2]).reshape(2, 1, 3)).shape == (2, 1)


@pytest.mark.parametrize("x", [[], ["a", "b"], "text", ["1", "2"], [[1], [1, 2]], [None], 3.0])
def test_what_are_no_coordinates_is_a_sentence(name, x):
    with pytest.raises(ProblemError, match="coordinates must be "):
        getattr(functions, name)(x)
    if isinstance(x, list):
        with pytest.raises(ProblemError, match="coordinates must be "):
            functions.polynome_2(x)


@pytest.mark.parametrize("function", [functions.ellipse, functions.rosenbrock, functions.saddle])
def test_one_coordinate_is_not_enough_for_neighbours(function):
    with pytest.raises(ProblemError, match="coordinates must be at least 2, got 1"):
        function([1.0])


NUMBERS = {"powersum": [4]}  # of coordinates, where not 2, 3, 5, 10


@pytest.fixture(params=KNOWN)
def name(request):
    return request.param


def test_all_eighteen_are_known():
    assert len(KNOWN) == 18
    assert all(known.function is getattr(functions, name) for name, known in KNOWN.items())


def test_minima(name):
    known = KNOWN[name]
    rng = np.random.default_rng(0)
    for n in NUMBERS.get(name, [2, 3, 5, 10]):
        best, (low, high) = known.minimiser(n), known.bounds(n)
        assert best.shape == (n,)
        assert low <= best.min() <= best.max() <= high
        assert known.function(best) == pytest.approx(known.minimum(n), rel=1e-9, abs=1e-7)
        others = [rng.uniform(low, high, (500, n)), rng.choice([low, high], (200, n))]
        others += [np.clip(best + rng.normal(0, scale, (200, n)), low, high) for scale in (1e-3, 1e-1)]
        assert (known.function(np.concatenate(others)) >= known.minimum(n) - 1e-9).all()


def test_docstrings_say_what_is_known(name):
    text = getattr(functions, name).__doc__
    assert text.startswith("Return ")
    assert all(word in text for word in ("Domain: usually", "Minimum", "Source: ["))
    numbers = re.findall(r"usually (-?[\d.]+) <= x_i <= ([\d.]+\d|\d)", text)
    assert not numbers or tuple(map(float, numbers[0])) == KNOWN[name].bounds(7)
    source = re.search(r"Source: (\[\w+\])", text)[1]
    assert source in functions.__doc__


@pytest.mark.parametrize(
    ("name", "n"), [("powersum", 3), ("powersum", 5), ("ellipse", 1), ("saddle", 1), ("sphere", 0)]
)
def test_what_is_not_known_is_said(name, n):
    with pytest.raises(ProblemError, match=f"the minimum of {name} is known for n of .*, got {n}"):
        KNOWN[name].minimiser(n)


def test_parameters():
    assert functions.ackley([0.0, 0.0], a=10, b=0.1, c=1.0) == pytest.approx(0, abs=1e-12)
    assert functions.griewank([2.0], fr=4) == pytest.approx(1 - np.cos(2) + 1)
    assert functions.michalewicz([2.20290552, 1.57079633], m=10) == pytest.approx(-1.8013, abs=1e-4)  # [Surjanovic]
    assert functions.perm([1.0, 2.0], b=3.0) == 0
    assert functions.powersum([1.0, 1.0], b=[2]) == 0


@pytest.mark.parametrize("bad", [[1.0, np.nan], [np.inf, 0.0], 3.0])
def test_what_is_no_array_of_finite_numbers_is_refused(name, bad):
    with pytest.raises(ProblemError, match="must be arrays of finite numbers"):
        getattr(functions, name)(bad)


def test_the_old_name_is_the_module():
    assert importlib.import_module("dhmpi.benchmark.benchmark_functions") is functions
