import numpy as np
import pytest
from scipy.optimize import check_grad

from dhmpi.search.hps.surrogate.task_kernel import TaskParameters
from dhmpi.search.hps.surrogate.trend_gp import Parameters, TrainingSet, TrendGP, _Fit, fit

OWNERS = np.array([0, 1, 1, 2])  # the second dimension has two columns


@pytest.fixture
def rows():
    return np.random.default_rng(0).uniform(-1, 1, (30, 4))


@pytest.fixture
def values(rows):
    return np.sin(3 * rows[:, 0]) + rows[:, 1] * rows[:, 3]


PARAMETERS = Parameters(np.array([0.7, 1.1, 0.9]), 1.3, 1e-4, 0.2)


def covariance(left, right):
    """The covariance, written down once more, one pair at a time."""
    lengths = PARAMETERS.lengths[OWNERS]
    distance = np.sqrt(5) * np.linalg.norm((left - right) / lengths)
    matern = PARAMETERS.amplitude * (1 + distance + distance**2 / 3) * np.exp(-distance)
    return matern + PARAMETERS.trend * (1 + left @ right / 3) ** 2


def test_predictions_are_those_of_the_textbook(rows, values):
    new = np.random.default_rng(1).uniform(-1, 1, (5, 4))
    known = np.array([[covariance(a, b) for b in rows] for a in rows]) + PARAMETERS.noise * np.eye(len(rows))
    across = np.array([[covariance(a, b) for b in rows] for a in new])
    posterior = TrendGP(rows, values, OWNERS, PARAMETERS).predict(new)
    variance = [covariance(a, a) - each @ np.linalg.solve(known, each) for a, each in zip(new, across, strict=True)]
    assert posterior.mean == pytest.approx(across @ np.linalg.solve(known, values), rel=1e-4)
    assert posterior.std == pytest.approx(np.sqrt(variance), rel=1e-3)


def test_pending_points_leave_the_mean_and_take_away_the_doubt(rows, values):
    process = TrendGP(rows, values, OWNERS, PARAMETERS)
    pending = np.random.default_rng(2).uniform(-1, 1, (4, 4))
    before, after = process.predict(pending), process.with_pending(pending).predict(pending)
    assert after.mean == pytest.approx(before.mean, abs=1e-8)
    assert (after.std < 0.2 * before.std).all()
    # The same as if they were known with the values that are predicted.
    known = TrendGP(np.vstack([rows, pending]), np.concatenate([values, before.mean]), OWNERS, PARAMETERS)
    new = np.random.default_rng(3).uniform(-1, 1, (6, 4))
    for ours, theirs in zip(process.with_pending(pending).predict(new), known.predict(new), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_slopes_are_those_of_the_predictions(rows, values):
    process = TrendGP(rows, values, OWNERS, PARAMETERS).with_pending(rows[:2] + 0.1)
    row = np.array([0.3, -0.2, 0.5, 0.1])
    mean, std, _, _ = process.slope(row)
    posterior = process.predict(row[None])
    assert (mean, std) == pytest.approx((posterior.mean[0], posterior.std[0]), rel=1e-6)
    assert check_grad(lambda at: process.slope(at)[0], lambda at: process.slope(at)[2], row) < 1e-5
    assert check_grad(lambda at: process.slope(at)[1], lambda at: process.slope(at)[3], row) < 1e-5


def test_choices_know_the_choices_before_them(rows, values):
    process = TrendGP(rows, values, OWNERS, PARAMETERS)
    candidates = np.random.default_rng(4).uniform(-1, 1, (50, 4))
    kappas = np.array([2.0, 0.0, 2.0, 2.0])
    expected = []
    for kappa in kappas:
        mean, std = process.predict(candidates)
        bounds = mean - kappa * std
        bounds[expected] = np.inf
        expected.append(int(bounds.argmin()))
        process = process.with_pending(candidates[expected[-1:]])
    assert TrendGP(rows, values, OWNERS, PARAMETERS).choose(candidates, kappas) == expected


def test_the_slope_of_the_likelihood_is_right(rows, values):
    expected = np.array([(0.0, 1.0)] * 6)
    objective = _Fit(TrainingSet(rows, values, OWNERS), expected)
    for logs in (np.zeros(6), np.array([0.3, -0.5, 0.2, 0.4, -3.0, -1.0])):
        assert check_grad(lambda at: objective(at)[0], lambda at: objective(at)[1], logs) < 1e-3


def test_a_fit_finds_a_quadratic_in_any_direction():
    rng = np.random.default_rng(5)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    stretch = turn @ np.diag([1, 10, 100, 1000.0]) @ turn.T
    rows, new = rng.uniform(-1, 1, (2, 60, 4))
    values = np.einsum("ij,jk,ik->i", rows, stretch, rows)
    mean, std = values.mean(), values.std()
    logs, _ = fit(TrainingSet(rows, (values - mean) / std, np.arange(4)))
    predicted = TrendGP(rows, (values - mean) / std, np.arange(4), Parameters.from_logs(logs)).predict(new).mean
    truth = np.einsum("ij,jk,ik->i", new, stretch, new)
    assert np.abs(predicted * std + mean - truth).max() < 0.02 * std


def test_points_far_outside_the_box_are_no_fault():
    rng = np.random.default_rng(63)
    for _ in range(100):
        near = rng.normal(size=(120, 5)) * 10 ** rng.uniform(-3, 0)
        far, pending = rng.normal(size=(2, 40, 5)) * 10 ** rng.uniform(0, 2.4)
        spread = np.exp(rng.uniform((-7, -18.4, -10), (5, 0, 8)))
        process = TrendGP(
            np.vstack([near, far]), rng.normal(size=160), np.arange(5), Parameters(np.exp(rng.normal(size=5)), *spread)
        )
        posterior = process.with_pending(np.vstack([pending, pending[:5]])).predict(near)
        assert np.isfinite(posterior.mean).all()
        assert np.isfinite(posterior.std).all()


def test_points_that_coincide_are_no_fault(values, rows):
    twice = np.vstack([rows, rows])
    certain = PARAMETERS._replace(noise=0.0)
    posterior = TrendGP(twice, np.concatenate([values, values]), OWNERS, certain).predict(rows)
    assert posterior.mean == pytest.approx(values, abs=1e-2)


# --- several tasks

TASKS = np.repeat([0, 1, 2], 10)
TASK_PARAMETERS = TaskParameters(np.array([0.8, -0.3]), np.array([0.5, 0.9]), 1.7)


def joint(left, right, tasks):
    """The covariance of several tasks, written down once more; points with their tasks."""
    lengths = PARAMETERS.lengths[OWNERS]
    distance = np.sqrt(5) * np.linalg.norm((left - right) / lengths)
    matern = PARAMETERS.amplitude * (1 + distance + distance**2 / 3) * np.exp(-distance)
    trend = PARAMETERS.trend * (1 + left @ right / 3) ** 2
    for correlations in (TASK_PARAMETERS.matern, TASK_PARAMETERS.trend):
        loads = [1.0, *correlations]
        share = 1.0 if tasks[0] == tasks[1] else loads[tasks[0]] * loads[tasks[1]]
        matern, trend = trend, matern * share
    scale = np.prod([1.7 if task == 0 else 1.0 for task in tasks])
    return scale * (matern + trend) + (4.0 if tasks == (0, 0) else 0.0)


def test_predictions_for_the_campaign_are_those_of_the_textbook(rows, values):
    parameters = PARAMETERS._replace(tasks=TASK_PARAMETERS)
    new = np.random.default_rng(1).uniform(-1, 1, (5, 4))
    pairs = list(zip(rows, TASKS.tolist(), strict=True))
    known = np.array([[joint(a, b, (s, t)) for b, t in pairs] for a, s in pairs]) + PARAMETERS.noise * np.eye(len(rows))
    across = np.array([[joint(a, b, (0, t)) for b, t in pairs] for a in new])
    process = TrendGP(rows, values, OWNERS, parameters, tasks=TASKS)
    posterior = process.predict(new)
    variance = [joint(a, a, (0, 0)) - each @ np.linalg.solve(known, each) for a, each in zip(new, across, strict=True)]
    assert posterior.mean == pytest.approx(across @ np.linalg.solve(known, values), rel=1e-4, abs=1e-6)
    assert posterior.std == pytest.approx(np.sqrt(variance), rel=1e-3)
    pending = process.with_pending(new[:2])
    assert pending.predict(new).mean == pytest.approx(posterior.mean, abs=1e-6)
    mean, std, _, _ = pending.slope(new[3])
    assert (mean, std) == pytest.approx([each[3] for each in pending.predict(new)], rel=1e-5)
    for place in (0, 1):
        turn = check_grad(
            lambda at, p=place: pending.slope(at)[p], lambda at, p=place: pending.slope(at)[2 + p], new[3]
        )
        assert turn < 1e-4
    assert pending.choose(new, np.ones(3))[0] == (pending.predict(new).mean - pending.predict(new).std).argmin()


def test_the_gradient_of_several_tasks_is_that_of_the_likelihood(rows, values):
    prior = np.tile([0.0, 2.0], (11, 1))
    found = _Fit(TrainingSet(rows, values, OWNERS, tasks=TASKS), prior)
    at = np.array([0.1, -0.2, 0.3, 0.2, -2.0, -1.0, 0.9, -0.4, 0.5, 1.2, 0.3])
    assert check_grad(lambda logs: found(logs)[0], lambda logs: found(logs)[1], at) < 1e-3


@pytest.mark.parametrize(("sign", "least", "most"), [(1.0, 0.8, 1.0), (-1.0, -1.0, 0.0)])
def test_it_is_learned_how_much_a_source_says(sign, least, most):
    rows = np.random.default_rng(4).uniform(-1, 1, (50, 2))
    values = np.sin(4 * rows[:, 0]) * np.cos(3 * rows[:, 1])
    tasks = np.repeat([0, 1], 25)
    values[25:] *= sign
    logs, _ = fit(TrainingSet(rows, values, np.arange(2), tasks=tasks))
    learned = Parameters.from_logs(logs, 1).tasks
    assert least <= learned.matern[0] <= most
