import numpy as np

from dhmpi.search.hps.surrogate.trust import FIRST, LARGEST, SMALLEST, SUCCESSES, TrustRegion


def tell(region, objectives, is_search=True):
    for objective in objectives:
        region.told(np.array([abs(objective) % 1, 0.0]), objective, is_search)


def test_the_best_point_is_the_center():
    region = TrustRegion(2)
    assert region.center is None
    tell(region, [0.5, 0.25, 0.75, np.nan])
    assert region.center.tolist() == [0.25, 0.0]


def test_it_grows_with_successes_up_to_a_limit():
    region = TrustRegion(2)
    tell(region, -np.arange(SUCCESSES * 3.0))
    assert region.half == LARGEST


def test_it_shrinks_with_failures_until_it_is_spent():
    region, widths = TrustRegion(2), []
    tell(region, [0.0])
    while not region.is_spent:
        tell(region, [1.0])
        widths.append(region.half)
    assert (widths[14], widths[15]) == (FIRST, FIRST / 2)
    assert widths[-2] == SMALLEST
    assert len(widths) == 16 * 8


def test_evaluations_that_failed_leave_the_region_as_it_is():
    region = TrustRegion(2)
    tell(region, [np.nan] * 16)
    assert (region.half, region.center) == (FIRST, None)
    tell(region, [1.0, *[np.nan] * 16, *[2.0] * 15, np.nan])
    assert region.half == FIRST
    tell(region, [2.0])
    assert region.half == FIRST / 2


def test_initial_points_do_not_count():
    region = TrustRegion(2)
    tell(region, [1.0] + [2.0] * 100, is_search=False)
    assert region.half == FIRST


def test_more_dimensions_take_more_patience():
    region = TrustRegion(50)
    tell(region, [0.0] + [1.0] * 99)
    assert region.half == FIRST
    tell(region, [1.0])
    assert region.half == FIRST / 2
