"""Functions to compare searches on: known optima that are neither at the centre of the box nor at a corner of it.

    from functions import NAMES, load

    function = load("levy10")
    function.problem(), function(point), function.observe(point, rng), function.regret(point)

Needs numpy alone, except for the `bbob` and `mixint` ones, which are made by the package coco-experiment.
"""

import math
import tempfile
import zlib
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark import HpProblem
from dhmpi.benchmark.hps import polynome2
from dhmpi.evaluation import Point

Vector = npt.NDArray[np.float64]
Landscape = Callable[[Vector], float]
Spec = tuple[Any, ...] | list[Any]

FLOOR = 1e-8  # the final target of COCO: below it, a function counts as solved
MIDDLE = 0.8  # share of each side of the box in which optima are drawn


@dataclass(frozen=True)
class Function:
    """A function to be minimised.

    Args:
        name: What it is called.
        specs: Dimensions by name, as they are written in a problem.
        evaluate: Value of a point, without noise.
        optimum: Smallest value.
        is_smooth: Whether gradients lead somewhere: no categories, no integers, one basin or a regular texture.
        noise: Standard deviation of what is added to an observed value.
        minimiser: Point of the smallest value, where that is known.
    """

    name: str
    specs: dict[str, Spec]
    evaluate: Callable[[Point], float]
    optimum: float
    is_smooth: bool = False
    noise: float = 0.0
    minimiser: Point | None = None

    def __call__(self, point: Point) -> float:
        """Return the value of a point, without noise."""
        return self.evaluate(point)

    def observe(self, point: Point, rng: np.random.Generator) -> float:
        """Return the value of a point as a search sees it.

        Args:
            point: Value of every dimension, by name.
            rng: Where the noise is drawn from.
        """
        value = self.evaluate(point)
        return value + self.noise * float(rng.standard_normal()) if self.noise else value

    def regret(self, point: Point) -> float:
        """Return how far the noise-free value of a point is above the optimum, at least `FLOOR`."""
        return max(self.evaluate(point) - self.optimum, FLOOR)

    def problem(self) -> HpProblem:
        """Return the problem, without a starting point."""
        problem = HpProblem()
        for name, spec in self.specs.items():
            problem.add_dim(name, spec)
        return problem


def ackley(z: Vector) -> float:
    """Return Ackley's function; minimum 0 at 0.

    Args:
        z: Coordinates, shape (num_dimensions,), as in the following functions.
    """
    radius, waves = math.sqrt(float(z @ z) / len(z)), float(np.cos(2 * np.pi * z).mean())
    return 20 - 20 * math.exp(-0.2 * radius) + math.e - math.exp(waves)


def levy(z: Vector) -> float:
    """Return Levy's function; minimum 0 at 1."""
    w = 1 + (z - 1) / 4
    inner = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)
    outer = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(np.sin(np.pi * w[0]) ** 2 + inner.sum() + outer)


def rastrigin(z: Vector) -> float:
    """Return Rastrigin's function; minimum 0 at 0."""
    return float((z * z - 10 * np.cos(2 * np.pi * z) + 10).sum())


def rosenbrock(z: Vector) -> float:
    """Return Rosenbrock's function; minimum 0 at 1."""
    return float((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum())


_HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(z: Vector) -> float:
    """Return Hartmann's six-dimensional function; minimum -3.32237 at (.20, .15, .48, .28, .31, .66)."""
    return -float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(_HARTMANN_A * (z - _HARTMANN_P) ** 2).sum(axis=1)))


def mlp(point: Point) -> float:
    """Return a modelled validation error of a multilayer perceptron on digits, in (0, 1).

    Not measured, but shaped like what is: the best learning rate depends on the optimizer, the batch size and the
    depth; capacity trades bias for variance; dropout and weight decay make up for too much of it; the activation
    matters more the deeper the network; dropout does nothing to a single layer.
    """
    rate, decay = math.log10(point["learning_rate"]), math.log10(point["weight_decay"])
    units, layers, dropout = math.log2(point["num_units"]), point["num_layers"], point["dropout"]
    batch, optimizer, activation = math.log2(point["batch_size"]), point["optimizer"], point["activation"]

    best_rate = {"adam": -2.9, "sgd": -1.4, "rmsprop": -3.2}[optimizer]
    best_rate += {"adam": 0.10, "sgd": 0.28, "rmsprop": 0.12}[optimizer] * (batch - 5) - 0.14 * (layers - 2)
    off = rate - best_rate
    width = {"adam": 0.9, "sgd": 0.6, "rmsprop": 0.7}[optimizer]
    # Too fast diverges, which is worse than too slow.
    training = 0.45 * (1 - math.exp(-((off / (width if off < 0 else 0.6 * width)) ** 2) / 2))
    training += {"adam": 0.0, "sgd": 0.006, "rmsprop": 0.004}[optimizer] + 0.0012 * (batch - 4.6) ** 2

    depth = {"relu": 0.0, "tanh": 0.003, "logistic": 0.02, "identity": 0.0}[activation]
    kind = {"relu": 0.0, "tanh": 0.002, "logistic": 0.006, "identity": 0.05}[activation] + depth * (layers - 1)

    effective = 1 if activation == "identity" else layers
    capacity = units + 1.3 * math.log2(effective) - (2.5 * dropout**2 if layers > 1 else 0.0)
    training += 0.0015 * (effective - 2.7) ** 2
    bias = 0.30 * math.exp(-0.55 * (capacity - 3))
    regular = 0.45 * math.exp(-(((decay + 3.4) / 1.3) ** 2) / 2)
    regular += 0.25 * math.exp(-(((dropout - 0.35) / 0.2) ** 2) / 2) if layers > 1 else 0.0
    variance = 0.02 * math.log1p(math.exp(capacity - 7)) * (1 - regular)
    shrunk = 0.35 / (1 + math.exp(-3.0 * (decay + 1.8)))  # weights that are decayed away
    error = 0.011 + training + kind + bias + variance + shrunk + 0.05 * max(0.0, dropout - 0.5) ** 2
    return 0.9 * (1 - math.exp(-error / 0.9))


_MLP: dict[str, Spec] = {
    "learning_rate": (1e-5, 1e0, "log-uniform"),
    "num_units": (8, 512, "log-uniform"),
    "num_layers": (1, 5),
    "activation": ["relu", "tanh", "logistic", "identity"],
    "optimizer": ["adam", "sgd", "rmsprop"],
    "dropout": (0.0, 0.7),
    "batch_size": [16, 32, 64, 128, 256],
    "weight_decay": (1e-7, 1e-1, "log-uniform"),
}
_MLP_OPTIMUM = 0.03603710537142176  # every combination of categories and layers, each by a simplex search
_HARTMANN_OPTIMUM = -3.3223680114155147
_HARTMANN_MINIMISER = (0.20168951, 0.15001069, 0.47687398, 0.27533243, 0.31165162, 0.65730053)
_MLP_MINIMISER: Point = {
    "learning_rate": 9.12e-4,
    "num_units": 169,
    "num_layers": 3,
    "activation": "relu",
    "optimizer": "adam",
    "dropout": 0.35,
    "batch_size": 32,
    "weight_decay": 2e-4,
}
_NOISE = 1.67  # 5 % of the range of the best tenth of 20,000 random values


def _box(num: int, low: float, high: float) -> dict[str, Spec]:
    return {f"x{index}": (low, high) for index in range(num)}


def _vector(point: Point) -> Vector:
    return np.array(list(point.values()), dtype=float)


def _plain(name: str, landscape: Landscape, specs: dict[str, Spec], optimum: float, **more: Any) -> Function:
    return Function(name, specs, lambda point: landscape(_vector(point)), optimum, **more)


def _rotated(name: str, landscape: Landscape, num: int, low: float, high: float, least: float, **more: Any) -> Function:
    """Return a landscape turned and moved, by what its name says alone.

    Args:
        name: What it is called.
        landscape: A function with the minimum 0 where all coordinates are `least`.
        num: Number of dimensions.
        low: Lower bound of the box, the same for all dimensions.
        high: Upper bound.
        least: Coordinate of the landscape's minimum.
        **more: Further arguments of `Function`.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    q, r = np.linalg.qr(rng.standard_normal((num, num)))
    turn = q * np.sign(np.diag(r))  # else the distribution is not uniform
    where = (low + high) / 2 + MIDDLE * (high - low) * (rng.random(num) - 0.5)
    specs = _box(num, low, high)
    minimiser = dict(zip(specs, where.tolist(), strict=True))
    return _plain(name, lambda x: landscape(turn @ (x - where) + least), specs, 0.0, minimiser=minimiser, **more)


def _coco(name: str, suite: str, function: int, num: int, **more: Any) -> Function:
    """Return a function of a suite of COCO, its first instance.

    Args:
        name: What it is called.
        suite: `bbob` or `bbob-mixint`.
        function: Its number there.
        num: Number of dimensions.
        **more: Further arguments of `Function`.
    """
    import cocoex

    made = cocoex.Suite(suite, "", f"dimensions:{num} instance_indices:1")
    problem = made.get_problem_by_function_dimension_instance(function, num, 1)
    specs: dict[str, Spec] = {}
    for index, (low, high) in enumerate(zip(problem.lower_bounds, problem.upper_bounds, strict=True)):
        # The integers come first.
        is_integer = index < problem.number_of_integer_variables
        specs[f"x{index}"] = (int(low), int(high)) if is_integer else (float(low), float(high))
    with tempfile.TemporaryDirectory() as directory, chdir(directory):
        problem._best_parameter("print")  # COCO tells the optimum in a file of the current directory, and only there
        best = np.loadtxt("._bbob_problem_best_parameter.txt")
    return _plain(name, lambda x: float(problem(x)), specs, float(problem(best)), **more)


_BBOB = (1, 3, 6, 8, 10, 12, 15, 17, 20, 21)
_BBOB_SMOOTH = (1, 6, 8, 10, 12)
_MIXINT = ((3, 10), (8, 10), (10, 5), (15, 5), (21, 10))

_MAKERS: dict[str, Callable[[], Function]] = {
    made.args[0]: made
    for made in (
        partial(_rotated, "ackley5", ackley, 5, -32.768, 32.768, 0.0, is_smooth=True),
        partial(_rotated, "ackley10", ackley, 10, -32.768, 32.768, 0.0, is_smooth=True),
        partial(_rotated, "rosenbrock10", rosenbrock, 10, -5.0, 10.0, 1.0, is_smooth=True),
        partial(_rotated, "levy10", levy, 10, -10.0, 10.0, 1.0, is_smooth=True),
        partial(_rotated, "rastrigin10", rastrigin, 10, -5.12, 5.12, 0.0),
        partial(
            _plain,
            "hartmann6",
            hartmann6,
            _box(6, 0.0, 1.0),
            _HARTMANN_OPTIMUM,
            minimiser=dict(zip(_box(6, 0.0, 1.0), _HARTMANN_MINIMISER, strict=True)),
        ),
        partial(Function, "polynome2", polynome2.Problem.space, polynome2.run, polynome2.problem.OPTIMUM.objective),
        partial(Function, "mlp", _MLP, mlp, _MLP_OPTIMUM, minimiser=_MLP_MINIMISER),
        partial(_rotated, "noisy6", levy, 6, -10.0, 10.0, 1.0, noise=_NOISE),
        partial(_rotated, "levy30", levy, 30, -10.0, 10.0, 1.0),
        *(
            partial(_coco, f"bbob-f{number}-{num}", "bbob", number, num, is_smooth=number in _BBOB_SMOOTH)
            for num in (5, 10)
            for number in _BBOB
        ),
        *(partial(_coco, f"mixint-f{number}-{num}", "bbob-mixint", number, num) for number, num in _MIXINT),
    )
}
NAMES = tuple(_MAKERS)
# As published for scaling runs; its optimum is in the centre of the box, so that it says little about quality.
_MAKERS["ackley5-centred"] = partial(_plain, "ackley5-centred", ackley, _box(5, -32.768, 32.768), 0.0)


def load(name: str) -> Function:
    """Return a function.

    Args:
        name: One of `NAMES`, or `ackley5-centred`.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in _MAKERS:
        raise ValueError(f"a function must be known, got {name!r}; choose from {', '.join(_MAKERS)}")
    return _MAKERS[name]()
