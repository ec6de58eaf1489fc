import numpy as np
import pytest

from dhmpi.search.nas.policy.advantage import advantages

RNG = np.random.default_rng(0)
REWARDS, VALUES = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3))


def test_of_one_decision_it_is_the_reward_less_what_was_expected():
    found = advantages(REWARDS[:1], VALUES[:1], 0.9, 0.7)
    assert found == pytest.approx(REWARDS[:1] - VALUES[:1])


def test_by_hand():
    # delta_1 = 2 - 0.25 = 1.75, delta_0 = 1 + 0.5 * 0.25 - 0.5 = 0.625, A_0 = 0.625 + 0.5 * 0.4 * 1.75 = 0.975
    found = advantages(np.array([[1.0], [2.0]]), np.array([[0.5], [0.25]]), 0.5, 0.4)
    assert found.ravel() == pytest.approx([0.975, 1.75])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99, 1.0])
def test_with_lambda_1_they_are_discounted_returns_less_values(gamma):
    returns = [sum(gamma**later * reward for later, reward in enumerate(REWARDS[step:])) for step in range(6)]
    assert advantages(REWARDS, VALUES, gamma, 1.0) == pytest.approx(np.array(returns) - VALUES)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99, 1.0])
def test_with_lambda_0_they_are_errors_of_temporal_differences(gamma):
    following = np.vstack([VALUES[1:], np.zeros((1, 3))])
    assert advantages(REWARDS, VALUES, gamma, 0.0) == pytest.approx(REWARDS + gamma * following - VALUES)


@pytest.mark.parametrize("gamma", [0.5, 0.99, 1.0])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.95, 1.0])
def test_with_one_reward_at_the_end_and_constant_values(gamma, decay):
    # All errors but the last are (gamma - 1) v, the last is 1 - v; they add up as a geometric series.
    num, value = 7, 0.3
    rewards = np.zeros((num, 1))
    rewards[-1] = 1.0
    expected = [
        (gamma * decay) ** left * (1 - value)
        + (gamma - 1) * value * sum((gamma * decay) ** power for power in range(left))
        for left in range(num - 1, -1, -1)
    ]
    assert advantages(rewards, np.full((num, 1), value), gamma, decay).ravel() == pytest.approx(expected)


def test_episodes_do_not_touch_each_other():
    together = advantages(REWARDS, VALUES, 0.9, 0.8)
    for episode in range(3):
        alone = advantages(REWARDS[:, [episode]], VALUES[:, [episode]], 0.9, 0.8)
        assert together[:, [episode]].tolist() == alone.tolist()


def test_of_no_episodes_there_are_none():
    assert advantages(np.zeros((6, 0)), np.zeros((6, 0)), 0.9, 0.8).shape == (6, 0)
