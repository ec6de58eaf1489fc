import numpy as np
import pytest

from dhmpi.search.nas.policy.adam import Adam

NO_LIMIT = 1e9


def gradients(num=30, size=4):
    return np.random.default_rng(0).normal(size=(num, size)) * [1.0, 1e-3, 10.0, 0.1]


def textbook(start, found, rate, beta1, beta2, epsilon):
    """Return the parameters after each step by algorithm 1 of the paper."""
    parameters, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for number, gradient in enumerate(found, 1):
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        corrected = first / (1 - beta1**number), second / (1 - beta2**number)
        parameters = parameters - rate * corrected[0] / (np.sqrt(corrected[1]) + epsilon(number))
        yield parameters


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.5, 0.9), (0.0, 0.0), (0.0, 0.99)])
@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
def test_its_steps_are_those_of_the_paper(beta1, beta2, epsilon):
    start = np.array([1.0, -2.0, 0.0, 5.0])
    adam = Adam(start.copy(), beta1, beta2, epsilon, NO_LIMIT)
    # In the form that is used epsilon stands beside the moment that has not been corrected.
    expected = textbook(start, gradients(), 0.01, beta1, beta2, lambda num: epsilon / np.sqrt(1 - beta2**num))
    for number, (gradient, parameters) in enumerate(zip(gradients(), expected, strict=True), 1):
        norm = adam.step(gradient, 0.01)
        assert norm == pytest.approx(np.linalg.norm(gradient))
        assert adam.num_steps == number
        assert adam.parameters == pytest.approx(parameters, rel=1e-12, abs=1e-12)


def test_the_first_step_is_as_long_as_the_learning_rate_whatever_the_gradient():
    adam = Adam(np.zeros(3), epsilon=1e-12)
    adam.step(np.array([1e-3, -20.0, 0.0]), 0.25)
    assert adam.parameters == pytest.approx([-0.25, 0.25, 0.0], rel=1e-4)


def test_it_changes_the_parameters_that_it_was_given():
    parameters = np.zeros(2, dtype=np.float32)
    adam = Adam(parameters)
    adam.step(np.ones(2, dtype=np.float32), 0.1)
    assert adam.parameters is parameters
    assert (parameters < 0).all()


def test_longer_gradients_are_shortened_to_the_limit_and_others_left_alone():
    found = gradients()
    norms = np.linalg.norm(found, axis=1)
    limit = float(np.median(norms))
    assert norms.min() < limit < norms.max()
    limited, free = Adam(np.zeros(4), largest_norm=limit), Adam(np.zeros(4), largest_norm=NO_LIMIT)
    for gradient, norm in zip(found, norms, strict=True):
        before = gradient.copy()
        assert limited.step(gradient, 0.1) == pytest.approx(norm)  # the norm that it had
        assert gradient.tolist() == before.tolist()
        free.step(gradient * min(1.0, limit / norm), 0.1)
        assert limited.parameters == pytest.approx(free.parameters)
        assert limited.second_moment == pytest.approx(free.second_moment)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])  # the square of the last is too large for float32
def test_gradients_that_are_not_finite_are_passed_over(bad):
    adam = Adam(np.zeros(3, dtype=np.float32))
    adam.step(np.ones(3, dtype=np.float32), 0.1)
    before = [array.copy() for array in (adam.parameters, adam.first_moment, adam.second_moment)]
    norm = adam.step(np.array([1.0, bad, 1.0], dtype=np.float32), 0.1)
    assert not np.isfinite(norm)
    assert adam.num_steps == 1
    for array, kept in zip((adam.parameters, adam.first_moment, adam.second_moment), before, strict=True):
        assert array.tolist() == kept.tolist()
    assert np.isfinite(adam.step(np.ones(3, dtype=np.float32), 0.1))


def test_a_gradient_of_zero_is_a_step():
    adam = Adam(np.ones(2))
    assert adam.step(np.zeros(2), 0.1) == 0.0
    assert adam.parameters.tolist() == [1.0, 1.0]
    assert adam.num_steps == 1


def test_it_goes_on_where_another_one_has_stopped():
    whole, first = Adam(np.zeros(4)), Adam(np.zeros(4))
    for gradient in gradients():
        whole.step(gradient, 0.1)
    for gradient in gradients()[:10]:
        first.step(gradient, 0.1)
    second = Adam(first.parameters.copy())
    second.resume(first.num_steps, first.first_moment, first.second_moment)
    for gradient in gradients()[10:]:
        second.step(gradient, 0.1)
    assert first.num_steps == 10  # nothing is shared
    assert second.num_steps == whole.num_steps
    assert second.parameters.tolist() == whole.parameters.tolist()
