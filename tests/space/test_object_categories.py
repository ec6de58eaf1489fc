import functools
import math

import numpy as np
import pytest
from contracts.object_problem import BETAS, SGD, Adam, Color, Problem, double

from dhmpi.benchmark import HpProblem
from dhmpi.errors import ProblemError
from dhmpi.space.object_categories import category_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((0.9, 0.999), "[0.9,0.999]"),
        ([1, [True, None], ("é",)], '[1,[true,null],["é"]]'),
        ({"a": 1, 2: []}, '{"a":1,"2":[]}'),
        (Color.RED, "Color.RED"),
        (Adam, "contracts.object_problem:Adam"),
        (double, "contracts.object_problem:double"),
        (math.sin, "math:sin"),
        ("[1]", "[1]"),
    ],
)
def test_objects_have_texts(value, text):
    assert category_text(value) == text


@pytest.mark.parametrize("value", [None, True, 3, 0.5, np.int64(3)])
def test_what_is_no_such_object_stays(value):
    assert category_text(value) is value


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ((1, {2}), r"a category must hold strings, finite numbers, .*, got \{2\} in \(1, \{2\}\); name it"),
        ([math.nan], r"a category must hold .*, got nan in \[nan\]; name it by a string"),
        ({"a": [Adam]}, r"a category must hold .*, got <class '.*Adam'> in \{'a': "),
        ({1}, r"a category must be a string, number, .* or function, got \{1\} of type set; name it by a string"),
        (lambda: 3, r"a function or class among categories must have a name, got <function .*; define it in a module"),
        (
            functools.partial(double, 3),
            "a category must be a string, number, bool, None, tuple, .*, got ",
        ),
    ],
)
def test_what_has_no_text_is_refused(value, sentence):
    problem = HpProblem()
    with pytest.raises(ProblemError, match=f"dimension 'x': {sentence}"):
        problem.add_dim("x", [value, "other"])
    assert problem.space == {}


def test_two_categories_of_the_same_text_are_refused():
    with pytest.raises(ProblemError, match=r"dimension 'x': categories must differ, got '\[1,2\]' twice; remove one"):
        HpProblem().add_dim("x", [(1, 2), [1, 2]])
    with pytest.raises(ProblemError, match=r"categories must differ, got '\[1,2\]' twice"):
        HpProblem().add_dim("x", ["[1,2]", (1, 2)])


def test_a_problem_has_texts():
    assert Problem.space["betas"] == ["[0.9,0.999]", "[0.8,0.99]"]
    assert Problem.space["layers"] == ["[64,[32,[1,null]]]", '{"width":128,"3":true}']
    assert Problem.space["optimizer"] == ["contracts.object_problem:Adam", "contracts.object_problem:SGD", None]
    assert Problem.dimensions.by_name["color"].choices == ("Color.RED", "Color.BLUE")
    assert Problem.starting_point_asdict == {
        "betas": "[0.8,0.99]",
        "layers": '{"width":128,"3":true}',
        "optimizer": "contracts.object_problem:SGD",
        "color": "Color.BLUE",
        "function": "contracts.object_problem:double",
    }


def test_a_tuple_of_several_numbers_is_led_to_a_list():
    with pytest.raises(ProblemError, match=r"write the list \[\(0.9, 0.999\), \(0.8, 0.99\)\] for categories"):
        HpProblem().add_dim("betas", tuple(BETAS))


def test_rules_and_points_take_objects_and_texts():
    problem = HpProblem()
    problem.add_dim("optimizer", [Adam, SGD])
    problem.add_dim("layers", [[1, 2], [3]])
    problem.add_dim("momentum", (0.0, 1.0))
    problem.add_condition("momentum", when="optimizer", is_in=[SGD])
    problem.add_forbidden({"optimizer": Adam, "layers": [1, 2]})
    problem.add_forbidden({"optimizer": "contracts.object_problem:SGD", "layers": [[3]]})
    problem.add_point({"optimizer": SGD, "layers": [1, 2]})
    [point] = problem.fixed_points
    assert point.values == {"optimizer": "contracts.object_problem:SGD", "layers": "[1,2]"}
    points = problem.dimensions.sample(np.random.default_rng(0), 40)
    assert {("momentum" in each, each["layers"]) for each in points} == {(True, "[1,2]"), (False, "[3]")}
