import copy
import pickle
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest
from contracts.executors import Inline, Later
from contracts.search import SearchContract, converse, done, ended, mixed_problem, objective, small_problem

from dhmpi.benchmark import HpProblem
from dhmpi.benchmark.hps import rosen30
from dhmpi.errors import OptionError
from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.search.hps.ambs import ACQ_FUNCS, AMBS, LIES
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.hps.surrogate import candidate_pool

MODELS = ["RF", "ET", "GBRT", "GP"]


def inline(problem, **options):
    """A search whose refits are done at once, so that it can be repeated."""
    search = AMBS(problem, **options)
    search.use(Inline())
    return search


class TestContract(SearchContract):
    @pytest.fixture
    def make(self):
        return lambda problem, **options: AMBS(problem, **options)


class TestForestContract(SearchContract):
    options = {"learner": "RF"}

    @pytest.fixture
    def make(self):
        return lambda problem, **options: inline(problem, learner="RF", **options)


class TestGaussianProcessContract(SearchContract):
    options = {"learner": "GP", "acq_func": "EI"}

    @pytest.fixture
    def make(self):
        return lambda problem, **options: inline(problem, learner="GP", acq_func="EI", **options)


@pytest.fixture(scope="module")
def history():
    search = RandomSearch(mixed_problem(), seed=1)
    return [done(id, point, objective(point)) for id, point in enumerate(search.ask(12))]


LEARNERS = [*MODELS, "DUMMY"]
# Each learner with each acquisition function, and both with each lie: the whole matrix is benchmarks/ambs_matrix.py.
COMBINATIONS = [
    (learner, acq_func, LIES[(row + column) % len(LIES)])
    for row, learner in enumerate(LEARNERS)
    for column, acq_func in enumerate(ACQ_FUNCS)
]


@pytest.mark.parametrize(("learner", "acq_func", "liar_strategy"), COMBINATIONS)
def test_every_combination_proposes_new_legal_points(history, learner, acq_func, liar_strategy):
    search = inline(mixed_problem(), learner=learner, acq_func=acq_func, liar_strategy=liar_strategy)
    search.tell(history)
    seen = {search.space.key(evaluation.point) for evaluation in history}
    for point in search.ask(3):  # the second one while the first is pending
        assert search.space.canonical(point) == point
        assert list(point) == list(search.space.names)
        assert search.space.key(point) not in seen
        seen.add(search.space.key(point))
    assert search.statistics()["mode"] == ("random" if learner == "DUMMY" else learner)


@pytest.mark.parametrize("learner", MODELS)
@pytest.mark.parametrize("problem", [mixed_problem, small_problem])
def test_a_resumed_search_goes_on_with_the_model_that_it_would_have_had(learner, problem):
    """With points pending, results in another order than that of asking, and failures."""
    whole, waiting, ended_ones = inline(problem(), learner=learner, seed=4), [], []
    rng = np.random.default_rng(2)
    for id in range(40):
        waiting += [Evaluation(id, point, origin=origin) for point, origin in whole.proposals(1)]
        if len(waiting) > 5:
            asked = waiting.pop(int(rng.integers(len(waiting))))
            fields = {"objective": float(rng.normal()), "state": State.DONE}
            if id % 7 == 0:
                fields = {"state": State.FAILED}
            ended_ones.append(asked._replace(ended=float(id), **fields))
            whole.tell(ended_ones[-1:])
    resumed = inline(problem(), learner=learner)
    resumed.resume(4, sorted(ended_ones + waiting))
    assert resumed.statistics()["mode"] == whole.statistics()["mode"]
    assert resumed.ask(6) == whole.ask(6)


def test_a_search_is_resumed_with_a_model_although_nobody_waits_for_refits_later(history):
    search = AMBS(mixed_problem(), learner="RF")
    search.resume(4, history)
    assert search.statistics()["mode"] == "RF"
    assert search.statistics()["refits"] == 1


@pytest.mark.parametrize("learner", MODELS)
def test_many_workers_do_not_wait_for_a_later_model(history, learner):
    executor = Later()
    search = AMBS(mixed_problem(), learner=learner)
    search.use(executor)
    search.begin_run(200)
    search.tell(history)
    assert search.proposals(50, 0.0) == []
    assert search.is_waiting
    executor.run()
    points = [proposal.point for proposal in search.proposals(50, 0.0)]
    assert len(points) == 50
    assert not search.is_waiting
    assert search.statistics()["mode"] == learner
    search.tell([done(50 + id, point, 1.0) for id, point in enumerate(points[:30])])
    assert len(executor.jobs) == 1
    assert search.proposals(100, 0.0) == []  # for a moment
    time.sleep(0.05)
    proposals = search.proposals(100, 0.0)
    assert len(proposals) == 100
    assert {(each.origin.known, each.origin.fitted) for each in proposals} == {(42, 12)}


@pytest.mark.parametrize("learner", ["auto", *MODELS])
@pytest.mark.parametrize("num_workers", [None, 1, 4])
def test_every_point_after_the_first_results_comes_from_a_model(learner, num_workers):
    """However short evaluations are: results come as soon as points are asked."""
    search = AMBS(mixed_problem(), learner=learner)
    if num_workers is not None:
        search.begin_run(num_workers)
    origins = []
    for id in range(60):
        [(point, origin)] = search.proposals(1)
        origins.append(origin)
        search.tell([done(id, point, objective(point))])
    assert [origin.model for origin in origins[:11]] == ["start", *["design"] * 9, search.statistics()["mode"]]
    assert all(origin.fitted for origin in origins[10:])
    assert all(origin.known - origin.fitted <= max(num_workers or 1, origin.known / 10) for origin in origins[10:])
    assert search.statistics()["points_without_model"] == 0


@pytest.mark.parametrize("learner", ["auto", *MODELS])
def test_a_short_campaign_in_many_dimensions_has_a_model(learner):
    search = AMBS(rosen30.Problem, learner=learner, max_evals=30)
    search.tell([done(id, point, rosen30.run(point)) for id, point in enumerate(search.ask(10))])
    [(_, origin)] = search.proposals(1)
    assert (origin.model, origin.fitted) == (search.statistics()["mode"], 10)


def test_in_many_dimensions_a_short_campaign_finds_more_than_random_search():
    ambs, random = (kind(rosen30.Problem, max_evals=30) for kind in (AMBS, RandomSearch))
    points = [
        converse(search, 30, lambda id, point: done(id, point, rosen30.run(point)), 1) for search in (ambs, random)
    ]
    best_of_ambs, best_at_random = (min(map(rosen30.run, each)) for each in points)
    assert best_of_ambs < 0.8 * best_at_random


def test_what_was_asked_before_the_first_results_is_the_first_design():
    search = AMBS(mixed_problem(), learner="RF")
    search.begin_run(30)
    points = search.proposals(30, 0.0)
    assert {origin.model for _, origin in points} == {"start", "design"}
    search.tell([done(id, point, objective(point)) for id, (point, _) in enumerate(points[:9])])
    assert search.proposals(1, 0.0)[0].origin == Origin("design", 9)
    search.tell([done(9, points[9].point, 1.0)])
    [(_, origin)] = search.proposals(1)
    assert (origin.model, origin.fitted) == ("RF", 10)


def test_a_budget_that_was_set_is_a_hard_limit(history):
    search = AMBS(mixed_problem(), learner="RF", ask_budget=0.05)
    search.use(Later())
    search.tell(history)
    begun = time.perf_counter()
    [first, second] = search.proposals(2)
    assert 0.1 <= time.perf_counter() - begun < 30
    assert (first.origin.model, second.origin.model) == ("random", "random")
    assert search.statistics()["points_without_model"] == 2


@pytest.mark.parametrize("learner", ["auto", *MODELS])
def test_the_same_results_in_the_same_order_give_the_same_points(learner):
    """With the thread in the background, and one point or several pending."""
    for num_pending in (1, 3):
        first, second = (
            converse(AMBS(mixed_problem(), learner=learner, seed=2), 25, evaluated, num_pending) for _ in range(2)
        )
        assert first == second


def evaluated(id, point):
    if point["units"] > 50:
        return ended(id, point, State.FAILED)
    return done(id, point, objective(point))


@pytest.mark.parametrize("learner", ["auto", *MODELS, "DUMMY"])
def test_what_workers_were_given_can_be_asked_again(learner):
    """Whatever time had decided: the origins say it."""
    search, waiting, told, asked = AMBS(mixed_problem(), learner=learner, seed=4), [], [], []
    search.begin_run(6)
    rng = np.random.default_rng(2)
    while len(asked) < 60:
        new = search.proposals(6 - len(waiting), 0.01)
        waiting += [Evaluation(len(asked) + id, *each[:1], origin=each.origin) for id, each in enumerate(new)]
        asked += new
        if waiting:
            each = waiting.pop(int(rng.integers(len(waiting))))
            told.append(evaluated(each.id, each.point)._replace(started=0.0, ended=float(rng.choice([1e-3, 60.0]))))
            search.tell(told[-1:])
    again, num = AMBS(mixed_problem(), learner=learner, seed=4), 0
    for point, origin in asked:
        again.tell(told[num : origin.known])
        num = max(num, origin.known)
        assert again.repeat(origin) == point


@pytest.mark.parametrize("learner", ["auto", *MODELS])
def test_where_evaluations_fail_is_learnt(learner):
    problem, results = HpProblem(), []
    for name in "abcd":
        problem.add_dim(name, (0.0, 1.0))

    def evaluate(id, point):
        fails = sum(point.values()) > 1
        results.append(not fails)
        if fails:
            return ended(id, point, State.FAILED)
        return done(id, point, sum((value - 0.2) ** 2 for value in point.values()))

    converse(AMBS(problem, learner=learner), 70, evaluate)
    assert sum(results[35:]) >= 0.6 * 35  # at random, it is one of 24


@pytest.mark.parametrize("copy_of", [copy.deepcopy, lambda search: pickle.loads(pickle.dumps(search))])
@pytest.mark.parametrize("learner", ["auto", *MODELS, "DUMMY"])
def test_a_copy_goes_on_as_the_search_does(history, learner, copy_of):
    search = AMBS(mixed_problem(), learner=learner)
    search.ask(2)
    search.tell(history)  # a model is being made
    other = copy_of(search)
    points = [each.ask(3) for each in (search, other)]
    assert points[0] == points[1]
    for each in (search, other):
        each.tell([done(20 + id, point, objective(point)) for id, point in enumerate(points[0])])
    assert search.ask(3) == other.ask(3)


def test_what_a_refit_raises_is_raised_at_the_next_call(history, monkeypatch):
    def broken(task):
        raise MemoryError("too little")

    monkeypatch.setattr(candidate_pool, "_refit", broken)
    search = AMBS(mixed_problem(), learner="RF")
    executor = Later()
    search.use(executor)
    search.begin_run(2)
    search.tell(history)
    assert search.proposals(1, 0.0) == []
    future, job = executor.jobs[0]
    with pytest.raises(MemoryError) as caught:
        job()
    future.set_exception(caught.value)
    with pytest.raises(MemoryError, match="too little"):
        search.ask(1)


def test_ten_thousand_pending_points_differ():
    problem = HpProblem()
    for name in ("x", "y", "z"):
        problem.add_dim(name, (-3.0, 4.0))
    search = inline(problem, learner="RF", acq_func="LCB")
    points = search.ask(300)
    search.tell([done(id, point, point["x"] ** 2) for id, point in enumerate(points)])
    points += search.ask(10_000)
    assert len({search.space.key(point) for point in points}) == 10_300
    assert search.num_pending == 10_000


@pytest.mark.parametrize("learner", MODELS)
def test_a_finite_space_is_searched_to_its_end(learner):
    problem = HpProblem()
    problem.add_dim("a", (1, 20, "log-uniform"))
    problem.add_dim("b", [True, 1, None])
    search = inline(problem, learner=learner)
    points = converse(search, 100, lambda id, point: done(id, point, float(point["a"])))
    assert len({search.space.key(point) for point in points}) == len(points) == 60
    assert search.is_exhausted
    assert search.ask(1) == []


@pytest.mark.parametrize("learner", ["auto", *MODELS])
def test_while_everything_fails_points_are_far_from_failures(learner):
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    search = inline(problem, learner=learner)
    search.tell([ended(id, {"x": 0.02 * id}, State.FAILED) for id in range(26)])
    points = [point["x"] for point in search.ask(5)]
    assert search.statistics()["mode"] != "initial"
    assert min(points) > 0.5


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
    ours = statistics.median(best(inline(problem, learner=learner, acq_func="LCB", seed=seed)) for seed in seeds)
    random = statistics.median(best(RandomSearch(problem, seed=seed)) for seed in seeds)
    assert ours < random


def test_statistics_count_every_point_by_the_clock_that_was_given():
    ticks = iter(range(1000))
    search = AMBS(mixed_problem(), learner="RF")
    search.use(Later(), lambda: float(next(ticks)))
    search.ask(4)  # the starting point is not proposed
    assert search._latencies.num == 3
    found = search.statistics()
    assert [found[name] for name in ("ask_median", "ask_p90", "ask_p99", "ask_max")] == [1.0] * 4
    assert (found["refits"], found["mode"]) == (0, "initial")


def test_the_executor_outlives_a_new_beginning():
    executor = Inline()
    search = AMBS(mixed_problem(), learner="RF")
    search.use(executor)
    points = search.space.sample(np.random.default_rng(0), 12)
    search.resume(3, [done(id, point, objective(point)) for id, point in enumerate(points)])
    assert executor.num_jobs == 1


def test_a_program_ends_while_a_refit_is_running():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from contracts.search import done, mixed_problem, objective\n"
        "from dhmpi.search.hps.ambs import AMBS\n"
        "search = AMBS(mixed_problem(), learner='RF')\n"
        "search.begin_run(4000)\n"
        "search.tell([done(id, point, objective(point)) for id, point in enumerate(search.ask(4000))])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_an_unknown_learner_is_refused():
    with pytest.raises(OptionError, match=", RF, ET, GBRT, GP, DUMMY, got RFF; did you mean 'RF'"):
        AMBS(mixed_problem(), learner="RFF")


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(OptionError, match="ask_budget must be a finite number above 0, got 0"):
        AMBS(mixed_problem(), ask_budget=0)


def test_names_may_be_spelled_in_any_case():
    assert AMBS(mixed_problem(), learner="gp", acq_func="lcb").own_options.learner == "GP"
