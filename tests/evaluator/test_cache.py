import enum
import math
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pytest

from dhmpi.evaluation import Evaluation, State
from dhmpi.evaluator.cache import Cache, canonical_key


class Colour(enum.StrEnum):
    RED = "red"


EQUAL = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (1, 1.0),
    (1, np.int8(1)),
    (0.5, np.float32(0.5)),
    (0.0, -0.0),
    (2**53, float(2**53)),
    (float("nan"), math.nan),
    (math.nan, np.float64("nan")),
    (True, np.bool_(True)),
    ("red", np.str_("red")),
    ("red", Colour.RED),
    (None, None),
    ([1, [2.0, "x"]], (1, (2, "x"))),
    ([1, 2], np.array([1.0, 2.0])),
    ({"a": {"b": [1]}}, MappingProxyType({"a": MappingProxyType({"b": [1.0]})})),
    ({np.str_("a"): 1}, {"a": 1}),
    ({8, 16, 24, 0}, {0, 24, 16, 8}),
    (Decimal("0.5"), Decimal("0.5")),
]
UNLIKE = [
    (1, True),
    (0, False),
    (1, "1"),
    (None, "None"),
    (None, False),
    ("nan", math.nan),
    (math.inf, -math.inf),
    (2**53 + 1, float(2**53)),
    (0.1 + 0.2, 0.3),
    (0.1, np.float32(0.1)),
    (10**400, math.inf),
    ([1, 2], [2, 1]),
    ([1], 1),
    ([], {}),
    ([1, [2]], [[1], 2]),
    ([1, 2], {1, 2}),
    ({"a": 1}, {"a": 1, "b": None}),
    ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
    ({1: 0}, {"1": 0}),
    ({"a": {"b": 1}}, {"a": [["b", 1]]}),
    ("text", ["text"]),
    (b"1", "b'1'"),
    (float, "<class 'float'>"),
]


def shown(value):
    """Sets in one order: the order in which they come differs between the compiler and a compiled file."""
    return repr(sorted(value) if isinstance(value, set) else value)


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=shown)
def test_equal_values_have_equal_keys(one, other):
    keys = [canonical_key({"x": value}) for value in (one, other)]
    assert keys[0] == keys[1]
    assert hash(keys[0]) == hash(keys[1])


@pytest.mark.parametrize(("one", "other"), UNLIKE, ids=shown)
def test_unlike_values_have_unlike_keys(one, other):
    assert canonical_key({"x": one}) != canonical_key({"x": other})


def test_names_count():
    assert canonical_key({"x": 1}) != canonical_key({"y": 1})
    assert canonical_key({}) == canonical_key({})


def pending(id, x):
    return Evaluation(id, {"x": x}, None, State.RUNNING, submitted=100.0 + id)


def ended(evaluation, state=State.DONE):
    objective = evaluation.point["x"] * 2.0 if state is State.DONE else None
    return evaluation._replace(state=state, objective=objective, started=200.0, ended=210.0, rank=3, host="node")


@pytest.fixture
def cache():
    return Cache(canonical_key)


def test_the_first_runs_and_answers_those_that_wait(cache):
    first, same, other = pending(0, 1), pending(1, 1.0), pending(2, 5)
    assert [cache.admit(each) for each in (first, same, other)] == [True, False, True]
    assert (cache.num_waiting, cache.has_answers) == (1, False)
    answers = cache.answer([ended(first)])
    assert [(each.id, each.point, each.objective, each.state) for each in answers] == [
        (0, {"x": 1}, 2.0, State.DONE),
        (1, {"x": 1.0}, 2.0, State.DONE),
    ]
    assert (cache.num_waiting, cache.has_answers) == (0, False)


def test_what_is_known_is_answered_without_running(cache):
    first, later = pending(0, 1), pending(150, 1)
    assert not cache.knows({"x": 1})
    cache.admit(first)
    assert cache.knows({"x": 1})
    cache.answer([ended(first)])
    assert cache.knows({"x": True}) is False
    assert not cache.admit(later)
    assert (cache.num_waiting, cache.has_answers) == (1, True)
    [answer] = cache.answer([])
    assert (answer.id, answer.objective, answer.rank, answer.host) == (150, 2.0, 3, "node")
    assert cache.answer([]) == []


def test_an_answer_takes_no_time_of_its_own(cache):
    first, waiting, later = pending(0, 1), pending(1, 1), pending(150, 1)
    cache.admit(first)
    cache.admit(waiting)
    answers = cache.answer([ended(first)])
    cache.admit(later)
    answers += cache.answer([])
    assert [(each.submitted, each.started, each.ended) for each in answers] == [
        (100.0, 200.0, 210.0),
        (101.0, 210.0, 210.0),
        (250.0, 250.0, 250.0),
    ]


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.TIMEOUT])
def test_final_outcomes_are_kept(cache, state):
    cache.admit(pending(0, 1))
    cache.answer([ended(pending(0, 1), state)])
    assert not cache.admit(pending(1, 1))
    assert [each.state for each in cache.answer([])] == [state]


@pytest.mark.parametrize("state", [State.LOST, State.CANCELLED])
def test_what_was_lost_or_cancelled_runs_again(cache, state):
    cache.admit(pending(0, 1))
    cache.admit(pending(1, 1))
    assert [(each.id, each.state) for each in cache.answer([ended(pending(0, 1), state)])] == [(0, state), (1, state)]
    assert not cache.knows({"x": 1})
    assert cache.admit(pending(1, 1))
    assert not cache.admit(pending(0, 1))
    assert [each.state for each in cache.answer([ended(pending(1, 1))])] == [State.DONE, State.DONE]


def test_user_code_may_change_what_a_point_holds(cache):
    first = Evaluation(0, {"x": [1]})
    cache.admit(first)
    first.point["x"].append(2)
    assert [each.id for each in cache.answer([first._replace(state=State.DONE, objective=1.0)])] == [0]
    assert cache.knows({"x": [1]})


def test_a_key_of_ones_own_decides():
    cache = Cache(lambda point: round(point["x"]))
    assert cache.admit(pending(0, 1.1))
    assert not cache.admit(pending(1, 0.9))
    assert cache.admit(pending(2, 1.9))
