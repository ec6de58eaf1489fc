import numpy as np
import pytest

from dhmpi.search.hps.surrogate.incremental_gp import JITTER, IncrementalGP

RNG = np.random.default_rng(0)
ROWS = RNG.random((40, 2))
VALUES = np.sin(5 * ROWS[:, 0]) + 0.1 * RNG.normal(size=40)
CANDIDATES = RNG.random((100, 2))
NEW, TOLD = RNG.random((20, 2)), RNG.normal(size=20)


def process(budget=0.05):
    made = IncrementalGP(2, 1, budget)
    made.fit(ROWS, VALUES)
    made.watch(CANDIDATES)
    return made


def exact(made, rows, values):
    """Equations 2.23 and 2.24 of Rasmussen & Williams, without a factor that grows."""
    kernel, noise, unit, shift = made._kernel, made._noise, made._unit, made._shift
    covariance, across = kernel(rows) + noise * np.eye(len(rows)), kernel(rows, CANDIDATES)
    mean = shift + across.T @ np.linalg.solve(covariance, values - shift)
    variance = kernel.diag(CANDIDATES) - (across * np.linalg.solve(covariance, across)).sum(axis=0)
    return mean, unit * np.sqrt(variance)


@pytest.mark.parametrize("step", [1, 7, 20])
def test_points_are_taken_in_exactly(step):
    made = process()
    for start in range(0, 20, step):
        part = slice(start, start + step)
        made.add(NEW[part], np.full(len(NEW[part]), 2.0))
    made.replace(NEW[3:9], np.full(6, 2.0), TOLD[3:9])
    values = np.concatenate([VALUES, np.full(20, 2.0)])
    values[43:49] = TOLD[3:9]
    mean, std = exact(made, np.concatenate([ROWS, NEW]), values)
    assert made.posterior.mean == pytest.approx(mean, abs=1e-4)
    assert made.posterior.std == pytest.approx(std, abs=1e-3)


def test_what_exceeds_the_budget_bends_the_predictions():
    made = process(1e-9)
    assert made.max_rows == 32
    rows = RNG.random((50, 2))
    made.add(rows, np.full(50, 2.0))  # 24 of them exactly
    before = made.posterior
    made.replace(rows[40:], np.full(10, 2.0), np.full(10, -9.0))
    assert made.posterior.mean.min() < before.mean.min()
    assert np.array_equal(made.posterior.std, before.std)


def test_equal_points_are_no_obstacle():
    made = process()
    for _ in range(30):
        made.add(np.repeat(NEW[:1], 3, axis=0), np.ones(3))
    assert np.isfinite(made.posterior.mean).all()
    assert np.isfinite(made.posterior.std).all()
    assert JITTER > 0
