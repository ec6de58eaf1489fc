import math
from pathlib import Path

import pytest

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.reward import REWARDS, over_epochs, reward_named

METRICS = {True: ("mse", "r2"), False: ("accuracy",)}


@pytest.mark.parametrize(("regression", "name"), [(True, "-mse"), (False, "accuracy")])
def test_the_documented_rewards_are_the_default(regression, name):
    assert reward_named(None, METRICS[regression], regression) is REWARDS[name]


@pytest.mark.parametrize(
    ("name", "value", "reward"),
    [
        ("-mse", 4.0, -4.0),
        ("-mse", 1e17, -1e17),  # as large as dixonpriceReg's
        ("-log_mse", math.e**3, -3.0),
        ("-log_mse", 1.0, 0.0),
        ("r2", 0.75, 0.75),
        ("accuracy", 0.9, 0.9),
    ],
)
def test_a_reward_is_made_of_its_metric(name, value, reward):
    assert REWARDS[name].of(value) == pytest.approx(reward)


@pytest.mark.parametrize(
    ("name", "value", "reward"),
    [
        ("-mse", 1e76, -1e30),
        ("-mse", math.inf, -1e30),
        ("-log_mse", 0.0, 100.0),
        ("-log_mse", 1e-300, 100.0),
        ("-log_mse", math.inf, -100.0),
        ("r2", -1e9, -1.0),
        ("r2", -math.inf, -1.0),
    ],
)
def test_rewards_are_finite_and_bounded(name, value, reward):
    assert REWARDS[name].of(value) == reward


@pytest.mark.parametrize(
    ("name", "regression", "message"),
    [
        ("log_mse", True, r"the reward of a regression must be a known one, got 'log_mse'; did you mean '-log_mse'\?"),
        ("accuracy", True, "got 'accuracy'; choose from -log_mse, -mse, r2"),
        ("r2", False, "the reward of a classification must be a known one, got 'r2'; choose from accuracy"),
    ],
)
def test_a_reward_that_does_not_fit_is_refused(name, regression, message):
    with pytest.raises(ProblemError, match=message):
        reward_named(name, METRICS[regression], regression)


@pytest.mark.parametrize(
    ("epochs", "reward"), [("last", -2.0), ("best", -1.0), (1, -2.0), (2, -1.5), (3, -2.0), (9, -2.0)]
)
def test_a_reward_is_of_the_last_the_best_or_the_mean_of_the_last_epochs(epochs, reward):
    assert over_epochs([-3.0, -1.0, -2.0], epochs) == reward


def test_every_reward_is_documented_with_its_bounds():
    page = (Path(__file__).parents[4] / "docs" / "nas-training.md").read_text()
    for name, reward in REWARDS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert row.endswith(f"| {reward.low:g} and {reward.high:g} |".replace("e+", "e"))
