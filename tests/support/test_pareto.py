"""Pareto sets and fronts, compared with what their definitions say."""

import numpy as np
import pytest

from dhmpi.support.pareto import crowding, is_non_dominated, ranks


def brute(values):
    """Which vectors no other one dominates, pair by pair."""
    known = [index for index, each in enumerate(values) if not np.isnan(each).any()]
    found = np.zeros(len(values), bool)
    for one in known:
        others = values[known]
        found[one] = not ((others <= values[one]).all(axis=1) & (others != values[one]).any(axis=1)).any()
    return found


@pytest.mark.parametrize("num_objectives", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["real", "ties", "gaps"])
def test_the_set_is_what_nothing_dominates(num_objectives, kind):
    rng = np.random.default_rng(num_objectives)
    for num in (1, 2, 7, 60, 700):
        values = rng.integers(4, size=(num, num_objectives)).astype(float)
        if kind != "ties":
            values = rng.random((num, num_objectives))
        if kind == "gaps":
            values[rng.random(num) < 0.3, 0] = np.nan
        np.testing.assert_array_equal(is_non_dominated(values), brute(values))


def test_a_set_of_nothing_is_empty():
    assert is_non_dominated(np.empty((0, 2))).tolist() == []
    assert is_non_dominated(np.full((2, 3), np.nan)).tolist() == [False, False]


def test_fronts_are_peeled_one_by_one():
    values = np.array([[0, 3], [1, 1], [3, 0], [1, 3], [2, 2], [3, 3], [1, 1]])
    assert ranks(values).tolist() == [0, 0, 0, 1, 1, 2, 0]


def test_ends_are_the_least_crowded_and_neighbours_count_by_their_distance():
    values = np.array([[0.0, 10.0], [4.0, 1.0], [1.0, 5.0], [10.0, 0.0]])
    np.testing.assert_allclose(crowding(values), [np.inf, 0.9 + 0.5, 0.4 + 0.9, np.inf])


def test_equal_vectors_have_no_distance_between_them():
    assert crowding(np.ones((3, 2))).tolist() == [np.inf, 0.0, np.inf]
