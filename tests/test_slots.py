"""Slots: which GPUs which workers get. Nodes and GPUs are made up here; tests/mpi has ranks that take part."""

import pytest

from dhmpi.errors import OptionError
from dhmpi.mpi.nodes import ComputeNode
from dhmpi.mpi.roles import Roles
from dhmpi.mpi.slots import Sharers, capacity, deal
from dhmpi.support.gpus import GpuView
from dhmpi.support.place import Place
from dhmpi.support.resources import SlotOptions

CUDA = "CUDA_VISIBLE_DEVICES"


def view(*devices, **more):
    return GpuView(CUDA, devices, **more)


FOUR = view("0", "1", "2", "3")


def node(ranks, seen=FOUR, host="nid0"):
    """Return a node whose ranks all see the same, or each what is listed for it."""
    views = seen if isinstance(seen, list) else [seen] * len(ranks)
    return ComputeNode(host, tuple(ranks), (0b11,) * len(ranks), tuple(views))


def dealt(*nodes, **options):
    """Return the roles of rank 0 and workers on nodes."""
    size = sum(len(each.ranks) for each in nodes)
    return Roles.on_ranks(size).placed(nodes).with_slots(SlotOptions(**options))


def gpus(roles):
    return {slot.ranks[0]: ",".join(slot.gpus) for slot in roles.gpus.slots}


# --- by default


@pytest.mark.parametrize(
    ("num_ranks", "found"),
    [
        (2, {1: "0,1,2,3"}),
        (3, {1: "0,1", 2: "2,3"}),
        (4, {1: "0", 2: "1", 3: "2"}),
        (5, {1: "0", 2: "1", 3: "2", 4: "3"}),
    ],
)
def test_by_default_each_worker_has_an_equal_share_of_its_own(num_ranks, found):
    roles = dealt(node(range(num_ranks)))
    assert gpus(roles) == found
    assert all(slot.is_set for slot in roles.gpus.slots)
    assert roles.spare == ()


def test_with_fewer_gpus_than_workers_nothing_is_bound_and_that_is_said():
    roles = dealt(node(range(7)))
    assert set(gpus(roles).values()) == {"0,1,2,3"}
    assert not any(slot.is_set for slot in roles.gpus.slots)
    advice = "--gpus-per-eval 1 gives one each to 4 of them, 0.5 lets them share"
    assert str(roles).endswith(f"; 6 workers see all 4 GPUs of nid0: {advice}")


def test_the_advice_lets_all_of_them_share():
    for num_workers in range(5, 200):
        roles = dealt(node(range(num_workers + 1)))
        part = float(str(roles).rpartition(" to 4 of them, ")[2].split()[0])
        assert len(dealt(node(range(num_workers + 1)), gpus_per_eval=part).workers) == num_workers


def test_all_nodes_are_treated_alike():
    """Four workers beside rank 0 could have one each, but five elsewhere could not."""
    assert not any(slot.is_set for slot in dealt(node(range(5)), node(range(5, 10), host="nid1")).gpus.slots)
    # One worker beside rank 0 could have four, but gets two as the others.
    assert gpus(dealt(node([0, 1]), node([2, 3], host="nid1"))) == {1: "0,1", 2: "0,1", 3: "2,3"}


def test_without_gpus_nothing_is_said():
    roles = dealt(node(range(3), view()))
    assert gpus(roles) == {1: "", 2: ""}
    assert str(roles) == "3 ranks: rank 0 searches, ranks 1 to 2 evaluate"
    assert roles.as_json()["gpus"] == []


def test_workers_on_a_node_without_gpus_have_none():
    assert gpus(dealt(node([0, 1, 2]), node([3], view(), "nid1"))) == {1: "0,1", 2: "2,3", 3: ""}


# --- as asked for


def test_one_rank_more_than_gpus_uses_all_of_them_and_the_rest_sleeps():
    """Five ranks on each of ten nodes with four GPUs: 40 of 40."""
    nodes = [node(range(5 * number, 5 * number + 5), host=f"nid{number}") for number in range(10)]
    roles = dealt(*nodes, gpus_per_eval=1)
    assert len({(slot.host, slot.gpus) for slot in roles.gpus.slots}) == len(roles.workers) == 40
    assert roles.spare == tuple(range(9, 50, 5))
    assert str(roles).endswith(
        "; on 10 nodes with 5 ranks each; 1 GPU for each evaluation; 9 ranks without a GPU sleep"
    )


def test_several_gpus_for_each_evaluation():
    roles = dealt(node(range(4)), gpus_per_eval=2)
    assert gpus(roles) == {1: "0,1", 2: "2,3"}
    assert roles.spare == (3,)
    assert "rank 0 searches, ranks 1 to 2 evaluate; 2 GPUs for each evaluation; 1 rank without a GPU sleeps" in str(
        roles
    )


def test_several_evaluations_on_each_gpu():
    assert list(gpus(dealt(node(range(9)), gpus_per_eval=0.5)).values()) == list("00112233")
    assert list(gpus(dealt(node(range(4)), gpus_per_eval=0.5)).values()) == list("012")  # as few on each as can be
    roles = dealt(node(range(4), view("7")), gpus_per_eval=0.5)
    assert gpus(roles) == {1: "7", 2: "7"}
    assert roles.spare == (3,)


@pytest.mark.parametrize(("each", "num"), [(1, 4), (2, 2), (3, 1), (5, 0), (0.5, 8), (1 / 3, 12), (0.4, 8), (0.1, 40)])
def test_a_node_has_room_for_so_many(each, num):
    assert capacity(4, each) == num


def test_ranks_of_a_node_without_gpus_sleep_if_gpus_are_asked_for():
    roles = dealt(node([0, 1, 2]), node([3], view(), "nid1"), gpus_per_eval=1)
    assert roles.spare == (3,)


def test_gpus_may_be_left_alone():
    roles = dealt(node(range(3)), gpus_per_eval=0)
    assert not any(slot.is_set for slot in roles.gpus.slots)
    assert roles.gpus.sentence == ""


@pytest.mark.parametrize(
    ("seen", "options", "sentence"),
    [
        (FOUR, {"gpus_per_eval": 5}, "must be at most 4, the GPUs that there are, got 5"),
        (view(), {"gpus_per_eval": 1}, "must be left out where no GPU is seen, got 1; if there are some, say how many"),
        (view("2", is_listed=True), {"gpus_per_node": 4}, f"must be at most 1, as many as {CUDA} names on nid0, got 4"),
    ],
)
def test_what_is_not_there_is_refused(seen, options, sentence):
    with pytest.raises(OptionError) as caught:
        dealt(node(range(3), seen), **options)
    assert sentence in str(caught.value)


def test_a_node_may_be_said_to_have_more_or_fewer():
    assert gpus(dealt(node(range(3), view()), gpus_per_node=2)) == {1: "0", 2: "1"}
    assert gpus(dealt(node(range(3), view("4", "5", "6", is_listed=True)), gpus_per_node=2)) == {1: "4", 2: "5"}


# --- near cores


def bound(*masks, first=0, host="nid0"):
    """Return a node of four GPUs, the first near the last core, with ranks that are bound to cores."""
    seen = view("0", "1", "2", "3", near=(0b1000, 0b0100, 0b0010, 0b0001))
    return ComputeNode(host, tuple(range(first, first + len(masks))), masks, (seen,) * len(masks))


def test_ranks_get_the_gpus_near_their_cores():
    assert gpus(dealt(bound(1, 1, 2, 4, 8), gpus_per_eval=1)) == {1: "3", 2: "2", 3: "1", 4: "0"}
    assert gpus(dealt(bound(0b0011, 0b0011, 0b1100))) == {1: "2,3", 2: "0,1"}
    assert gpus(dealt(bound(15, 15, 15), gpus_per_eval=1)) == {1: "0", 2: "1"}


def test_ranks_that_share_a_gpu_are_near_it():
    roles = dealt(bound(1, 1, 1, 2, 2, 4, 4, 8, 8), gpus_per_eval=0.5)
    assert "".join(gpus(roles).values()) == "33221100"


def test_the_rank_that_sleeps_is_one_that_shares_its_cores():
    roles = dealt(bound(1, 1, 2, 4, 8), bound(1, 1, 2, 4, 8, first=5, host="nid1"), gpus_per_eval=1)
    assert roles.spare == (6,)
    assert gpus(roles)[5] == "3"


def test_fewer_gpus_than_a_node_has_are_the_first_ones():
    assert gpus(dealt(bound(1, 2, 8), gpus_per_node=2)) == {1: "1", 2: "0"}


# --- what the launcher has done


def test_gpus_that_the_launcher_has_given_to_each_rank_stay():
    given = [view(number, is_listed=True) for number in "3210"]
    for options in ({}, {"gpus_per_eval": 1}):
        roles = dealt(node(range(4), given), **options)
        assert gpus(roles) == {1: "2", 2: "1", 3: "0"}
        assert not any(slot.is_set for slot in roles.gpus.slots)
        assert roles.gpus.sentence == "the launcher has given each rank its GPUs"
    assert "whatever --gpus-per-eval says" in dealt(node(range(4), given), gpus_per_eval=2).gpus.sentence
    assert gpus(dealt(node(range(2), given[:2]), gpus_per_eval=2)) == {1: "2"}


def test_ranks_may_all_call_their_own_gpu_0():
    roles = dealt(node(range(4), view("0", is_listed=True, is_own=True)))
    assert roles.gpus.sentence == "the launcher has given each rank its GPUs"


def test_a_rank_to_which_the_launcher_has_given_none_sleeps_if_gpus_are_asked_for():
    given = [view(), view("0", is_listed=True), view("1", is_listed=True), view(is_listed=True)]
    assert dealt(node(range(4), given), gpus_per_eval=1).spare == (3,)
    assert gpus(dealt(node(range(4), given))) == {1: "0", 2: "1", 3: ""}


def test_ranks_that_see_the_same_share_it():
    """One half of the node each, as launchers bind to what is closest."""
    halves = [view("0", "1", is_listed=True)] * 3 + [view("2", "3", is_listed=True)] * 2
    assert gpus(dealt(node(range(5), halves))) == {1: "0", 2: "1", 3: "2", 4: "3"}


def test_ranks_that_do_not_know_see_what_another_one_of_the_node_has_found():
    assert gpus(dealt(node(range(3), [FOUR, None, None]))) == {1: "0,1", 2: "2,3"}


# --- places, agents, names


def test_every_worker_knows_its_place():
    roles = dealt(node([0, 1]), node([2, 3, 4], host="nid1"), gpus_per_eval=1)
    assert roles.place(3) == Place(2, 3, 1, 5, ("1",), CUDA, True)
    changes = {"DHMPI_WORKER": "2", "DHMPI_LOCAL_RANK": "1", "DHMPI_GPUS": "1", CUDA: "1"}
    assert roles.place(3).changes() == changes


def test_the_names_of_devices_stay_texts():
    roles = dealt(node(range(3), GpuView("ZE_AFFINITY_MASK", ("0.0", "0.1"))))
    assert roles.place(2).changes()["ZE_AFFINITY_MASK"] == "0.1"


def test_variables_that_count_among_those_left_are_removed():
    roles = dealt(node(range(3), GpuView("ROCR_VISIBLE_DEVICES", ("6", "4"), is_listed=True)))
    inherited = {"ROCR_VISIBLE_DEVICES": "4,5,6", "HIP_VISIBLE_DEVICES": "2,0", "HOME": "/"}
    found = roles.place(2).environment(inherited)
    assert (found["ROCR_VISIBLE_DEVICES"], "HIP_VISIBLE_DEVICES" in found, found["HOME"]) == ("4", False, "/")


def test_agents_share_the_workers_that_have_gpus():
    roles = Roles.of_agents(9, 2, True, True).placed((node(range(9)),)).with_slots(SlotOptions(gpus_per_eval=1))
    assert [group.workers for group in roles.groups] == [(3, 4), (5, 6)]
    assert roles.spare == (7, 8)
    assert [roles.group_of(rank) for rank in (0, 4, 7)] == [(), (1, 3, 4), ()]


def test_agents_that_evaluate_themselves_have_gpus():
    roles = Roles.of_agents(5, None, True, True).placed((node(range(5)),)).with_slots(SlotOptions())
    assert gpus(roles) == {1: "0", 2: "1", 3: "2", 4: "3"}


@pytest.mark.parametrize(("size", "agents"), [(7, None), (9, 2)])
def test_an_agent_without_a_gpu_is_refused(size, agents):
    roles = Roles.of_agents(size, agents, True, True).placed((node(range(size)),))
    with pytest.raises(OptionError, match=r"must leave something to each of the \d agents, got"):
        roles.with_slots(SlotOptions(gpus_per_eval=4.0 if agents else 1.0))


def test_a_large_machine_is_dealt_out_at_once():
    nodes = [node(range(first, first + 5), host=f"nid{first}") for first in range(0, 50_000, 5)]
    assert len(dealt(*nodes, gpus_per_eval=1).workers) == 40_000


def test_what_is_stored_says_who_has_what():
    stored = dealt(node(range(4)), gpus_per_eval=2).as_json()
    assert stored["gpus"] == [{"host": "nid0", "variable": CUDA, "devices": {"0,1": "1", "2,3": "2"}}]
    assert stored["spare"] == "3"


def test_a_pool_is_dealt_to_in_the_same_way():
    found = deal([Sharers("here", (0, 1), FOUR)], SlotOptions())
    assert [slot.gpus for slot in found.slots] == [("0", "1"), ("2", "3")]


# --- several ranks for each evaluation


def teams(roles):
    return [team for team in roles.gpus.teams() if len(team) > 1]


def test_ranks_of_a_node_evaluate_together():
    roles = dealt(node(range(6), view()), node(range(6, 12), view(), host="nid1"), ranks_per_eval=2)
    assert teams(roles) == [(1, 2), (3, 4), (6, 7), (8, 9), (10, 11)]
    assert roles.spare == (5,)
    assert roles.workers == (1, 2, 3, 4, 6, 7, 8, 9, 10, 11)
    assert str(roles).endswith("; 2 ranks for each evaluation; 1 rank sleeps")
    assert [roles.place(rank).worker for rank in (1, 2, 10, 11)] == [0, 0, 4, 4]
    assert [roles.place(rank).member for rank in (1, 2, 10, 11)] == [0, 1, 0, 1]
    assert roles.team_leaders(roles.workers) == (1, 3, 6, 8, 10)
    assert roles.as_json()["teams"] == ["1-2", "3-4", "6-7", "8-9", "10-11"]


def test_ranks_that_are_dealt_out_to_nodes_meet_those_of_their_own():
    roles = dealt(node(range(0, 10, 2), view()), node(range(1, 10, 2), view(), host="nid1"), ranks_per_eval=2)
    assert teams(roles) == [(1, 3), (2, 4), (5, 7), (6, 8)]
    assert roles.spare == (9,)


def test_more_ranks_than_a_node_has_are_on_several():
    nodes = [node(range(first, first + 4), host=f"nid{first // 4}") for first in range(0, 12, 4)]
    roles = dealt(*nodes, ranks_per_eval=5, gpus_per_eval=5)
    assert teams(roles) == [(1, 2, 3, 4, 5), (6, 7, 8, 9, 10)]
    assert [roles.place(rank).gpus for rank in range(1, 6)] == [("0",), ("1",), ("2",), ("0",), ("1",)]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ["0", "1", "2", "3"]),
        ({"gpus_per_eval": 2}, ["0", "1", "2", "3"]),
        ({"gpus_per_eval": 1}, ["0", "0", "1", "1"]),
        ({"gpus_per_eval": 0.5}, ["0", "0", "1", "1"]),
        ({"gpus_per_eval": 0.5, "gpus_per_node": 1}, ["0", "0", "0", "0"]),
        ({"gpus_per_eval": 0}, ["0,1,2,3"] * 4),
    ],
)
def test_each_of_them_has_its_part_of_the_gpus(options, found):
    roles = dealt(node(range(5)), ranks_per_eval=2, **options)
    assert [",".join(roles.place(rank).gpus) for rank in range(1, 5)] == found


def test_four_gpus_for_two_ranks_are_two_each():
    roles = dealt(node(range(5)), ranks_per_eval=2, gpus_per_eval=4)
    assert [roles.place(rank).gpus for rank in (1, 2)] == [("0", "1"), ("2", "3")]
    assert roles.spare == (3, 4)
    assert str(roles).endswith("; 2 ranks and 4 GPUs for each evaluation; 2 ranks sleep")
    assert roles.gpus.as_json() == [{"host": "nid0", "variable": CUDA, "devices": {"0,1": "1", "2,3": "2"}}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranks_per_eval": 5}, "ranks_per_eval must be at most 4, the ranks that evaluate, got 5; start more ranks"),
        (
            {"ranks_per_eval": 2, "gpus_per_eval": 3},
            "gpus_per_eval must be a multiple of ranks_per_eval 2, or less than that, got 3",
        ),
    ],
)
def test_what_ranks_together_cannot_have_is_said(options, message):
    with pytest.raises(OptionError) as caught:
        dealt(node(range(5)), **options)
    assert str(caught.value) == message


def test_agents_have_whole_teams():
    roles = Roles.of_agents(11, 2, False, True).placed((node(range(11), view()),))
    found = roles.with_slots(SlotOptions(ranks_per_eval=2))
    assert [group.workers for group in found.groups] == [(2, 3, 4, 5), (6, 7, 8, 9)]
    with pytest.raises(
        OptionError, match="ranks_per_eval must leave something to each of the 2 agents, got 9 with ranks for 1"
    ):
        roles.with_slots(SlotOptions(ranks_per_eval=9))
