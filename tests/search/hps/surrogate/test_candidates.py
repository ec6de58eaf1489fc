import numpy as np
import pytest

from dhmpi.search.hps.surrogate.belief_term import BeliefTerm
from dhmpi.search.hps.surrogate.candidates import Candidates, draw
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.space.space import Space

MIXED = Encoding(Space.from_specs({"x": (0.0, 1.0), "n": (1, 9, "log-uniform"), "act": [True, 1, None], "c": [7]}))
SMALL = Encoding(Space.from_specs({"n": (0, 4), "act": [True, 1], "c": [7]}))
WIDE = Encoding(Space.from_specs({f"x{index}": (0.0, 1.0) for index in range(50)}))


def drawn(encoding, num=400, seed=1, parents=3):
    rng = np.random.default_rng(0)
    parents = encoding.encode(encoding.space.sample(rng, parents))
    return draw(BeliefTerm(encoding, {}, 0), np.random.default_rng(seed), parents, num), parents


@pytest.mark.parametrize("encoding", [MIXED, SMALL, WIDE])
def test_candidates_are_legal_points_and_their_rows_are_exact(encoding):
    units, _ = drawn(encoding)
    candidates = Candidates(encoding, units)
    points = [candidates.point(index) for index in range(len(units))]
    assert [encoding.space.canonical(point) for point in points] == points
    assert candidates.rows.tolist() == encoding.encode(points).tolist()


def test_the_same_seed_gives_the_same_candidates():
    assert np.array_equal(drawn(MIXED)[0], drawn(MIXED)[0])
    assert not np.array_equal(drawn(MIXED)[0], drawn(MIXED, seed=2)[0])


def test_half_are_spread_over_the_whole_space():
    units, _ = drawn(WIDE, 2000)
    strata = (units * 1000).astype(int)
    assert all(len(set(column.tolist())) == 1000 for column in strata.T)


def test_half_are_near_the_parents_at_all_scales():
    units, parents = drawn(WIDE, 2000)
    steps = units[:, None] - parents
    nearest = steps[np.arange(2000), (steps != 0).sum(axis=2).argmin(axis=1)]
    changed = (nearest != 0).sum(axis=1)
    near = nearest[(changed > 0) & (changed < 50)]
    sizes = np.abs(near).max(axis=1)
    assert len(near) > 600
    assert (sizes < 0.01).sum() > 50
    assert (sizes > 0.1).sum() > 50


def test_or_half_differ_from_a_parent_as_parents_do_from_each_other():
    """Parents that agree in a coordinate have children that agree in it."""
    parents = np.random.default_rng(0).random((5, 50))
    parents[:, 7] = 0.3
    units = draw(BeliefTerm(WIDE, {}, 0), np.random.default_rng(1), parents, 1000, is_smooth=False)
    units = units[(units[:, 7] == 0.3)]
    assert len(units) == 500
    assert (units >= 0).all()
    assert (units < 1).all()
    assert len(np.unique(units, axis=0)) > 350


def test_all_points_of_a_small_space_are_candidates():
    units, _ = drawn(SMALL)
    assert Candidates(SMALL, units).num_left == len(units) == 10


def test_each_is_handed_out_once_best_first():
    candidates = Candidates(SMALL, drawn(SMALL)[0])
    scores, order = np.arange(10.0)[::-1], []
    while (index := candidates.best(scores, candidates.penalty)) >= 0:
        order.append(index)
        assert candidates.take(candidates.rows[index]) == index
    assert order == list(range(9, -1, -1))
    assert candidates.num_left == 0


def test_of_scores_that_differ_by_rounding_the_first_is_taken():
    candidates = Candidates(SMALL, drawn(SMALL)[0])
    scores = np.array([0.0, -3.0, -3.0 - 1e-15, *[0.0] * 7])
    assert candidates.best(scores, candidates.penalty) == 1


def test_what_is_out_of_the_question_is_not_the_best():
    candidates = Candidates(SMALL, drawn(SMALL)[0])
    penalty = np.array([0.0, np.inf, *[0.0] * 8])
    assert candidates.best(np.array([0.0, -3.0, -2.0, *[0.0] * 7]), penalty) == 2


def test_equal_candidates_count_once_and_unknown_rows_not_at_all():
    units = drawn(SMALL)[0]
    candidates = Candidates(SMALL, np.concatenate([units, units]))
    assert candidates.num_left == candidates.num == 10
    assert candidates.take(np.full(SMALL.num_columns, 0.3)) == -1
    assert candidates.take(candidates.rows[10]) == candidates.take(candidates.rows[0]) == 0
    assert candidates.num_left == 9


def test_they_are_low_when_less_than_half_is_left():
    candidates = Candidates(MIXED, np.random.default_rng(0).random((10, 4)))
    candidates.known(candidates.rows[:2])
    for row in candidates.rows[2:6]:
        candidates.take(row)
    assert not candidates.is_low
    candidates.take(candidates.rows[6])
    assert candidates.is_low


def test_all_points_of_a_space_are_never_low():
    candidates = Candidates(SMALL, drawn(SMALL)[0])
    for row in candidates.rows:
        candidates.take(row)
    assert not candidates.is_low
