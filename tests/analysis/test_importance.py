import numpy as np
import pytest

from dhmpi.analysis.importance import fenced, importances, surface, tree_shares
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results

SPACE = {
    "a": (0.0, 1.0),
    "b": (1e-4, 1.0, "log-uniform"),
    "n": (1, 9),
    "c": ["x", None, "<script>"],
    "one": [7],
    "same": (2.0, 2.0),
}


def campaign(objective, num=400, space=SPACE):
    rng = np.random.default_rng(1)
    evaluations = []
    for number in range(num):
        point = {
            "a": rng.random(),
            "b": 10 ** rng.uniform(-4, 0),
            "n": int(rng.integers(1, 10)),
            "c": space["c"][rng.integers(3)],
            "one": 7,
            "same": 2.0,
        }
        evaluations.append(Evaluation(number, point, float(objective(point)), State.DONE))
    return Results.of(Metadata("s", "p", space), evaluations)


def test_shares_of_a_sum_are_those_of_its_variance():
    found = campaign(lambda point: point["a"] + 2 * (np.log10(point["b"]) / 4), 2000)
    shares = {each.name: each.share for each in importances(found)}
    assert shares["a"] == pytest.approx(0.2, abs=0.04)
    assert shares["b"] == pytest.approx(0.8, abs=0.06)
    assert shares["n"] + shares["c"] < 0.02
    assert shares["one"] == shares["same"] == 0.0


@pytest.mark.parametrize("method", ["fanova", "ped-anova"])
def test_the_dimension_that_matters_comes_first(method):
    found = campaign(lambda point: {"x": 3.0, None: 0.0, "<script>": 1.0}[point["c"]] + 0.1 * point["a"])
    names = [each.name for each in importances(found, method)]
    assert names[0] == "c"
    assert importances(found, method) == importances(found, method)


def test_shares_of_a_tree_by_hand():
    class Tree:  # a < 0.5: 0; else b < 0.25: 0, else 4
        node_count = 5
        children_left = np.array([1, -1, 3, -1, -1])
        children_right = np.array([2, -1, 4, -1, -1])
        feature = np.array([0, -2, 1, -2, -2])
        threshold = np.array([0.5, -2, 0.25, -2, -2])
        value = np.array([0.0, 0.0, 0.0, 0.0, 4.0]).reshape(5, 1, 1)

    # Mean 1.5, variance 0.375 * 16 - 2.25 = 3.75. Along a: 0 and 3, so 2.25; along b: 0 and 2, so 0.25 * 0.75 * 4.
    assert tree_shares(Tree, 2).tolist() == pytest.approx([2.25 / 3.75, 0.75 / 3.75])


@pytest.mark.parametrize("method", ["fanova", "ped-anova"])
def test_extreme_and_equal_objectives(method):
    def extreme(point):
        return 1e300 if point["a"] > 0.99 else point["b"]

    assert importances(campaign(extreme), method)[0].name == "b"
    assert all(each.share == 0.0 for each in importances(campaign(lambda point: 3.0), method))
    assert np.isfinite(fenced(np.array([1e308, -1e308] * 10))).all()


def test_too_few_evaluations():
    with pytest.raises(ResultsError, match="need 10 evaluations that are DONE, got 3"):
        importances(campaign(lambda point: 1.0, 3))


def test_the_surface_is_in_the_units_of_the_objective():
    found = surface(campaign(lambda point: 10 + 4 * (point["n"] > 5), 300), "n", "c")
    assert found.value.shape == (3, len(found.x))
    assert (found.x[0], found.x[-1]) == (0.5, 9.5)
    assert found.value[:, 0] == pytest.approx(10.0, abs=0.2)
    assert found.value[:, -1] == pytest.approx(14.0, abs=0.2)
    assert surface(campaign(lambda point: 3.0), "a", "b").value == pytest.approx(3.0)
