"""Hypervolumes, compared with counted cells."""

import numpy as np
import pytest

from dhmpi.support.hypervolume import LARGEST_SET, growing_area, hypervolume, reference_point


def brute(values, size):
    """How many cells of a grid from 0 to `size` are dominated by vectors of integers."""
    cells = np.stack(np.meshgrid(*[np.arange(size)] * values.shape[1], indexing="ij"), axis=-1)
    return sum(any((each <= cell).all() for each in values) for cell in cells.reshape(-1, values.shape[1]))


@pytest.mark.parametrize(("num_objectives", "size"), [(1, 9), (2, 9), (3, 6), (4, 5), (5, 4)])
def test_it_is_the_number_of_cells(num_objectives, size):
    rng = np.random.default_rng(num_objectives)
    for num in (1, 2, 5, 12):
        values = rng.integers(size + 2, size=(num, num_objectives)).astype(float)  # some lie beyond the reference
        assert hypervolume(values, np.full(num_objectives, float(size))) == brute(values, size)


def test_a_simplex_of_three_objectives():
    values = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    assert hypervolume(values, np.ones(3)) == pytest.approx(3 * 0.25 - 3 * 0.125 + 0.125)


def test_nothing_dominates_nothing():
    assert hypervolume(np.empty((0, 2)), np.ones(2)) == 0.0
    assert hypervolume(np.array([[1.0, 0.0], [np.nan, 0.0]]), np.ones(2)) == 0.0


def test_the_area_grows_as_vectors_come():
    values = np.random.default_rng(0).integers(8, size=(40, 2)).astype(float)
    expected = [hypervolume(values[: num + 1], np.array([7.0, 7.0])) for num in range(len(values))]
    assert list(growing_area(values, np.array([7.0, 7.0]))) == expected


def test_the_reference_is_the_worst_that_was_found():
    assert reference_point(np.array([[0.0, 3.0], [2.0, 1.0], [np.nan, 9.0]])).tolist() == [2.0, 3.0]
    assert reference_point(np.full((1, 2), np.nan)) is None


def test_a_set_that_would_take_too_long_has_none():
    angles = np.random.default_rng(0).random((LARGEST_SET[6] + 1, 6))
    front = angles / np.linalg.norm(angles, axis=1)[:, None]
    assert hypervolume(front, np.ones(6)) is None
