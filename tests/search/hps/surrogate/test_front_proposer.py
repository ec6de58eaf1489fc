import numpy as np
import pytest
from contracts.executors import Inline
from contracts.search import SeveralObjectivesContract, both, converse, done, ended, two_objectives

from dhmpi.benchmark import HpProblem
from dhmpi.evaluation import State
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.ga import GA
from dhmpi.search.hps.surrogate import load_controller
from dhmpi.support.hypervolume import hypervolume


def inline(problem, **options):
    search = AMBS(problem, **options)
    search.use(Inline())
    return search


class TestContract(SeveralObjectivesContract):
    @pytest.fixture
    def make(self):
        return inline


def zdt1(num=6):
    """Source: Zitzler, Deb and Thiele 2000, ZDT1; its front is y = 1 - sqrt(x)."""
    problem = HpProblem()
    for index in range(num):
        problem.add_dim(f"x{index}", (0.0, 1.0))
    problem.add_objective("x")
    problem.add_objective("y")
    return problem


def of_zdt1(point):
    first, *others = point.values()
    distance = 1 + 9 * sum(others) / len(others)
    return first, distance * (1 - (first / distance) ** 0.5)


def found(search, num, fails=lambda point: False):
    """Return the objectives that a search finds, and its points."""
    values, points = [], []

    def evaluate(id, point):
        points.append(point)
        if fails(point):
            return ended(id, point, State.FAILED)
        values.append(of_zdt1(point))
        return done(id, point, values[-1][0])._replace(objectives=values[-1])

    converse(search, num, evaluate)
    return np.array(values), points


def test_a_front_is_found_with_few_evaluations():
    reference, whole = np.array([1.0, 2.0]), 2 - 1 / 3
    assert hypervolume(found(inline(zdt1(), seed=3), 100)[0], reference) > 0.98 * whole
    assert hypervolume(found(GA(zdt1(), seed=3), 100)[0], reference) < 0.7 * whole


def test_what_fails_is_left_alone():
    _, points = found(inline(zdt1(), seed=4), 120, fails=lambda point: point["x0"] > 0.3)
    shares = [np.mean([point["x0"] > 0.3 for point in part]) for part in (points[:30], points[60:])]
    assert shares[1] < 0.5 * shares[0]


def test_while_nothing_succeeds_points_are_drawn():
    _, points = found(inline(zdt1(), seed=4), 40, fails=lambda point: True)
    assert len(points) == 40


@pytest.mark.parametrize("mode", [mode for mode in load_controller.MODES if mode.batch > 1 or mode.name == "gp-quick"])
def test_every_pace_proposes_new_points(monkeypatch, mode):
    monkeypatch.setattr(load_controller, "MODES", (mode,))
    search = inline(two_objectives(), seed=2)
    points = converse(search, 60, both)
    assert len({search.space.key(point) for point in points}) == 60
    assert search.statistics()["mode"] == mode.name


def test_points_that_are_asked_at_once_lie_apart():
    search = inline(zdt1(), seed=5)
    found(search, 60)
    rows = np.array([list(point.values()) for point in search.ask(20)])
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)[np.triu_indices(20, 1)]
    assert np.median(distances) > 0.2
    assert distances.min() > 1e-3
