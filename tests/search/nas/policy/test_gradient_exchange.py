import numpy as np
import pytest

from dhmpi.search.nas.policy.adam import Adam
from dhmpi.search.nas.policy.gradient_exchange import LocalExchange
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.rewards import Moments, Scale
from dhmpi.search.nas.policy.update import Pool, Share, UpdateStep

OPTIONS = PPOOptions()
SIZE = 9
START = np.linspace(-1, 1, SIZE, dtype=np.float32)


def gradient(seed):
    return np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)


@pytest.fixture
def alone():
    return LocalExchange(PolicyState.new(START), OPTIONS, Scale.of([7.0, -3.0], 0.125))


def answer(exchange, request):
    exchange.begin(request)
    found = exchange.answer()
    assert exchange.answer() is None  # given once
    return found


def test_an_agent_alone_takes_its_own_steps(alone):
    adam = Adam(START.copy())
    for number in range(3):
        stepped = answer(alone, UpdateStep(gradient(number), 0.1))
        assert stepped.gradient_norm == adam.step(gradient(number), 0.1)
        assert stepped.version == number + 1
        assert stepped.parameters.tobytes() == adam.parameters.tobytes()
        assert alone.state().second_moment.tobytes() == adam.second_moment.tobytes()
    kept = stepped.parameters.copy()
    answer(alone, UpdateStep(gradient(9), 0.1))
    assert stepped.parameters.tobytes() == kept.tobytes()  # what was given does not change any more


def test_an_agent_alone_knows_all_rewards(alone):
    expected = Scale.of([7.0, -3.0, 1.0, 2.0], 0.125)
    assert answer(alone, Share(Scale.of([1.0, 2.0]))).numbers() == pytest.approx(expected.numbers())
    assert alone.scale.numbers() == pytest.approx(expected.numbers())
    assert answer(alone, Pool(Moments(3.0, 1.0, 2.0))) == Moments(3.0, 1.0, 2.0)


def test_a_gradient_that_is_not_finite_changes_nothing(alone):
    stepped = answer(alone, UpdateStep(np.full(SIZE, np.inf, dtype=np.float32), 0.1))
    assert not np.isfinite(stepped.gradient_norm)
    assert (stepped.version, stepped.parameters.tolist()) == (0, START.tolist())
