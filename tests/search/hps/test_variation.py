import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dhmpi.search.hps.variation import crossed, mutated, polynomial, simulated_binary
from dhmpi.space.space import Categorical, Integer, Real, dimension

U = (np.arange(2000) + 0.5) / 2000
units = st.floats(0.0, 1.0)
random_numbers = st.floats(0.0, 1.0, exclude_max=True)
etas = st.floats(0.0, 1e300)


class TestSimulatedBinary:
    @pytest.mark.parametrize("eta", [0, 1, 2, 10])
    def test_far_from_the_bound_the_spread_is_that_of_the_paper(self, eta):
        """The density of the spread is (eta + 1) / 2 beta**eta below 1, and (eta + 1) / 2 beta**-(eta + 2) above."""
        # Parents so near to each other that the bound is 10,000 spreads away.
        low, high = 0.5, 0.5 + 1e-4
        betas = np.array([(low + high - 2 * simulated_binary(low, high, eta, u)) / (high - low) for u in U])
        for quantile in (0.5, 0.8):
            assert (betas <= quantile).mean() == pytest.approx(quantile ** (eta + 1) / 2, abs=2e-3)
        for quantile in (1.0, 1.5, 3.0):
            assert (betas <= quantile).mean() == pytest.approx(1 - quantile ** -(eta + 1) / 2, abs=2e-3)

    @given(units, units, etas, random_numbers)
    def test_children_keep_the_bound(self, one, other, eta, u):
        low, high = sorted((one, other))
        if high - low >= 1e-14:
            assert 0 <= simulated_binary(low, high, eta, u) <= high

    @pytest.mark.parametrize("low", [0.0, 0.05, 0.3])
    def test_children_reach_the_bound_without_piling_up_there(self, low):
        children = [simulated_binary(low, 0.6, 2, u) for u in U]
        assert min(children) < 0.01
        assert sum(child == 0 for child in children) <= 1

    def test_the_larger_the_index_the_nearer_to_the_parent(self):
        medians = [np.median([abs(simulated_binary(0.4, 0.6, eta, u) - 0.4) for u in U]) for eta in (1, 5, 20)]
        assert medians[0] > 2 * medians[1] > 4 * medians[2]


class TestPolynomial:
    @pytest.mark.parametrize("eta", [0, 5, 20])
    def test_far_from_the_bounds_the_steps_are_those_of_the_paper(self, eta):
        """The density of a step d is (eta + 1) / 2 (1 - |d|)**eta."""
        steps = np.array([polynomial(0.5, eta, u) - 0.5 for u in U])
        assert steps == pytest.approx(-steps[::-1])
        if eta == 20:  # else the bounds are felt
            for size in (0.02, 0.05, 0.1):
                assert (abs(steps) <= size).mean() == pytest.approx(1 - (1 - size) ** (eta + 1), abs=2e-3)

    @given(units, etas, random_numbers)
    def test_the_bounds_are_kept(self, place, eta, u):
        assert 0 <= polynomial(place, eta, u) <= 1

    @pytest.mark.parametrize("place", [0.0, 0.02, 0.5, 1.0])
    def test_half_of_the_steps_lead_down_unless_it_is_the_end(self, place):
        moved = np.array([polynomial(place, 20, u) for u in U])
        assert (moved < place).mean() == pytest.approx(0.5 if place else 0.0, abs=1e-3)
        assert (moved > place).mean() == pytest.approx(0.5 if place < 1 else 0.0, abs=1e-3)

    def test_what_is_at_a_bound_leaves_it(self):
        assert max(polynomial(0.0, 20, u) for u in U) > 0.2


@pytest.fixture
def rng():
    return np.random.default_rng(5)


RANGES = [
    (0.0, 5.0),
    (1e-5, 1.0, "log-uniform"),
    (1, 64),
    (1, 64, "log-uniform"),
    (0, 1),
    (-(2**63), 2**63 - 1),
    (2**62, 2**62 + 1, "log-uniform"),
    (0.0, 5e-324),
    (5e-324, 1.7e308, "log-uniform"),
    (-1.7e308, 1.7e308),
]


@pytest.mark.parametrize("spec", RANGES)
def test_values_of_offspring_are_legal(spec, rng):
    dim = dimension("x", spec)
    values = [*spec[:2], *dim.from_unit(rng.random(30))]
    values = [dim.canonical(value) for value in values]
    for value, other in zip(values, values[::-1], strict=True):
        for new in (crossed(dim, value, other, 2, rng), mutated(dim, value, 20, rng)):
            assert type(new) is type(value)
            assert dim.canonical(new) == new


@pytest.mark.parametrize("spec", RANGES)
def test_parents_with_the_same_value_leave_it_to_their_offspring(spec, rng):
    dim = dimension("x", spec)
    for value in spec[:2]:
        assert crossed(dim, dim.canonical(value), dim.canonical(value), 2, rng) == value


def test_offspring_of_reals_are_near_either_parent(rng):
    children = [crossed(Real(-1.0, 1.0), -0.5, 0.5, 10, rng) for _ in range(1000)]
    near = Counter(round(2 * child) for child in children)
    assert near[-1] + near[1] > 950
    assert 0.8 < near[-1] / near[1] < 1.25


def test_the_scale_of_operators_is_that_of_the_prior(rng):
    dim = Real(1e-6, 1.0, "log-uniform")
    decades = [math.log10(mutated(dim, 1e-3, 20, rng)) for _ in range(1000)]
    assert np.median(decades) == pytest.approx(-3, abs=0.1)
    assert np.percentile(decades, 90) == pytest.approx(-3 + 6 * (1 - 0.2 ** (1 / 21)), abs=0.1)


def test_a_category_is_exchanged_or_becomes_another_one(rng):
    dim = Categorical(("a", True, 1, None))
    assert crossed(dim, True, 1, 2, rng) is not True
    counts = Counter(repr(mutated(dim, True, 20, rng)) for _ in range(3000))
    assert set(counts) == {"'a'", "1", "None"}
    assert min(counts.values()) > 900


@pytest.mark.parametrize("high", [1, 2, 6])
def test_mutated_integers_wander_everywhere_equally_often(high, rng):
    """The ends included: places are drawn in bins of equal width, and no step is lost to rounding."""
    dim, value, counts = Integer(0, high), 0, Counter()
    for _ in range(8000):
        value = mutated(dim, value, 20, rng)
        counts[value] += 1
    assert min(counts.values()) > 0.8 * 8000 / (high + 1)
    assert max(counts.values()) < 1.2 * 8000 / (high + 1)


@pytest.mark.parametrize("eta", [0, 2, 10])
def test_crossed_integers_are_crossed_reals_in_bins_of_equal_width(eta, rng):
    """In the documented system (F17) rounding gave both ends half of the weight of the other integers."""
    integer, real = Integer(0, 2), Real(0.0, 3.0)
    counts, expected = Counter(), Counter()
    for one, other in 3 * rng.random((12000, 2)):
        parents = int(one), int(other)
        if parents[0] != parents[1]:
            counts[sum(parents), crossed(integer, *parents, eta, rng)] += 1
            expected[sum(parents), min(int(crossed(real, one, other, eta, rng)), 2)] += 1
    for case in counts | expected:
        deviation = math.sqrt(counts[case] + expected[case])
        assert abs(counts[case] - expected[case]) < 4.5 * deviation


def test_mutated_integers_change_unless_they_are_at_the_end(rng):
    dim = Integer(0, 3)
    assert all(mutated(dim, 1, 20, rng) != 1 for _ in range(100))
    assert {mutated(dim, 3, 20, rng) for _ in range(100)} >= {2, 3}
