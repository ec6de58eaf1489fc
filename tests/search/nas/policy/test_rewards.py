import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dhmpi.search.nas.policy.rewards import LARGEST_SCALED, NUM_SCALE_NUMBERS, RULES, Moments, Scale

quick = settings(max_examples=50, deadline=None)
rewards = st.floats(-1e6, 1e6)
parts_of_rewards = st.lists(st.lists(rewards, max_size=6), max_size=5)


@quick
@given(parts_of_rewards)
def test_moments_of_parts_are_those_of_the_whole(parts):
    whole = np.array([value for part in parts for value in part])
    merged = Moments.merged(Moments.of(np.array(part)) for part in parts)
    assert merged.num == whole.size
    if whole.size:
        size = float(np.abs(whole).max())
        assert merged.mean == pytest.approx(whole.mean(), abs=1e-12 * size)
        assert merged.deviation == pytest.approx(whole.std(), abs=1e-7 * size)


def test_of_nothing_the_moments_are_0():
    assert Moments.merged([]) == Moments.of(np.zeros(0)) == Moments.merged([Moments(), Moments()]) == Moments()
    assert Moments().deviation == 0.0


def test_values_may_lie_far_from_0():
    values = 1e9 + np.array([1.0, 2.0, 3.0, 4.0])
    merged = Moments.merged([Moments.of(values[:1]), Moments.of(values[1:])])
    assert merged.deviation == pytest.approx(values.std(), rel=1e-6)


def test_rewards_get_a_mean_of_0_and_a_deviation_of_1():
    values = np.random.default_rng(0).uniform(-7, 3, 50)  # none is cut off
    scaled = Scale.of(values).apply(values)
    assert scaled.mean() == pytest.approx(0.0, abs=1e-12)
    assert scaled.std() == pytest.approx(1.0)
    assert np.argsort(scaled).tolist() == np.argsort(values).tolist()


def test_new_rewards_are_on_the_scale_of_those_before():
    assert Scale.of([1.0, 3.0]).apply(np.array([0.0, 2.0, 5.0])) == pytest.approx([-2.0, 0.0, 3.0])


def test_what_is_far_out_is_cut_off():
    scaled = Scale.of([1.0, 3.0]).apply(np.array([-1e300, 6.9, 7.1, 1e300]))
    assert scaled == pytest.approx([-LARGEST_SCALED, 4.9, LARGEST_SCALED, LARGEST_SCALED])


@quick
@given(rewards, st.lists(st.integers(0, 9), max_size=6))
@example(0.1, [3])  # the mean of three times 0.1 is not 0.1
@example(0.1, [1, 2, 3, 4, 5, 6])
def test_constant_rewards_become_0(reward, sizes):
    scale = Scale.merged([Scale(), *(Scale.of([reward] * size) for size in sizes)])
    assert scale.apply(np.full(3, reward)).tolist() == [0.0] * 3


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6])
def test_small_differences_count(offset):
    values = offset + np.array([0.0, 1e-4])
    assert Scale.of(values).apply(values) == pytest.approx([-1.0, 1.0], rel=1e-4)


def test_before_the_first_reward_all_are_0():
    assert Scale().apply(np.array([1.0, -4.0])).tolist() == [0.0, 0.0]
    assert Scale.of([]) == Scale()
    assert Scale().worst == math.inf


def test_of_all_agents_the_worst_reward_and_the_most_progress_are_kept():
    merged = Scale.merged([Scale.of([2.0, -1.0], 0.25), Scale(progress=0.5), Scale.of([5.0])])
    assert (merged.worst, merged.progress) == (-1.0, 0.5)
    assert merged.moments.num == 3
    assert merged.moments.mean == pytest.approx(2.0)


@quick
@given(st.lists(rewards, max_size=5), st.floats(0, 1))
def test_its_numbers_come_back(values, progress):
    scale = Scale.of(values, progress)
    numbers = scale.numbers()
    assert len(numbers) == NUM_SCALE_NUMBERS
    assert Scale.from_numbers(np.array(numbers).tolist()) == scale


def test_the_last_decision_gets_the_reward():
    spread = RULES["reward_for_final_timestep"](np.array([3.0, -1.0]), 3)
    assert spread.tolist() == [[0.0, 0.0], [0.0, 0.0], [3.0, -1.0]]


def test_every_decision_gets_the_reward():
    spread = RULES["reward_for_all_timesteps"](np.array([3.0, -1.0]), 3)
    assert spread.tolist() == [[3.0, -1.0]] * 3


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_episodes_get_no_rewards(rule):
    assert rule(np.zeros(0), 4).shape == (4, 0)


def test_one_diverged_training_does_not_change_the_scale_of_the_others():
    known = Scale.of(np.linspace(0.0, 1.0, 20))
    tamed = known.tame(np.array([0.2, 0.9, -1e9]))
    assert tamed[:2].tolist() == [0.2, 0.9]
    assert -2.0 < tamed[2] < 0.0
    merged = Scale.merged([known, Scale.of(tamed)])
    assert merged.moments.deviation < 2 * known.moments.deviation


def test_among_the_first_rewards_the_others_tell_what_is_far():
    tamed = Scale().tame(np.array([0.2, 0.9, -1e9, 0.4, 0.7]))
    assert tamed[[0, 1, 3, 4]].tolist() == [0.2, 0.9, 0.4, 0.7]
    assert -10.0 < tamed[2] < 0.0
    few = np.array([0.1, -1e9])
    assert Scale().tame(few).tolist() == few.tolist()


def test_rewards_may_grow_beyond_what_was_usual():
    scale = Scale.of(np.linspace(0.0, 1.0, 20))
    for _ in range(200):
        scale = Scale.merged([scale, Scale.of(scale.tame(np.full(8, 50.0)))])
    assert scale.moments.mean > 30


def test_alike_rewards_are_left_alone():
    alike = np.full(9, 0.3)
    assert Scale.of(alike).tame(alike).tolist() == alike.tolist()
