import pytest

from dhmpi.errors import OptionError
from dhmpi.search.nas.policy.policies import POLICIES
from dhmpi.search.nas.policy.ppo_options import STALENESS_PER_AGENT, PPOOptions
from dhmpi.search.nas.policy.rewards import RULES
from dhmpi.support.options import build


def test_the_defaults_are_those_of_deephyper_0_0_5():
    options = PPOOptions()
    assert (options.clip, options.entropy_coefficient, options.value_coefficient) == (0.2, 0.01, 1.0)
    assert (options.epochs, options.learning_rate, options.schedule) == (4, 1e-3, "linear")
    assert (options.gamma, options.gae_lambda) == (0.99, 0.95)
    assert (options.adam_beta1, options.adam_beta2, options.adam_epsilon) == (0.9, 0.999, 1e-5)
    assert (options.policy, options.units) == ("lstm", 32)
    assert (options.reward_rule, options.target_kl) == ("reward_for_final_timestep", None)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"agents": "0"}, "agents must be an integer of at least 1, got 0"),
        ({"episodes_per_batch": 0}, "episodes_per_batch must be an integer of at least 1, got 0"),
        ({"num_episodes": "many"}, "num_episodes must be an integer of at least 1, got many"),
        ({"reward_rule": "none"}, "reward_rule must be one of reward_for_final_timestep, reward_for_all_timesteps"),
        ({"policy": "gru"}, "policy must be one of lstm, mlp, got gru"),
        ({"units": 0}, "units must be an integer of at least 1, got 0"),
        ({"learning_rate": 0}, "learning_rate must be a finite number above 0, got 0"),
        ({"schedule": "cosine"}, "schedule must be one of linear, constant, got cosine"),
        ({"clip": -0.1}, "clip must be a finite number above 0, got -0.1"),
        ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
        ({"gamma": 1.01}, "gamma must be a finite number of at least 0 and at most 1, got 1.01"),
        ({"gae_lambda": "-1"}, "gae_lambda must be a finite number of at least 0 and at most 1, got -1"),
        ({"entropy_coefficient": "nan"}, "entropy_coefficient must be a finite number of at least 0, got nan"),
        ({"value_coefficient": -1}, "value_coefficient must be a finite number of at least 0, got -1"),
        ({"max_gradient_norm": 0}, "max_gradient_norm must be a finite number above 0, got 0"),
        ({"target_kl": 0}, "target_kl must be a finite number above 0, got 0"),
        ({"adam_beta1": 1}, "adam_beta1 must be a finite number of at least 0 and at most 0.999999, got 1"),
        ({"adam_beta2": 1}, "adam_beta2 must be a finite number of at least 0 and at most 0.999999, got 1"),
        ({"adam_epsilon": 0}, "adam_epsilon must be a finite number above 0, got 0"),
        ({"max_staleness": -1}, "max_staleness must be an integer of at least 0, got -1"),
        ({"agent_timeout": 0}, "agent_timeout must be a finite number above 0, got 0"),
    ],
)
def test_what_is_not_allowed_is_said(values, sentence):
    with pytest.raises(OptionError) as caught:
        build(PPOOptions, values)
    assert str(caught.value).startswith(sentence)


def test_all_can_be_set():
    found = build(
        PPOOptions,
        {
            "agents": "4",
            "reward_rule": "reward-for-all-timesteps",
            "policy": "MLP",
            "schedule": "constant",
            "target_kl": "0.02",
            "max_staleness": "0",
            "gamma": "1",
        },
    )
    assert found == PPOOptions(
        agents=4,
        reward_rule="reward_for_all_timesteps",
        policy="mlp",
        schedule="constant",
        target_kl=0.02,
        max_staleness=0,
        gamma=1.0,
    )


def test_names_are_those_of_what_is_there():
    assert PPOOptions().policy in POLICIES
    assert PPOOptions().reward_rule in RULES
    assert all(kind.name == name for name, kind in POLICIES.items())


@pytest.mark.parametrize(("given", "agents", "expected"), [(None, 3, 3 * STALENESS_PER_AGENT), (0, 3, 0), (7, 3, 7)])
def test_staleness_is_allowed_for_each_agent_unless_it_is_set(given, agents, expected):
    assert PPOOptions(max_staleness=given).most_stale(agents) == expected
