import statistics

import pytest
from contracts.search import SearchContract, converse, done, mixed_problem, objective

from dhmpi.benchmark import HpProblem
from dhmpi.errors import OptionError
from dhmpi.search.hps import ambs
from dhmpi.search.hps.ambs import ACQ_FUNCS, AMBS, LEARNERS, LIES, NUM_INITIAL_POINTS
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.hps.surrogate.surrogate import Surrogate


class TestContract(SearchContract):
    @pytest.fixture
    def make(self):
        return AMBS


class TestGaussianProcessContract(SearchContract):
    @pytest.fixture
    def make(self):
        return lambda problem, **options: AMBS(problem, learner="GP", acq_func="EI", **options)

    def test_another_process_gives_the_same_points(self, make):
        """The registry's default is another learner; the forest's contract covers this."""


@pytest.fixture(scope="module")
def history():
    search = RandomSearch(mixed_problem(), seed=1)
    return [done(id, point, objective(point)) for id, point in enumerate(search.ask(NUM_INITIAL_POINTS + 2))]


@pytest.mark.parametrize("liar_strategy", LIES)
@pytest.mark.parametrize("acq_func", ACQ_FUNCS)
@pytest.mark.parametrize("learner", LEARNERS)
def test_every_combination_proposes_new_legal_points(history, learner, acq_func, liar_strategy):
    search = AMBS(mixed_problem(), learner=learner, acq_func=acq_func, liar_strategy=liar_strategy)
    search.tell(history)
    seen = {search.space.key(evaluation.point) for evaluation in history}
    for _ in range(2):  # the second one while the first is pending
        [point] = search.ask(1)
        assert search.space.canonical(point) == point
        assert search.space.key(point) not in seen
        seen.add(search.space.key(point))


@pytest.mark.parametrize(("strategy", "lie"), [("cl_min", 1.0), ("cl_mean", 2.5), ("cl_max", 4.0)])
def test_pending_points_are_in_the_model_as_lies_until_the_truth_comes(monkeypatch, strategy, lie):
    calls = []

    def propose(self, points, values, seen):
        calls.append((list(points), list(values)))

    monkeypatch.setattr(Surrogate, "propose", propose)
    monkeypatch.setattr(ambs, "NUM_INITIAL_POINTS", 4)
    search = AMBS(mixed_problem(), liar_strategy=strategy)
    points = search.ask(6)
    search.tell([done(id, point, float(id + 1)) for id, point in enumerate(points[:4])])
    search.ask(1)
    known, values = calls[-1]
    assert known == points
    assert values == [1.0, 2.0, 3.0, 4.0, lie, lie]
    search.tell([done(4, points[4], 0.5)])
    search.ask(1)
    assert calls[-1][1][:5] == [1.0, 2.0, 3.0, 4.0, 0.5]


@pytest.mark.parametrize("learner", ["RF", "GP"])
def test_it_finds_better_points_than_random(learner):
    problem = HpProblem()
    for name in ("x", "y", "z"):
        problem.add_dim(name, (-3.0, 4.0))

    def best(search):
        values = []

        def evaluate(id, point):
            values.append((point["x"] - 1) ** 2 + (point["y"] - 2) ** 2 + point["z"] ** 2)
            return done(id, point, values[-1])

        converse(search, 40, evaluate, num_pending=2)
        return min(values)

    seeds = range(3)
    ours = statistics.median(best(AMBS(problem, learner=learner, acq_func="LCB", seed=seed)) for seed in seeds)
    random = statistics.median(best(RandomSearch(problem, seed=seed)) for seed in seeds)
    assert ours < random


def test_an_unknown_learner_is_refused():
    with pytest.raises(OptionError, match="learner must be one of RF, ET, GBRT, GP, DUMMY, got RFF; did you mean 'RF'"):
        AMBS(mixed_problem(), learner="RFF")


def test_names_may_be_spelled_in_any_case():
    assert AMBS(mixed_problem(), learner="gp", acq_func="lcb").own_options.learner == "GP"
