import copy
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dhmpi.benchmark import HpProblem
from dhmpi.errors import ProblemError
from dhmpi.space.expression import Expression
from dhmpi.space.point_columns import PointColumns
from dhmpi.space.rules import Rules
from dhmpi.space.space import Space, dimension

DIMENSIONS = {
    "units": dimension("units", (1, 1000)),
    "rate": dimension("rate", (1e-3, 1.0)),
    "kernel": dimension("kernel", ["linear", "rbf", None, 1, True]),
    "shrink": dimension("shrink", [True, False]),
    "batch": dimension("batch", [16, 32, 64]),
}
POINTS = [
    {"units": 10, "rate": 0.5, "kernel": "rbf", "shrink": True, "batch": 16},
    {"units": 900, "rate": 0.001, "kernel": None, "shrink": False, "batch": 64},
    {"units": 4, "rate": 1.0, "kernel": True, "shrink": True, "batch": 32},
]


def problem_of(**dimensions):
    problem = HpProblem()
    for name, space in dimensions.items():
        problem.add_dim(name, space)
    return problem


def truth_of(text, points=POINTS, inactive=()):
    columns = PointColumns({name: [point[name] for point in points] for name in DIMENSIONS}, len(points))
    for name in inactive:
        columns.activate(name, np.zeros(len(points), bool))
    holds, known = Expression(text, DIMENSIONS)(columns)
    return [bool(value) if is_known else None for value, is_known in zip(holds, known, strict=True)]


# --- expressions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("units * batch <= 4096", [True, False, True]),
        ("units < 10 or rate == 0.001", [False, True, True]),
        ("not shrink", [False, True, False]),
        ("shrink and units > 5", [True, False, False]),
        ("kernel == 'rbf'", [True, False, False]),
        ("kernel != 'rbf'", [False, True, True]),
        ("kernel in ['rbf', None]", [True, True, False]),
        ("kernel not in ('rbf', True)", [False, True, False]),
        ("kernel == 1", [False, False, False]),  # True is no 1
        ("kernel == True", [False, False, True]),
        ("1 <= units < 100", [True, False, True]),
        ("-units + 2 ** 3 > units // 2 - units % 3", [False, False, True]),
        ("min(units, batch, 20) == 10", [True, False, False]),
        ("max(abs(-units), sqrt(batch)) >= log2(1024) / exp(0)", [True, True, False]),
        ("log(rate) / 0 > 1", [False, False, False]),
        ("units ** units > 0", [True, True, True]),
        ("shrink + units == 11", [True, False, False]),
    ],
)
def test_expressions(text, expected):
    assert truth_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("units > 5", None),
        ("units > 5 and rate > 5", False),
        ("units > 5 and rate < 5", None),
        ("rate < 5 or units > 5", True),
        ("rate > 5 or units > 5", None),
        ("not units > 5", None),
        ("units + rate > 0", None),
        ("not (units > 5 and rate > 5)", True),
    ],
)
def test_what_depends_on_an_inactive_dimension_is_undecided(text, expected):
    assert truth_of(text, inactive=["units"]) == [expected] * 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("units *", "an expression must be written as in Python"),
        ("unit > 3", "an expression must name dimensions only, got 'unit' in 'unit > 3'; did you mean 'units'?"),
        ("units + 1", "must be true or false, but it is a number"),
        ("kernel > 3", "'kernel' in 'kernel > 3' must be a number, but it is a category, which is"),
        ("units and shrink", "'units' in 'units and shrink' must be true or false"),
        ("kernel == 'rfb'", "dimension 'kernel' in .*value must be one of"),
        ("kernel in ['rbf', 'lin']", "value must be one of"),
        ("units == 1001", "dimension 'units' in .*value must be an integer from 1 to 1000, got 1001"),
        ("units == '2'", "dimension 'units' in .*value must be an integer from 1 to 1000, got '2'"),
        ("2.5 != units", "dimension 'units' in .*value must be an integer from 1 to 1000, got 2.5"),
        ("batch in [16, 33]", "dimension 'batch' in .*value must be one of"),
        ("units in batch", "what follows 'in' must be a list of values"),
        ("kernel is None", "values must be compared by"),
        ("__import__('os').system('true') == 0", "an expression must be of names, values"),
        ("(lambda: units > 3)()", "an expression must be of names, values"),
        ("units.real > 3", "an expression must be of names, values"),
        ("[u for u in [1]] == 1", "an expression must be of names, values"),
        ("open('x') == 1", "an expression must be of names, values"),
        ("sqrt(units, 2) > 1", "an expression must be of names, values"),
        ("units > 1" + " or units > 1" * 100, "an expression must have at most 1000 characters"),
        ("(" * 300 + "units" + ")" * 300 + " > 1", "an expression must be written as in Python"),
        ("units > 1j", "an expression must be of names, values"),
        ("units > b'1'", "an expression must be of names, values"),
        ("", "an expression must be written as in Python"),
        ("units == -5", "dimension 'units' in .*value must be an integer from 1 to 1000, got -5"),
        ("rate < 1" + "0" * 400, "an expression must be of names, values"),
        ("-" * 990 + "units > 0", "an expression must be"),
    ],
)
def test_what_is_no_expression(text, sentence):
    with pytest.raises(ProblemError, match=sentence):
        Expression(text, DIMENSIONS)


def test_a_power_does_not_fill_the_memory():
    assert truth_of("9 ** 9 ** 9 ** 9 > units") == [True] * 3


MIXED = {"depth": dimension("depth", ["auto", 2, 4, True]), "size": dimension("size", (1, 5))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("depth == 4", [False, False, True, False]),
        ("depth != 2", [True, False, True, True]),
        ("depth in ['auto', 2.0]", [True, True, False, False]),
        ("4 == depth", [False, False, True, False]),
        ("depth == size", [False, True, True, False]),
        ("depth == size - 1 + 1", [False, True, True, False]),
        ("depth == True", [False, False, False, True]),
        ("+size ==\n 2", [False, True, False, False]),
    ],
)
def test_numbers_among_other_categories(text, expected):
    columns = PointColumns({"depth": ["auto", 2, 4, True], "size": [1, 2, 4, 1]}, 4)
    assert Expression(text, MIXED)(columns).holds.tolist() == expected


def test_names_are_those_that_python_makes_of_them():
    dimensions = {"\u00b5": dimension("\u00b5", (1, 5)), "other": dimension("other", (1, 5))}
    expression = Expression("\u00b5 > 1 and \u00b5 != 3", dimensions)
    assert expression(PointColumns({"\u00b5": [1, 2, 3]}, 3)).holds.tolist() == [False, True, False]


def test_rules_can_be_pickled_and_copied():
    space = nested().dimensions
    for again in (pickle.loads(pickle.dumps(space)), copy.deepcopy(space)):
        assert again.rules.specs() == space.rules.specs()
        assert again.canonical({"kernel": "linear", "gamma": 0.5}) == {"kernel": "linear"}


# --- conditions


def nested():
    problem = problem_of(kernel=["linear", "poly", "rbf"], degree=(2, 5), gamma=(0.1, 1.0), tol=(0.1, 1.0))
    problem.add_condition("degree", when="kernel", is_in=["poly"])
    problem.add_condition("gamma", when="kernel == 'rbf' or degree > 3")
    problem.add_condition("tol", when="gamma", is_in=[0.5])
    problem.add_condition("tol", when="kernel", is_in=["rbf"])
    return problem


@pytest.mark.parametrize(
    ("point", "names"),
    [
        ({"kernel": "linear"}, []),
        ({"kernel": "poly", "degree": 2}, ["degree"]),
        ({"kernel": "poly", "degree": 4, "gamma": 0.5}, ["degree", "gamma"]),
        ({"kernel": "rbf", "gamma": 0.4}, ["gamma"]),
        ({"kernel": "rbf", "gamma": 0.5, "tol": 0.2}, ["gamma", "tol"]),
    ],
)
def test_a_point_has_its_active_dimensions(point, names):
    space = nested().dimensions
    full = {"kernel": "linear", "degree": 3, "gamma": 0.7, "tol": 0.3} | point
    assert list(space.canonical(full)) == ["kernel", *names]
    assert space.canonical(full) == space.canonical(point) == point
    assert space.key(space.canonical(full)) == space.key(point)
    assert space.trimmed(full) == point


def test_an_active_dimension_must_be_there():
    with pytest.raises(ProblemError, match="a point must have a value for every dimension, got none for gamma; add"):
        nested().dimensions.canonical({"kernel": "rbf"})


@pytest.mark.parametrize(
    ("name", "when", "is_in", "sentence"),
    [
        (
            "gama",
            "kernel",
            ["rbf"],
            "a rule must name dimensions that were added before, got 'gama'; did you mean 'gamma'",
        ),
        ("kernel", "gamma", [0.5], "condition of dimension 'kernel': .* 'gamma' must be added before 'kernel'"),
        ("kernel", "gamma > 0.5", None, "condition of dimension 'kernel': .* 'gamma' must be added before 'kernel'"),
        ("gamma", "gamma", [0.5], "condition of dimension 'gamma': a rule must name dimensions .* got 'gamma'"),
        ("gamma", "kernel", ["rfb"], "dimension 'kernel': value must be one of"),
        ("gamma", "kernel", [], "is_in must be a list of values of 'kernel', got"),
        ("gamma", "kernel", "rbf", "is_in must be a list of values of 'kernel', got 'rbf'"),
        ("gamma", "kernel", None, "when='kernel' must go with is_in, a list of its values, got none; add it"),
        ("gamma", 3, None, "when must be a dimension's name or an expression, got 3"),
        ("gamma", "gamma > 1", None, "an expression must name dimensions only, got 'gamma'"),
    ],
)
def test_what_is_no_condition(name, when, is_in, sentence):
    problem = problem_of(kernel=["linear", "rbf"], gamma=(0.1, 1.0))
    with pytest.raises(ProblemError, match=sentence):
        problem.add_condition(name, when=when, is_in=is_in)
    assert not problem.rules.conditions


def test_a_bool_may_decide_by_itself():
    problem = problem_of(use=[True, False], x=(0, 3))
    problem.add_condition("x", when="use")
    assert problem.dimensions.size == 5
    assert problem.dimensions.canonical({"use": False, "x": 2}) == {"use": False}


def test_a_bool_may_have_any_name():
    problem = problem_of(**{"use-bn": [True, False], "True": [True, False], "x": (0, 3), "y": (0, 3)})
    problem.add_condition("x", when="use-bn")
    problem.add_condition("y", when="True")
    space = problem.dimensions
    assert space.canonical({"use-bn": True, "True": False, "x": 1, "y": 2}) == {"use-bn": True, "True": False, "x": 1}
    assert Space.from_specs(space.specs(), space.rules.specs()).size == space.size == 25


def test_a_starting_point_needs_defaults_of_what_is_active():
    problem = HpProblem()
    problem.add_dim("kernel", ["linear", "rbf"], "linear")
    problem.add_dim("gamma", (0.1, 1.0))
    assert not problem.has_starting_point
    problem.add_condition("gamma", when="kernel", is_in=["rbf"])
    assert problem.has_starting_point


# --- constraints


def test_constraints_hold_for_what_is_sampled():
    problem = problem_of(units=(1, 100), layers=(1, 10), kind=["a", "b"])
    problem.add_constraint("units * layers <= 50")
    problem.add_constraint(lambda point: point["units"] != 7)
    problem.add_forbidden({"kind": "a", "layers": [1, 2]})
    space = problem.dimensions
    points = space.sample(np.random.default_rng(0), 500)
    assert len(points) == 500
    for point in points:
        assert point["units"] * point["layers"] <= 50
        assert point["units"] != 7
        assert not (point["kind"] == "a" and point["layers"] <= 2)
        assert space.allows(point)
    assert not space.allows({"units": 7, "layers": 1, "kind": "b"})
    assert not space.allows({"units": 3, "layers": 1, "kind": "a"})
    assert 0.0 < space.acceptance < 0.2


def test_a_constraint_on_an_inactive_dimension_forbids_nothing():
    problem = problem_of(kind=["a", "b"], x=(0, 9))
    problem.add_condition("x", when="kind", is_in=["a"])
    problem.add_constraint("x > 5")
    problem.add_forbidden({"x": 7})
    assert problem.dimensions.size == 4  # 6, 8, 9, and none


def test_a_space_with_hardly_a_point_says_so():
    problem = problem_of(x=(0.0, 1.0), y=(0.0, 1.0))
    problem.add_constraint("x + y <= 1e-5")
    with pytest.raises(
        ProblemError, match=r"constraints must allow at least 1e-05 of the points, got 0\.0e\+00: 'x \+ y"
    ):
        problem.dimensions.sample(np.random.default_rng(0), 1)


def test_a_space_that_can_be_listed_has_room_for_a_single_point():
    problem = problem_of(x=(1, 100_000))
    problem.add_constraint("x == 77")
    assert problem.dimensions.size == 1
    assert problem.dimensions.sample(np.random.default_rng(0), 1) == [{"x": 77}]


def test_what_is_forbidden_covers_nothing():
    problem = problem_of(x=[1, 2, 3])
    problem.add_constraint("x < 3")
    space = problem.dimensions
    keys = [space.key({"x": x}) for x in (1, 2, 3)]
    assert not space.is_covered({keys[0], keys[2]})
    assert space.is_covered({keys[0], keys[1]})


def test_what_a_function_raises_is_said():
    problem = problem_of(x=(1, 5))
    problem.add_constraint(lambda point: point["y"])
    with pytest.raises(ProblemError, match="must return whether a point is allowed, got KeyError: 'y'"):
        problem.dimensions.allows({"x": 1})


@pytest.mark.parametrize("constraint", [3, None, ["x > 1"]])
def test_what_is_no_constraint(constraint):
    with pytest.raises(ProblemError, match="a constraint must be an expression or a function, got"):
        problem_of(x=(1, 5)).add_constraint(constraint)


@pytest.mark.parametrize("clause", [{}, {"y": 1}, {"x": 9}, {"x": []}, ["x"]])
def test_what_cannot_be_forbidden(clause):
    with pytest.raises(ProblemError):
        problem_of(x=(1, 5)).add_forbidden(clause)


def test_the_documentation_runs():
    page = (Path(__file__).parents[2] / "docs" / "new-problem.md").read_text()
    part = page[page.index("## Conditions") : page.index("## Points of your own")]
    names = {}
    for block in part.split("```python\n")[1:]:
        exec(block.split("```")[0], names)
    points = names["Problem"].dimensions.sample(np.random.default_rng(0), 100)
    assert all(math.isfinite(names["run"](point)) for point in points)
    assert {len(point) for point in points} == {2, 3, 4, 5}
    assert all(point.get("degree", 0) * point.get("gamma", 0) <= 20 for point in points)


# --- rules in a file


def test_rules_come_back_from_json_values():
    problem = nested()
    problem.add_constraint("degree * gamma < 3")
    problem.add_forbidden({"kernel": ["rbf"], "gamma": 0.25})
    space = problem.dimensions
    again = Space.from_specs(space.specs(), space.rules.specs())
    assert again.rules.specs() == space.rules.specs()
    rng, same = (np.random.default_rng(3) for _ in range(2))
    assert again.sample(rng, 50) == space.sample(same, 50)


def test_a_function_is_known_by_its_name_alone():
    def fits(point):
        return True

    problem = problem_of(x=(1, 5))
    problem.add_constraint(fits)
    [spec] = problem.rules.specs()["constraints"]
    assert spec["function"].endswith("fits")
    assert Rules.read(problem.rules.specs(), problem.dimensions.by_name).constraints == ()


def test_printing():
    problem = nested()
    problem.add_constraint("degree * gamma < 3")
    text = str(problem)
    assert "Conditions\n  degree when kernel in ['poly']\n  gamma when kernel == 'rbf' or degree > 3\n" in text
    assert "Constraints\n  degree * gamma < 3\n" in text


# --- random spaces


@st.composite
def nested_spaces(draw):
    """Spaces in which dimensions depend on those before them."""
    problem, num = HpProblem(), draw(st.integers(2, 6))
    kinds = [(0, 3), (0.0, 1.0), ["a", "b", None], [True, False], (1e-3, 1.0, "log-uniform")]
    for index in range(num):
        problem.add_dim(f"x{index}", draw(st.sampled_from(kinds)))
    for index in range(1, num):
        parent = f"x{draw(st.integers(0, index - 1))}"
        dim = problem.dimensions.by_name[parent]
        if draw(st.booleans()) and dim.size is not None:
            problem.add_condition(f"x{index}", when=parent, is_in=[dim.at(draw(st.integers(0, dim.size - 1)))])
        elif draw(st.booleans()) and not isinstance(problem.space[parent], list):
            problem.add_condition(f"x{index}", when=f"{parent} > 0.4")
    return problem.dimensions


@settings(deadline=None, max_examples=50)
@given(nested_spaces(), st.integers(0, 2**32 - 1))
def test_points_of_random_spaces(space, seed):
    points = space.sample(np.random.default_rng(seed), 20)
    for point in points:
        assert space.canonical(point) == point
        assert space.trimmed(point) == point
    keys = [space.key(point) for point in points]
    for one, first in zip(keys, points, strict=True):
        for other, second in zip(keys, points, strict=True):
            assert (one == other) == (first == second)
    if space.size is not None and space.size <= 40:
        seen = set()
        while (point := space.unseen(seen, np.random.default_rng(seed))) is not None:
            seen.add(space.key(point))
        assert len(seen) == space.size


def test_infinite_spaces_are_not_listed():
    problem = problem_of(kind=["a", "b"], x=(0.0, 1.0))
    problem.add_condition("x", when="kind", is_in=["a"])
    assert problem.dimensions.size is None
    assert math.isclose(problem.dimensions.acceptance, 1.0)
