import pytest

from dhmpi.agents.layout import AgentLayout
from dhmpi.errors import OptionError


def layout(size, agents=None, has_server=True, groups_allowed=True):
    return AgentLayout.of(size, agents, has_server, groups_allowed)


def test_by_default_all_ranks_but_the_server_are_agents():
    found = layout(5)
    assert found.agents == (1, 2, 3, 4)
    assert found.groups == ((), (), (), ())


def test_in_step_rank_0_is_the_first_agent():
    assert layout(3, has_server=False).agents == (0, 1, 2)
    assert layout(1, has_server=False).agents == (0,)


def test_the_rest_evaluate_in_groups_of_neighbours():
    found = layout(9, 2)
    assert found.agents == (1, 2)
    assert found.groups == ((3, 4, 5), (6, 7, 8))
    assert layout(8, 2, has_server=False).groups == ((2, 3, 4), (5, 6, 7))


@pytest.mark.parametrize("size", [9, 10, 11, 40, 1025])
def test_groups_differ_by_one_at_most_and_nobody_is_left_out(size):
    found = layout(size, 3)
    lengths = [len(group) for group in found.groups]
    assert max(lengths) - min(lengths) <= 1
    assert [0, *found.agents, *(rank for group in found.groups for rank in group)] == list(range(size))


def test_every_rank_knows_its_group_with_the_agent_first():
    found = layout(8, 3)
    first, second, third = (1, 4), (2, 5), (3, 6, 7)
    assert [found.group_with(rank) for rank in range(8)] == [(), first, second, third, first, second, third, third]


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
        layout(*arguments)
    assert sentence in str(caught.value)


def test_it_is_said_in_words():
    assert str(layout(3)) == "3 ranks: rank 0 serves parameters; ranks 1 to 2 are agents; each evaluates itself"
    evaluating = "evaluating: ranks 3 to 4 for 1; ranks 5 to 6 for 2"
    assert str(layout(7, 2)) == f"7 ranks: rank 0 serves parameters; ranks 1 to 2 are agents; {evaluating}"
    assert str(layout(1, has_server=False)) == "1 rank: rank 0 coordinates, and is the agent; it evaluates itself"
    assert "; ...; " in str(layout(50, 12))
