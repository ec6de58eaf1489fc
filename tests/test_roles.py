"""Roles of ranks, and what is said and stored of them; tests/mpi has real ranks on their nodes."""

import json

import pytest

from dhmpi.errors import OptionError, ProtocolError
from dhmpi.mpi.nodes import ComputeNode
from dhmpi.mpi.roles import Roles


def of_agents(size, agents=None, has_server=True, may_have_workers=True):
    return Roles.of_agents(size, agents, has_server, may_have_workers)


def groups(roles):
    return [group.workers for group in roles.groups]


def nodes(*ranks, mask=0b1111):
    """Return nodes with these ranks, each of which may run on the same cores."""
    return tuple(ComputeNode(f"nid{number}", tuple(here), (mask,) * len(here)) for number, here in enumerate(ranks))


# --- one search rank


def test_rank_0_searches_and_the_others_evaluate():
    roles = Roles.on_ranks(4)
    assert roles.leaders == (0,)
    assert roles.workers == roles.evaluating == (1, 2, 3)
    assert roles.agents == roles.spare == ()
    assert Roles.on_ranks(1).evaluating == (0,)


@pytest.mark.parametrize(
    ("launcher", "size", "spare"),
    [
        ({}, 1, ()),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "3"}, 3, (1, 2)),
        # A launcher that does not say how many there are: this one is no search rank, all the same.
        ({"PMIX_RANK": "2"}, 3, (1, 2)),
    ],
)
def test_without_workers_the_other_ranks_are_spare(monkeypatch, launcher, size, spare):
    for name, value in launcher.items():
        monkeypatch.setenv(name, value)
    roles = Roles.local()
    assert roles.size == size
    assert roles.spare == spare
    assert roles.evaluating == (0,)


# --- agents


def test_by_default_all_ranks_but_the_server_are_agents():
    found = of_agents(5)
    assert found.agents == found.evaluating == (1, 2, 3, 4)
    assert groups(found) == [(), (), (), ()]
    assert found.spare == ()


def test_in_step_rank_0_is_the_first_agent():
    assert of_agents(3, has_server=False).agents == (0, 1, 2)
    assert of_agents(1, has_server=False).agents == (0,)


def test_the_rest_evaluate_in_groups_of_neighbours():
    found = of_agents(9, 2)
    assert found.agents == (1, 2)
    assert groups(found) == [(3, 4, 5), (6, 7, 8)]
    assert groups(of_agents(8, 2, has_server=False)) == [(2, 3, 4), (5, 6, 7)]


@pytest.mark.parametrize("size", [9, 10, 11, 40, 1025])
def test_groups_differ_by_one_at_most_and_nobody_is_left_out(size):
    found = of_agents(size, 3)
    lengths = [len(workers) for workers in groups(found)]
    assert max(lengths) - min(lengths) <= 1
    assert [0, *found.agents, *found.workers] == list(range(size))


def test_every_rank_knows_its_group_with_the_agent_first():
    found = of_agents(8, 3)
    first, second, third = (1, 4), (2, 5), (3, 6, 7)
    assert [found.group_of(rank) for rank in range(8)] == [(), first, second, third, first, second, third, third]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((1,), "must have at least 2 ranks, got 1; start more with mpirun, or use ppo-sync"),
        ((4, 4), "agents must be at most 3 on 4 ranks, got 4; start more ranks"),
        ((6, 4), "none, or at least one for each of the 4 agents, got 1; give agents 5 or at most 2"),
        ((6, 2, True, False), "agents must be 5 on 6 ranks where agents do not evaluate on ranks, got 2"),
    ],
)
def test_ranks_without_work_are_refused(arguments, sentence):
    with pytest.raises(OptionError) as caught:
        of_agents(*arguments)
    assert sentence in str(caught.value)


# --- where they are


@pytest.mark.parametrize("where", [nodes([0, 1]), nodes([0, 1], [2, 3]), nodes([0, 1], [1, 2])])
def test_other_ranks_than_the_launcher_said_are_refused(where):
    with pytest.raises(ProtocolError, match="the launcher started 3 processes, but in MPI there are"):
        Roles.on_ranks(3).placed(where)


@pytest.mark.parametrize(
    ("roles", "threads"),
    [
        (Roles.on_ranks(6), {1: 1, 2: 1, 3: 1, 4: 2, 5: 2}),  # rank 0 does not count
        (of_agents(6, 2), {3: 4, 4: 2, 5: 2}),
        (of_agents(6), {1: 1, 2: 1, 3: 1, 4: 2, 5: 2}),
    ],
)
def test_the_cores_of_a_node_are_shared_by_those_that_evaluate_there(roles, threads):
    roles = roles.placed(nodes([0, 1, 2, 3], [4, 5]))
    assert {rank: roles.threads(rank) for rank in roles.evaluating} == threads


def test_ranks_that_are_bound_to_cores_have_these():
    where = (ComputeNode("nid0", (0, 1, 2), (0b1, 0b1110, 0b110000)),)
    roles = Roles.on_ranks(3).placed(where)
    assert [roles.threads(rank) for rank in (1, 2)] == [3, 2]


# --- as text


def test_it_is_said_in_words():
    assert str(Roles.on_ranks(2)) == "2 ranks: rank 0 searches, rank 1 evaluates"
    assert str(Roles.on_ranks(3)) == "3 ranks: rank 0 searches, ranks 1 to 2 evaluate"
    assert str(Roles.local()) == "1 rank, which searches"
    assert str(of_agents(3)) == "3 ranks: rank 0 serves parameters; ranks 1 to 2 are agents; each evaluates itself"
    evaluating = "evaluating: ranks 3 to 4 for 1; ranks 5 to 6 for 2"
    assert str(of_agents(7, 2)) == f"7 ranks: rank 0 serves parameters; ranks 1 to 2 are agents; {evaluating}"
    assert str(of_agents(1, has_server=False)) == "1 rank: rank 0 coordinates, and is the agent; it evaluates itself"
    assert "; ...; " in str(of_agents(50, 12))


@pytest.mark.parametrize(
    ("where", "end"),
    [
        (nodes([0, 1, 2, 3]), "ranks 1 to 3 evaluate"),
        (nodes([0, 1], [2, 3]), "ranks 1 to 3 evaluate; on 2 nodes with 2 ranks each"),
        (nodes([0], [1], [2], [3]), "ranks 1 to 3 evaluate; on 4 nodes with 1 rank each"),
        (nodes([0, 3], [1], [2]), "ranks 1 to 3 evaluate; on 3 nodes with 1 to 2 ranks"),
    ],
)
def test_several_nodes_are_said(where, end):
    assert str(Roles.on_ranks(4).placed(where)) == f"4 ranks: rank 0 searches, {end}"


def test_what_is_stored_says_all_of_it_in_short():
    roles = of_agents(8, 2).placed(nodes([0, 2, 4, 6], [1, 3, 5, 7]))
    stored = roles.as_json()
    assert stored == {
        "size": 8,
        "has_agents": True,
        "has_server": True,
        "groups": [{"leader": 1, "workers": "3-4"}, {"leader": 2, "workers": "5-7"}],
        "spare": "",
        "nodes": [
            {"host": "nid0", "ranks": "0,2,4,6", "threads": {"2": "4,6"}, "cores": {"0-3": "0,2,4,6"}},
            {"host": "nid1", "ranks": "1,3,5,7", "threads": {"1": "3,5,7"}, "cores": {"0-3": "1,3,5,7"}},
        ],
        "gpus": [],
        "teams": [],
    }
    assert json.loads(json.dumps(stored)) == stored


def test_a_whole_machine_takes_little_room():
    roles = Roles.on_ranks(50_000).placed(nodes(*[range(first, first + 50) for first in range(0, 50_000, 50)]))
    assert len(json.dumps(roles.as_json())) < 120_000
