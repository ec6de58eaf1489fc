"""Run function of polynome2."""

from collections.abc import Mapping

from dhmpi.benchmark.functions import polynome_2
from dhmpi.benchmark.hps.polynome2.problem import NAMES


def run(point: Mapping[str, float]) -> float:
    """Return minus the sum of squares, to be minimised; the optimum is -1000 at the corners.

    Args:
        point: e0 to e9.
    """
    return polynome_2(point[name] for name in NAMES)
