import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dhmpi.agents.exchange import (
    TO_SERVER,
    MessageKind,
    ParameterServer,
    ServerExchange,
    TreeExchange,
    pack,
    unpack,
)
from dhmpi.search.nas.policy.adam import Adam
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.rewards import Moments, Scale
from dhmpi.search.nas.policy.update import Pool, Share, UpdateStep

OPTIONS = PPOOptions()
SIZE = 9
START = np.linspace(-1, 1, SIZE, dtype=np.float32)


def gradient(seed):
    return np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)


# ---------------------------------------------------------------------------------------------------------------------
# Bytes


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(), max_size=5), st.lists(st.floats(width=32), max_size=7))
def test_what_is_packed_comes_back(numbers, values):
    vector = np.array(values, dtype=np.float32)
    payload = pack(numbers, vector)
    assert isinstance(payload, bytes)
    assert len(payload) == 8 * len(numbers) + 4 * len(values)
    found, back = unpack(payload, len(numbers))
    assert np.array(found).tobytes() == np.array(numbers, dtype=np.float64).tobytes()
    assert back.tobytes() == vector.tobytes()


def test_gradients_and_parameters_travel_flat():
    sent = []
    server = ParameterServer(PolicyState.new(START), OPTIONS, Scale(), 10)
    agent = ServerExchange(0, lambda *message: sent.append(message), Scale(), 0)
    agent.begin(UpdateStep(gradient(0), 0.1))
    [(rank, kind, payload)] = sent
    assert (rank, kind) == (0, MessageKind.GRADIENT)
    assert len(payload) == 2 * 8 + SIZE * 4
    server.serve([(3, kind, payload)], lambda *message: sent.append(message))
    rank, kind, payload = sent[-1]
    assert (rank, kind) == (3, MessageKind.PARAMETERS)
    assert isinstance(payload, bytes)
    assert len(payload) == (2 + 5) * 8 + SIZE * 4


# ---------------------------------------------------------------------------------------------------------------------
# The server


class Office:
    """A server and its agents, with one queue to the server."""

    def __init__(self, num_agents, max_staleness=100, state=None):
        self.server = ParameterServer(state or PolicyState.new(START), OPTIONS, Scale(), max_staleness)
        self.letters = []
        self.agents = {
            rank: ServerExchange(0, self._sender(rank), Scale(), self.server.version)
            for rank in range(1, num_agents + 1)
        }

    def _sender(self, rank):
        def send(destination, kind, payload):
            assert destination == 0
            assert kind in TO_SERVER
            self.letters.append((rank, kind, payload))

        return send

    def serve(self):
        """Serve all letters at once, and return the answers by rank."""
        letters, self.letters = self.letters, []
        self.server.serve(letters, lambda rank, kind, payload: self.agents[rank].take(0, kind, payload))
        return {rank: self.agents[rank].answer() for rank, *_ in letters}


def test_gradients_are_applied_in_order_and_all_are_answered_with_the_newest():
    office, adam = Office(3), Adam(START.copy())
    for round in range(3):
        order = random.Random(round).sample([1, 2, 3], 3)
        norms = {}
        for rank in order:
            office.agents[rank].begin(UpdateStep(gradient(10 * round + rank), 0.01 * rank))
            assert office.agents[rank].answer() is None
        for rank in order:
            norms[rank] = adam.step(gradient(10 * round + rank), 0.01 * rank)
        for rank, stepped in office.serve().items():
            assert stepped.parameters.tobytes() == adam.parameters.tobytes()
            assert stepped.parameters.dtype == np.float32
            assert stepped.version == office.server.version == 3 * (round + 1)
            assert stepped.gradient_norm == norms[rank]
            assert office.agents[rank].answer() is None  # given once
    assert office.server.state().parameters.tobytes() == adam.parameters.tobytes()
    assert office.server.state().second_moment.tobytes() == adam.second_moment.tobytes()
    assert (office.server.num_applied, office.server.num_refused) == (9, 0)


def test_parameters_that_were_sent_do_not_change_any_more():
    office = Office(1)
    office.agents[1].begin(UpdateStep(gradient(0), 0.1))
    first = office.serve()[1].parameters
    kept = first.tolist()
    office.agents[1].begin(UpdateStep(gradient(1), 0.1))
    assert office.serve()[1].parameters.tolist() != kept
    assert first.tolist() == kept


def test_gradients_that_are_too_old_are_refused_and_answered_with_the_newest():
    office, adam = Office(2, max_staleness=2), Adam(START.copy())
    for seed, version in ((0, 1), (1, 2)):
        office.agents[1].begin(UpdateStep(gradient(seed), 0.1))
        adam.step(gradient(seed), 0.1)
        assert office.serve()[1].version == version
    office.agents[2].begin(UpdateStep(gradient(5), 0.1))  # of version 0: just young enough
    adam.step(gradient(5), 0.1)
    assert office.serve()[2].version == 3
    for seed in (6, 7):
        office.agents[2].begin(UpdateStep(gradient(seed), 0.1))
        adam.step(gradient(seed), 0.1)
        office.serve()
    before = adam.parameters.tobytes()
    office.agents[1].begin(UpdateStep(gradient(8), 0.1))  # of version 2, while there is 5
    refused = office.serve()[1]
    assert refused.version == 5
    assert math.isnan(refused.gradient_norm)
    assert refused.parameters.tobytes() == before == office.server.state().parameters.tobytes()
    assert (office.server.num_applied, office.server.num_refused) == (5, 1)
    assert (office.server.sum_staleness, office.server.largest_staleness) == (0 + 0 + 2 + 0 + 0 + 3, 3)
    office.agents[1].begin(UpdateStep(gradient(9), 0.1))  # with what it has now
    assert office.serve()[1].version == 6


def test_staleness_is_counted_within_a_round_too():
    office = Office(3, max_staleness=1)
    for rank in (1, 2, 3):
        office.agents[rank].begin(UpdateStep(gradient(rank), 0.1))
    answers = office.serve()
    assert [math.isnan(answers[rank].gradient_norm) for rank in (1, 2, 3)] == [False, False, True]
    assert {each.version for each in answers.values()} == {2}


def test_a_gradient_that_is_not_finite_changes_nothing():
    office = Office(2)
    office.agents[1].begin(UpdateStep(np.full(SIZE, np.nan, dtype=np.float32), 0.1))
    stepped = office.serve()[1]
    assert math.isnan(stepped.gradient_norm)
    assert (stepped.version, stepped.parameters.tolist()) == (0, START.tolist())


def test_rewards_of_all_agents_are_merged():
    office = Office(3)
    rewards = {1: [1.0, 2.0], 2: [], 3: [-4.0, 0.5, 3.0]}
    office.server.scale = office.server.scale._replace(progress=0.25)
    for rank, values in rewards.items():
        office.agents[rank].begin(Share(Scale.of(values)))
    answers = office.serve()
    expected = Scale.of([1.0, 2.0, -4.0, 0.5, 3.0], 0.25)
    for rank, scale in answers.items():
        assert scale.numbers() == pytest.approx(expected.numbers())
        assert office.agents[rank].scale == scale == office.server.scale
    office.agents[2].begin(Share(Scale.of([10.0])))
    office.agents[1].begin(UpdateStep(gradient(0), 0.1))
    scale = office.serve()[2]
    assert scale.moments.num == 6
    assert office.agents[1].scale == scale  # those who ask for a step get to know it too
    assert office.agents[3].scale != scale
    assert office.server.version == 1


def test_what_agents_that_update_together_ask_is_answered_without_the_server():
    office = Office(1)
    office.agents[1].begin(Pool(Moments(3.0, 1.0, 2.0)))
    assert office.letters == []
    assert office.agents[1].answer() == Moments(3.0, 1.0, 2.0)
    assert office.agents[1].answer() is None


def test_a_server_goes_on_where_an_earlier_one_has_stopped():
    first = Office(1)
    for seed in range(3):
        first.agents[1].begin(UpdateStep(gradient(seed), 0.1))
        first.serve()
    second = Office(1, max_staleness=0, state=first.server.state())
    for office in (first, second):
        office.agents[1].begin(UpdateStep(gradient(7), 0.1))
    expected, found = first.serve()[1], second.serve()[1]
    assert found.version == expected.version == 4
    assert found.parameters.tobytes() == expected.parameters.tobytes()


# ---------------------------------------------------------------------------------------------------------------------
# The tree


class Tree:
    """Agents that ask for the same things in the same order, each at its own pace."""

    def __init__(self, net, num_agents, scale=None, first_rank=0):
        self.ranks = [first_rank + 2 * place for place in range(num_agents)]  # ranks need not be neighbours
        self._net = net
        state = PolicyState.new(START)
        self.ends = {
            rank: TreeExchange(self.ranks, rank, net.sender(rank), state, OPTIONS, scale or Scale())
            for rank in self.ranks
        }

    def ask(self, requests):
        """Let every agent ask for its requests one after the other; return their answers by rank."""
        left, answers = {rank: list(each) for rank, each in requests.items()}, {rank: [] for rank in self.ranks}
        is_asking = dict.fromkeys(self.ranks, False)
        while any(left.values()) or any(is_asking.values()):
            if self._net.rng.random() < 0.5:
                self._net.deliver(self.ends)
                continue
            rank = self._net.rng.choice(self.ranks)
            if is_asking[rank]:
                answer = self.ends[rank].answer()
                if answer is not None:
                    is_asking[rank] = False
                    answers[rank].append(answer)
            elif left[rank]:
                self.ends[rank].begin(left[rank].pop(0))
                is_asking[rank] = True
        assert not self._net.deliver(self.ends)
        return answers


@pytest.mark.parametrize("num", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("seed", range(3))
def test_a_tree_adds_up_in_any_order_of_delivery(wires, num, seed):
    net = wires(seed)
    tree = Tree(net, num, first_rank=seed)
    rewards = {rank: np.random.default_rng(rank).normal(size=place % 3) for place, rank in enumerate(tree.ranks)}
    steps = [{rank: gradient((rank, number)) / num for rank in tree.ranks} for number in range(3)]
    requests = {
        rank: [
            Share(Scale.of(rewards[rank])),
            Pool(Moments.of(rewards[rank])),
            UpdateStep(steps[0][rank], 0.1),
            Pool(Moments(1.0, float(rank), 0.0)),
            UpdateStep(steps[1][rank], 0.05),
            UpdateStep(steps[2][rank], 0.05),
        ]
        for rank in tree.ranks
    }
    answers = tree.ask(requests)
    together = np.concatenate(list(rewards.values()))
    adam = Adam(START.copy())
    _, _, *of_root = answers[tree.ranks[0]]
    for rank, (scale, moments, first, divergence, second, third) in answers.items():
        assert scale.numbers() == pytest.approx(Scale.of(together).numbers())
        assert moments == pytest.approx(Moments.of(together))
        assert divergence.mean == pytest.approx(np.mean(tree.ranks))
        assert divergence.num == num
        assert (first.version, second.version, third.version) == (1, 2, 3)
        for stepped, other in zip((first, second, third), (of_root[0], *of_root[2:]), strict=True):
            assert stepped.parameters.tobytes() == other.parameters.tobytes()
        assert tree.ends[rank].state().parameters.tobytes() == third.parameters.tobytes()
    for number, (each, rate) in enumerate(zip(steps, (0.1, 0.05, 0.05), strict=True)):
        norm = adam.step(np.sum(list(each.values()), axis=0), rate)
        stepped = answers[tree.ranks[-1]][(2, 4, 5)[number]]
        assert stepped.parameters == pytest.approx(adam.parameters, abs=1e-6)
        assert stepped.gradient_norm == pytest.approx(norm, rel=1e-5)
    assert net.num_sent == 6 * 2 * (num - 1)  # one up and one down for each agent but the root


def test_a_child_may_be_ahead_of_its_parent(wires):
    net = wires()
    tree = Tree(net, 3)
    root, left, right = tree.ends.values()
    for number in range(3):
        for each in (left, right):  # while the root still has its answer before it
            each.begin(UpdateStep(gradient(number), 0.1))
            assert each.answer() is None
        while net.deliver(tree.ends):
            pass
        root.begin(UpdateStep(gradient(number + 10), 0.1))
        stepped = root.answer()
        while net.deliver(tree.ends):
            pass
        assert left.answer().parameters.tobytes() == right.answer().parameters.tobytes() == stepped.parameters.tobytes()
    # One child may have begun the next round before the other one knows the sum of this one.
    for each in (left, right, root):
        each.begin(Pool(Moments(1.0, 2.0, 0.0)))
    assert [left.answer(), right.answer()] == [None, None]
    while net.deliver(tree.ends):
        pass
    assert root.answer().num == 3
    while net.deliver(tree.ends):
        pass
    assert left.answer().num == 3
    left.begin(Pool(Moments(5.0, 0.0, 0.0)))
    assert left.answer() is None
    while net.deliver(tree.ends):
        pass
    root.begin(Pool(Moments(1.0, 0.0, 0.0)))
    assert root.answer() is None
    assert right.answer().num == 3
    right.begin(Pool(Moments(2.0, 0.0, 0.0)))
    right.answer()
    net.deliver(tree.ends)
    assert root.answer().num == 8


def test_there_is_no_answer_before_all_have_asked(wires):
    net = wires()
    tree = Tree(net, 4)
    root, *others = tree.ends.values()
    root.begin(Pool(Moments(1.0, 0.0, 0.0)))
    for each in others[:2]:
        each.begin(Pool(Moments(1.0, 0.0, 0.0)))
    for _ in range(5):
        while net.deliver(tree.ends):
            pass
        assert [each.answer() for each in tree.ends.values()] == [None] * 4
    others[2].begin(Pool(Moments(1.0, 0.0, 0.0)))
    found = {}
    while len(found) < 4:
        for rank, each in tree.ends.items():
            answer = each.answer()
            if answer is not None:
                found[rank] = answer
        net.deliver(tree.ends)
    assert {each.num for each in found.values()} == {4}


@pytest.mark.parametrize("num", [1, 2, 5, 8])
def test_when_one_agent_has_nothing_left_all_know(wires, num):
    for place in range(num):
        tree = Tree(wires(place), num)
        shares = {rank: [Share(Scale.of([1.0]))] for rank in tree.ranks}
        tree.ask(shares)
        assert not any(each.is_over for each in tree.ends.values())
        tree.ends[tree.ranks[place]].has_none_left = True
        assert not any(each.is_over for each in tree.ends.values())  # not before they have been told
        tree.ask(shares)
        assert all(each.is_over for each in tree.ends.values())


@pytest.mark.parametrize("num", [1, 3, 8])
def test_all_agents_know_the_rewards_and_the_progress_of_all(wires, num):
    tree = Tree(wires(num), num, scale=Scale.of([7.0, -3.0], 0.125))
    rewards = [7.0, -3.0]
    for round in range(2):
        for place, end in enumerate(tree.ends.values()):
            end.progress = 0.25 + 0.25 * round + 0.0625 * (place == num - 1)
        parts = {rank: [float(rank), round - 0.5] for rank in tree.ranks}
        rewards += [reward for part in parts.values() for reward in part]
        answers = tree.ask({rank: [Share(Scale.of(part))] for rank, part in parts.items()})
        expected = Scale.of(rewards, 0.3125 + 0.25 * round)
        for rank, [scale] in answers.items():
            assert scale.numbers() == pytest.approx(expected.numbers())
            assert scale == tree.ends[rank].scale == answers[tree.ranks[0]][0]


def test_a_sum_that_is_not_finite_changes_nothing_on_any_agent(wires):
    tree = Tree(wires(), 3)
    steps = {rank: [UpdateStep(gradient(rank), 0.1)] for rank in tree.ranks}
    steps[tree.ranks[1]] = [UpdateStep(np.full(SIZE, np.inf, dtype=np.float32), 0.1)]
    for [stepped] in tree.ask(steps).values():
        assert stepped.version == 0
        assert not math.isfinite(stepped.gradient_norm)
        assert stepped.parameters.tolist() == START.tolist()
