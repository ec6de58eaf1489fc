import math
from dataclasses import replace

import numpy as np
import pytest

from dhmpi.agents.exchange import TreeExchange
from dhmpi.search.nas.policy.adam import Adam
from dhmpi.search.nas.policy.advantage import advantages
from dhmpi.search.nas.policy.gradient_exchange import LocalExchange
from dhmpi.search.nas.policy.policies import POLICIES
from dhmpi.search.nas.policy.policy import chosen
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.rewards import RULES, Moments, Scale
from dhmpi.search.nas.policy.update import (
    ADVANTAGE_EPSILON,
    LARGEST_WEIGHT,
    Batch,
    Pool,
    Share,
    Stepped,
    UpdateStep,
    update,
)

NUM_OPTIONS = (3, 1, 4, 2)
OPTIONS = PPOOptions(units=4, epochs=3, entropy_coefficient=0.3)
ONLY_POLICY = replace(OPTIONS, entropy_coefficient=0.0, value_coefficient=0.0)
both = pytest.mark.parametrize("kind", POLICIES)


def made(kind, num=8, seed=0, options=OPTIONS, dtype=np.float64, num_options=NUM_OPTIONS):
    """Return a policy, its parameters, and episodes that it has just played, with random rewards."""
    policy = POLICIES[kind](num_options, options.units)
    rng = np.random.default_rng(seed)
    parameters = policy.initial(rng) + 0.3 * rng.standard_normal(policy.layout.size)
    parameters = parameters.astype(dtype)
    actions, logs = policy.sample(parameters, num, rng)
    return policy, parameters, Batch(actions, logs, rng.normal(size=num))


def probabilities(policy, parameters, actions):
    return np.exp(policy.evaluate(parameters, actions).log_probabilities)


def loss_of(policy, start, batch, options, scale):
    """Return the loss of a batch of which none has failed, as a function of parameters, straight from its equation."""
    before = policy.evaluate(start, batch.actions)
    old = chosen(before.log_probabilities, batch.actions)
    spread = RULES[options.reward_rule](scale.apply(batch.rewards), policy.num_decisions)
    raw = advantages(spread, before.values, options.gamma, options.gae_lambda)
    targets, normalised = raw + before.values, (raw - raw.mean()) / (raw.std() + ADVANTAGE_EPSILON)
    clip = options.clip * (1 - scale.progress if options.schedule == "linear" else 1)

    def loss(parameters):
        now = policy.evaluate(parameters, batch.actions)
        total = 0.0
        for step, num in enumerate(policy._num_options):
            for episode in range(batch.rewards.size):
                here, logs = (step, episode), now.log_probabilities[step, episode, :num]
                ratio = math.exp(logs[batch.actions[here]] - old[here])
                weight = min(math.exp(old[here] - batch.log_probabilities[here]), LARGEST_WEIGHT)
                limited = min(max(ratio, 1 - clip), 1 + clip)
                total -= weight * min(ratio * normalised[here], limited * normalised[here])
                total += options.entropy_coefficient * (np.exp(logs) * logs).sum()
                total += options.value_coefficient * (now.values[here] - targets[here]) ** 2
        return total / batch.actions.size

    return loss


# ---------------------------------------------------------------------------------------------------------------------
# The loss and its gradient


@both
@pytest.mark.parametrize(
    ("changes", "progress"),
    [
        ({}, 0.0),
        ({"reward_rule": "reward_for_all_timesteps", "gamma": 0.7, "gae_lambda": 0.5}, 0.4),
        ({"schedule": "constant", "value_coefficient": 0.5}, 0.4),
        ({"entropy_coefficient": 0.0, "value_coefficient": 0.0}, 0.9),
    ],
)
def test_the_gradient_is_that_of_the_loss(drive, kind, changes, progress):
    options = replace(OPTIONS, **changes)
    policy, start, batch = made(kind, options=options)
    rng = np.random.default_rng(3)
    # Played by other policies, some of them so different that the weight is cut off.
    batch = batch._replace(log_probabilities=batch.log_probabilities + rng.normal(0, 0.7, batch.actions.shape))
    scale = Scale.of(np.append(batch.rewards, [0.7, -0.2]), progress)
    places = [start, *(start + 0.5 * rng.standard_normal(start.size) for _ in range(2))]
    following = iter([*places[1:], places[-1]])
    steps, figures = drive(update(policy, start, batch, options), lambda step: next(following), scale)
    assert len(steps) == figures.epochs == 3
    loss = loss_of(policy, start, batch, options, scale)
    for place, step in zip(places, steps, strict=True):
        directions = rng.standard_normal((12, start.size))
        slopes = [(loss(place + 1e-6 * way) - loss(place - 1e-6 * way)) / 2e-6 for way in directions]
        assert directions @ step.gradient == pytest.approx(slopes, rel=1e-5, abs=1e-7)
        assert np.abs(slopes).max() > 1e-2
    assert figures.clip_fraction > 0.2
    assert figures.loss == pytest.approx(loss(places[-1]))


@both
def test_figures_are_those_of_the_policy_at_the_end(drive, kind):
    policy, start, batch = made(kind)
    end = start + 0.2 * np.random.default_rng(1).standard_normal(start.size)
    _, figures = drive(update(policy, start, batch, OPTIONS), lambda step: end)
    first, last = policy.evaluate(start, batch.actions), policy.evaluate(end, batch.actions)
    logs = [chosen(found.log_probabilities, batch.actions) for found in (first, last)]
    assert figures.kl == pytest.approx((logs[0] - logs[1]).mean())
    outside = [abs(math.exp(new - old) - 1) > 0.2 for old, new in zip(logs[0].ravel(), logs[1].ravel(), strict=True)]
    assert figures.clip_fraction == pytest.approx(np.mean(outside))
    assert 0 < figures.clip_fraction < 1
    shares = np.exp(last.log_probabilities)
    entropy = -np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1)), 0).sum(axis=-1).mean()
    assert figures.entropy == pytest.approx(entropy)
    scaled = RULES[OPTIONS.reward_rule](Scale.of(batch.rewards).apply(batch.rewards), 4)
    targets = advantages(scaled, first.values, OPTIONS.gamma, OPTIONS.gae_lambda) + first.values
    assert figures.value_loss == pytest.approx(((last.values - targets) ** 2).mean())
    assert figures.explained_variance == pytest.approx(1 - ((first.values - targets) ** 2).mean() / targets.var())
    assert figures.loss == pytest.approx(figures.policy_loss - 0.3 * figures.entropy + figures.value_loss)
    assert (figures.gradient_norm, figures.learning_rate, figures.epochs) == (1.0, OPTIONS.learning_rate, 3)


@pytest.mark.parametrize(
    ("bias", "is_off"),
    [
        (1.0, True),  # what was good is taken more often by far: enough
        (-1.0, False),  # what was good is taken less often
        (0.02, False),  # within the range
    ],
)
def test_clipping_switches_the_gradient_off_only_where_the_policy_has_moved_far_the_right_way(drive, bias, is_off):
    policy, start, _ = made("mlp", num_options=(2,))
    start = np.zeros_like(start)
    batch = Batch(np.array([[0, 1]]), np.full((1, 2), math.log(0.5)), np.array([1.0, -1.0]))
    moved = start.copy()
    policy.layout.views(moved)["options_bias"][:] = [bias, -bias]
    (first, second, _), _ = drive(update(policy, start, batch, ONLY_POLICY), lambda step: moved)
    # The first option gets more probable, so its logit's derivative is negative.
    assert policy.layout.views(first.gradient)["options_bias"].ravel() == pytest.approx([-0.5, 0.5], rel=0.01)
    assert (not second.gradient.any()) is is_off
    if not is_off:
        assert policy.layout.views(second.gradient)["options_bias"][0, 0, 0] < -0.1


@both
def test_advantages_are_normalised_over_all_agents(kind):
    policy, start, batch = made(kind, options=ONLY_POLICY)
    gradients = []
    for shift, factor in ((0.0, 1.0), (0.0, 2.0), (3.0, 1.0)):
        asking = update(policy, start, batch, ONLY_POLICY)
        next(asking)
        moments = asking.send(Scale.of(batch.rewards)).moments
        other = Moments(moments.num * factor, moments.mean + shift, moments.squares * factor**3)
        gradients.append(asking.send(other).gradient)
    deviation = moments.deviation
    # Twice the deviation and twice as many decisions in the mean.
    change = (deviation + ADVANTAGE_EPSILON) / (2 * deviation + ADVANTAGE_EPSILON) / 2
    assert gradients[1] == pytest.approx(gradients[0] * change)
    assert np.abs(gradients[2] - gradients[0]).max() > 1e-2


# ---------------------------------------------------------------------------------------------------------------------
# Episodes that others have played


@both
@pytest.mark.parametrize(
    ("shift", "weight"),
    [(0.0, 1.0), (-math.log(1.5), 1.5), (1.0, math.exp(-1)), (-math.log(10), LARGEST_WEIGHT), (-1e4, LARGEST_WEIGHT)],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decisions_weigh_as_much_as_the_policy_would_take_them_now(drive, kind, shift, weight, dtype):
    policy, start, batch = made(kind, options=ONLY_POLICY, dtype=dtype)
    logs = batch.log_probabilities
    (fresh, *_), _ = drive(update(policy, start, batch, ONLY_POLICY), lambda step: start)
    old = batch._replace(log_probabilities=(logs + shift).astype(dtype))
    (stale, *_), _ = drive(update(policy, start, old, ONLY_POLICY), lambda step: start)
    assert stale.gradient == pytest.approx(weight * fresh.gradient, rel=1e-3, abs=1e-6)
    assert np.abs(fresh.gradient).max() > 1e-2


def test_the_value_is_learned_from_all_alike(drive):
    options = replace(OPTIONS, entropy_coefficient=0.0)
    policy, start, batch = made("lstm", options=options)
    old = batch._replace(log_probabilities=batch.log_probabilities - 0.5)
    found = []
    for each in (batch, old):
        (step, *_), _ = drive(update(policy, start, each, options), lambda step: start)
        found.append(policy.layout.views(step.gradient))
    for name in found[0]:
        is_alike = found[0][name] == pytest.approx(found[1][name])
        assert is_alike is (name.partition("_")[0] in ("value", "reward")), name


# ---------------------------------------------------------------------------------------------------------------------
# Failures, constant rewards, nothing at all


@both
def test_a_failure_is_as_bad_as_the_worst_reward_of_all_agents(drive, kind):
    policy, start, batch = made(kind)
    scale = Scale.of([*batch.rewards, -2.5])
    failed = batch._replace(rewards=np.where(np.arange(8) % 3 == 0, math.nan, batch.rewards))
    told = batch._replace(rewards=np.where(np.isnan(failed.rewards), -2.5, batch.rewards))
    (first, *_), _ = drive(update(policy, start, failed, OPTIONS), lambda step: start, scale)
    (second, *_), _ = drive(update(policy, start, told, OPTIONS), lambda step: start, scale)
    assert first.gradient.tolist() == second.gradient.tolist()
    (other, *_), _ = drive(update(policy, start, batch, OPTIONS), lambda step: start, scale)
    assert np.abs(first.gradient - other.gradient).max() > 1e-2


def test_failures_are_no_part_of_the_scale():
    policy, start, batch = made("mlp")
    batch = batch._replace(rewards=np.array([1.0, math.nan, 3.0, math.nan, math.nan, 2.0, 1.0, 2.0]))
    shared = next(update(policy, start, batch, OPTIONS))
    assert shared == Share(Scale.of([1.0, 3.0, 2.0, 1.0, 2.0]))
    assert shared.scale.worst == 1.0


class Alone:
    """One agent without others: takes every step by itself."""

    def __init__(self, kind, options=None, num_options=(4, 3, 5), seed=0):
        self.options = options or PPOOptions(units=8)
        self.policy = POLICIES[kind](num_options, self.options.units)
        state = PolicyState.new(self.policy.initial(np.random.default_rng(seed)))
        self.parameters, self._rng = state.parameters, np.random.default_rng(seed)
        self._exchange = LocalExchange(state, self.options, Scale())

    def learn(self, rewards, progress=0.0):
        """Play a batch, learn from the rewards that it is told to have got, and return the figures."""
        self._exchange.scale = self._exchange.scale._replace(progress=progress)
        rewards = np.array(rewards, dtype=np.float64)
        rollout = self.policy.sample(self.parameters, rewards.size, self._rng)
        asking = update(self.policy, self.parameters, Batch(*rollout, rewards), self.options)
        try:
            request = next(asking)
            while True:
                self._exchange.begin(request)
                answer = self._exchange.answer()
                if isinstance(request, UpdateStep):
                    self.parameters = answer.parameters
                request = asking.send(answer)
        except StopIteration as end:
            return end.value

    def most_moved(self):
        """Return by how much the probability of any option differs from what it was at the beginning."""
        actions, _ = self.policy.sample(self.parameters, 50, self._rng)
        shares = probabilities(self.policy, self.parameters, actions)
        uniform = np.exp(self.policy._mask) / self.policy._num_options[:, None]
        return float(np.abs(shares - uniform[:, None]).max())


NOT_TELLING = {
    "constant": [[0.1] * 8],
    "large": [[-123456.7] * 8],
    "all fail": [[math.nan] * 8],
    "constant or failed": [[0.3, math.nan] * 4],
    "one after failures": [[math.nan] * 8, [0.7] * 8],
    "hardly different": [[1.0, 1.0 + 2e-16] * 4],
}


@both
@pytest.mark.parametrize("batches", NOT_TELLING.values(), ids=NOT_TELLING)
def test_where_all_rewards_are_alike_the_policy_hardly_moves_in_the_long_run(kind, batches):
    agent = Alone(kind, PPOOptions(units=8, learning_rate=0.01, schedule="constant"))
    for number in range(40):
        figures = agent.learn(batches[number % len(batches)])
        assert np.isfinite(figures[:6]).all()
    assert np.isfinite(agent.parameters).all()
    assert agent.most_moved() < 0.02
    assert figures.value_loss < 0.05  # while the expected reward has been learned


@both
@pytest.mark.parametrize("rewards", [[math.nan] * 8, [2.0] * 8], ids=["failures", "the best"])
def test_a_batch_that_is_all_alike_after_others_does_no_harm(kind, rewards):
    agent = Alone(kind)
    for _ in range(3):
        agent.learn([1.0, 2.0, 0.5, 1.5, 1.0, 2.0, 0.0, 1.0])
    before = agent.most_moved()
    figures = agent.learn(rewards)
    assert np.isfinite(figures).all()
    assert abs(agent.most_moved() - before) < 0.02


@both
@pytest.mark.parametrize("bad", [-1e300, 1e300, -1.7e308, 1e160, 5e-324])
def test_extreme_rewards_do_not_stop_it(kind, bad):
    agent = Alone(kind)
    for rewards in ([1.0, 2.0, bad, 0.0], [bad] * 4, [-bad, bad, math.nan, 1.0], [1.0, 2.0, 3.0, 4.0]):
        figures = agent.learn(rewards)
        assert figures.epochs == 4
        assert math.isfinite(figures.loss)
    assert np.isfinite(agent.parameters).all()


@both
def test_without_any_episode_no_step_is_taken(drive, kind):
    policy, start, _ = made(kind)
    nothing = np.zeros((4, 0))
    batch = Batch(nothing.astype(np.int64), nothing, np.zeros(0))
    steps, figures = drive(update(policy, start, batch, OPTIONS), scale=Scale.of([1.0, 2.0]))
    assert steps == []
    assert figures.epochs == 0
    assert np.isnan(figures[:-1]).all()


@both
def test_an_agent_without_episodes_takes_part_where_others_have_some(kind):
    policy, start, _ = made(kind)
    nothing = np.zeros((4, 0))
    asking = update(policy, start, Batch(nothing.astype(np.int64), nothing, np.zeros(0)), OPTIONS)
    assert next(asking) == Share(Scale())
    assert asking.send(Scale.of([1.0, 2.0])) == Pool(Moments())
    step = asking.send(Moments(12.0, 0.5, 3.0))
    assert step.gradient.shape == start.shape
    assert not step.gradient.any()


# ---------------------------------------------------------------------------------------------------------------------
# Schedule and target


@both
@pytest.mark.parametrize(
    ("schedule", "progress", "factor"),
    [("linear", 0.0, 1.0), ("linear", 0.25, 0.75), ("linear", 1.0, 0.0), ("linear", 1.1, 0.0), ("constant", 0.9, 1.0)],
)
def test_steps_get_smaller_with_the_budget(drive, kind, schedule, progress, factor):
    options = replace(OPTIONS, schedule=schedule)
    policy, start, batch = made(kind, options=options)
    scale = Scale.of(batch.rewards, progress)
    steps, figures = drive(update(policy, start, batch, options), lambda step: start, scale)
    assert [step.learning_rate for step in steps] == pytest.approx([1e-3 * factor] * 3)
    assert figures.learning_rate == pytest.approx(1e-3 * factor)


@both
def test_at_the_end_of_the_budget_it_stands_still(kind):
    agent = Alone(kind)
    agent.learn([1.0, 2.0, 3.0, 4.0])
    before = agent.parameters
    agent.learn([1.0, 2.0, 3.0, 4.0], progress=1.0)
    assert agent.parameters.tolist() == before.tolist()


@both
def test_epochs_end_when_the_policy_has_moved_far_enough(drive, kind):
    policy, start, batch = made(kind)
    old = chosen(policy.evaluate(start, batch.actions).log_probabilities, batch.actions)
    far = start + 0.5 * np.random.default_rng(2).standard_normal(start.size)
    divergence = float((old - chosen(policy.evaluate(far, batch.actions).log_probabilities, batch.actions)).mean())
    assert divergence > 0.01
    for target, epochs in ((divergence * 0.9, 1), (divergence * 1.1, 3), (None, 3)):
        options = replace(OPTIONS, target_kl=target)
        steps, figures = drive(update(policy, start, batch, options), lambda step: far)
        assert len(steps) == figures.epochs == epochs
        assert figures.kl == pytest.approx(divergence)


def test_all_agents_end_their_epochs_together():
    """What counts is the divergence over all of them."""
    options = replace(OPTIONS, target_kl=0.1)
    policy, start, batch = made("mlp")
    for mean, is_over in ((0.2, True), (0.05, False)):
        asking = update(policy, start, batch, options)
        moments = asking.send(next(asking).scale).moments
        asking.send(moments)
        divergence = asking.send(Stepped(start, 1, 1.0))
        assert isinstance(divergence, Pool)
        assert divergence.moments.mean == pytest.approx(0.0)  # of this agent
        if is_over:
            with pytest.raises(StopIteration):
                asking.send(Moments(10.0, mean, 0.0))
        else:
            assert isinstance(asking.send(Moments(10.0, mean, 0.0)), UpdateStep)


# ---------------------------------------------------------------------------------------------------------------------
# Several agents in step

BATCH_SIZE = 12
SPLITS = {
    "1": [12],
    "2 even": [6, 6],
    "2 uneven": [11, 1],
    "2 one empty": [0, 12],
    "4 even": [3, 3, 3, 3],
    "4 uneven": [1, 7, 2, 2],
    "4 some empty": [0, 5, 0, 7],
}


def split(batch, sizes):
    ends = np.cumsum(sizes)
    return [Batch(*(array[..., end - size : end] for array in batch)) for size, end in zip(sizes, ends, strict=True)]


def batches(policy, start, num=3):
    """Return batches that were played a while ago, with failures and rewards of all sizes."""
    found = []
    for seed in range(num):
        rng = np.random.default_rng(seed)
        actions, logs = policy.sample(start, BATCH_SIZE, rng)
        logs = (logs + rng.normal(0, 0.3, logs.shape)).astype(np.float32)
        rewards = 10.0 * rng.normal(size=BATCH_SIZE) - 100
        rewards[rng.integers(0, BATCH_SIZE, 2)] = math.nan
        found.append(Batch(actions, logs, rewards))
    return found


def learn_together(wires, policy, start, parts, options):
    """Let agents learn from their parts of each batch; return the parameters of each of them and their figures."""
    num = len(parts[0])
    net, state = wires(seed=num), PolicyState.new(start)
    ends = {
        rank: TreeExchange(range(num), rank, net.sender(rank), state, options, Scale(progress=0.1))
        for rank in range(num)
    }
    parameters, figures = dict.fromkeys(range(num), start), {}
    for part in parts:
        asking = {rank: update(policy, parameters[rank], part[rank], options) for rank in range(num)}
        for rank, each in asking.items():
            ends[rank].begin(next(each))
        while asking:
            rank = net.rng.choice(list(asking))
            answer = ends[rank].answer()
            if answer is None:
                net.deliver(ends)
                continue
            if hasattr(answer, "parameters"):
                parameters[rank] = answer.parameters
            try:
                ends[rank].begin(asking[rank].send(answer))
            except StopIteration as end:
                del asking[rank]
                figures[rank] = end.value
    assert not net.deliver(ends)
    return list(parameters.values()), figures, [ends[rank].state() for rank in range(num)]


@both
@pytest.mark.parametrize("sizes", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("target_kl", [None, 1e-4])
def test_a_batch_that_is_split_over_agents_is_learned_as_by_one_machine(drive, wires, kind, sizes, target_kl):
    options = PPOOptions(units=8, learning_rate=0.01, target_kl=target_kl)
    policy, start, _ = made(kind, dtype=np.float32, options=options)
    whole = batches(policy, start)
    adam, scale, num_steps = Adam(start.copy()), Scale(progress=0.1), 0

    def step(request):
        adam.step(request.gradient, request.learning_rate)
        return adam.parameters.copy()

    for batch in whole:
        scale = Scale.merged([scale, Scale.of(batch.rewards[~np.isnan(batch.rewards)])])
        steps, _ = drive(update(policy, adam.parameters.copy(), batch, options), step, scale)
        num_steps += len(steps)
    parts = [split(batch, sizes) for batch in whole]
    found, figures, states = learn_together(wires, policy, start, parts, options)
    assert np.abs(adam.parameters - start).max() > 0.01
    for parameters, state in zip(found, states, strict=True):
        assert parameters == pytest.approx(adam.parameters, abs=1e-6)
        assert parameters.tobytes() == found[0].tobytes()
        assert [array.tobytes() for array in state[:3]] == [array.tobytes() for array in states[0][:3]]
        assert state.parameters.tobytes() == parameters.tobytes()
        assert state.version == num_steps
    assert (num_steps < 12) is (target_kl is not None)
    assert {each.epochs for each in figures.values()} == {len(steps)}
