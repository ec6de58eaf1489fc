import numpy as np
import pytest

from dhmpi.analysis.gaussian_process import Axis, fitted
from dhmpi.analysis.importance import data, fenced, importances, meaning, surface
from dhmpi.benchmark import HpProblem
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, Results
from dhmpi.results.report_log import ReportHistory, Reports
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.random import RandomSearch

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
    found = campaign(
        lambda point: {"x": 3.0, None: 0.0, "<script>": 1.0}[point["c"]] + 0.1 * point["a"] + 0.01 * point["n"]
    )
    names = [each.name for each in importances(found, method)]
    assert names[0] == "c"
    assert importances(found, method) == importances(found, method)


def test_averages_of_a_process_are_those_of_what_it_predicts():
    space = {"a": (0.0, 1.0), "c": ["x", None, "<script>"], "n": (1, 9)}
    found = campaign(lambda point: np.sin(6 * point["a"]) * (point["c"] is None) + 0.1 * point["n"], 60, SPACE)
    dimensions, objective = data(found, 60)
    axes = [Axis.of(each) for each in dimensions if each.name in space]
    process = fitted(axes, objective)
    kernels = [
        axis.kernel(axis.distance(axis.places) / width) for axis, width in zip(axes, process.lengthscales, strict=True)
    ]
    grid = process.mean + np.einsum("ai,ni,ci,i->anc", *kernels, process.weights)  # at every combination of places
    total = grid.var() + process.noise * process.variance
    by_hand = [grid.mean(axis=others).var() / total for others in ((1, 2), (0, 2), (0, 1))]
    assert process.shares() == pytest.approx(by_hand)
    surface = process.surface(0, 2, axes[0].places, axes[2].places)
    assert surface == pytest.approx(grid.mean(axis=1).T)


@pytest.mark.parametrize("method", ["fanova", "ped-anova"])
def test_extreme_and_equal_objectives(method):
    def extreme(point):
        return 1e300 if point["a"] > 0.99 else point["b"]

    assert importances(campaign(extreme), method)[0].name == "b"
    assert all(each.share == 0.0 for each in importances(campaign(lambda point: 3.0), method))
    assert np.isfinite(fenced(np.array([1e308, -1e308] * 10))).all()


def test_too_few_evaluations():
    with pytest.raises(ResultsError, match="need 10 evaluations that are DONE or STOPPED, got 3"):
        importances(campaign(lambda point: 1.0, 3))


def test_the_surface_is_in_the_units_of_the_objective():
    found = surface(campaign(lambda point: 10 + 4 * (point["n"] > 5), 300), "n", "c")
    assert found.value.shape == (3, len(found.x))
    assert (found.x[0], found.x[-1]) == (1.0, 9.0)
    assert found.value[:, 0] == pytest.approx(10.0, abs=0.2)
    assert found.value[:, -1] == pytest.approx(14.0, abs=0.2)
    assert surface(campaign(lambda point: 3.0), "a", "b").value == pytest.approx(3.0)


# Functions with known Sobol indices of the first order.
def _parabolas(point):
    return 4 * (point["a"] - 0.3) ** 2 + 2 * (point["b"] - 0.3) ** 2 + 1.5 * (point["c"] == "x")


def _product(point):
    return 2 * abs(point["a"] - 0.7) + 4 * (point["b"] - 0.5) * (point["n"] - 0.5)


# Variances: 16 and 4 times 13/900 (E (x - 0.3)^4 = 0.0341, squared mean 0.0152), and 2.25 * 2/9.
_PARABOLA = (0.7**5 + 0.3**5) / 5 - ((0.7**3 + 0.3**3) / 3) ** 2
_SUM = 20 * _PARABOLA + 2.25 * 2 / 9
_WEDGE = 4 * ((0.7**3 + 0.3**3) / 3 - ((0.7**2 + 0.3**2) / 2) ** 2)
CONTINUOUS = {"a": (0.0, 1.0), "b": (0.0, 1.0), "n": (0.0, 1.0), "c": ["x", "y", "z"]}
SOBOL = {
    "parabolas": (_parabolas, {"a": 16 * _PARABOLA / _SUM, "b": 4 * _PARABOLA / _SUM, "c": 0.5 / _SUM, "n": 0.0}),
    "product": (_product, {"a": _WEDGE / (_WEDGE + 1 / 9), "b": 0.0, "n": 0.0, "c": 0.0}),
}


def _asked(search, function, num):
    evaluations = []
    for number in range(num):
        [point] = search.ask(1)
        evaluations.append(Evaluation(number, dict(point), float(function(point)), State.DONE))
        search.tell(evaluations[-1:])
    return Results.of(Metadata("s", "p", CONTINUOUS), evaluations)


@pytest.mark.parametrize("name", SOBOL)
def test_a_search_that_settles_finds_the_importances_of_the_whole_space(name):
    """Most points of `ambs` are near its optimum, and those of random search everywhere."""
    function, known = SOBOL[name]
    problem = HpProblem()
    for dimension, spec in CONTINUOUS.items():
        problem.add_dim(dimension, spec)
    for search in (RandomSearch(problem, function, seed=1), AMBS(problem, function, seed=1)):
        found = {each.name: each for each in importances(_asked(search, function, 100))}
        for dimension, share in known.items():
            assert found[dimension].share == pytest.approx(share, abs=0.2), (type(search), found)
            assert found[dimension].spread >= 0.0


def test_few_evaluations_have_a_larger_spread():
    few, many = (importances(campaign(_noisy, num)) for num in (20, 400))
    assert few[0].spread > 2 * many[0].spread > 0


def _noisy(point):
    return point["a"] + 0.3 * np.sin(1e6 * point["b"])


TRAINING = {"lr": (1e-5, 1.0, "log-uniform"), "dropout": (0.0, 0.6), "units": (8, 256)}
NUM_EPOCHS, FIRST_RUNG, GOING_ON = 27, 3, 0.2


def _error_after(point, epoch):
    """Error that falls the slower, the smaller lr is; where lr is right, only dropout makes a difference."""
    away = abs(np.log10(point["lr"]) + 2.5) / 2.5
    end = 0.05 + 3 * max(0.0, away - 0.45) ** 2 + 0.1 * point["dropout"] ** 2
    return end + (1 - end) * np.exp(-epoch / (2.0 + 4.0 * (np.log10(point["lr"]) < -2.5) * away))


def _halved(num=120):
    """Return trainings of which the worst are stopped at an early step, and the same without that."""
    rng, rows, stopped, whole = np.random.default_rng(3), [], [], []
    points = [
        {"lr": 10 ** rng.uniform(-5, 0), "dropout": 0.6 * rng.random(), "units": int(rng.integers(8, 257))}
        for _ in range(num)
    ]
    worst = np.quantile([_error_after(point, FIRST_RUNG) for point in points], GOING_ON)
    for number, point in enumerate(points):
        is_last = _error_after(point, FIRST_RUNG) > worst
        last, state = (FIRST_RUNG, State.STOPPED) if is_last else (NUM_EPOCHS, State.DONE)
        rows += [(number, epoch, _error_after(point, epoch)) for epoch in range(1, last + 1)]
        stopped.append(Evaluation(number, point, rows[-1][-1], state, step=float(last)))
        whole.append(Evaluation(number, point, _error_after(point, NUM_EPOCHS), State.DONE))
    numbers, steps, values = np.array(rows).T
    reports = Reports(numbers.astype(np.int64), steps, values, 100.0 + steps, np.full(len(steps), -1))
    without, made = (Results.of(Metadata("s", "p", TRAINING), each) for each in (whole, stopped))
    return without, Results(made.metadata, made.columns, report_source=lambda: ReportHistory(reports))


def _shares(results):
    return {each.name: each.share for each in importances(results)}


def test_what_was_stopped_counts_with_what_it_would_have_come_to():
    whole, halved = _halved()
    true, found = _shares(whole), _shares(halved)
    done = [each for each in halved.evaluations if each.state is State.DONE]
    assert true["lr"] > 0.9
    assert _shares(Results.of(halved.metadata, done))["lr"] < 0.1  # all of these have a good lr
    assert found == pytest.approx(true, abs=0.05)
    assert meaning(halved, "fanova").endswith(f"; {120 - len(done)} STOPPED ones with their probable ends")
    assert "STOPPED" not in meaning(whole, "fanova")
