import math
from itertools import pairwise

import numpy as np
import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.search import sampling
from dhmpi.search.sampling import FIRST_BLOCK, LARGEST_BLOCK, Sampler, spread
from dhmpi.space.space import Space

MIXED = Space.from_specs({"x": (0.0, 1.0), "n": (1, 10**6, "log-uniform"), "act": [True, 1, 1.0, None]})
FINITE = Space.from_specs({"n": (0, 39), "act": [True, 1, 1.0, None]})
# The last point comes about once in 80,000 draws.
SKEWED = Space.from_specs({"n": (1, 60, "log-uniform"), "m": (1, 60, "log-uniform")})


def draw(sampler, space, num, seen=()):
    """Draw points, all of them new."""
    keys, points = set(seen), []
    for _ in range(num):
        point = sampler.draw(keys)
        if point is None:
            break
        keys.add(space.key(point))
        points.append(point)
    return points


def keys(space, points):
    return {space.key(point) for point in points}


@pytest.mark.parametrize("space", [MIXED, FINITE])
def test_the_same_seed_gives_the_same_points(space):
    first, again, other = (draw(Sampler(space, seed), space, 100) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert len(keys(space, first)) == 100


def test_the_points_do_not_depend_on_how_many_are_drawn_at_once():
    assert draw(Sampler(MIXED, 3), MIXED, 30) == draw(Sampler(MIXED, 3), MIXED, 3000)[:30]


def test_points_are_canonical():
    for point in draw(Sampler(MIXED, 0), MIXED, 100):
        assert MIXED.canonical(point) == point


# Within a block, at its end, and in later ones.
@pytest.mark.parametrize("num", [0, 1, FIRST_BLOCK - 1, FIRST_BLOCK, FIRST_BLOCK + 1, LARGEST_BLOCK + 7, 3000])
def test_a_new_sampler_goes_on_where_the_points_that_were_seen_end(num):
    whole = draw(Sampler(MIXED, 5), MIXED, num + 50)
    assert draw(Sampler(MIXED, 5), MIXED, 50, keys(MIXED, whole[:num])) == whole[num:]


def test_seen_points_that_were_not_drawn_are_passed_over():
    points = draw(Sampler(FINITE, 5), FINITE, 80)
    seen = keys(FINITE, points[::2])
    assert draw(Sampler(FINITE, 5), FINITE, 40, seen) == points[1::2]


@pytest.mark.parametrize("space", [FINITE, SKEWED, Space.from_specs({"only": ["this"]})])
def test_every_point_of_a_finite_space_comes_once(space):
    sampler = Sampler(space, 1)
    points = draw(sampler, space, space.size + 10)
    assert len(points) == len(keys(space, points)) == space.size
    assert sampler.draw(keys(space, points)) is None


def test_types_that_are_equal_are_different_points():
    space = Space.from_specs({"act": [True, 1, 1.0]})
    assert {type(point["act"]) for point in draw(Sampler(space, 0), space, 3)} == {bool, int, float}


def test_points_follow_the_priors():
    decades = [math.floor(math.log10(point["n"])) for point in draw(Sampler(MIXED, 0), MIXED, 3000)]
    shares = [decades.count(decade) / 3000 for decade in range(6)]
    assert all(abs(earlier - later) < 0.07 for earlier, later in pairwise(shares))
    assert min(shares) > 0.1


@pytest.mark.parametrize("num", [1, 2, 1024])
def test_spread_points_are_one_per_stratum_of_every_dimension(num):
    units = spread(np.random.default_rng(0), num, 3)
    assert units.shape == (num, 3)
    assert (units < 1).all()
    assert np.sort((units * num).astype(int), axis=0).tolist() == [[stratum] * 3 for stratum in range(num)]


@pytest.mark.parametrize("num", [0, 7, FIRST_BLOCK, LARGEST_BLOCK + 7])
def test_a_sequence_of_spread_points_can_be_taken_up_again(num):
    whole = draw(Sampler(MIXED, 5, spread), MIXED, num + 50)
    assert draw(Sampler(MIXED, 5, spread), MIXED, 50, keys(MIXED, whole[:num])) == whole[num:]


def test_a_finite_space_is_drawn_to_its_last_point():
    # Both integers have the same logarithm, so one of them is never hit by chance.
    space = Space.from_specs({"x": (2**62, 2**62 + 1, "log-uniform"), "y": list("abcdefgh")})
    assert len(set(keys(space, draw(Sampler(space, 0), space, 16)))) == 16


def test_a_few_points_of_a_large_space_do_not_keep_it_looking_for_ever(monkeypatch):
    problem = HpProblem()
    problem.add_dim("n", (1, 300_001))
    problem.add_constraint("n < 31")
    space, seen = problem.dimensions, set()
    sampler = Sampler(space, 1)
    monkeypatch.setattr(sampling, "MOST_CANDIDATES", 100_000)
    for _ in range(40):
        point = sampler.draw(seen)
        if point is None:
            break
        assert point["n"] < 31
        seen.add(space.key(point))
    assert 5 <= len(seen) <= 30


def test_every_third_point_is_drawn_by_beliefs():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0), prior=("normal", 0.5, 0.01))
    problem.add_dim("y", (0.0, 1.0))
    sampler = Sampler(problem.dimensions, 3, spread, believed=3)
    points = [sampler.draw(()) for _ in range(16)]
    lots = points[::3], [each for place, each in enumerate(points) if place % 3]
    near = [sum(abs(point["x"] - 0.5) < 0.05 for point in lot) for lot in lots]
    assert near[0] >= 5
    assert near[1] <= 2
    for lot in lots:  # each of them is spread
        assert {int(len(lot) * point["y"]) for point in lot} == set(range(len(lot)))
