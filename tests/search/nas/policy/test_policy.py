import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dhmpi.search.nas.policy.lstm import LSTMPolicy
from dhmpi.search.nas.policy.mlp import MLPPolicy
from dhmpi.search.nas.policy.policies import POLICIES
from dhmpi.search.nas.policy.policy import chosen

NUM_OPTIONS = (3, 1, 4, 2)
UNITS = 5
both = pytest.mark.parametrize("make", POLICIES.values(), ids=POLICIES)


def generator(seed=0):
    return np.random.default_rng(seed)


def made(make, scale=0.0, seed=0, dtype=np.float64):
    """Return a policy, and parameters that are not only its first ones."""
    policy = make(NUM_OPTIONS, UNITS)
    parameters = policy.initial(generator(seed)) + scale * generator(seed + 1).standard_normal(policy.layout.size)
    return policy, parameters.astype(dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Distributions


@both
@settings(max_examples=40, deadline=None)
@given(
    num_options=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    scale=st.sampled_from([0.0, 1.0, 100.0, 1e6, 1e15]),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_only_options_that_a_decision_has_are_probable_and_chosen(make, num_options, scale, seed, dtype):
    policy = make(num_options, 4)
    rng = generator(seed)
    parameters = (policy.initial(rng) + scale * rng.standard_normal(policy.layout.size)).astype(dtype)
    actions, logs = policy.sample(parameters, 20, rng)
    found = policy.evaluate(parameters, actions).log_probabilities
    assert found.shape == (len(num_options), 20, max(num_options))
    assert found.dtype == logs.dtype == dtype
    for decision, num in enumerate(num_options):
        assert np.exp(found[decision]).sum(axis=-1) == pytest.approx(np.ones(20), abs=1e-5)
        assert np.isfinite(found[decision, :, :num]).all()
        assert (found[decision, :, num:] == -np.inf).all()
        assert actions[decision].min() >= 0
        assert actions[decision].max() < num
    assert np.isfinite(logs).all()


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_was_sampled_is_judged_alike(make, dtype):
    policy, parameters = made(make, 0.5, dtype=dtype)
    actions, logs = policy.sample(parameters, 50, generator())
    found = chosen(policy.evaluate(parameters, actions).log_probabilities, actions)
    assert found == pytest.approx(logs, abs=1e-5 if dtype == np.float32 else 1e-12)
    assert logs[[0, 2, 3]].std(axis=1).min() > 0.01  # they do differ
    assert (logs[1] == 0).all()  # there is only one option


@both
def test_options_are_sampled_as_often_as_they_are_probable(make):
    policy, parameters = made(make, 1.0)
    num = 10_000
    actions, _ = policy.sample(parameters, num, generator())
    expected = np.exp(policy.evaluate(parameters, actions).log_probabilities).mean(axis=1)
    frequencies = np.array([np.bincount(row, minlength=4) for row in actions]) / num
    assert frequencies == pytest.approx(expected, abs=4 * 0.5 / num**0.5)
    assert abs(expected[0, :3] - 1 / 3).max() > 0.05  # not uniform


@both
def test_at_first_all_options_are_about_equally_probable(make):
    policy = make(NUM_OPTIONS, 32)
    for seed in range(5):
        parameters = policy.initial(generator(seed))
        actions, _ = policy.sample(parameters, 100, generator())
        probabilities = np.exp(policy.evaluate(parameters, actions).log_probabilities)
        for decision, num in enumerate(NUM_OPTIONS):
            assert probabilities[decision, :, :num] == pytest.approx(1 / num, rel=0.05)


@both
def test_first_parameters_depend_on_the_seed_alone(make):
    policy = make(NUM_OPTIONS, UNITS)
    first, again, other = (policy.initial(generator(seed)) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


@both
def test_columns_of_first_kernels_have_the_norms_of_baselines(make):
    policy = make(NUM_OPTIONS, UNITS)
    views = policy.layout.views(policy.initial(generator()))
    for name, norm in {"policy": 1.0, "value": 1.0, "reward": 1.0, "options": 0.01}.items():
        assert np.linalg.norm(views[f"{name}_kernel"], axis=-2) == pytest.approx(norm)
    assert not views["options_bias"].any()
    assert not views["reward_bias"].any()


def test_forget_gates_begin_open():
    policy = LSTMPolicy(NUM_OPTIONS, 2)
    views = policy.layout.views(policy.initial(generator()))
    for body in ("policy", "value"):
        assert views[f"{body}_bias"].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("most", [1, 8, 13])
def test_the_lstm_has_the_documented_size_but_for_the_heads_of_further_decisions(most):
    # Two LSTMs of 32 units that are told one number, and two heads.
    assert LSTMPolicy([most], 32).layout.size == 8737 + 33 * most
    assert LSTMPolicy([most, 2, 2], 32).layout.size == 8737 + 33 * most + 2 * (33 + 33 * max(2, most)) + 33 * (
        max(2, most) - most
    )


def test_the_size_of_the_mlp():
    # Two hidden layers that are told one of 4 places and the decision before; heads for 4 options and the reward.
    assert MLPPolicy(NUM_OPTIONS, 7).layout.size == 2 * (5 * 7 + 7) + 4 * ((7 * 4 + 4) + (7 + 1))


@both
def test_each_decision_has_heads_of_its_own(make):
    policy, parameters = made(make, 0.5)
    actions, _ = policy.sample(parameters, 5, generator())
    found = policy.evaluate(parameters, actions)
    by_logits, by_values = np.zeros_like(found.log_probabilities), np.zeros_like(found.values)
    by_logits[1], by_values[1] = 1.0, 1.0
    parts = policy.layout.views(policy.gradient(parameters, found.tape, by_logits, by_values))
    for head in ("options", "reward"):
        assert [bool(kernel.any()) for kernel in parts[f"{head}_kernel"]] == [False, True, False, False]
        assert [bool(bias.any()) for bias in parts[f"{head}_bias"]] == [False, True, False, False]


@both
def test_the_layout_covers_the_vector_without_overlap(make):
    policy = make(NUM_OPTIONS, UNITS)
    vector = np.zeros(policy.layout.size)
    views = policy.layout.views(vector)
    assert sum(view.size for view in views.values()) == vector.size
    for number, view in enumerate(views.values(), 1):
        assert not view.any()
        view[...] = number
    assert np.diff(vector).min() >= 0
    assert vector.min() == 1


# ---------------------------------------------------------------------------------------------------------------------
# Memory


def textbook_lstm(kernel, bias, inputs):
    """Return the outputs of an LSTM for one sequence; gates in the order input, forget, output, candidate."""
    units = len(bias) // 4
    cell = output = np.zeros(units)
    for told in inputs:
        take, keep, give, candidate = np.split(np.concatenate([told, output]) @ kernel + bias, 4)
        take, keep, give = (1 / (1 + np.exp(-gate)) for gate in (take, keep, give))
        cell = keep * cell + take * np.tanh(candidate)
        output = give * np.tanh(cell)
        yield output


def test_the_lstm_computes_the_equations_of_the_textbook():
    policy, parameters = made(LSTMPolicy, 0.5)
    views = policy.layout.views(parameters)
    actions, _ = policy.sample(parameters, 6, generator())
    found = policy.evaluate(parameters, actions)
    for episode in range(6):
        first, second, third, _ = actions[:, episode]
        inputs = [[0.0], [(first + 1) / 3], [(second + 1) / 1], [(third + 1) / 4]]
        outputs = np.array(list(textbook_lstm(views["policy_kernel"], views["policy_bias"], inputs)))
        heads = zip(outputs, views["options_kernel"], views["options_bias"], strict=True)
        logits = np.array([(output @ kernel + bias)[0] for output, kernel, bias in heads])
        for decision, num in enumerate(NUM_OPTIONS):
            allowed = logits[decision, :num]
            expected = allowed - np.log(np.exp(allowed).sum())
            assert found.log_probabilities[decision, episode, :num] == pytest.approx(expected)
        outputs = np.array(list(textbook_lstm(views["value_kernel"], views["value_bias"], inputs)))
        heads = zip(outputs, views["reward_kernel"], views["reward_bias"], strict=True)
        expected = [(output @ kernel + bias).item() for output, kernel, bias in heads]
        assert found.values[:, episode] == pytest.approx(expected)


@both
def test_episodes_begin_without_memory_and_do_not_touch_each_other(make):
    policy, parameters = made(make, 0.5)
    actions, _ = policy.sample(parameters, 7, generator())
    together = policy.evaluate(parameters, actions)
    assert np.ptp(together.log_probabilities[0, :, :3], axis=0).max() == 0  # before all, nothing differs
    for episode in range(7):
        alone = policy.evaluate(parameters, actions[:, [episode]])  # after others have been played
        assert alone.log_probabilities[:, 0] == pytest.approx(together.log_probabilities[:, episode], rel=1e-12)
        assert alone.values[:, 0] == pytest.approx(together.values[:, episode], rel=1e-12)
    again = policy.sample(parameters, 7, generator())
    assert again.actions.tolist() == actions.tolist()


@both
def test_what_comes_later_does_not_matter(make):
    policy, parameters = made(make, 0.5)
    first, second = (policy.evaluate(parameters, np.array([[1], [0], [2], [last]])) for last in (0, 1))
    assert first.log_probabilities[:, 0].tolist() == second.log_probabilities[:, 0].tolist()
    assert first.values.tolist() == second.values.tolist()


def test_the_lstm_remembers_the_order_of_decisions():
    policy = LSTMPolicy((3, 3, 3, 3), UNITS)
    parameters = policy.initial(generator()) + generator(1).standard_normal(policy.layout.size)
    first, turned = np.array([[0], [2], [1], [0]]), np.array([[2], [0], [1], [0]])
    found = [policy.evaluate(parameters, actions) for actions in (first, turned)]
    # The decision before the last one is the same, those before it are turned.
    assert np.abs(found[0].log_probabilities[3] - found[1].log_probabilities[3]).max() > 1e-3
    assert np.abs(found[0].values[3] - found[1].values[3]).max() > 1e-3


def test_the_mlp_knows_where_it_is_and_what_was_decided_last():
    policy = MLPPolicy((3, 3, 3, 3), UNITS)
    parameters = policy.initial(generator()) + generator(1).standard_normal(policy.layout.size)
    same, other = (policy.evaluate(parameters, np.array([[first], [2], [2], [2]])) for first in (2, 0))
    logs = same.log_probabilities[:, 0]
    assert np.abs(logs[2] - logs[3]).max() > 1e-3  # places
    assert np.abs(logs[1] - other.log_probabilities[1, 0]).max() > 1e-3  # the first decision, just after it
    assert logs[2:].tolist() == other.log_probabilities[2:, 0].tolist()  # and it has no memory


# ---------------------------------------------------------------------------------------------------------------------
# Gradients


def differences(loss, parameters, step=1e-6):
    """Return the gradient of a loss by central differences."""
    found = np.zeros_like(parameters)
    for place in range(parameters.size):
        moved = parameters.copy()
        moved[place] += step
        above = loss(moved)
        moved[place] -= 2 * step
        found[place] = (above - loss(moved)) / (2 * step)
    return found


@both
@pytest.mark.parametrize("scale", [0.0, 0.7])
def test_the_gradient_is_that_of_finite_differences(make, scale):
    policy, parameters = made(make, scale)
    actions, _ = policy.sample(parameters, 3, generator())
    # Any loss that is linear in log-probabilities and values will do.
    weights = generator(5).normal(size=(4, 3, 4)) * (np.arange(4) < np.array(NUM_OPTIONS)[:, None, None])
    by_values = generator(6).normal(size=(4, 3))

    def loss(parameters):
        found = policy.evaluate(parameters, actions)
        logs = np.where(np.isfinite(found.log_probabilities), found.log_probabilities, 0.0)
        return (weights * logs).sum() + (by_values * found.values).sum()

    found = policy.evaluate(parameters, actions)
    by_logits = weights - np.exp(found.log_probabilities) * weights.sum(axis=-1, keepdims=True)
    gradient = policy.gradient(parameters, found.tape, by_logits, by_values)
    assert gradient.dtype == np.float64
    assert gradient == pytest.approx(differences(loss, parameters), rel=1e-6, abs=1e-7)
    assert np.abs(gradient).max() > 0.1


@both
def test_the_gradient_of_no_episodes_is_0(make):
    policy, parameters = made(make, dtype=np.float32)
    found = policy.evaluate(parameters, np.zeros((4, 0), dtype=np.int64))
    gradient = policy.gradient(parameters, found.tape, np.zeros((4, 0, 4)), np.zeros((4, 0)))
    assert gradient.dtype == np.float32
    assert gradient.tolist() == [0.0] * policy.layout.size
