import numpy as np
import pytest

from dhmpi.search.hps.ambs import AMBSOptions
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.surrogate.refit import make_learner
from dhmpi.search.hps.surrogate.refit_task import RefitTask
from dhmpi.space.space import Space

NAMES = ["RF", "ET", "GBRT", "GP"]
MIXED = Space.from_specs({"x": (0.0, 1.0), "n": (1, 9), "act": ["relu", None, True]})
LINE = Space.from_specs({"x": (0.0, 1.0)})
SPACES = {
    "mixed": MIXED,
    "line": LINE,
    "categories": Space.from_specs({"act": ["relu", None, True], "flag": [True, False]}),
}

pytestmark = pytest.mark.parametrize("name", NAMES)


def make(name, encoding, seed=0, **options):
    none = np.empty((0, encoding.num_columns)), np.empty(0)
    return make_learner(RefitTask(encoding, 0, AMBSOptions(name, **options), float, 0, 0, *none, []), seed)


def fitted(name, space, points, values, seed=0):
    encoding = Encoding(space)
    learner = make(name, encoding, seed)
    learner.fit(encoding.encode(points), np.asarray(values, dtype=float))
    return lambda points: learner.predict(learner.locate(encoding.encode(points)))


def watching(name, num=40, **options):
    """A learner that watches some candidates, their places, and points that are none of them."""
    encoding, rng = Encoding(MIXED), np.random.default_rng(3)
    learner = make(name, encoding, **options)
    learner.fit(encoding.encode(MIXED.sample(rng, 60)), rng.normal(size=60))
    candidates, others = (encoding.encode(MIXED.sample(rng, each)) for each in (200, num))
    learner.watch(learner.locate(candidates))
    return learner, candidates, others, rng.normal(size=num)


def close(posterior):
    return [pytest.approx(each, abs=1e-7) for each in posterior]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("num", [1, 40])
def test_there_is_a_finite_mean_and_deviation_per_row(name, space, num):
    rng = np.random.default_rng(1)
    predict = fitted(name, SPACES[space], SPACES[space].sample(rng, 14), rng.normal(size=14))
    mean, std = predict(SPACES[space].sample(rng, num))
    assert mean.shape == std.shape == (num,)
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()


def test_no_deviation_is_negative(name):
    rng = np.random.default_rng(2)
    predict = fitted(name, MIXED, MIXED.sample(rng, 12), rng.normal(size=12))
    _, std = predict(MIXED.sample(rng, 500))
    assert std.min() >= 0


@pytest.mark.parametrize("value", [0.0, -2.5])
def test_a_constant_objective_is_predicted(name, value):
    rng = np.random.default_rng(1)
    predict = fitted(name, MIXED, MIXED.sample(rng, 12), np.full(12, value))
    mean, std = predict(MIXED.sample(rng, 20))
    assert mean == pytest.approx(np.full(20, value), abs=1e-3)
    assert std == pytest.approx(np.zeros(20), abs=1e-2)


def test_the_same_point_may_have_several_objectives(name):
    point = {"x": 0.5}
    mean, std = fitted(name, LINE, [point] * 12, [-1.0, 1.0] * 6)([point])
    assert abs(mean[0]) <= 1
    assert np.isfinite(std).all()


def test_predictions_follow_the_data(name):
    """A step: low on the left, high on the right."""
    points = [{"x": x} for x in np.linspace(0, 1, 24).tolist()]
    values = [-1.0 if point["x"] < 0.5 else 1.0 for point in points]
    mean, _ = fitted(name, LINE, points, values)([{"x": 0.1}, {"x": 0.3}, {"x": 0.7}, {"x": 0.9}])
    assert max(mean[:2]) < -0.5
    assert min(mean[2:]) > 0.5


def test_the_same_seed_predicts_the_same(name):
    rng = np.random.default_rng(1)
    points, values, candidates = MIXED.sample(rng, 14), rng.normal(size=14), MIXED.sample(rng, 20)
    first, again = (fitted(name, MIXED, points, values, seed=3)(candidates) for _ in range(2))
    assert np.array_equal(first, again)


def test_what_is_watched_is_predicted(name):
    learner, candidates, _, _ = watching(name)
    assert list(learner.posterior) == close(learner.predict(learner.locate(candidates)))


@pytest.mark.parametrize("num", [1, 5, 40])
def test_points_may_come_one_by_one_or_at_once_and_the_truth_replaces_the_lie(name, num):
    (one, _, rows, values), (many, *_) = watching(name, num), watching(name, num)
    before = one.posterior
    for row, value in zip(rows, values, strict=True):
        one.add_pending(one.locate(row[None]), np.array([5.0]))
        assert not np.allclose(one.posterior.mean, before.mean)
        one.replace(one.locate(row[None]), np.array([5.0]), np.array([value]))
    many.add_pending(many.locate(rows), np.full(num, 5.0))
    many.replace(many.locate(rows), np.full(num, 5.0), values)
    told, *_ = watching(name, num)
    told.add(told.locate(rows), values)
    assert list(one.posterior) == close(told.posterior)
    assert list(many.posterior) == close(told.posterior)


def test_a_high_lie_makes_its_neighbourhood_look_worse(name):
    learner, candidates, _, _ = watching(name)
    before = learner.posterior.mean[7]
    learner.add(learner.locate(candidates[7:8]), np.array([3.0]))
    assert learner.posterior.mean[7] > before


def test_large_histories_are_fitted_in_part(name):
    assert make(name, Encoding(MIXED)).max_rows <= 4000
