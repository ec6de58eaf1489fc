import numpy as np
import pytest

from dhmpi.search.hps.surrogate.acquisition_optimiser import AcquisitionOptimiser, candidates
from dhmpi.search.hps.surrogate.archive import KnownEvaluations
from dhmpi.search.hps.surrogate.belief_term import BeliefTerm
from dhmpi.search.hps.surrogate.box import Box
from dhmpi.search.hps.surrogate.box_surrogate import AcquisitionBudget, fit_surrogate
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.surrogate.tabu import REACH, TabuRegions
from dhmpi.space.space import Space

MIXED = Space.from_specs({"x": (0.0, 1.0), "n": (1, 5), "kind": ["a", "b", "c"], "constant": ["z"], "y": (1.0, 4.0)})
CUBE = Space.from_specs({f"x{index}": (0.0, 1.0) for index in range(3)})
WHOLE = Box(np.full(3, 0.5), np.full(3, 0.5))
NOTHING = TabuRegions(np.empty((0, 3)))
BUDGET = AcquisitionBudget(num_points=40, num_pending=8, num_candidates=200, num_polished=3)


def known(rows, objectives):
    return KnownEvaluations(rows, objectives, np.zeros(len(rows)))


def always():
    return True


def bowl(units):
    return ((units - np.array([0.3, 0.6, 0.45])) ** 2).sum(axis=1)


@pytest.fixture
def optimiser():
    rng = np.random.default_rng(0)
    encoding, rows = Encoding(CUBE), rng.random((40, 3))
    surrogate = fit_surrogate(encoding, WHOLE, np.arange(40), known(rows, bowl(rows)), NOTHING)
    process = surrogate.process(known(rows, bowl(rows)), BUDGET)
    nothing = BeliefTerm(encoding, {}, 0)
    return AcquisitionOptimiser(
        encoding, surrogate, process, WHOLE, candidates(nothing, WHOLE, rows[:1], 200, rng), NOTHING.allows, nothing
    )


def test_rows_of_units_are_the_rows_of_their_points():
    encoding, units = Encoding(MIXED), np.random.default_rng(1).random((50, 5))
    assert encoding.rows(units) == pytest.approx(encoding.encode(MIXED.from_unit(units)))


def test_candidates_stay_in_the_box_and_near_their_parents():
    encoding = Encoding(MIXED)
    box = Box(np.full(5, 0.5), np.array([0.1, 0.2, 1.0, 1.0, 0.3]))
    parents = np.full((1, 5), 0.5)
    units = candidates(BeliefTerm(encoding, {}, 0), box, parents, 500, np.random.default_rng(2))
    assert units.shape == (500, 5)
    low, high = box.bounds
    assert ((units >= low) & (units <= high)).all()
    assert (units != parents).any(axis=1).all()
    smallest = np.abs(units[:, 0] - 0.5)
    assert ((smallest > 0) & (smallest < 0.01)).any()
    assert (smallest > 0.09).any()
    assert len(np.unique((units[:, 2] * 3).astype(int))) == 3


def test_the_best_candidates_are_followed_downhill(optimiser):
    ranked = list(optimiser.ranked(0.0, BUDGET, always))
    assert float(bowl(ranked[0][None])[0]) < 1e-5
    assert float(bowl(ranked[0][None])[0]) < bowl(optimiser.units).min()
    assert sorted(map(tuple, ranked[-200:])) == sorted(map(tuple, optimiser.units))


def test_without_time_nothing_is_polished(optimiser):
    ranked = list(optimiser.ranked(0.0, BUDGET, lambda: False))
    assert ranked[0].tolist() == optimiser.units[bowl(optimiser.units).argmin()].tolist()
    assert len(ranked) == 200


def test_several_proposals_differ(optimiser):
    chosen = optimiser.several(np.full(20, 2.0))
    assert len(np.unique(chosen, axis=0)) == 20


def test_of_what_is_tabu_nothing_is_known_and_nothing_proposed(optimiser):
    rows, optimum = np.random.default_rng(0).random((40, 3)), np.array([[0.3, 0.6, 0.45]])
    surrogate = optimiser.surrogate._replace(tabu=TabuRegions(optimum))
    values = np.append(bowl(rows), -1e6)
    process = surrogate.process(known(np.vstack([rows, optimum]), values), BUDGET)
    process = surrogate.imagined(process, optimum, BUDGET)
    same = optimiser.surrogate.process(known(rows, bowl(rows)), BUDGET)
    framed = surrogate.frame.rows(rows)
    assert process.predict(framed).std.tolist() == same.predict(framed).std.tolist()
    units = optimiser.units[surrogate.tabu.allows(optimiser.units)]
    ranked = list(
        optimiser._replace(surrogate=surrogate, units=units, allows=surrogate.tabu.allows).ranked(0.0, BUDGET, always)
    )
    assert min(np.abs(each - optimum).max() for each in ranked) >= REACH
