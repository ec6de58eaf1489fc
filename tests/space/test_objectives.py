"""Objectives that problems declare."""

import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.errors import OptionError, ProblemError
from dhmpi.evaluation import Objective
from dhmpi.space.objectives import objectives_of


def two_objectives():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0), 0.5)
    problem.add_objective("accuracy", maximise=True)
    problem.add_objective("latency")
    return problem


def test_they_are_in_the_order_in_which_they_were_added():
    assert HpProblem().objectives == ()
    assert two_objectives().objectives == (Objective("accuracy", True), Objective("latency", False))


def test_they_are_printed():
    assert "Objectives\n  accuracy, larger is better\n  latency, smaller is better\n" in str(two_objectives())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "name must be a string of at least one character, got 3"),
        (("",), "name must be a string of at least one character, got ''"),
        (("a/b",), "must not be '.' nor contain '/' or NUL, got 'a/b'; write '_'"),
        (("objective",), "must not be 'objective', which needs no declaration; name it after what it measures"),
        (("latency",), "name must be new, got 'latency' again"),
        (("size", "yes"), "objective 'size': maximise must be True or False, got 'yes'"),
    ],
)
def test_what_is_none_is_refused_and_nothing_added(arguments, message):
    problem = two_objectives()
    with pytest.raises(ProblemError, match=message):
        problem.add_objective(*arguments)
    assert len(problem.objectives) == 2


def test_searches_take_so_many():
    assert len(objectives_of(two_objectives(), "ga", 2)) == 2
    assert objectives_of(object(), "ambs", 1) == ()
    with pytest.raises(
        OptionError, match=r"at most one objective, got 2: accuracy, latency; use ambs, ga or hps-random"
    ):
        objectives_of(two_objectives(), "ambs", 1)
    with pytest.raises(OptionError, match=r"no objectives of its own, since the reward is maximised, got 2: accuracy"):
        objectives_of(two_objectives(), "ppo-async", 0)


def test_configspace_and_back():
    pytest.importorskip("ConfigSpace")
    problem = two_objectives()
    assert HpProblem.from_configspace(problem.to_configspace()).objectives == problem.objectives
