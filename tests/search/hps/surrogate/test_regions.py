import numpy as np
import pytest

from dhmpi.search.hps.surrogate import regions as module
from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.surrogate.regions import FEWEST_ELSEWHERE, SHARE, Regions
from dhmpi.search.hps.surrogate.trust import FIRST
from dhmpi.space.space import Space

SQUARE = Encoding(Space.from_specs({"x": (0.0, 1.0), "y": (0.0, 1.0)}))
HOME, AWAY = (0.1, 0.1), (0.8, 0.8)
PER_REGION = 16 * 8  # failures


class Told:
    """Regions and all that they have been told."""

    def __init__(self):
        self.regions = Regions(SQUARE)
        self.rows, self.objectives, self.ends = np.empty((0, 2)), np.empty(0), []

    def tell(self, row, objective, num=1):
        for _ in range(num):
            self.rows = np.vstack([self.rows, [row]])
            self.objectives = np.append(self.objectives, objective)
            if self.regions.told(self.rows, self.objectives, is_search=True):
                self.ends.append(len(self.rows))

    @property
    def center(self):
        return tuple(self.regions.region.center.tolist())


@pytest.fixture
def told():
    told = Told()
    told.tell(HOME, 0.0)
    told.tell(AWAY, 1.0, FEWEST_ELSEWHERE)
    return told


def test_the_first_region_that_is_spent_begins_again_around_the_best_point(told):
    told.tell(HOME, 2.0, PER_REGION - FEWEST_ELSEWHERE)
    assert told.ends == [PER_REGION + 1]
    assert (told.center, told.regions.region.half) == (HOME, FIRST)
    assert told.regions.tabu.allows(told.rows).all()


def test_after_one_without_gain_the_next_is_elsewhere_and_what_has_been_found_is_taboo(told):
    told.tell(HOME, 2.0, 2 * PER_REGION - FEWEST_ELSEWHERE)
    assert (told.center, len(told.ends)) == (AWAY, 2)
    assert told.regions.tabu.allows(np.array([HOME, AWAY])).tolist() == [False, True]


@pytest.mark.parametrize(("gain", "center"), [(1.1 * SHARE, HOME), (0.9 * SHARE, AWAY)])
def test_what_is_a_gain_is_told_by_the_distance_of_the_best_from_the_median(told, gain, center):
    told.tell(HOME, 1.0, PER_REGION - FEWEST_ELSEWHERE)
    told.tell(HOME, -gain)
    told.tell(HOME, 1.0, PER_REGION)
    assert (told.center, len(told.ends)) == (center, 2)


def test_what_is_taboo_neither_moves_nor_shrinks_the_region(told):
    told.tell(HOME, 2.0, 2 * PER_REGION - FEWEST_ELSEWHERE)
    told.tell(HOME, -1.0)
    told.tell(HOME, 2.0, 2 * PER_REGION)
    assert (told.center, told.regions.region.half) == (AWAY, FIRST)


def test_after_elsewhere_it_is_around_the_best_point_of_all(told):
    told.tell(HOME, 2.0, 2 * PER_REGION - FEWEST_ELSEWHERE)
    told.tell(AWAY, -1.0)
    told.tell(AWAY, 2.0, PER_REGION)
    assert told.center == AWAY
    assert told.regions.tabu.allows(told.rows).all()


def test_it_stays_where_it_is_if_too_little_is_known_elsewhere():
    told = Told()
    told.tell(HOME, 0.0)
    told.tell(AWAY, 1.0, FEWEST_ELSEWHERE - 1)
    told.tell(HOME, 2.0, 2 * PER_REGION)
    assert (told.center, len(told.ends)) == (HOME, 2)
    assert told.regions.tabu.allows(told.rows).all()


def test_where_nothing_succeeds_no_region_ends():
    told = Told()
    told.tell(HOME, np.nan, 2 * PER_REGION)
    assert (told.ends, told.regions.region.center) == ([], None)


def test_as_many_optima_are_taboo_as_there_is_time_for(told, monkeypatch):
    monkeypatch.setattr(module, "MOST_TABU", 1)
    told.tell(HOME, 2.0, 2 * PER_REGION - FEWEST_ELSEWHERE)
    told.tell(AWAY, 2.0, PER_REGION)
    assert told.center == HOME
    told.tell((0.1, 0.9), 3.0, FEWEST_ELSEWHERE)
    told.tell(HOME, 2.0, PER_REGION - FEWEST_ELSEWHERE)
    assert len(told.regions.tabu.optima) == 1
