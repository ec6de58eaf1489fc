"""Which GPUs are near which ranks; tests/jobs/test_layouts.py has the nodes of sites."""

import itertools

import pytest

from dhmpi.mpi.nearness import nearest, nearest_in_turns, nearest_of_teams
from dhmpi.support.gpu_cores import mask

POLARIS = tuple(map(mask, ("24-31", "16-23", "8-15", "0-7")))


def given(*cores, near=POLARIS, num_each=1):
    return list(nearest(tuple(map(mask, cores)), near, num_each))


def test_each_rank_gets_the_gpu_near_its_cores():
    assert given("0-7", "8-15", "16-23", "24-31") == [(3,), (2,), (1,), (0,)]
    assert given("0-15", "16-31", num_each=2) == [(2, 3), (0, 1)]
    assert given("8-15") == [(2,)]


def test_where_cores_make_no_difference_ranks_and_gpus_are_taken_in_order():
    assert given("0-31", "0-31", "0-31") == [(0,), (1,), (2,)]
    assert given("0-31", "0-31", num_each=2) == [(0, 1), (2, 3)]
    assert given("5", "9-20", "3-4", near=(0, 0, 0)) == [(0,), (1,), (2,)]


def test_a_rank_that_is_near_several_leaves_others_their_only_one():
    assert given("0-15", "8-15") == [(3,), (2,)]
    assert given("0-31", "24-31") == [(1,), (0,)]


def test_of_two_ranks_on_the_same_cores_one_gets_none():
    """One rank more than GPUs: the first shares the cores of the second."""
    assert given("24-31", "24-31", "16-23", "8-15", "0-7") == [(0,), (), (1,), (2,), (3,)]


def test_the_rank_with_the_fewest_cores_gets_none():
    assert given("30-31", "24-31", "16-23", "8-15", "0-7") == [(), (0,), (1,), (2,), (3,)]
    # Five equal parts of 30 cores: the middle one is near two GPUs, and so is the second.
    assert given("0-5", "6-11", "12-17", "18-23", "24-29") == [(3,), (2,), (), (1,), (0,)]


def test_far_gpus_are_better_than_none():
    assert given("0-7", "0-7", "0-7") == [(3,), (0,), (1,)]


@pytest.mark.parametrize("num_each", [1, 2, 3])
def test_no_gpu_is_given_twice_and_none_is_left_to_a_rank_without_one(num_each):
    for cores in itertools.product(("0-7", "8-15", "0-31", "14-17", "40-47"), repeat=4):
        found = given(*cores, num_each=num_each)
        every = [gpu for gpus in found for gpu in gpus]
        assert len(set(every)) == len(every)
        assert sorted(map(len, found), reverse=True) == ([num_each] * (4 // num_each) + [0] * 4)[:4]


def test_a_node_of_many_ranks_is_dealt_out_at_once():
    shares = tuple(gpu for gpu in POLARIS for _ in range(64))
    found = nearest(tuple(1 << rank % 32 for rank in range(256)), shares, 1)
    assert sorted(found) == [(share,) for share in range(256)]
    assert all(rank % 32 // 8 == 3 - share // 64 for rank, (share,) in enumerate(found))


@pytest.mark.parametrize(
    ("teams", "num_each", "found"),
    [
        ([("0-7", "24-31"), ("8-15", "16-23")], 1, [(3, 0), (2, 1)]),
        ([("0-15", "16-31")], 2, [(2, 3, 0, 1)]),
        ([("0-7",), (), ("24-31",)], 1, [(3,), (), (0,)]),  # one is not served
        ([("0-31", "0-31"), ("0-31", "0-31")], 1, [(0, 1), (2, 3)]),
    ],
)
def test_each_rank_of_a_team_has_a_near_gpu(teams, num_each, found):
    assert list(nearest_of_teams([tuple(map(mask, team)) for team in teams], POLARIS, num_each)) == found


@pytest.mark.parametrize(
    ("cores", "found"),
    [
        (["24-27", "28-31", "16-19", "20-23"], [0, 2, 1, 3]),  # better far and alone than near and shared
        (["24-27", "28-31", "16-19", "20-23", "8-11", "12-15", "0-3", "4-7"], [0, 0, 1, 1, 2, 2, 3, 3]),
        (["24-27", "28-31", "16-19", "20-23", "8-11"], [0, 3, 1, 1, 2]),
    ],
)
def test_gpus_are_shared_when_all_are_given_out(cores, found):
    assert nearest_in_turns(list(map(mask, cores)), POLARIS, 1, 2) == tuple((gpu,) for gpu in found)
