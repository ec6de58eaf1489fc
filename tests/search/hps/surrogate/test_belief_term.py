import numpy as np
import pytest

from dhmpi.benchmark import HpProblem
from dhmpi.search.hps.surrogate.belief_term import MOST, BeliefTerm
from dhmpi.search.hps.surrogate.encoding import Encoding


def encoding(prior_of_kind=None):
    problem = HpProblem()
    problem.add_dim("kind", ["a", "b", "c"], prior=prior_of_kind)
    problem.add_dim("x", (0.0, 1.0), prior=("normal", 0.25, 0.1))
    problem.add_dim("n", (1, 9), prior=("normal", 3, 1))
    problem.add_dim("act", ["s", "t"], prior=[0.9, 0.1])
    problem.add_dim("free", (0.0, 1.0))
    problem.add_dim("constant", ["only"], prior=[1.0])
    problem.add_condition("n", when="kind", is_in=["a"])
    problem.add_condition("act", when="kind", is_in=["b"])
    return Encoding(problem.dimensions)


def term(made, objective, num=20):
    """What is left of beliefs after random results."""
    points = made.space.sample(np.random.default_rng(0), num)
    return BeliefTerm.of(made, made.encode(points), np.array([objective(point) for point in points]))


def lowered(belief, *points):
    rows = belief.encoding.encode(points)
    return belief.at(belief.encoding.to_unit_cube(rows), rows)


def trusted(made):
    """Beliefs that ten results have confirmed."""
    names, beliefs = made.space.names, made.space.beliefs
    return BeliefTerm(made, {names.index(name): 1.0 for name in beliefs if name != "constant"}, 10)


def test_what_is_believed_lowers_bounds_more_than_anything_else():
    belief = trusted(encoding())
    points = [{"kind": "c", "x": x, "free": 0.5, "constant": "only"} for x in (0.25, 0.35, 0.9)]
    near, beside, far = lowered(belief, *points)
    assert near > beside > 0 > far


def test_what_is_inactive_does_not_count():
    belief = trusted(encoding())
    without = {"x": 0.25, "free": 0.5, "constant": "only"}
    points = [{"kind": "c"}, {"kind": "a", "n": 3}, {"kind": "a", "n": 9}, {"kind": "b", "act": "s"}]
    found = lowered(belief, *(without | point for point in points))
    alone = belief.weight * float(belief.encoding.space.beliefs["x"].log_density(np.array([0.25]))[0])
    assert found[0] == pytest.approx(alone)
    assert found[1] > found[0] > found[2]
    assert found[3] > found[0]


def test_slopes_are_those_of_what_lowers_bounds():
    belief = trusted(encoding())
    place = np.array([0.9, 0.31, 0.4, 0.5, 0.5, 0.5])
    slope = belief.slope(place)
    for index in (1, 4):
        step = np.eye(6)[index] * 1e-6
        some = np.stack([place - step, place + step])
        low, high = belief.at(some, belief.encoding.rows(some))
        assert slope[index] == pytest.approx((high - low) / 2e-6, rel=1e-4)


def test_beliefs_fade():
    def height(num):
        return lowered(term(encoding(), lambda point: abs(point["x"] - 0.25), num), *[PEAK])[0]

    assert height(10) > 1.5 * height(20) > 2 * height(80) > 0


PEAK = {"kind": "c", "x": 0.25, "free": 0.5, "constant": "only"}


def made_of(believed):
    problem = HpProblem()
    for index in range(8):
        problem.add_dim(f"x{index}", (0.0, 1.0), prior=("normal", 0.25, 0.3) if index in believed else None)
    return Encoding(problem.dimensions)


def distance(point):
    return sum(abs(each - 0.25) for each in point.values())


def test_few_results_are_enough_for_or_against_all_beliefs():
    """Though each by itself is not contradicted clearly."""
    assert max(term(made_of(range(8)), lambda point: -distance(point), num=12).trusts.values()) == 0.0
    assert min(term(made_of(range(8)), distance, num=12).trusts.values()) > 0.9


def test_a_single_belief_that_results_contradict_is_forgotten_alone():
    trusts = term(made_of(range(8)), lambda point: distance(point) - 3 * abs(point["x7"] - 0.25), num=60).trusts
    assert trusts.pop(7) < 0.05
    assert min(trusts.values()) > 0.5


def test_after_very_many_results_nothing_is_left():
    made = made_of([0])
    rows = np.full((MOST + 1, 8), 0.25)
    assert BeliefTerm.of(made, rows, np.zeros(len(rows))).trusts == {}


def test_results_that_say_nothing_confirm_nothing():
    made = encoding()
    for objective, num in ((lambda point: np.nan, 20), (lambda point: 1.0, 20), (lambda point: point["x"], 1)):
        assert set(term(made, objective, num).trusts.values()) == {0.0}
    assert set(BeliefTerm.of(made, np.empty((0, made.num_columns)), np.empty(0)).trusts.values()) == {0.0}


def test_candidates_are_drawn_by_beliefs_in_their_box():
    belief, rng = trusted(encoding([0.98, 0.01, 0.01])), np.random.default_rng(1)
    low, high = np.array([0, 0.2, 0.0, 0.0, 0.6, 0.0]), np.array([1, 0.4, 1.0, 1.0, 0.7, 1.0])
    units = low + (high - low) * rng.random((2000, 6))
    guided = belief.guide(units, low, high, rng)
    assert ((guided >= low) & (guided <= high)).all()
    assert (guided[:, 4:] == units[:, 4:]).all()
    changed = (guided[:, 1] != units[:, 1]).mean()
    assert 0.45 < changed < 0.55
    assert (guided[:, 0] < 1 / 3).mean() > 0.5


def test_without_beliefs_nothing_changes():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    made, rng = Encoding(problem.dimensions), np.random.default_rng(0)
    belief = BeliefTerm.of(made, np.full((3, 1), 0.5), np.zeros(3))
    units = rng.random((5, 1))
    state = rng.bit_generator.state
    assert belief.guide(units, 0.0, 1.0, rng) is units
    assert rng.bit_generator.state == state
    assert not belief.at(units, units).any()
