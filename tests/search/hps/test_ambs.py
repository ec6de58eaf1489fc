import json
import statistics
import subprocess
import sys

import numpy as np
import pytest
from contracts.executors import Inline, Later
from contracts.search import SearchContract, converse, done, ended, mixed_problem, objective, small_problem

from dhmpi.benchmark import HpProblem
from dhmpi.errors import OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.search.hps.ambs import ACQ_FUNCS, AMBS, LIES
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.hps.surrogate import pool
from dhmpi.search.hps.surrogate.pool import NUM_INITIAL_POINTS

MODELS = ["RF", "ET", "GBRT", "GP"]


def inline(problem, **options):
    """A search whose refits are done at once, so that it can be repeated."""
    search = AMBS(problem, **options)
    search.use(Inline())
    return search


class TestContract(SearchContract):
    @pytest.fixture
    def make(self):
        return lambda problem, **options: inline(problem, learner="RF", **options)

    def test_another_process_gives_the_same_points(self, make):
        """As in the contract, with refits that are done at once."""
        code = (
            "import json, sys; sys.path.insert(0, 'tests')\n"
            "from contracts.executors import Inline\n"
            "from contracts.search import converse, done, mixed_problem, objective\n"
            "from dhmpi.search.registry import find\n"
            "search = find('ambs')(mixed_problem(), learner='RF', seed=3)\n"
            "search.use(Inline())\n"
            "print(json.dumps(converse(search, 24, lambda id, point: done(id, point, objective(point)))))"
        )
        there = json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=60))
        assert there == converse(make(mixed_problem(), seed=3), 24, lambda id, point: done(id, point, objective(point)))


class TestGaussianProcessContract(SearchContract):
    @pytest.fixture
    def make(self):
        return lambda problem, **options: inline(problem, learner="GP", acq_func="EI", **options)

    def test_another_process_gives_the_same_points(self, make):
        """The registry's default is another learner; the forest's contract covers this."""


@pytest.fixture(scope="module")
def history():
    search = RandomSearch(mixed_problem(), seed=1)
    return [done(id, point, objective(point)) for id, point in enumerate(search.ask(NUM_INITIAL_POINTS + 2))]


@pytest.mark.parametrize("liar_strategy", LIES)
@pytest.mark.parametrize("acq_func", ACQ_FUNCS)
@pytest.mark.parametrize("learner", [*MODELS, "DUMMY"])
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
        waiting += [Evaluation(id, point) for point in whole.ask(1)]
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
def test_nobody_waits_for_a_refit_that_never_ends(history, learner):
    executor = Later()
    search = AMBS(mixed_problem(), learner=learner)
    search.use(executor)
    search.tell(history)
    assert len(search.ask(50)) == 50
    assert search.statistics()["mode"] == "initial"
    executor.run()
    assert len(search.ask(1)) == 1
    executor.run()  # what happened meanwhile, which was much
    assert len(search.ask(1)) == 1
    assert search.statistics()["mode"] == learner
    search.tell([done(50 + id, point, 1.0) for id, point in enumerate(search.ask(30))])
    assert len(executor.jobs) == 1
    assert len(search.ask(100)) == 100
    assert search.statistics()["refits"] == 1


def test_what_a_refit_raises_is_raised_at_the_next_call(history, monkeypatch):
    def broken(task):
        raise MemoryError("too little")

    monkeypatch.setattr(pool, "_refit", broken)
    search = AMBS(mixed_problem(), learner="RF")
    executor = Later()
    search.use(executor)
    search.tell(history)
    search.ask(1)
    future, job = executor.jobs[0]
    with pytest.raises(MemoryError) as caught:
        job()
    future.set_exception(caught.value)
    with pytest.raises(MemoryError, match="too little"):
        search.ask(1)


@pytest.mark.parametrize("learner", ["RF", "GBRT"])
def test_ten_thousand_pending_points_differ(learner):
    problem = HpProblem()
    for name in ("x", "y", "z"):
        problem.add_dim(name, (-3.0, 4.0))
    search = inline(problem, learner=learner, acq_func="LCB")
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


def test_the_search_goes_on_at_random_while_everything_fails():
    search = inline(mixed_problem(), learner="RF")
    for _ in range(3):
        search.tell([ended(0, point, State.FAILED) for point in search.ask(10)])
    assert search.statistics()["mode"] == "initial"
    assert len(search.ask(5)) == 5


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
