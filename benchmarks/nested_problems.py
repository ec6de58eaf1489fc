"""Problems whose dimensions depend on others: eight functions with known optima, and two networks of scikit-learn."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from dhmpi.benchmark import HpProblem
from dhmpi.evaluation import Point

FLOOR = 1e-6


class Nested(NamedTuple):
    """A problem with conditions.

    Attributes:
        problem: Returns the problem, without a starting point.
        evaluate: Returns the value of a point, which is to be small.
        optimum: The smallest value; 0 where it is not known.
    """

    problem: Callable[[], HpProblem]
    evaluate: Callable[[Point], float]
    optimum: float = 0.0

    def regret(self, point: Point) -> float:
        """Return how far a point is above the optimum, at least `FLOOR`."""
        return max(self.evaluate(point) - self.optimum, FLOOR)


def problem_of(dimensions: dict[str, Any], **conditions: tuple[str, list[Any]]) -> HpProblem:
    """Return a problem from its dimensions, and from what each of some dimensions depends on."""
    problem = HpProblem()
    for name, space in dimensions.items():
        problem.add_dim(name, space)
    for name, (when, values) in conditions.items():
        problem.add_condition(name, when=when, is_in=values)
    return problem


def branches() -> HpProblem:
    """Return three models with hyperparameters of their own, and two common ones."""
    own = {f"{kind}{number}": (0.0, 1.0) for kind, num in (("a", 2), ("b", 3), ("c", 4)) for number in range(num)}
    conditions = {name: ("kind", [name[0]]) for name in own}
    return problem_of({"kind": ["a", "b", "c"], "x": (0.0, 1.0), "y": (0.0, 1.0), **own}, **conditions)


def branches_value(point: Point) -> float:
    """Return the value: the model with most hyperparameters is best where these are right, the simplest one early."""
    own = [value for name, value in point.items() if name[0] == point["kind"] and name != "kind"]
    base, curve = {"a": (0.3, 0.5), "b": (0.15, 1.0), "c": (0.0, 1.5)}[point["kind"]]
    common = (point["x"] - 0.7) ** 2 + (point["y"] - 0.2) ** 2
    return base + common + curve * sum((value - 0.3 - 0.1 * place) ** 2 for place, value in enumerate(own))


def layers() -> HpProblem:
    """Return a network of one to five layers, each with its width and its dropout."""
    dims: dict[str, Any] = {"num": (1, 5), "rate": (1e-5, 1.0, "log-uniform")}
    conditions: dict[str, tuple[str, list[Any]]] = {}
    for layer in range(1, 6):
        dims |= {f"width{layer}": (8, 512, "log-uniform"), f"dropout{layer}": (0.0, 0.8)}
        conditions |= {f"{part}{layer}": ("num", list(range(layer, 6))) for part in ("width", "dropout") if layer > 1}
    return problem_of(dims, **conditions)


def layers_value(point: Point) -> float:
    """Return the value: three layers that get narrower are best."""
    value = 0.2 * abs(point["num"] - 3) + 0.3 * (math.log10(point["rate"]) + 2.5) ** 2
    for layer in range(1, point["num"] + 1):
        value += 0.1 * (math.log2(point[f"width{layer}"]) - 9 + layer) ** 2 + (point[f"dropout{layer}"] - 0.2) ** 2
    return value


def optimisers() -> HpProblem:
    """Return optimisers with step sizes of different scales."""
    dims = {
        "optimiser": ["sgd", "adam", "rmsprop"],
        "rate": (1e-6, 10.0, "log-uniform"),
        "schedule": ["constant", "step", "cosine"],
        "momentum": (0.0, 0.99),
        "nesterov": [False, True],
        "beta": (0.8, 0.999),
        "epsilon": (1e-9, 1e-3, "log-uniform"),
        "gamma": (0.05, 0.95),
        "warmup": (0, 20),
    }
    return problem_of(
        dims,
        momentum=("optimiser", ["sgd"]),
        nesterov=("optimiser", ["sgd"]),
        beta=("optimiser", ["adam"]),
        epsilon=("optimiser", ["adam", "rmsprop"]),
        gamma=("schedule", ["step"]),
        warmup=("schedule", ["cosine"]),
    )


def optimisers_value(point: Point) -> float:
    """Return the value: SGD is best by a little, and hard to tune."""
    best_rate = {"sgd": -0.5, "adam": -3.0, "rmsprop": -3.5}[point["optimiser"]]
    value = {"sgd": 0.0, "adam": 0.1, "rmsprop": 0.2}[point["optimiser"]] + 0.3 * (
        math.log10(point["rate"]) - best_rate
    ) ** 2
    if point["optimiser"] == "sgd":
        value += 4 * (point["momentum"] - 0.9) ** 2 + (0.05 if not point["nesterov"] else 0.0)
    else:
        value += 0.01 * (math.log10(point["epsilon"]) + 7) ** 2 + 5 * (point.get("beta", 0.9) - 0.9) ** 2
    value += {
        "constant": 0.2,
        "step": 0.1 + (point.get("gamma", 0) - 0.5) ** 2,
        "cosine": 0.002 * abs(point.get("warmup", 0) - 5),
    }[point["schedule"]]
    return value


def tree() -> HpProblem:
    """Return the tree of Jenatton et al. 2017: decisions, and numbers at its leaves and branches."""
    decisions = {"x1": [0, 1], "x2": [0, 1], "x3": [0, 1]}
    numbers = {f"x{place}": (-1.0, 1.0) for place in range(4, 8)} | {"r8": (0.0, 1.0), "r9": (0.0, 1.0)}
    problem = problem_of(
        decisions | numbers,
        x2=("x1", [0]),
        x3=("x1", [1]),
        x4=("x2", [0]),
        x5=("x2", [1]),
        x6=("x3", [0]),
        x7=("x3", [1]),
    )
    problem.add_condition("r8", when="x1", is_in=[0])
    problem.add_condition("r9", when="x1", is_in=[1])
    return problem


def tree_value(point: Point) -> float:
    """Return the value; its smallest one is 0.1."""
    if point["x1"] == 0:
        return float(point["x4"] ** 2 + 0.1 if point["x2"] == 0 else point["x5"] ** 2 + 0.2) + point["r8"]
    return float(point["x6"] ** 2 + 0.3 if point["x3"] == 0 else point["x7"] ** 2 + 0.4) + point["r9"]


def threshold() -> HpProblem:
    """Return a number that switches others on from some value on."""
    problem = problem_of({"strength": (0.0, 1.0), "a": (0.0, 1.0), "b": (1e-4, 1.0, "log-uniform"), "c": (1, 20)})
    problem.add_condition("b", when="strength > 0.5")
    problem.add_condition("c", when="strength > 0.5 and a > 0.3")
    return problem


def threshold_value(point: Point) -> float:
    """Return the value."""
    value = (point["strength"] - 0.8) ** 2 + (point["a"] - 0.6) ** 2
    value += 0.1 * (math.log10(point["b"]) + 2) ** 2 if "b" in point else 0.2
    return float(value + (0.01 * (point["c"] - 7) ** 2 if "c" in point else 0.3))


def pipeline() -> HpProblem:
    """Return a pipeline: each step has hyperparameters of its own."""
    dims = {
        "scaler": ["none", "power", "quantile"],
        "num_quantiles": (10, 1000, "log-uniform"),
        "reduce": ["none", "pca", "select"],
        "components": (2, 50),
        "share": (0.1, 1.0),
        "model": ["ridge", "forest", "boosting"],
        "alpha": (1e-4, 1e2, "log-uniform"),
        "trees": (10, 500, "log-uniform"),
        "depth": (1, 12),
        "rate": (1e-3, 1.0, "log-uniform"),
    }
    return problem_of(
        dims,
        num_quantiles=("scaler", ["quantile"]),
        components=("reduce", ["pca"]),
        share=("reduce", ["select"]),
        alpha=("model", ["ridge"]),
        trees=("model", ["forest", "boosting"]),
        depth=("model", ["forest", "boosting"]),
        rate=("model", ["boosting"]),
    )


def pipeline_value(point: Point) -> float:
    """Return the value."""
    value = {"none": 0.1, "power": 0.0, "quantile": 0.02 + 0.05 * abs(math.log10(point.get("num_quantiles", 1)) - 2)}[
        point["scaler"]
    ]
    value += {
        "none": 0.15,
        "pca": 0.001 * abs(point.get("components", 0) - 20),
        "select": 0.03 + abs(point.get("share", 0) - 0.4),
    }[point["reduce"]]
    if point["model"] == "ridge":
        return value + 0.3 + 0.05 * (math.log10(point["alpha"]) - 0.5) ** 2
    value += 0.05 * (math.log10(point["trees"]) - 2.3) ** 2
    if point["model"] == "forest":
        return value + 0.1 + 0.01 * (12 - point["depth"])
    return value + 0.1 * (math.log10(point["rate"]) + 1) ** 2 + 0.01 * (point["depth"] - 4) ** 2


def chain() -> HpProblem:
    """Return stages each of which can be switched on only if the one before is."""
    dims: dict[str, Any] = {"x0": (0.0, 1.0)}
    conditions: dict[str, tuple[str, list[Any]]] = {}
    for stage in range(1, 5):
        dims |= {f"on{stage}": [False, True], f"x{stage}": (0.0, 1.0)}
        conditions[f"x{stage}"] = (f"on{stage}", [True])
        if stage > 1:
            conditions[f"on{stage}"] = (f"on{stage - 1}", [True])
    return problem_of(dims, **conditions)


def chain_value(point: Point) -> float:
    """Return the value: each stage pays if it is tuned."""
    value = (point["x0"] - 0.4) ** 2 + 0.4
    for stage in range(1, 5):
        if point.get(f"on{stage}"):
            value += 2 * (point[f"x{stage}"] - 0.15 * stage) ** 2 - 0.1
    return value


def shared() -> HpProblem:
    """Return kernels that share a width, whose best value is another one for each."""
    dims = {
        "kernel": ["rbf", "matern", "linear", "periodic"],
        "width": (1e-3, 1e3, "log-uniform"),
        "nu": [0.5, 1.5, 2.5],
        "period": (0.1, 10.0, "log-uniform"),
        "noise": (1e-6, 1.0, "log-uniform"),
    }
    return problem_of(
        dims,
        width=("kernel", ["rbf", "matern", "periodic"]),
        nu=("kernel", ["matern"]),
        period=("kernel", ["periodic"]),
    )


def shared_value(point: Point) -> float:
    """Return the value."""
    value = 0.05 * (math.log10(point["noise"]) + 3) ** 2
    value += {"rbf": 0.1, "matern": 0.05, "linear": 0.6, "periodic": 0.0}[point["kernel"]]
    if "width" in point:
        value += (
            0.1 * (math.log10(point["width"]) - {"rbf": 0.0, "matern": 1.0, "periodic": -1.0}[point["kernel"]]) ** 2
        )
    if "nu" in point:
        value += 0.05 * abs(point["nu"] - 2.5)
    return float(value + (math.log(point["period"] / 3) ** 2 if "period" in point else 0.0))


def svm() -> HpProblem:
    """Return a support vector machine."""
    dims = {
        "kernel": ["linear", "poly", "rbf", "sigmoid"],
        "C": (1e-3, 1e3, "log-uniform"),
        "gamma": (1e-5, 10.0, "log-uniform"),
        "degree": (2, 5),
        "coef0": (-1.0, 1.0),
        "scale": [True, False],
    }
    return problem_of(
        dims,
        gamma=("kernel", ["poly", "rbf", "sigmoid"]),
        degree=("kernel", ["poly"]),
        coef0=("kernel", ["poly", "sigmoid"]),
    )


@cache
def _data(name: str) -> Any:
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(return_X_y=True)


def _cross_validated(model: Any, name: str) -> float:
    """Return the mean log loss or error of three parts."""
    import warnings

    from sklearn.model_selection import cross_val_score

    x, y = _data(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return 1.0 - float(np.nan_to_num(cross_val_score(model, x, y, cv=3, scoring="accuracy")).mean())


def svm_value(point: Point) -> float:
    """Return the error of a support vector machine on tumours of the breast (569 cases), cross-validated."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    options = {name: value for name, value in point.items() if name != "scale"}
    model = SVC(max_iter=20_000, **options)
    return _cross_validated(make_pipeline(StandardScaler(), model) if point["scale"] else model, "breast_cancer")


def network() -> HpProblem:
    """Return a small network with one to three layers, and three ways to train it."""
    dims = {
        "num_layers": (1, 3),
        "units1": (2, 64, "log-uniform"),
        "units2": (2, 64, "log-uniform"),
        "units3": (2, 64, "log-uniform"),
        "activation": ["relu", "tanh", "logistic"],
        "alpha": (1e-7, 10.0, "log-uniform"),
        "solver": ["adam", "sgd", "lbfgs"],
        "rate": (1e-5, 1.0, "log-uniform"),
        "momentum": (0.0, 0.99),
        "batch": [16, 32, 64, 128],
    }
    problem = problem_of(
        dims,
        units2=("num_layers", [2, 3]),
        units3=("num_layers", [3]),
        rate=("solver", ["adam", "sgd"]),
        batch=("solver", ["adam", "sgd"]),
        momentum=("solver", ["sgd"]),
    )
    return problem


def network_value(point: Point) -> float:
    """Return the error of a network on wines (178 of three cultivars), cross-validated."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    units = tuple(point[f"units{layer}"] for layer in range(1, point["num_layers"] + 1))
    more = {"learning_rate_init": point["rate"], "batch_size": point["batch"]} if "rate" in point else {}
    more |= {"momentum": point["momentum"]} if "momentum" in point else {}
    model = MLPClassifier(
        units,
        activation=point["activation"],
        alpha=point["alpha"],
        solver=point["solver"],
        max_iter=30,
        random_state=0,
        **more,
    )
    return _cross_validated(make_pipeline(StandardScaler(), model), "wine")


PROBLEMS = {
    "branches": Nested(branches, branches_value),
    "layers": Nested(layers, layers_value),
    "optimisers": Nested(optimisers, optimisers_value),
    "tree": Nested(tree, tree_value, 0.1),
    "threshold": Nested(threshold, threshold_value),
    "pipeline": Nested(pipeline, pipeline_value),
    "chain": Nested(chain, chain_value),
    "shared": Nested(shared, shared_value),
    "svm": Nested(svm, svm_value),
    "network": Nested(network, network_value),
}
