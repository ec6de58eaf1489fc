import numpy as np

from dhmpi.search.hps.surrogate.encoding import Encoding
from dhmpi.search.hps.surrogate.tabu import REACH, TabuRegions
from dhmpi.space.space import Space

SPACE = Space.from_specs({"x": (0.0, 1.0), "kind": list("abcdefghij"), "y": (0.0, 1.0)})


def rows(*points):
    return Encoding(SPACE).encode([dict(zip(("x", "kind", "y"), point, strict=True)) for point in points])


def test_nothing_is_taboo_at_first():
    assert TabuRegions(np.empty((0, 12))).allows(rows((0.5, "a", 0.5))).tolist() == [True]


def test_what_is_near_to_any_optimum_in_all_dimensions_is_taboo():
    tabu = TabuRegions(rows((0.5, "a", 0.5), (0.1, "b", 0.1)))
    near = (0.5 + 0.9 * REACH, "a", 0.5 - 0.9 * REACH)
    far = (0.5, "a", 0.5 + 1.1 * REACH)
    assert tabu.allows(rows(near, far, (0.0, "b", 0.2))).tolist() == [False, True, False]


def test_another_category_is_elsewhere_though_it_is_next_in_the_list():
    assert TabuRegions(rows((0.5, "a", 0.5))).allows(rows((0.5, "b", 0.5))).tolist() == [True]
