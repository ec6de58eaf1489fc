import numpy as np
import pytest

from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.surrogate.feasibility import BOLD_SHARE, CONCEIVABLE, LIKELY, feasibility, required
from dhmpi.space.space import Space

ENCODING = Encoding(Space.from_specs({"x": (0.0, 1.0), "y": (0.0, 1.0), "kind": ["a", "b"]}))


def objectives(rows, fails):
    return np.where(fails(rows), np.nan, rows[:, 0])


@pytest.fixture
def rows():
    return ENCODING.rows(np.random.default_rng(0).random((120, 3)))


def test_where_nothing_failed_there_is_nothing_to_know(rows):
    assert feasibility(ENCODING, rows, rows[:, 0]) is None


@pytest.mark.parametrize(
    "fails",
    [lambda rows: rows[:, 0] + rows[:, 1] > 1, lambda rows: rows[:, 2] > 0.5],
    ids=["beyond a line", "a category"],
)
def test_it_tells_where_evaluations_succeed(rows, fails):
    found = feasibility(ENCODING, rows, objectives(rows, fails))
    others = ENCODING.rows(np.random.default_rng(1).random((500, 3)))
    probability = found.probability(others)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert ((probability < 0.5) == fails(others)).mean() > 0.95


def test_what_is_far_from_all_failures_is_the_most_probable_where_nothing_succeeded():
    rows = ENCODING.rows(np.full((10, 3), 0.1) + 0.01 * np.random.default_rng(0).random((10, 3)))
    found = feasibility(ENCODING, rows, np.full(10, np.nan))
    near, far = found.probability(ENCODING.rows(np.array([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]])))
    assert near < 0.1 < far


def test_news_is_taken_in_without_fitting_again(rows):
    def fails(rows):
        return rows[:, 0] > 0.5

    found = feasibility(ENCODING, rows, objectives(rows, fails))
    place = ENCODING.rows(np.array([[0.2, 0.2, 0.2]]))
    more = np.concatenate([rows, np.repeat(place, 20, axis=0)])
    values = np.concatenate([objectives(rows, fails), np.full(20, np.nan)])
    assert found.probability(place)[0] > 0.8
    assert found.updated(more, values).probability(place)[0] < 0.5


def test_most_proposals_must_be_likely_and_some_only_conceivable():
    rng = np.random.default_rng(0)
    drawn = np.array([required(np.array([0.1, 0.5]), rng) for _ in range(1000)])
    assert set(drawn) == {0.5 * LIKELY, 0.5 * CONCEIVABLE}
    assert (drawn < 0.4).mean() == pytest.approx(BOLD_SHARE, abs=0.03)
