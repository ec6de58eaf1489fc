import numpy as np

from dhmpi.search.nas.policy.adam import Adam
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_options import PPOOptions

OPTIONS = PPOOptions()
SIZE = 9
START = np.linspace(-1, 1, SIZE, dtype=np.float32)


def gradient(seed):
    return np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)


def test_a_state_is_continued_where_it_was():
    whole = PolicyState.new(START).optimiser(OPTIONS)
    first = PolicyState.new(START).optimiser(OPTIONS)
    for seed in range(6):
        whole.step(gradient(seed), 0.1)
    for seed in range(3):
        first.step(gradient(seed), 0.1)
    state = PolicyState.of(first)
    kept = [array.copy() for array in state[:3]]
    first.step(gradient(9), 0.1)
    assert state.version == 3
    assert all((array == copy).all() for array, copy in zip(state[:3], kept, strict=True))  # a copy
    second = state.optimiser(OPTIONS)
    for seed in range(3, 6):
        second.step(gradient(seed), 0.1)
    assert PolicyState.of(second).version == 6
    for array, other in zip(PolicyState.of(second)[:3], PolicyState.of(whole)[:3], strict=True):
        assert array.tobytes() == other.tobytes()
    assert all((array == copy).all() for array, copy in zip(state[:3], kept, strict=True))


def test_the_optimiser_steps_as_the_options_say():
    options = PPOOptions(adam_beta1=0.5, adam_beta2=0.6, adam_epsilon=0.1, max_gradient_norm=0.3)
    found, expected = PolicyState.new(START).optimiser(options), Adam(START.copy(), 0.5, 0.6, 0.1, 0.3)
    for seed in range(3):
        found.step(gradient(seed), 0.1)
        expected.step(gradient(seed), 0.1)
    assert found.parameters.tolist() == expected.parameters.tolist()
    assert START.tolist() == np.linspace(-1, 1, SIZE, dtype=np.float32).tolist()
