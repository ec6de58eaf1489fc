from dataclasses import replace

import numpy as np
import pytest

from dhmpi.search.hps.surrogate.archive import KnownEvaluations
from dhmpi.search.hps.surrogate.box import Box
from dhmpi.search.hps.surrogate.box_surrogate import AcquisitionBudget, fit_surrogate
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.surrogate.tabu import TabuRegions
from dhmpi.space.space import Space

CUBE = Space.from_specs({f"x{index}": (0.0, 1.0) for index in range(3)})
WHOLE = Box(np.full(3, 0.5), np.full(3, 0.5))
NOTHING = TabuRegions(np.empty((0, 3)))
BUDGET = AcquisitionBudget(num_points=40, num_pending=8, num_candidates=200, num_polished=3)


def known(rows, objectives):
    return KnownEvaluations(rows, objectives, np.zeros(len(rows)))


def bowl(units):
    return ((units - np.array([0.3, 0.6, 0.45])) ** 2).sum(axis=1)


@pytest.fixture
def surrogate():
    rows = np.random.default_rng(0).random((40, 3))
    return fit_surrogate(Encoding(CUBE), WHOLE, np.arange(40), known(rows, bowl(rows)), NOTHING)


def test_only_the_nearest_pending_points_are_known(surrogate):
    rows = np.random.default_rng(3).random((40, 3))
    pending = np.vstack([np.full((1, 3), 0.5), np.random.default_rng(4).uniform(0.9, 1.0, (30, 3))])
    frame, few = surrogate.frame, replace(BUDGET, num_pending=1)
    process = surrogate.process(known(rows, bowl(rows)), few)
    doubts = [
        surrogate.imagined(process, others, few).predict(frame.rows(pending)).std
        for others in (np.empty((0, 3)), pending, pending[:1])
    ]
    assert doubts[1][0] < doubts[0][0]
    assert doubts[1] == pytest.approx(doubts[2])


def test_what_came_after_the_fit_is_known(surrogate):
    rows = np.random.default_rng(0).random((40, 3))
    late = np.array([[0.05, 0.95, 0.05]])
    values = np.concatenate([bowl(rows), [-5.0]])
    process = surrogate.process(known(np.vstack([rows, late]), values), BUDGET)
    predicted = process.predict(surrogate.frame.rows(np.vstack([late, rows]))).mean
    assert predicted.argmin() == 0


def test_the_scale_is_chosen_by_what_is_probable():
    rng = np.random.default_rng(5)
    encoding, rows = Encoding(CUBE), rng.random((60, 3))
    steep = np.exp(12 * bowl(rows))
    assert fit_surrogate(encoding, WHOLE, np.arange(60), known(rows, bowl(rows)), NOTHING).relative_turn == np.inf
    assert fit_surrogate(encoding, WHOLE, np.arange(60), known(rows, steep), NOTHING).relative_turn < np.inf
