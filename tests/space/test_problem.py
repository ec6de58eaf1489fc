import doctest

import pytest

import dhmpi.space.problem
from dhmpi.benchmark import HpProblem, Problem
from dhmpi.errors import ProblemError


def problem_of(**dims):
    problem = HpProblem()
    for name, (space, *default) in dims.items():
        problem.add_dim(name, space, *default)
    return problem


def test_exports():
    assert dhmpi.benchmark.__all__ == ["HpProblem", "Problem"]


def test_docstring_example():
    results = doctest.testmod(dhmpi.space.problem)
    assert results.attempted == 16
    assert results.failed == 0


def test_printing():
    problem = problem_of(nunits=((10, 20), 10))
    assert str(problem) == "Problem\n{'nunits': (10, 20)}\n\nStarting Point\n{'nunits': 10}"
    assert repr(problem) == str(problem)


def test_printing_keeps_the_order():
    problem = problem_of(zeta=((10, 20), 10), activation=(["a" * 30, "b" * 30], "a" * 30))
    a, b = "a" * 30, "b" * 30
    assert str(problem).splitlines() == [
        "Problem",
        "{ 'zeta': (10, 20),",
        f"  'activation': [ '{a}',",
        f"                  '{b}']}}",
        "",
        "Starting Point",
        f"{{'zeta': 10, 'activation': '{a}'}}",
    ]


def test_generic_problem():
    problem = Problem()
    problem.add_dim("anything", {"goes": [1, 2]})
    assert problem.space == {"anything": {"goes": [1, 2]}}
    assert str(problem) == "Problem\n{'anything': {'goes': [1, 2]}}"
    problem.space.clear()
    assert problem.space


def test_hyperparameters():
    problem = problem_of(units=((8, 64), 8.0), rate=((0, 1.0), 1), kind=(["a", "b"], "b"))
    assert problem.space == {"units": (8, 64), "rate": (0.0, 1.0), "kind": ["a", "b"]}
    assert problem.starting_point == [8, 1.0, "b"]
    assert [type(value) for value in problem.starting_point] == [int, float, str]
    assert problem.starting_point_asdict == {"units": 8, "rate": 1.0, "kind": "b"}
    assert problem.has_starting_point
    assert problem.dimensions.specs() == problem.space
    assert problem.dimensions.names == ("units", "rate", "kind")


def test_what_is_handed_out_is_a_copy():
    problem = problem_of(kind=(["a", "b"], "b"))
    problem.space["kind"].append("c")
    problem.starting_point_asdict["kind"] = "c"
    problem.starting_point.clear()
    assert problem.space == {"kind": ["a", "b"]}
    assert problem.starting_point == ["b"]


def test_a_copy_may_have_another_space():
    class Own(Problem):
        def check(self):
            raise ProblemError("own")

    first = Own()
    first.add_dim("a", 1)
    first.add_dim("b", [2])
    second = first.with_dim("a", 3)
    assert (first.space, second.space) == ({"a": 1, "b": [2]}, {"a": 3, "b": [2]})
    with pytest.raises(ProblemError, match="own"):
        second.check()


def test_missing_defaults():
    problem = problem_of(a=((1, 2), 1), b=((1, 2),))
    assert problem.starting_point == [1, None]
    assert problem.starting_point_asdict == {"a": 1, "b": None}
    assert not problem.has_starting_point
    assert not HpProblem().has_starting_point


def test_none_is_a_default_if_it_is_a_category():
    problem = problem_of(a=([None, "l2"],))
    assert problem.starting_point == [None]
    assert problem.has_starting_point


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "a dimension's name must be a string of at least one character, got ''"),
        (3, "a dimension's name must be a string of at least one character, got 3"),
        (None, "a dimension's name must be a string of at least one character, got None"),
        ("a/b", "a dimension's name must not be '.' nor contain '/' or NUL, got 'a/b'; write '_'"),
        ("a\0b", "a dimension's name must not be '.' nor contain '/' or NUL, got 'a\\x00b'; write '_'"),
        (".", "a dimension's name must not be '.' nor contain '/' or NUL, got '.'; write '_'"),
        ("taken", "a dimension's name must be new, got 'taken' again; choose another name"),
    ],
)
def test_bad_names(name, sentence):
    problem = problem_of(taken=((1, 2), 1))
    with pytest.raises(ProblemError) as error:
        problem.add_dim(name, (1, 5), 1)
    assert str(error.value) == sentence
    assert problem.space == {"taken": (1, 2)}
    assert problem.starting_point == [1]


@pytest.mark.parametrize(
    ("space", "default", "sentence"),
    [
        ((5, 1), 3, "dimension 'x': low must be below high, got (5, 1); swap the bounds"),
        ((1, 5), 99, "default of dimension 'x': value must be an integer from 1 to 5, got 99; change it or the range"),
        (["a"], "b", "default of dimension 'x': value must be one of ['a'], got 'b'; change it or add the category"),
        ("abc", None, "dimension 'x': a space must be a tuple (low, high) or a list of categories, got 'abc'"),
    ],
)
def test_bad_dimensions_add_nothing(space, default, sentence):
    problem = HpProblem()
    with pytest.raises(ProblemError) as error:
        problem.add_dim("x", space, default)
    assert str(error.value).startswith(sentence)
    assert problem.space == problem.starting_point_asdict == {}


def test_no_dimensions_no_space():
    with pytest.raises(ProblemError, match="a space must have at least one dimension"):
        _ = HpProblem().dimensions


class TestLabels:
    def test_units_and_descriptions_are_printed(self):
        problem = HpProblem()
        problem.add_dim("rate", (0.1, 1.0), unit="1/step", description="step of the optimiser")
        problem.add_dim("time", (1, 9), unit="s")
        problem.add_dim("kind", ["a"], description="what there is")
        problem.add_dim("more", (1, 9))
        assert problem.labels["rate"] == {"unit": "1/step", "description": "step of the optimiser"}
        assert str(problem).split("\n\n")[1].splitlines() == [
            "Dimensions",
            "  rate [1/step]: step of the optimiser",
            "  time [s]",
            "  kind: what there is",
        ]

    @pytest.mark.parametrize("label", [{"unit": 3}, {"description": None}])
    def test_they_are_strings(self, label):
        problem = HpProblem()
        [(name, value)] = label.items()
        with pytest.raises(ProblemError, match=f"dimension 'x': {name} must be a string, got {value}"):
            problem.add_dim("x", (1, 9), **label)
        assert problem.space == problem.labels == {}


@pytest.mark.parametrize("constant", [20, "only", False, ["only"], [(1, 2)]])
def test_a_constant_is_its_own_default(constant):
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0), 0.5)
    problem.add_dim("constant", constant if not isinstance(constant, str) else [constant])
    assert problem.has_starting_point
    assert problem.starting_point_asdict["constant"] in (constant, "only", "[1,2]")
