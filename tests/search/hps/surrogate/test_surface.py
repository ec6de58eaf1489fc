from dataclasses import replace

import numpy as np
import pytest

from dhmpi.benchmark.space import Space
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.surrogate.surface import Box, Effort, Frame, Outlook, candidates, fit_surface
from dhmpi.search.hps.surrogate.taboo import REACH, Taboo

MIXED = Space.from_specs({"x": (0.0, 1.0), "n": (1, 5), "kind": ["a", "b", "c"], "constant": ["z"], "y": (1.0, 4.0)})
CUBE = Space.from_specs({f"x{index}": (0.0, 1.0) for index in range(3)})
WHOLE = Box(np.full(3, 0.5), np.full(3, 0.5))
NOTHING = Taboo(np.empty((0, 3)))
EFFORT = Effort(num_points=40, num_pending=8, num_candidates=200, num_polished=3)


def always():
    return True


def bowl(units):
    return ((units - np.array([0.3, 0.6, 0.45])) ** 2).sum(axis=1)


@pytest.fixture
def outlook():
    rng = np.random.default_rng(0)
    encoding, rows = Encoding(CUBE), rng.random((40, 3))
    surface = fit_surface(encoding, WHOLE, np.arange(40), rows, bowl(rows), NOTHING)
    process = surface.process(rows, bowl(rows), np.empty((0, 3)), EFFORT)
    return Outlook(encoding, surface, process, WHOLE, candidates(encoding, WHOLE, rows[:1], 200, rng), NOTHING.allows)


def test_in_a_frame_the_box_reaches_from_minus_one_to_one():
    encoding = Encoding(MIXED)
    box = Box(np.array([0.5, 0.5, 0.5, 0.5, 0.25]), np.array([0.1, 0.5, 1.0, 1.0, 0.05]))
    rows = encoding.rows(np.array([[0.4, 0.5, 0.1, 0.5, 0.3], [0.6, 0.5, 0.9, 0.5, 0.2]]))
    framed = Frame(encoding, box).rows(rows)
    assert framed[:, 0] == pytest.approx([-1, 1])
    assert framed[:, -1] == pytest.approx([1, -1])
    # Whatever the box, two categories that differ are at the distance 1.
    assert np.linalg.norm(framed[0, 2:5] - framed[1, 2:5]) == pytest.approx(1)


def test_rows_of_units_are_the_rows_of_their_points():
    encoding, units = Encoding(MIXED), np.random.default_rng(1).random((50, 5))
    assert encoding.rows(units) == pytest.approx(encoding.encode(MIXED.from_unit(units)))


def test_candidates_stay_in_the_box_and_near_their_parents():
    encoding = Encoding(MIXED)
    box = Box(np.full(5, 0.5), np.array([0.1, 0.2, 1.0, 1.0, 0.3]))
    parents = np.full((1, 5), 0.5)
    units = candidates(encoding, box, parents, 500, np.random.default_rng(2))
    assert units.shape == (500, 5)
    low, high = box.bounds
    assert ((units >= low) & (units <= high)).all()
    assert (units != parents).any(axis=1).all()
    smallest = np.abs(units[:, 0] - 0.5)
    assert ((smallest > 0) & (smallest < 0.01)).any()
    assert (smallest > 0.09).any()
    assert len(np.unique((units[:, 2] * 3).astype(int))) == 3


def test_the_best_candidates_are_followed_downhill(outlook):
    ranked = list(outlook.ranked(0.0, EFFORT, always))
    assert float(bowl(ranked[0][None])[0]) < 1e-5
    assert float(bowl(ranked[0][None])[0]) < bowl(outlook.units).min()
    assert sorted(map(tuple, ranked[-200:])) == sorted(map(tuple, outlook.units))


def test_without_time_nothing_is_polished(outlook):
    ranked = list(outlook.ranked(0.0, EFFORT, lambda: False))
    assert ranked[0].tolist() == outlook.units[bowl(outlook.units).argmin()].tolist()
    assert len(ranked) == 200


def test_several_proposals_differ(outlook):
    chosen = outlook.several(np.full(20, 2.0))
    assert len(np.unique(chosen, axis=0)) == 20


def test_only_the_nearest_pending_points_are_known(outlook):
    rows = np.random.default_rng(3).random((40, 3))
    pending = np.vstack([np.full((1, 3), 0.5), np.random.default_rng(4).uniform(0.9, 1.0, (30, 3))])
    frame, few = outlook.surface.frame, replace(EFFORT, num_pending=1)
    doubts = [
        outlook.surface.process(rows, bowl(rows), known, few).predict(frame.rows(pending)).deviation
        for known in (np.empty((0, 3)), pending, pending[:1])
    ]
    assert doubts[1][0] < doubts[0][0]
    assert doubts[1] == pytest.approx(doubts[2])


def test_what_came_after_the_fit_is_known(outlook):
    rows = np.random.default_rng(0).random((40, 3))
    late = np.array([[0.05, 0.95, 0.05]])
    values = np.concatenate([bowl(rows), [-5.0]])
    process = outlook.surface.process(np.vstack([rows, late]), values, np.empty((0, 3)), EFFORT)
    predicted = process.predict(outlook.surface.frame.rows(np.vstack([late, rows]))).mean
    assert predicted.argmin() == 0


def test_of_what_is_taboo_nothing_is_known_and_nothing_proposed(outlook):
    rows, optimum = np.random.default_rng(0).random((40, 3)), np.array([[0.3, 0.6, 0.45]])
    surface = outlook.surface._replace(taboo=Taboo(optimum))
    values = np.append(bowl(rows), -1e6)
    process = surface.process(np.vstack([rows, optimum]), values, optimum, EFFORT)
    same = outlook.surface.process(rows, bowl(rows), np.empty((0, 3)), EFFORT)
    framed = surface.frame.rows(rows)
    assert process.predict(framed).deviation.tolist() == same.predict(framed).deviation.tolist()
    units = outlook.units[surface.taboo.allows(outlook.units)]
    ranked = list(
        outlook._replace(surface=surface, units=units, allows=surface.taboo.allows).ranked(0.0, EFFORT, always)
    )
    assert min(np.abs(each - optimum).max() for each in ranked) >= REACH


def test_the_scale_is_chosen_by_what_is_probable():
    rng = np.random.default_rng(5)
    encoding, rows = Encoding(CUBE), rng.random((60, 3))
    steep = np.exp(12 * bowl(rows))
    assert fit_surface(encoding, WHOLE, np.arange(60), rows, bowl(rows), NOTHING).bend == np.inf
    assert fit_surface(encoding, WHOLE, np.arange(60), rows, steep, NOTHING).bend < np.inf
