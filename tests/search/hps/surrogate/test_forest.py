import numpy as np
import pytest
from skopt.learning import ExtraTreesRegressor, RandomForestRegressor

from dhmpi.search.hps.surrogate.forest import NUM_TREES, SMALLEST_LEAF, Forest

RNG = np.random.default_rng(0)
ROWS, VALUES = RNG.random((300, 4)), RNG.normal(size=300)
CANDIDATES = RNG.random((500, 4))
NEW, TOLD = RNG.random((100, 4)), RNG.normal(size=100)


def forest(kind):
    made = Forest(kind, 7)
    made.fit(ROWS, VALUES)
    made.watch(made.locate(CANDIDATES))
    return made


@pytest.mark.parametrize(("kind", "regressor"), [("RF", RandomForestRegressor), ("ET", ExtraTreesRegressor)])
def test_its_predictions_are_those_of_scikit_optimize(kind, regressor):
    theirs = regressor(n_estimators=NUM_TREES, min_samples_leaf=SMALLEST_LEAF, random_state=7).fit(ROWS, VALUES)
    mean, std = theirs.predict(CANDIDATES, return_std=True)
    assert forest(kind).posterior.mean == pytest.approx(mean)
    assert forest(kind).posterior.std == pytest.approx(std)


@pytest.mark.parametrize("num", [1, 7, 100])
def test_leaves_have_the_statistics_of_all_points_in_them(num):
    """Extra trees are grown on every row once, so that the statistics can be worked out anew."""
    made = forest("ET")
    for start in range(0, len(NEW), num):
        part = slice(start, start + num)
        made.add(made.locate(NEW[part]), TOLD[part])
        assert np.isfinite(made.posterior.mean).all()  # asked for in between, it is worked out step by step
    leaves, values = made.locate(np.concatenate([ROWS, NEW])), np.concatenate([VALUES, TOLD])
    means, moments = np.zeros(500), np.zeros(500)
    for index, place in enumerate(made.locate(CANDIDATES)):
        members = [values[leaves[:, tree] == leaf] for tree, leaf in enumerate(place)]
        means[index] = np.mean([each.mean() for each in members])
        moments[index] = np.mean([(each**2).mean() for each in members])
    assert made.posterior.mean == pytest.approx(means)
    assert made.posterior.std == pytest.approx(np.sqrt(moments - means**2))


def test_lies_that_come_and_go_leave_no_trace():
    made, untouched = forest("RF"), forest("RF")
    places = made.locate(NEW)
    for _ in range(20):
        for place in places[:, None]:
            made.add_pending(place, np.array([3.0]))
            made.replace(place, np.array([3.0]), np.array([-1.0]))
    untouched.add(np.concatenate([places] * 20), np.full(2000, -1.0))
    assert made.posterior.mean == pytest.approx(untouched.posterior.mean, abs=1e-10)
    assert made.posterior.std == pytest.approx(untouched.posterior.std, abs=1e-7)


def test_lies_move_the_mean_and_lessen_the_deviation():
    made, lent = forest("RF"), forest("RF")
    lent.add_pending(lent.locate(CANDIDATES[:1]), np.array([3.0]))
    assert lent.posterior.mean[0] > made.posterior.mean[0]
    same = forest("RF")
    same.add_pending(same.locate(CANDIDATES[:1]), made.posterior.mean[:1])
    assert same.posterior.std[0] < made.posterior.std[0]
