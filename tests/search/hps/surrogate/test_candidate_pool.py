import gc
from itertools import islice

import numpy as np
import pytest
from contracts.executors import Inline, Later

from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.search.hps.ambs import AMBSOptions
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.candidate_pool import FEW_EVENTS, NUM_ROUNDS, PoolProposer, _refit_module
from dhmpi.search.hps.surrogate.refit import subset
from dhmpi.space.space import Space

MIXED = Space.from_specs({"x": (0.0, 1.0), "n": (1, 9), "act": [True, 1, 1.0, None], "constant": [7]})
MODELS = ["RF", "ET", "GBRT", "GP"]


def make(executor=None, seed=1, space=MIXED, learner="GBRT", acq_func="LCB", **options):
    return PoolProposer(space, seed, AMBSOptions(learner, acq_func, **options), Background(executor or Inline()))


def told(points, values):
    return [Evaluation(id, *each, State.DONE) for id, each in enumerate(zip(points, values, strict=True))]


def keys(points):
    return {MIXED.key(point) for point in points}


def bowl(point):
    return (point["x"] - 0.8) ** 2


HISTORY = MIXED.sample(np.random.default_rng(0), 14)
VALUES = [bowl(point) for point in HISTORY]


def propose(values=VALUES, points=HISTORY, **options):
    proposer = make(**options)
    proposer.told(told(points, values))
    return proposer.propose(keys(points))


@pytest.mark.parametrize(("strategy", "lie"), [("cl_min", 1.0), ("cl_mean", 5.5), ("cl_max", 10.0)])
def test_pending_points_are_in_the_model_as_lies_until_the_truth_comes(strategy, lie):
    points = MIXED.sample(np.random.default_rng(0), 13)
    *initial, first, second, third = points
    executor = Later()
    proposer = make(executor, liar_strategy=strategy)
    proposer.asked(MIXED.key(first), first)
    proposer.told(told(initial, np.arange(1.0, 11.0)))
    executor.run()
    assert proposer.ready(0.0)
    model, calls = proposer._model, []
    scale = model._scale.standard
    assert model._pending_places.keys() == keys([first])
    assert model._lie == pytest.approx(scale(np.array([lie]))[0])
    for name in ("add", "replace"):
        setattr(model.learner, name, lambda places, *values, name=name: calls.append((name, *np.ravel(values))))
    proposer.asked(MIXED.key(second), second)
    proposer.told([Evaluation(0, first, 3.0, State.DONE)])
    proposer.told([Evaluation(0, second, None, State.FAILED)])
    proposer.told([Evaluation(0, third, 0.5, State.DONE)])
    three, worst, half = scale(np.array([3.0, 10.0, 0.5]))
    assert calls == [
        ("add", model._lie),
        ("replace", model._lie, three),
        ("replace", model._lie, worst),
        ("add", half),
    ]
    assert model._best == half
    assert not model._pending_places


@pytest.mark.parametrize("learner", MODELS)
def test_what_happens_during_a_refit_is_in_the_model_that_comes_of_it(learner):
    executor = Later()
    points = MIXED.sample(np.random.default_rng(0), 300)
    late, again = make(executor, learner=learner), make(learner=learner)
    again.follow(Origin("design"))
    for each in (late, again):
        each.told(told(points[:14], range(14)))
        for point in points[14:200]:
            each.asked(MIXED.key(point), point)
        each.told(told(points[14:17], range(3)))
    assert not late.ready(0.0)
    executor.run()
    late.asked(MIXED.key(points[200]), points[200])
    assert not late.ready(0.0)  # so many events that the background has to take them in
    executor.run()
    again.asked(MIXED.key(points[200]), points[200])
    assert not late.ready(0.0)  # by hand, the next model is waited for
    seen = keys(points[:201])
    point = late.propose(seen)
    assert late.origin == Origin(learner, 17, 14, 0)
    assert late._model._pending_places.keys() == keys(points[17:201])
    again.follow(late.origin)
    assert again.propose(seen) == point
    assert again._model._pending_places.keys() == late._model._pending_places.keys()


@pytest.mark.parametrize(("num", "num_rounds"), [(FEW_EVENTS, 0), (FEW_EVENTS + 1, NUM_ROUNDS)])
def test_a_model_that_events_keep_behind_is_taken_over_in_the_end(num, num_rounds):
    executor, points = Later(), iter(MIXED.sample(np.random.default_rng(0), 300))
    proposer = make(executor)
    proposer.told(told(islice(points, 14), range(14)))
    rounds = 0
    while not proposer.refits.num_made:
        for point in islice(points, num):
            proposer.asked(MIXED.key(point), point)
        executor.run()
        rounds += 1
        proposer.ready(0.0)
    assert rounds == 1 + num_rounds
    assert len(proposer._model._pending_places) == rounds * num


def test_refits_are_due_at_counts_that_follow_from_what_is_told():
    points = MIXED.sample(np.random.default_rng(0), 300)
    executor, proposer, fitted = Inline(), None, []
    proposer = make(executor, learner="ET")
    for evaluation in told(points, range(300)):
        proposer.told([evaluation])
        fitted.append(proposer._model.num_fitted if proposer._model else 0)
    at_once = make(learner="ET")
    at_once.told(told(points, range(300)))
    assert at_once._model.num_fitted == fitted[-1]
    assert sorted(set(fitted))[:14] == [0, *range(10, 21), 22, 24]
    assert max(np.diff(sorted(set(fitted)))[1:]) == 25
    assert proposer.refits.num_made == len(set(fitted)) - 1


def test_when_candidates_run_low_others_come():
    space = Space.from_specs({"x": (0.0, 1.0), "y": (0.0, 1.0)})
    proposer, seen = make(space=space, learner="RF"), set()
    proposer.told(told(space.sample(np.random.default_rng(0), 12), range(12)))
    while proposer._model.block < 2:
        assert proposer.ready(None)
        point = proposer.propose(seen)
        assert space.key(point) not in seen
        seen.add(space.key(point))
        proposer.asked(space.key(point), point)
    resumed = make(space=space, learner="RF")
    resumed.told(told(space.sample(np.random.default_rng(0), 12), range(12)))
    for key in sorted(seen):
        resumed.asked(key, dict(zip(space.names, key, strict=True)))
    resumed.settle()
    assert resumed._model.block == 2
    assert resumed.propose(seen) == proposer.propose(seen)
    assert len(seen) > 3000


@pytest.mark.parametrize("learner", MODELS)
def test_proposals_are_where_the_objective_is_low(learner):
    points = [{"x": x, "n": 5, "act": None, "constant": 7} for x in np.linspace(0, 1, 30).tolist()]
    point = propose([bowl(each) for each in points], points, learner=learner, kappa=0.0)
    assert 0.6 <= point["x"] <= 1.0


@pytest.mark.parametrize("factor", [2.0**-900, 2.0**900])  # powers of two scale without rounding
def test_the_scale_of_the_objective_does_not_matter(factor):
    assert propose([factor * value for value in VALUES]) == propose()


@pytest.mark.parametrize("learner", MODELS)
@pytest.mark.parametrize("values", [[1e300, -1e300], [1.7e308, 1.6e308], [5e-324, 0.0], [0.0], [1e300], [1e300, 1.0]])
def test_extreme_and_constant_objectives_are_no_obstacle(learner, values):
    many = (values * len(HISTORY))[: len(HISTORY)]
    point = propose(many, learner=learner)
    assert MIXED.canonical(point) == point
    assert list(point) == list(MIXED.names)


def test_another_seed_gives_another_proposal():
    assert propose(seed=1) != propose(seed=2)


def test_a_subset_has_the_best_the_latest_and_some_others_once():
    values = np.random.default_rng(0).permutation(1000.0 * np.ones(1000) * np.arange(1000))
    chosen = subset(values, 90, np.random.default_rng(1))
    assert len(set(chosen.tolist())) == len(chosen) == 90
    assert set(np.argsort(values)[:30]) <= set(chosen.tolist())
    assert set(range(970, 1000)) <= set(chosen.tolist())
    assert subset(values[:90], 90, np.random.default_rng(1)).tolist() == list(range(90))


@pytest.mark.parametrize("learner", MODELS)
def test_what_functions_wanted_of_an_earlier_model_need_not_be_located_when_results_come(learner, monkeypatch):
    proposer = make(learner=learner, acq_func="gp_hedge")
    proposer.told(told(HISTORY, VALUES))
    seen, asked = keys(HISTORY), []
    for _ in range(8):
        assert proposer.ready(None)
        asked.append(proposer.propose(seen))
        seen.add(MIXED.key(asked[-1]))
        proposer.asked(MIXED.key(asked[-1]), asked[-1])
    before = proposer._model
    proposer.told(told(asked[:4], map(bowl, asked[:4])))
    assert proposer.ready(None)
    proposer.told(told(asked[4:5], [0.3]))
    model, hedge = proposer._model, proposer._hedge
    assert model is not before
    wanted = np.concatenate(hedge.expected)
    unknown = np.array([row for row in wanted if model.candidates.index(row) < 0])
    assert len(unknown)
    expected = model.learner.predict(model.learner.locate(unknown)).mean
    monkeypatch.setattr(model.learner, "locate", None)  # a call would fail
    assert model.mean(unknown).tolist() == pytest.approx(expected.tolist(), rel=1e-12)


def test_garbage_is_collected_once_when_what_makes_models_is_imported(monkeypatch):
    rounds = []
    monkeypatch.setattr(gc, "collect", lambda: rounds.append("full"))
    _refit_module.cache_clear()
    for seed in range(3):
        assert propose(seed=seed) is not None
    assert rounds == ["full"]
