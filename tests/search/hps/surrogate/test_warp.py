import numpy as np
import pytest

from dhmpi.search.hps.surrogate.warp import FARTHEST, RELATIVE_TURNS, Unwarp, tidy, warp


@pytest.mark.parametrize("relative_turn", RELATIVE_TURNS)
def test_warped_values_are_standard_and_in_the_same_order(relative_turn):
    values = np.random.default_rng(0).exponential(size=50) ** 3
    standard, _ = warp(values, relative_turn)
    assert (float(standard.mean()), float(standard.std())) == pytest.approx((0, 1))
    assert np.argsort(standard).tolist() == np.argsort(values).tolist()


@pytest.mark.parametrize("relative_turn", RELATIVE_TURNS)
def test_the_density_is_the_log_of_the_slopes(relative_turn):
    values = np.sort(np.random.default_rng(1).exponential(size=2000))
    standard, density = warp(values, relative_turn)
    slopes = np.gradient(standard, values)
    assert density == pytest.approx(float(np.log(slopes).sum()), rel=1e-3)


def test_the_likelier_scale_is_that_of_the_values():
    straight = np.random.default_rng(2).normal(size=500)
    warped = np.exp(3 * straight)

    def penalty(values, relative_turn):
        standard, density = warp(values, relative_turn)
        return 0.5 * float(standard @ standard) - density

    assert min(RELATIVE_TURNS, key=lambda relative_turn: penalty(straight, relative_turn)) == np.inf
    assert min(RELATIVE_TURNS, key=lambda relative_turn: penalty(warped, relative_turn)) == min(RELATIVE_TURNS)


@pytest.mark.parametrize("relative_turn", RELATIVE_TURNS)
@pytest.mark.parametrize("values", [np.zeros(5), np.full(3, 1e300), np.array([2.0])])
def test_equal_values_are_all_zero(values, relative_turn):
    assert warp(tidy(values), relative_turn)[0].tolist() == [0.0] * len(values)


def test_failures_count_as_the_worst():
    assert tidy(np.array([1.0, np.nan, 4.0, 2.0])).tolist() == [0.25, 1.0, 1.0, 0.5]


def test_an_outlier_does_not_hide_the_others():
    tidied = tidy(np.array([0.0, 1.0, 2.0, 1e6]) / 1e6)
    assert tidied.max() == pytest.approx(1.5e-6 + FARTHEST * 1.5e-6)


@pytest.mark.parametrize(
    "values",
    [[1e300, -1e300, 0.0], [1.7e308, -1.7e308], [5e-324, 0.0], [1e300, 1.0, 2.0], [0.0, 0.0, 5e-324, 5e-324, 1.0]],
)
@pytest.mark.parametrize("relative_turn", RELATIVE_TURNS)
def test_extreme_values_stay_finite(values, relative_turn):
    assert np.isfinite(warp(tidy(np.array(values)), relative_turn)[0]).all()


@pytest.mark.parametrize("relative_turn", RELATIVE_TURNS)
@pytest.mark.parametrize("scale", [1.0, 1e12, 1e-12])
def test_what_is_warped_can_be_unwarped(relative_turn, scale):
    values = scale * (np.random.default_rng(3).exponential(size=50) - 0.3)
    warped, _ = warp(tidy(values), relative_turn)
    unwarp = Unwarp.of(values, relative_turn)
    assert unwarp(warped) == pytest.approx(values, rel=1e-6, abs=1e-9 * scale)
    lower, higher = unwarp(np.array([-9.0, 9.0]))
    assert lower < values.min() < values.max() < higher


@pytest.mark.parametrize("relative_turn", RELATIVE_TURNS)
def test_the_slope_is_that_of_what_is_unwarped(relative_turn):
    unwarp = Unwarp.of(np.random.default_rng(4).exponential(size=50) - 0.3, relative_turn)
    for at in (-2.0, 0.0, 1.5):
        below, above = unwarp(np.array([at - 1e-6, at + 1e-6]))
        assert unwarp.slope(at) == pytest.approx((above - below) / 2e-6, rel=1e-4)


@pytest.mark.parametrize("relative_turn", RELATIVE_TURNS)
def test_of_equal_values_the_same_is_unwarped(relative_turn):
    unwarp = Unwarp.of(np.full(5, 7.0), relative_turn)
    assert unwarp(np.array([-2.0, 0.0, 2.0])) == pytest.approx([7, 7, 7])
    assert unwarp.slope(1.0) == 0
    assert Unwarp.of(np.full(5, np.nan), relative_turn)(np.array([1.0])).tolist() == [0.0]
