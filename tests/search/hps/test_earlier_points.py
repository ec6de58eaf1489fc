import numpy as np
import pytest
from contracts.search import SearchContract
from contracts.watch import problem_of

from dhmpi.errors import OptionError
from dhmpi.evaluation import Evaluation, Observation, State
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.earlier_points import best_points
from dhmpi.search.hps.ga import GA
from dhmpi.search.hps.random import RandomSearch


def primed(kind, problem, **options):
    """A search that knows points of its space, with objectives that say nothing."""
    search = kind(problem, **options)
    rng = np.random.default_rng(5)
    search.prime([Observation(point, float(rng.random())) for point in search.space.sample(rng, 8)])
    return search


class TestPrimedAmbsContract(SearchContract):
    test_another_process_gives_the_same_points = None  # there, it would know nothing

    @pytest.fixture
    def make(self):
        return lambda problem, **options: primed(AMBS, problem, **options)


class TestPrimedGaContract(SearchContract):
    test_another_process_gives_the_same_points = None  # there, it would know nothing

    @pytest.fixture
    def make(self):
        return lambda problem, **options: primed(GA, problem, population_size=4, **options)


def space():
    return problem_of({"x": (0.0, 1.0), "act": ["a", "b", "c"]}).dimensions


def observation(x, objective, source=0, act="a"):
    return Observation({"x": x, "act": act}, objective, source)


def test_the_best_points_come_first_if_they_are_distinct():
    known = [observation(0.5, 1.0), observation(0.51, 0.5), observation(0.9, 3.0), observation(0.2, 2.0)]
    assert [point["x"] for point in best_points(space(), known, 3)] == [0.51, 0.2, 0.9]
    assert len(best_points(space(), known, 2)) == 2


def test_another_category_makes_a_point_distinct():
    known = [observation(0.5, 1.0), observation(0.5, 2.0, act="b")]
    assert len(best_points(space(), known, 3)) == 2


def test_sources_come_in_turns_whatever_their_scales_are():
    known = [observation(x, x, source=0) for x in (0.1, 0.3, 0.5)]
    known += [observation(x, 1000 * x, source=1) for x in (0.7, 0.9)]
    assert [point["x"] for point in best_points(space(), known, 4)] == [0.1, 0.7, 0.3, 0.9]


def test_the_best_points_become_the_first_parents():
    search = GA(problem_of({f"x{index}": (0.0, 1.0) for index in range(3)}), population_size=8, seed=1)
    known = [Observation({f"x{index}": number / 10 for index in range(3)}, number) for number in range(1, 9)]
    search.prime(known)
    first = search.ask(4)
    assert first == [each.point for each in known[:4]]
    search.tell([Evaluation(id, point, float(id), State.DONE) for id, point in enumerate(first)])
    assert "offspring" in {each.origin.model for each in search.proposals(6)}


def test_a_search_that_does_not_learn_refuses_them():
    search = RandomSearch(problem_of({"x": (0.0, 1.0)}))
    with pytest.raises(OptionError, match="must learn to make use of earlier results, got hps-random; use ambs or ga"):
        search.prime([Observation({"x": 0.5}, 1.0)])
