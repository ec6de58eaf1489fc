import math

import numpy as np
import pytest

from dhmpi.search.hps.surrogate.archive import FARTHEST, Archive, ObjectiveScale

NAN = float("nan")


def test_it_keeps_what_it_is_told_in_order_however_much_that_is():
    archive, expected = Archive(2), []
    for num in (1, 3, 0, 700, 5, 2000):
        rows = np.arange(2.0 * num).reshape(num, 2) + len(expected)
        archive.extend(rows, [float(index) if index % 2 else None for index in range(num)])
        expected += rows.tolist()
        assert len(archive) == len(expected)
        assert archive.rows.tolist() == expected
    assert np.isnan(archive.objectives[[0, 1, 3]]).all()
    assert archive.objectives[2] == 1.0


def test_views_stay_as_they_are_when_more_is_told():
    archive = Archive(1)
    archive.extend(np.ones((3, 1)), [1.0, 2.0, 3.0])
    rows, objectives = archive.rows, archive.objectives
    archive.extend(np.zeros((5000, 1)), [0.0] * 5000)
    assert rows.tolist() == [[1.0]] * 3
    assert objectives.tolist() == [1.0, 2.0, 3.0]


def test_objectives_get_mean_0_and_deviation_1_and_failures_count_as_the_worst():
    told = np.array([NAN, -3.0, NAN, -1.0])
    standard = ObjectiveScale.of(told).standard(told)
    assert standard == pytest.approx([3**-0.5, -(3**0.5), 3**-0.5, 3**-0.5])


def test_later_objectives_are_on_the_same_scale():
    scale = ObjectiveScale.of(np.array([1.0, 3.0]))
    assert scale.standard(np.array([0.0, 2.0, 5.0, NAN])) == pytest.approx([-2.0, 0.0, 3.0, 1.0])


def test_far_from_the_best_differences_may_count_by_their_ratio():
    told = 7.0 + np.array([0.0, 1.0, 10.0, 100.0, 1000.0])
    standard = ObjectiveScale.of(told, 0.01).standard(np.append(told, 6.0))
    steps = np.diff(standard[1:5])
    assert steps == pytest.approx(steps[0], rel=0.01)
    assert standard[5] - standard[0] == pytest.approx(standard[0] - standard[1])


@pytest.mark.parametrize("relative_turn", [math.inf, 0.1])
@pytest.mark.parametrize("values", [[1e300, -1e300], [1.7e308, 1.6e308], [5e-324, 0.0], [0.0, 0.0], [1e300, 1.0]])
@pytest.mark.parametrize("later", [-1.7e308, 1.7e308, 0.0, 5e-324])
def test_extreme_objectives_are_finite(relative_turn, values, later):
    told = np.array([*values, NAN])
    scale = ObjectiveScale.of(told, relative_turn)
    assert np.abs(scale.standard(told)).max() <= 2
    assert abs(scale.standard(np.array([later]))[0]) <= FARTHEST
