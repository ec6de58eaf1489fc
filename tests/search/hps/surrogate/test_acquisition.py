import numpy as np
import pytest
from scipy.stats import norm
from skopt import acquisition

from dhmpi.search.hps.surrogate.acquisition import score
from dhmpi.search.hps.surrogate.learner import Posterior

MEAN = np.array([-1.0, -0.2, 0.0, 0.3, 2.0])
DEVIATION = np.array([0.5, 1.0, 0.01, 2.0, 0.1])
BEST, KAPPA, XI = -0.1, 1.5, 0.05


def scores(name, mean=MEAN, std=DEVIATION, best=BEST):
    [found] = score([name], Posterior(mean, std), best, KAPPA, XI)
    return found


def test_lcb_is_the_mean_less_some_deviations():
    assert scores("LCB") == pytest.approx(MEAN - KAPPA * DEVIATION)


def each_alone(name, mean=MEAN, std=DEVIATION, best=BEST):
    """Return the scores of candidates that have no rivals."""
    pairs = zip(mean[:, None], std[:, None], strict=True)
    return np.concatenate([scores(name, *pair, best) for pair in pairs])


def test_pi_is_the_probability_of_an_improvement():
    assert each_alone("PI") == pytest.approx(-norm.cdf(BEST - XI, loc=MEAN, scale=DEVIATION))


def test_ei_is_the_expected_improvement():
    z = (BEST - XI - MEAN) / DEVIATION
    assert each_alone("EI") == pytest.approx(-DEVIATION * (z * norm.cdf(z) + norm.pdf(z)))


@pytest.mark.parametrize("name", ["EI", "PI"])
@pytest.mark.parametrize("best", [-8.0, -3.0, -1.0, 0.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_out_is_less_promising_than_the_best(name, best, seed):
    rng = np.random.default_rng(seed)
    mean, std = rng.normal(size=300), rng.gamma(1.0, 0.5, size=300)
    mean[:20], std[20:40] = np.inf, 0.0
    found, exact = scores(name, mean, std, best), each_alone(name, mean, std, best)
    worked_out = found < 0
    assert found[worked_out] == pytest.approx(exact[worked_out], rel=1e-12)
    assert found.min() == exact.min() < 0
    assert exact[:40].tolist() == [0.0] * 40


def test_most_are_left_out():
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=4000), rng.gamma(1.0, 0.5, size=4000)
    for name in ("EI", "PI"):
        assert 0 < np.count_nonzero(scores(name, mean, std, best=-3.0)) < 400


def test_ei_is_the_mean_of_what_is_gained():
    """By numerical integration, without the formula."""
    grid = np.linspace(-12, 12, 200_001)
    gained = np.maximum(0.0, BEST - XI - (MEAN[:, None] + DEVIATION[:, None] * grid))
    expected = (gained * norm.pdf(grid)).sum(axis=1) * (grid[1] - grid[0])
    assert each_alone("EI") == pytest.approx(-expected, abs=1e-6)


@pytest.mark.parametrize("name", ["LCB", "EI", "PI"])
def test_of_equal_deviations_the_lowest_mean_is_most_promising(name):
    mean = np.array([0.5, -0.5, 0.0])
    assert np.argsort(each_alone(name, mean, np.full(3, 0.3))).tolist() == [1, 2, 0]
    assert np.argmin(scores(name, mean, np.full(3, 0.3))) == 1


@pytest.mark.parametrize("name", ["LCB", "EI"])
def test_of_equal_means_the_least_certain_is_most_promising(name):
    assert np.argmin(scores(name, np.zeros(3), np.array([0.1, 3.0, 1.0]))) == 1


@pytest.mark.parametrize(("name", "expected"), [("LCB", [1.0, -3.0]), ("EI", [0.0, 0.0]), ("PI", [0.0, 0.0])])
def test_a_model_that_is_certain_gives_finite_scores(name, expected):
    assert scores(name, np.array([1.0, -3.0]), np.zeros(2)).tolist() == expected


def test_scores_of_several_functions_are_those_of_each():
    together = score(["PI", "LCB", "EI"], Posterior(MEAN, DEVIATION), BEST, KAPPA, XI)
    assert [each.tolist() for each in together] == [scores(name).tolist() for name in ("PI", "LCB", "EI")]


@pytest.mark.parametrize("name", ["LCB", "EI", "PI"])
def test_the_formulas_are_those_of_scikit_optimize(name):
    class Model:
        def predict(self, rows, return_std):
            return MEAN, DEVIATION

    function, parameters = {
        "LCB": (acquisition.gaussian_lcb, (KAPPA,)),
        "EI": (acquisition.gaussian_ei, (BEST, XI)),
        "PI": (acquisition.gaussian_pi, (BEST, XI)),
    }[name]
    sign = 1 if name == "LCB" else -1
    assert sign * each_alone(name) == pytest.approx(function(np.zeros((5, 1)), Model(), *parameters))
