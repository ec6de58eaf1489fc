import sys

import numpy as np
import pytest
from contracts.object_problem import SGD, Adam, Color

from dhmpi.benchmark import HpProblem
from dhmpi.errors import ProblemError
from dhmpi.space.starting_point import defaults_of

ConfigSpace = pytest.importorskip("ConfigSpace", reason="ConfigSpace is not installed")


def described(problem):
    """All that a problem says."""
    return problem.space, problem.rules.specs(), defaults_of(problem), problem.labels, problem.objects


def as_objects(problem, point):
    return {name: problem.objects.get(name, {}).get(value, value) for name, value in point.items()}


def legal(space, values):
    """Whether ConfigSpace takes the values; those that are inactive are left out by it."""
    try:
        ConfigSpace.Configuration(space, values=values).check_valid_configuration()
    except Exception:
        return False
    return True


def kinds():
    problem = HpProblem()
    problem.add_dim("n", (1, 64), 8, unit="layers")
    problem.add_dim("m", (1, 10**6, "log-uniform"), 1000, description="how many")
    problem.add_dim("x", (-1.0, 1.5), 0.25)
    problem.add_dim("rate", (1e-5, 1.0, "log-uniform"), 1e-3)
    problem.add_dim("act", ["relu", True, 0.5], "relu")
    problem.add_dim("size", ["small", "large"], "large", ordered=True)
    problem.add_dim("step", (0.5, 0.9), 0.6, step=0.1)
    problem.add_dim("betas", [(0.9, 0.999), (0.8, 0.99)], (0.9, 0.999))
    problem.add_dim("optimizer", [Adam, SGD, None], SGD)
    problem.add_dim("color", [Color.RED, Color.BLUE], Color.RED)
    problem.add_dim("epochs", 20, 20)
    return problem


def ruled():
    problem = HpProblem()
    problem.add_dim("kernel", ["linear", "poly", "rbf"], "linear")
    problem.add_dim("n", (0, 4), 2)
    problem.add_dim("m", (0, 4), 3)
    problem.add_dim("flag", [True, False], True)
    problem.add_dim("size", [1, 2, 4], 1, ordered=True)
    problem.add_dim("degree", (2, 4), 2)
    problem.add_dim("gamma", (1, 3), 1)
    return problem


def test_every_kind_of_dimension_goes_there_and_back():
    problem = kinds()
    space = problem.to_configspace()
    assert space["optimizer"].default_value is SGD
    assert space["betas"].choices == ((0.9, 0.999), (0.8, 0.99))
    assert space["rate"].log
    assert isinstance(space["step"], ConfigSpace.OrdinalHyperparameter)
    assert space["n"].meta == {"unit": "layers"}
    assert described(HpProblem.from_configspace(space)) == described(problem)


CONDITIONS = [
    [("degree", "kernel", ["poly"])],
    [("degree", "kernel", ["poly", "rbf"]), ("gamma", "degree", [3, 4])],
    [("degree", "kernel", ["poly"]), ("degree", "n > 1", None)],
    [("degree", "kernel == 'poly' or n >= 3", None)],
    [("degree", "flag", None), ("gamma", "not flag or size <= 2", None)],
    [("degree", "1 < n < 4 and kernel != 'rbf'", None)],
    [("degree", "n not in [1, 3]", None), ("gamma", "2 >= m", None)],
    [("gamma", "kernel in ['poly', 'rbf']", None), ("gamma", "degree != 3", None), ("degree", "m in [1, 2]", None)],
]
CONSTRAINTS = [
    {"kernel": "rbf", "n": [1, 2]},
    {"flag": True, "m": 4},
    "n < m",
    "n != m",
    "not (n == m and kernel == 'rbf')",
    "kernel == 'linear' or n <= 2",
    "flag or size > 1 or m not in [1, 3]",
    "flag and not n > 3",
    "0 <= n < 4",
    "n == 2",
    "m in [3, 4]",
]


@pytest.mark.parametrize("conditions", CONDITIONS)
def test_conditions_mean_the_same(conditions):
    problem = ruled()
    for child, when, is_in in conditions:
        problem.add_condition(child, when, is_in=is_in)
    check_that_the_same_is_legal(problem)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_constraints_mean_the_same(constraint):
    problem = ruled()
    add = problem.add_constraint if isinstance(constraint, str) else problem.add_forbidden
    problem.add_condition("degree", "kernel", is_in=["poly"])
    add(constraint)
    check_that_the_same_is_legal(problem)


def check_that_the_same_is_legal(problem):
    """Points are legal in ConfigSpace, and in what comes back from there, if they are here."""
    space = problem.to_configspace()
    again = HpProblem.from_configspace(space)
    assert again.space == problem.space
    ours, theirs = problem.dimensions, again.dimensions
    rng = np.random.default_rng(0)
    free = ruled().dimensions.sample(rng, 150)
    num_legal = 0
    for point in free:
        trimmed = ours.trimmed(point)
        assert theirs.trimmed(point) == trimmed
        allowed = ours.allows(trimmed)
        assert theirs.allows(trimmed) == allowed
        assert legal(space, trimmed) == allowed, trimmed
        num_legal += allowed
        for name in set(point) - set(trimmed):  # ConfigSpace refuses what it holds for inactive
            assert not legal(space, trimmed | {name: point[name]})
    assert num_legal > 0


def believed():
    problem = HpProblem()
    problem.add_dim("x", (-1.0, 1.5), 0.25, prior=("normal", 0.5, 0.3))
    problem.add_dim("n", (1, 64), 8, prior=("normal", 20, 5))
    problem.add_dim("rate", (1e-5, 1.0, "log-uniform"), 1e-3, prior=("normal", 1e-2, 0.5))
    problem.add_dim("m", (1, 10**6, "log-uniform"), 1000, prior=("normal", 1000, 0.5))
    problem.add_dim("act", ["relu", "tanh", None], "tanh", prior=[0.5, 0.3, 0.2])
    return problem


def test_beliefs_go_there_and_back():
    problem = believed()
    again = HpProblem.from_configspace(problem.to_configspace())
    assert described(again) == described(problem)
    for name, belief in problem.beliefs.items():
        [values] = belief.spec().values()
        assert next(iter(again.beliefs[name].spec().values())) == pytest.approx(values)


def test_beliefs_mean_the_same_there():
    problem = believed()
    space = problem.to_configspace()
    space.seed(0)
    theirs = space.sample_configuration(4000)
    ours = problem.dimensions.from_unit(problem.dimensions.believed(np.random.default_rng(0).random((4000, 5))))
    for name in ("x", "n", "rate", "m"):
        scale = np.log10 if name in ("rate", "m") else np.array
        one, other = (scale([point[name] for point in points]) for points in (theirs, ours))
        quartiles = [np.quantile(each, [0.25, 0.5, 0.75]) for each in (one, other)]
        width = quartiles[0][2] - quartiles[0][0]
        assert quartiles[1] == pytest.approx(quartiles[0], abs=0.15 * width), name
    one, other = (np.mean([point["act"] == "relu" for point in points]) for points in (theirs, ours))
    assert other == pytest.approx(one, abs=0.04)


def test_beta_distributions_become_normal_ones():
    space = ConfigSpace.ConfigurationSpace()
    space.add(
        ConfigSpace.BetaFloatHyperparameter("x", 3, 3, 0.0, 4.0),
        ConfigSpace.BetaFloatHyperparameter("rate", 3, 3, 1e-4, 1.0, log=True),
        ConfigSpace.BetaIntegerHyperparameter("n", 1, 1, 1, 9),
    )
    problem = HpProblem.from_configspace(space)
    assert problem.space == {"x": (0.0, 4.0), "rate": (1e-4, 1.0, "log-uniform"), "n": (1, 9)}
    std = (1 / 28) ** 0.5
    assert problem.beliefs["x"].spec()["normal"] == pytest.approx([2.0, 4 * std])
    assert problem.beliefs["rate"].spec()["normal"] == pytest.approx([1e-2, 4 * std])
    assert "n" not in problem.beliefs


@pytest.mark.parametrize(
    ("spec", "more", "sentence"),
    [
        (
            [1, 2, 4],
            {"ordered": True, "prior": [1, 2, 3]},
            "an ordered list must have no prior to be one of ConfigSpace",
        ),
        ((16, 1024, "log-uniform"), {"prior": ("normal", 64, 0.5)}, "a standard deviation must be above log10 of 16"),
    ],
)
def test_beliefs_that_cannot_be_said_there_are_a_sentence(spec, more, sentence):
    problem = HpProblem()
    problem.add_dim("d", spec, **more)
    with pytest.raises(ProblemError, match=sentence):
        problem.to_configspace()


def test_names_that_no_expression_can_have():
    space = ConfigSpace.ConfigurationSpace()
    kind = ConfigSpace.CategoricalHyperparameter("classifier:choice", ["tree", "svm", "none"], default_value="svm")
    depth, c = (ConfigSpace.UniformIntegerHyperparameter(f"classifier:{name}", 1, 9) for name in ("depth", "c"))
    space.add(kind, depth, c)
    space.add(ConfigSpace.NotEqualsCondition(c, kind, "tree"), ConfigSpace.EqualsCondition(depth, kind, "tree"))
    space.add(
        ConfigSpace.ForbiddenAndConjunction(
            ConfigSpace.ForbiddenEqualsClause(kind, "none"), ConfigSpace.ForbiddenInClause(c, [1, 2])
        )
    )
    problem = HpProblem.from_configspace(space)
    assert problem.rules.specs() == {
        "conditions": {
            "classifier:c": [{"when": "classifier:choice", "is_in": ["svm", "none"]}],
            "classifier:depth": [{"when": "classifier:choice", "is_in": ["tree"]}],
        },
        "constraints": [{"forbidden": {"classifier:choice": ["none"], "classifier:c": [1, 2]}}],
    }
    space.add(ConfigSpace.UniformIntegerHyperparameter("last", 1, 9))
    space.add(ConfigSpace.GreaterThanCondition(space["last"], depth, 3))
    with pytest.raises(
        ProblemError, match=r"a name in .* must be one that an expression can have, got 'classifier:depth'"
    ):
        HpProblem.from_configspace(space)


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        (
            lambda: ConfigSpace.CategoricalHyperparameter("c", ["a", "b"], weights=[0, 1], default_value="b"),
            "dimension 'c': a weight must be a number above 0, got 0",
        ),
        (lambda: ConfigSpace.NormalFloatHyperparameter("x", 2, 1, -1, 1), "the mean of a prior must be from -1.0 to 1"),
        (
            lambda: ConfigSpace.UniformFloatHyperparameter("a/b", 0, 1),
            "must not be '.' nor contain '/' or NUL, got 'a/b'",
        ),
    ],
)
def test_what_cannot_be_said_here_is_a_sentence(parameter, sentence):
    space = ConfigSpace.ConfigurationSpace()
    space.add(parameter())
    with pytest.raises(ProblemError, match=sentence):
        HpProblem.from_configspace(space)


def test_what_is_no_space_is_refused():
    with pytest.raises(ProblemError, match="the space must be a ConfigurationSpace of ConfigSpace, got dict"):
        HpProblem.from_configspace({"x": (0, 1)})


@pytest.mark.parametrize(
    ("constraint", "sentence"),
    [
        (
            "n * m < 8",
            r"a rule must compare dimensions with values and with each other .*, got 'n \* m < 8'; remove it",
        ),
        (
            lambda point: point["n"] < 3,
            "a constraint must be an expression to be one of ConfigSpace, got the function ",
        ),
        ("n > 2", "what ConfigSpace has no place for must not be in the problem, got '.*"),  # the default is not legal
    ],
)
def test_what_cannot_be_said_there_is_a_sentence(constraint, sentence):
    problem = ruled()
    problem.add_constraint(constraint)
    with pytest.raises(ProblemError, match=sentence):
        problem.to_configspace()


def test_ambiguous_categories_are_refused_there():
    problem = HpProblem()
    problem.add_dim("x", [True, 1])
    with pytest.raises(
        ProblemError, match="what ConfigSpace has no place for must not be in the problem, got 'Choices"
    ):
        problem.to_configspace()


def test_a_condition_on_two_dimensions_is_refused_there():
    problem = ruled()
    problem.add_condition("degree", "n < m")
    with pytest.raises(
        ProblemError, match=r"a condition must compare a dimension with a value .*, got n < m for 'degree'"
    ):
        problem.to_configspace()


@pytest.mark.parametrize("lacking", ["ConfigSpace", "ConfigSpace.forbidden"])
def test_without_it_a_sentence_says_what_to_install(monkeypatch, lacking):
    for name in ("dhmpi.space.from_configspace", "dhmpi.space.to_configspace"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, lacking, None)
    with pytest.raises(ProblemError, match=r"ConfigSpace must be installed, 1.2.1 or later, got .*; pip install"):
        ruled().to_configspace()
