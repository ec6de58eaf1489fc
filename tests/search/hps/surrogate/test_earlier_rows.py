import numpy as np
import pytest
from contracts.watch import problem_of

from dhmpi.evaluation import Observation
from dhmpi.search.hps.surrogate.archive import KnownEvaluations
from dhmpi.search.hps.surrogate.box import Box, whole_box
from dhmpi.search.hps.surrogate.box_surrogate import AcquisitionBudget, fit_surrogate
from dhmpi.search.hps.surrogate.earlier_rows import FADED, MOST_EARLIER, EarlierRows
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.surrogate.tabu import TabuRegions


@pytest.fixture
def encoding():
    return Encoding(problem_of({"x": (0.0, 1.0), "y": (0.0, 1.0)}).dimensions)


def earlier(encoding, sources=(0,), num=80, function=lambda point: point["x"] + point["y"]):
    rng = np.random.default_rng(0)
    points = encoding.space.sample(rng, num)
    known = [Observation(point, function(point), sources[at % len(sources)]) for at, point in enumerate(points)]
    return EarlierRows.of(encoding, known)


def test_sources_are_numbered_from_1(encoding):
    made = earlier(encoding, sources=(5, 2))
    assert (made.num_sources, set(made.tasks.tolist())) == (2, {1, 2})
    assert made.rows[made.tasks == 1].sum(axis=1) == pytest.approx(made.objectives[made.tasks == 1])


@pytest.mark.parametrize(("num_own", "num"), [(0, MOST_EARLIER), (FADED // 2, MOST_EARLIER // 2)])
def test_fewer_are_used_as_a_campaign_knows_more(encoding, num_own, num):
    made = earlier(encoding)
    assert len(made.near(encoding, whole_box(encoding), num_own).rows) == num


def test_a_campaign_that_knows_enough_does_without(encoding):
    made = earlier(encoding)
    assert made.near(encoding, whole_box(encoding), FADED) is None


def test_none_is_far_from_a_box(encoding):
    made = earlier(encoding)
    box = Box(np.array([0.2, 0.2]), np.array([0.1, 0.1]))
    near = made.near(encoding, box, 1)
    assert 0 < len(near.rows) < len(made.rows)
    assert (np.abs(near.rows - 0.2) <= 0.2).all()
    assert made.near(encoding, Box(np.array([0.2, 0.2]), np.array([1e-9, 1e-9])), 1) is None


def test_objectives_are_standardised_by_source(encoding):
    made = earlier(encoding, sources=(0, 1))
    shifted = made._replace(objectives=np.where(made.tasks == 1, made.objectives, 50 + 9 * made.objectives))
    values, _ = shifted.warped(np.inf)
    for task in (1, 2):
        assert values[made.tasks == task].mean() == pytest.approx(0, abs=1e-9)
        assert values[made.tasks == task].std() == pytest.approx(1)


def bowl(point, at=0.3):
    return (point["x"] - at) ** 2 + (point["y"] - at) ** 2


def fitted(encoding, function, known_function, num=25):
    points = encoding.space.sample(np.random.default_rng(7), num)
    objectives = np.array([known_function(point) for point in points])
    known = KnownEvaluations(encoding.encode(points), objectives, np.zeros(num))
    tabu = TabuRegions(np.empty((0, encoding.num_columns)))
    source = earlier(encoding, function=function)
    return fit_surrogate(encoding, whole_box(encoding), np.arange(num), known, tabu, source), known


def test_what_helps_is_used_and_what_does_not_is_left_out(encoding):
    helpful, _ = fitted(encoding, bowl, lambda point: 100 + 7 * bowl(point) + np.sin(9 * point["x"]), num=6)
    assert helpful.earlier is not None
    rng = np.random.default_rng(1)
    noise, _ = fitted(encoding, lambda point: float(rng.normal()), lambda point: 7 * bowl(point))
    assert noise.earlier is None or abs(noise.parameters.tasks.matern[0]) < 0.5


def test_few_results_and_a_source_foretell_the_others(encoding):
    surrogate, known = fitted(encoding, bowl, lambda point: 100 + 7 * bowl(point), num=4)
    process = surrogate.process(known, AcquisitionBudget(200, 0, 1, 1))
    points = encoding.space.sample(np.random.default_rng(9), 40)
    means = process.predict(surrogate.frame.rows(encoding.encode(points))).mean
    ranks = [np.argsort(np.argsort(each)) for each in (means, [bowl(point) for point in points])]
    assert np.corrcoef(*ranks)[0, 1] > 0.9
