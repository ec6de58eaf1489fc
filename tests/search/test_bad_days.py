"""Whatever the problem is like, and whatever becomes of the evaluations: the next point is legal and new."""

import math
import sys
import zlib

import numpy as np
import pytest
from contracts.executors import Inline
from contracts.search import done, ended, mixed_problem
from contracts.watch import Watch, floats, identity, objectives, problem_of, problems
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dhmpi.evaluation import State
from dhmpi.search.hps.ambs import AMBS, LEARNERS
from dhmpi.search.hps.ga import GA

# More than a model needs to be fitted, or GA to have offspring.
NUM_HISTORY = 12
SEARCHES = (*LEARNERS, "GA")
LARGEST, SMALLEST = sys.float_info.max, math.ulp(0.0)
INT64 = (-(2**63), 2**63 - 1)

OBJECTIVES = {
    "all fail": lambda id, point: None,
    "one succeeds": lambda id, point: 2.0 if id == 3 else None,
    "all fail in the end": lambda id, point: point["dropout"] if id < NUM_HISTORY else None,
    "most fail": lambda id, point: None if point["dropout"] > 0.2 else point["dropout"],
    "constant": lambda id, point: -3.5,
    "zero": lambda id, point: 0.0,
    "huge": lambda id, point: 1e300,
    "huge of both signs": lambda id, point: (-1) ** id * 1e300,
    "huge among ordinary": lambda id, point: {4: 1e300, 7: -1e300}.get(id, point["dropout"]),
    "huge among failures": lambda id, point: (1e300, -1e300, None)[id % 3],
    "the largest": lambda id, point: (LARGEST, -LARGEST, 0.0)[id % 3],
    "the smallest": lambda id, point: SMALLEST * (id % 3),
    "hardly different": lambda id, point: 1.0 + (id % 2) * sys.float_info.epsilon,
    "a step": lambda id, point: float(point["dropout"] > 0.3),
}

INFINITE_SPACES = {
    "one real": {"x": (0.0, 1.0)},
    "one real beside constants": {"x": (-1.0, 1.0), "c": ["only"], "d": [None]},
    "200 dimensions": {f"x{index}": [(0.0, 1.0), (1, 9), ["a", "b", None]][index % 3] for index in range(200)},
    "a denormal range": {"x": (0.0, SMALLEST), "y": (0.0, 1.0)},
    "two adjacent floats": {"x": (1.0, math.nextafter(1.0, 2.0)), "y": (0.0, 1.0)},
    "two adjacent floats on a log scale": {"x": (1e9, math.nextafter(1e9, 2e9), "log-uniform"), "y": (0.0, 1.0)},
    "600 decades": {"x": (1e-300, 1e300, "log-uniform")},
    "all positive floats": {"x": (SMALLEST, LARGEST, "log-uniform")},
    "all floats": {"x": (-LARGEST, LARGEST)},
}
LARGE_SPACES = {
    "one category of 1,000": {"x": [f"c{index}" for index in range(1000)]},
    "categories of 1,000": {name: list(range(1000)) for name in "xyz"},
    "all integers": {"x": INT64},
    "all positive integers": {"x": (1, INT64[1], "log-uniform")},
    "the largest integers": {"x": (INT64[1] - 1, INT64[1], "log-uniform"), "y": (0, 100)},
}
SMALL_SPACES = {
    "one point": {"x": ["only"]},
    "one point of three dimensions": {"x": [None], "y": [1], "z": ["a"]},
    "one integer": {"x": (-7, 7)},
    "one category": {"x": [f"c{index}" for index in range(15)]},
    "categories that differ by type": {"x": [True, 1, 1.0], "y": (0, 4)},
    "two large integers": {"x": (2**62, 2**62 + 1, "log-uniform"), "y": list("abcdefgh")},
}


def watched(problem, name, **options):
    """Return a search, AMBS by its learner, whose every answer is checked."""
    if name == "GA":
        return Watch(GA(problem, population_size=6, **options))
    search = AMBS(problem, learner=name, **options)
    # A model that comes later would have fewer days to be tested on; and where asks take no time, the load is always 0.
    search.use(Inline(), lambda: 0.0)
    return Watch(search)


@pytest.fixture(params=SEARCHES)
def watch(request):
    """Makes each of the searches, watched."""

    def make(problem, **options):
        return watched(problem, request.param, **options)

    return make


def uneven(id, point):
    """An objective for any space."""
    return float(zlib.crc32(repr(point).encode()) % 17)


def history(space, num=NUM_HISTORY):
    """Evaluations of distinct points that nobody asked for."""
    points = {identity(point): point for point in space.sample(np.random.default_rng(7), 20 * num)}
    return [done(id, point, float(id % 5)) for id, point in enumerate(list(points.values())[:num])]


# --- objectives and spaces


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives(watch, objective):
    conversation = watch(mixed_problem()).drive(OBJECTIVES[objective], NUM_HISTORY + 5)
    assert conversation.num_told == NUM_HISTORY + 5


@pytest.mark.parametrize("name", INFINITE_SPACES | LARGE_SPACES)
def test_spaces(watch, name):
    problem = problem_of((INFINITE_SPACES | LARGE_SPACES)[name])
    assert watch(problem).drive(uneven, NUM_HISTORY + 4, num_workers=2).num_told == NUM_HISTORY + 4


@pytest.mark.parametrize("name", SMALL_SPACES)
def test_small_spaces_are_evaluated_to_their_end(watch, name):
    problem = problem_of(SMALL_SPACES[name])
    conversation = watch(problem).drive(uneven, 100, num_workers=3)
    assert conversation.num_told == problem.dimensions.size
    assert conversation.search.is_exhausted


def test_a_range_of_few_floats_is_evaluated_to_its_end(watch):
    """Such a range counts as infinite, but there is nothing to wait for when the search has no point more."""
    conversation = watch(problem_of({"x": (0.0, 15 * SMALLEST)}))
    asked = []
    while points := conversation.ask(1):
        asked += [point["x"] for point in points]
        conversation.end(points[0], float(len(asked) % 3))
    assert sorted(asked) == [index * SMALLEST for index in range(16)]


def test_more_workers_than_points(watch):
    conversation = watch(problem_of({"x": (0, 5), "y": ["a", "b", "c"]}))
    conversation.fill(50)
    assert len(conversation.pending) == 18
    assert conversation.ask(50) == []


def test_more_workers_than_points_are_left(watch):
    conversation = watch(problem_of({"x": (0, 5), "y": ["a", "b", "c"]})).drive(uneven, 13, num_workers=1)
    conversation.fill(50)
    assert len(conversation.pending) == 5
    assert conversation.search.is_exhausted


# --- telling


def test_an_earlier_run_is_told(watch):
    conversation = watch(mixed_problem())
    conversation.tell(*history(conversation.space))
    assert conversation.drive(uneven, 4).num_told == NUM_HISTORY + 4


def test_an_earlier_run_is_told_while_points_are_pending(watch):
    conversation = watch(mixed_problem())
    conversation.fill(3)
    conversation.tell(*history(conversation.space))
    assert conversation.drive(uneven, 4).num_told == NUM_HISTORY + 4


def test_an_earlier_run_that_is_all_of_the_space(watch):
    conversation = watch(problem_of({"x": (0, 3), "y": ["a", "b", "c"]}))
    conversation.tell(*history(conversation.space))
    assert conversation.search.is_exhausted
    assert conversation.ask(3) == []


def test_the_latest_is_told_first(watch):
    conversation = watch(mixed_problem())
    for _ in range(16):
        conversation.fill(5)
        point = conversation.pending[-1]
        conversation.end(point, uneven(0, point))
    assert conversation.num_told == 16


def test_many_are_told_at_once_in_any_order(watch):
    conversation, rng = watch(mixed_problem()), np.random.default_rng(3)
    for round in range(3):
        conversation.fill(7)
        order = rng.permutation(7)
        conversation.tell(*(done(id, conversation.pending[id], float(id * round)) for id in order.tolist()))
    assert conversation.num_told == 21


def test_an_evaluation_is_told_repeatedly(watch):
    conversation = watch(problem_of({"x": (0, 4), "y": ["a", "b", "c"]}))
    for id in range(15):
        [point] = conversation.ask(1)
        told = [done(id, point, 1.0), done(id, point, 1.0), ended(id, point, State.FAILED)]
        conversation.tell(*told)
        conversation.tell(told[0])
    assert conversation.ask(1) == []


@pytest.mark.parametrize("state", [State.LOST, State.CANCELLED])
def test_what_is_evaluated_again_is_pending_until_it_ends(watch, state):
    conversation = watch(mixed_problem()).drive(uneven, NUM_HISTORY)
    conversation.fill(4)
    for id, point in enumerate(list(conversation.pending)):
        conversation.tell(ended(id, point, state))
        conversation.ask(1)
    assert conversation.drive(uneven, 4, num_workers=1).num_told == NUM_HISTORY + 4


@pytest.mark.parametrize("state", [State.LOST, State.CANCELLED, State.RUNNING, State.PENDING])
def test_what_an_earlier_run_left_unfinished_is_pending(watch, state):
    conversation = watch(mixed_problem())
    known = history(conversation.space, NUM_HISTORY + 3)
    conversation.tell(*known[:NUM_HISTORY], *(ended(0, each.point, state) for each in known[NUM_HISTORY:]))
    assert len(conversation.pending) == 3
    assert conversation.drive(uneven, 5).num_told == NUM_HISTORY + 5


# --- asking


def test_ten_thousand_points_are_asked_and_none_is_told(watch):
    conversation = watch(mixed_problem())
    assert [len(conversation.ask(500)) for _ in range(20)] == 20 * [500]


def test_many_points_are_asked_of_a_model(watch):
    conversation = watch(mixed_problem()).drive(uneven, NUM_HISTORY, num_workers=1)
    conversation.fill(300)
    assert len(conversation.pending) == 300


# --- resuming


@pytest.mark.parametrize("num_workers", [1, 3])
@pytest.mark.parametrize("num", [NUM_HISTORY - 4, NUM_HISTORY + 3])
def test_a_resumed_search_makes_the_proposal_of_the_uninterrupted_one(watch, num, num_workers):
    whole, resumed = (watch(mixed_problem(), seed=seed).search for seed in (5, 6))
    pending, told = [], []
    for id in range(num):
        while len(pending) < num_workers:
            pending += whole.proposals(1)
        point, origin = pending.pop(0)
        evaluation = done(id, point, float(id % 7))._replace(origin=origin)
        whole.tell([evaluation])
        told.append(evaluation)
    running = [
        ended(num + id, point, State.RUNNING)._replace(origin=origin) for id, (point, origin) in enumerate(pending)
    ]
    resumed.resume(5, told + running)
    assert resumed.ask(1) == whole.ask(1)


@pytest.mark.parametrize("name", SEARCHES)
def test_the_only_point_was_evaluated_many_times(name):
    conversation = watched(problem_of({"x": ["only"]}), name)
    for value in range(NUM_HISTORY):
        conversation.end({"x": "only"}, float(value))
    conversation.ask(1)
    assert conversation.search.is_exhausted


# --- anything


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    problems,
    st.sampled_from(SEARCHES),
    st.lists(objectives, max_size=15) | st.lists(floats, min_size=NUM_HISTORY, max_size=15),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), objectives), max_size=12),
)
def test_any_campaign(problem, name, earlier, rounds):
    """Some points of an earlier run are told; then, again and again, a few are asked and one of them is told."""
    conversation = watched(problem, name)
    space = conversation.space
    for point, value in zip(space.sample(np.random.default_rng(0), len(earlier)), earlier, strict=True):
        conversation.end(point, value)
    for num, index, value in rounds:
        conversation.ask(num)
        if conversation.pending:
            conversation.end(conversation.pending[index % len(conversation.pending)], value)
