import json
from fractions import Fraction

import numpy as np
import pytest

from dhmpi.benchmark import HpProblem, Problem
from dhmpi.errors import ProblemError

HYPERPARAMETERS = {
    "batch_size": 100,
    "learning_rate": 0.01,
    "optimizer": "adam",
    "num_epochs": 10,
    "loss_metric": "mean_squared_error",
    "metrics": ["mean_squared_error"],
}
LEGAL = {
    "regression": True,
    "load_data": {"func": "my.load_data:load_data", "kwargs": {"dim": 3}},
    "preprocessing": {"func": "my.preprocessing.scaler"},
    "create_structure": {"func": json.loads, "kwargs": {"num_cells": 5}},
    "hyperparameters": HYPERPARAMETERS,
}


def message(name, entry):
    problem = Problem()
    with pytest.raises(ProblemError) as error:
        problem.add_dim(name, entry)
    assert problem.space == {}
    return str(error.value)


def test_the_documented_entries():
    problem = Problem()
    for name, entry in LEGAL.items():
        problem.add_dim(name, entry)
    assert problem.space == LEGAL


def test_other_names_are_free():
    problem = Problem()
    problem.add_dim("regressions", "whatever")
    problem.add_dim("table", None)
    assert problem.space == {"regressions": "whatever", "table": None}


def test_hyperparameter_searches_may_use_the_names():
    problem = HpProblem()
    problem.add_dim("regression", [True, False], True)
    problem.add_dim("hyperparameters", (1, 5), 2)
    assert problem.starting_point == [True, 2]


@pytest.mark.parametrize("value", [None, 1, "yes", np.bool_(True)])
def test_regression_is_true_or_false(value):
    sentence = f"dimension 'regression': value must be True or False, got {value!r}; write False for a classification"
    assert message("regression", value) == sentence


@pytest.mark.parametrize(
    "func",
    [
        "pkg.load_data",
        "pkg.module:load_data",
        "module:Class.method",
        "path/to/file.py:load_data",
        "path/to/file.py",
        len,
        dict,
        lambda: None,
    ],
)
def test_functions_and_their_names(func):
    problem = Problem()
    problem.add_dim("load_data", {"func": func})
    assert problem.space["load_data"]["func"] is func


@pytest.mark.parametrize("name", ["load_data", "create_structure", "preprocessing"])
@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (len, "value must be a dict with func, got <built-in function len>"),
        ({}, "value must have func, got no func"),
        ({"fun": len}, "keys must be known, got 'fun'; did you mean 'func'?"),
        ({3: len}, "keys must be known, got 3; choose from func"),
    ]
    + [
        ({"func": func}, f"func must be a function or its dotted name, got {func!r}; write pkg.module:name, or the")
        for func in ("", "load_data", "a:", ":b", "a b:c", "pkg..load_data", "a:b:c", "file.py:a b", "3.x", 3, None)
    ],
)
def test_what_is_no_function(name, entry, sentence):
    assert message(name, entry).startswith(f"dimension {name!r}: {sentence}")


def test_arguments():
    label = "dimension 'create_structure': kwargs must be a dict of arguments by name, got"
    for kwargs in (["num_cells"], {1: 2}, None):
        text = message("create_structure", {"func": len, "kwargs": kwargs})
        assert text == f"{label} {kwargs!r}; leave it out for none"
    # The slip of the documentation's own example.
    slip = message("create_structure", {"func": len, "kwarqs": {"num_cells": 5}})
    assert slip == "dimension 'create_structure': keys must be known, got 'kwarqs'; did you mean 'kwargs'?"
    assert "keys must be known, got 'kwargs'" in message("preprocessing", {"func": len, "kwargs": {}})


@pytest.mark.parametrize(
    "extras",
    [
        {"reward": "r2", "reward_epochs": 3, "patience": 5},
        {"batch_size": np.int64(32), "learning_rate": np.float32(0.1), "metrics": ()},
        {"learning_rate": 1, "reward_epochs": "best"},
        {"learning_rate": Fraction(1, 100)},
    ],
)
def test_legal_hyperparameters(extras):
    problem = Problem()
    problem.add_dim("hyperparameters", HYPERPARAMETERS | extras)
    assert problem.space["hyperparameters"] == HYPERPARAMETERS | extras


COUNT, POSITIVE = "an integer of at least 1", "a finite number above 0"
NAME, NAMES = "a name that Keras knows", "a list of names that Keras knows"


@pytest.mark.parametrize(
    ("name", "constraint", "values"),
    [
        ("batch_size", COUNT, [0, -1, 1.0, True, "100", None]),
        ("num_epochs", COUNT, [0, 2.5]),
        ("learning_rate", POSITIVE, [0, -0.1, float("nan"), float("inf"), True, "0.1", None, 1j, [0.1]]),
        ("optimizer", NAME, ["", None, len]),
        ("loss_metric", NAME, [["mse"], 3]),
        ("metrics", NAMES, ["acc", [3], [""], None]),
        ("reward", "the name of a reward", ["", 1]),
        ("reward_epochs", "'best', 'last' or an integer of at least 1", [0, 1.5, "first", "", None, True]),
        ("patience", COUNT, [0, None]),
    ],
)
def test_hyperparameters_that_do_not_fit(name, constraint, values):
    for value in values:
        text = message("hyperparameters", HYPERPARAMETERS | {name: value})
        assert text == f"dimension 'hyperparameters': {name} must be {constraint}, got {value!r}"


def test_hyperparameters_are_all_there_and_known():
    label = "dimension 'hyperparameters':"
    few = {name: value for name, value in HYPERPARAMETERS.items() if name not in ("optimizer", "metrics")}
    every = ", ".join(HYPERPARAMETERS)
    assert message("hyperparameters", few) == f"{label} value must have {every}, got no optimizer, metrics"
    for known, slip in (("learning_rate", "learningrate"), ("num_epochs", "n_epochs"), ("reward", "rewards")):
        text = message("hyperparameters", HYPERPARAMETERS | {slip: 1})
        assert text == f"{label} keys must be known, got {slip!r}; did you mean {known!r}?"
    assert message("hyperparameters", []) == f"{label} value must be a dict with {every}, got []"


@pytest.mark.parametrize("name", [[], None, ""])
def test_a_bad_name_is_said_first(name):
    assert message(name, 3).startswith("a dimension's name must be a string")
