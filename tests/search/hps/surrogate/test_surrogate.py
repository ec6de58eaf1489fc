import numpy as np
import pytest

from dhmpi.benchmark.space import Space
from dhmpi.search.hps.ambs import LEARNERS, AMBSOptions
from dhmpi.search.hps.surrogate import surrogate as module
from dhmpi.search.hps.surrogate.surrogate import Surrogate

MIXED = Space.from_specs({"x": (0.0, 1.0), "n": (1, 9), "act": [True, 1, 1.0, None], "constant": [7]})
SMALL = Space.from_specs({"n": (0, 4), "act": [True, 1]})
MODELS = [name for name in LEARNERS if name != "DUMMY"]


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch):
    monkeypatch.setattr(module, "NUM_RANDOM", 200)
    monkeypatch.setattr(module, "NUM_NEAR", 100)


def make(space=MIXED, seed=1, learner="GBRT", acq_func="LCB", **options):
    return Surrogate(space, seed, AMBSOptions(learner, acq_func, **options))


def keys(space, points):
    return {space.key(point) for point in points}


def bowl(point):
    return (point["x"] - 0.8) ** 2


HISTORY = MIXED.sample(np.random.default_rng(0), 14)
VALUES = [bowl(point) for point in HISTORY]


def propose(points=HISTORY, values=VALUES, **options):
    return make(**options).propose(points, values, keys(MIXED, points))


@pytest.mark.parametrize("learner", MODELS)
def test_a_proposal_is_new_and_legal(learner):
    point = propose(learner=learner)
    assert MIXED.canonical(point) == point
    assert list(point) == list(MIXED.names)
    assert MIXED.key(point) not in keys(MIXED, HISTORY)


@pytest.mark.parametrize("acq_func", ["LCB", "gp_hedge"])
def test_the_rest_of_a_finite_space_is_proposed_and_then_nothing(acq_func):
    surrogate, points = make(SMALL, acq_func=acq_func), SMALL.sample(np.random.default_rng(0), 1)
    while (point := surrogate.propose(points, [float(each["n"]) for each in points], keys(SMALL, points))) is not None:
        assert SMALL.key(point) not in keys(SMALL, points)
        points.append(point)
    assert len(points) == SMALL.size


def test_seen_points_need_not_be_known():
    seen = keys(SMALL, [SMALL._at(index, list(SMALL.dimensions)) for index in range(9)])
    point = make(SMALL).propose([{"n": 0, "act": True}, {"n": 1, "act": True}], [0.0, 1.0], seen)
    assert point == {"n": 4, "act": 1}
    assert type(point["act"]) is int


@pytest.mark.parametrize(("learner", "acq_func"), [*((name, "LCB") for name in MODELS), ("GBRT", "gp_hedge")])
def test_the_same_knowledge_gives_the_same_proposal(learner, acq_func):
    first, again = (propose(learner=learner, acq_func=acq_func) for _ in range(2))
    assert first == again


def test_the_hedge_of_a_resumed_campaign_goes_on_as_if_never_stopped():
    points = MIXED.sample(np.random.default_rng(0), 26)
    whole, differing = make(acq_func="gp_hedge"), []
    for num in range(10, 26):
        known = points[:num], [bowl(point) for point in points[:num]], keys(MIXED, points[:num])
        if whole.propose(*known) != make(acq_func="gp_hedge").propose(*known):
            differing.append(num)
    assert differing == []


def test_another_seed_gives_another_proposal():
    assert propose(seed=1) != propose(seed=2)


def test_a_proposal_depends_on_how_much_is_known():
    assert propose() != propose(HISTORY[:-1], VALUES[:-1])


@pytest.mark.parametrize("learner", MODELS)
def test_proposals_are_where_the_objective_is_low(learner):
    points = [{"x": x, "n": 5, "act": None, "constant": 7} for x in np.linspace(0, 1, 30).tolist()]
    point = propose(points, [bowl(each) for each in points], learner=learner, kappa=0.0)
    assert 0.6 <= point["x"] <= 1.0


@pytest.mark.parametrize("factor", [2.0**-900, 2.0**900])  # powers of two scale without rounding
def test_the_scale_of_the_objective_does_not_matter(factor):
    assert propose(values=[factor * value for value in VALUES]) == propose()


@pytest.mark.parametrize("learner", MODELS)
@pytest.mark.parametrize("values", [[1e300, -1e300], [1.7e308, 1.6e308], [5e-324, 0.0], [0.0], [1e300], [1e300, 1.0]])
def test_extreme_and_constant_objectives_are_no_obstacle(learner, values):
    many = (values * len(HISTORY))[: len(HISTORY)]
    point = propose(values=many, learner=learner)
    assert MIXED.canonical(point) == point


def test_a_space_of_one_dimension_besides_constants():
    space = Space.from_specs({"a": ["only"], "x": (0.0, 1.0), "b": [None]})
    points = space.sample(np.random.default_rng(0), 12)
    point = make(space).propose(points, [point["x"] for point in points], keys(space, points))
    assert (point["a"], point["b"]) == ("only", None)
    assert 0 <= point["x"] <= 1
