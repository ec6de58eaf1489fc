import numpy as np
import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.errors import ProblemError
from dhmpi.space.starting_point import defaults_of


def made(with_rules=True):
    problem = HpProblem()
    problem.add_dim("kernel", ["linear", "poly", None], "linear")
    problem.add_dim("degree", (2, 5))
    problem.add_dim("gamma", (0.0, 1.0), 0.5)
    if with_rules:
        problem.add_condition("degree", when="kernel", is_in=["poly"])
        problem.add_constraint("gamma >= 0.2 * degree")
    return problem


def completed(problem, seed=0):
    space, defaults = problem.dimensions, defaults_of(problem)
    return [each.completed(space, defaults, np.random.default_rng(seed)) for each in problem.fixed_points]


def test_what_is_lacking_is_the_default():
    problem = made()
    problem.add_point({"gamma": 1})
    problem.add_point({"kernel": None})
    assert completed(problem) == [{"kernel": "linear", "gamma": 1.0}, {"kernel": None, "gamma": 0.5}]


def test_what_has_no_default_is_drawn_until_the_constraints_hold():
    problem = made()
    problem.add_point({"kernel": "poly"})
    assert completed(problem) == [{"kernel": "poly", "degree": 2, "gamma": 0.5}]
    free = made(with_rules=False)
    free.add_point({"kernel": "poly"})
    found = {completed(free, seed)[0]["degree"] for seed in range(30)}
    assert found == {2, 3, 4, 5}
    assert completed(free, 1) == completed(free, 1)


def test_what_is_inactive_is_left_out():
    problem = made()
    problem.add_point({"kernel": "linear", "degree": 5, "gamma": 0.1})
    assert completed(problem) == [{"kernel": "linear", "gamma": 0.1}]


@pytest.mark.parametrize("values", [{"kernel": "poly", "degree": 5, "gamma": 0.5}, {"kernel": "poly", "gamma": 0.1}])
def test_what_breaks_a_constraint_is_told(values):
    problem = made()
    problem.add_point({"gamma": 1.0})
    problem.add_point(values)
    sentence = r"point 2 of the problem: a point must fulfil the constraints, got \{'kernel': 'poly', .*\}, for which "
    with pytest.raises(ProblemError, match=sentence + r"'gamma >= 0\.2 \* degree' is not true; change or remove it"):
        completed(problem)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"kernl": "poly"}, "point 1 of the problem: a point must name dimensions only, got 'kernl'; did you mean"),
        ({"degree": 9}, "point 1 of the problem: dimension 'degree': value must be an integer from 2 to 5, got 9"),
        ({}, r"point 1 of the problem: a point must be a dict of values by name, got \{\}"),
        ([3], "a point must be a dict of values by name"),
    ],
)
def test_what_is_no_point_is_refused_at_once(values, sentence):
    problem = made()
    with pytest.raises(ProblemError, match=sentence):
        problem.add_point(values)
    assert problem.fixed_points == ()


def test_points_are_printed_with_the_problem():
    problem = made()
    problem.add_point({"gamma": 1})
    assert repr(problem).endswith("Points\n{'gamma': 1.0}")
