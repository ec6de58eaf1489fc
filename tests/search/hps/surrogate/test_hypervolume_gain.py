import numpy as np
import pytest

from dhmpi.search.hps.surrogate.hypervolume_gain import MARGIN, HypervolumeGain
from dhmpi.support.hypervolume import hypervolume


def made(front, hoped=None, num=20_000):
    front = np.array(front, float)
    return HypervolumeGain.of(front, front if hoped is None else np.array(hoped), np.random.default_rng(0), num)


@pytest.mark.parametrize("num_objectives", [2, 3, 4])
def test_gains_are_in_proportion_to_the_hypervolume_that_is_added(num_objectives):
    rng = np.random.default_rng(1)
    front = np.abs(rng.normal(size=(6, num_objectives)))
    front /= np.linalg.norm(front, axis=1)[:, None] / [3.0, *(1.0,) * (num_objectives - 1)]
    gain = made(front)
    points = 0.8 * front
    before = hypervolume(front, gain.reference)
    added = np.array([hypervolume(np.vstack([front, point]), gain.reference) - before for point in points])
    shares = gain(points) / added
    assert shares / shares.mean() == pytest.approx(np.ones(6), rel=0.1)


def test_what_is_dominated_gains_nothing_and_less_the_farther_it_is():
    gain = made([[0, 1], [0.5, 0.5], [1, 0]])
    near, far, gaining, on = gain(np.array([[0.6, 0.6], [0.9, 0.9], [0.2, 0.5], [0.5, 0.5]]))
    assert far < near < 0 < gaining
    assert on == 0


def test_pending_points_leave_less_to_gain():
    gain = made([[0, 1], [1, 0]])
    point = np.array([[0.4, 0.4]])
    assert gain.with_points(point)(point)[0] == 0
    assert 0 < gain.with_points(np.array([[0.5, 0.5]]))(point)[0] < gain(point)[0]
    assert gain.with_points(point[:0])(point) == gain(point)


def test_units_do_not_matter():
    front, points = np.array([[0.0, 1.0], [0.4, 0.3], [1.0, 0.0]]), np.array([[0.2, 0.4], [0.7, 0.1]])
    scale, shift = np.array([1e-9, 1e12]), np.array([5.0, -3e12])
    assert made(front * scale + shift)(points * scale + shift) == pytest.approx(made(front)(points), rel=1e-6)


def test_the_reference_lies_behind_what_may_become_the_front():
    assert made([[1, 2]], [[3.0, 1.0], [0.0, 4.0], [9.0, 9.0]]).reference.tolist() == pytest.approx([3.3, 4.3])
    assert made([[1, 2]]).reference.tolist() == pytest.approx([1 + MARGIN, 2 + MARGIN])


def test_several_are_chosen_for_what_they_gain_together():
    points = np.array([[0.2, 0.3], [0.21, 0.31], [0.0, 0.9], [0.9, 0.0]])
    assert made([[1, 1]], points).choose(points, 3)[0] == 0
    assert set(made([[1, 1]], points).choose(points, 3)) == {0, 2, 3}


@pytest.mark.parametrize("point", [[0.3, 0.2, 0.4], [0.9, 0.05, 0.1], [1.0, 1.1, 0.9]])
def test_the_slope_is_that_of_the_gain(point):
    gain = made([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0.5, 0.5, 0.5]], num=500)
    value, slope = gain.slope(np.array(point))
    assert value == pytest.approx(gain(np.array([point]))[0])
    for index in range(3):
        step = 1e-7 * np.eye(3)[index]
        above, below = gain(np.array([point + step, point - step]))
        assert slope[index] == pytest.approx((above - below) / 2e-7, rel=1e-4, abs=1e-6)
