"""Run function of rosen2."""

from collections.abc import Mapping

from dhmpi.benchmark.functions import rosenbrock
from dhmpi.benchmark.hps.rosen2.problem import NAMES

DEFAULTS = {"x1": 3.0, "x2": 4.0}  # of the command line


def run(point: Mapping[str, float]) -> float:
    """Return the Rosenbrock function, to be minimised; the optimum is 0 where every dimension is 1.

    Args:
        point: x1 to x2.
    """
    return float(rosenbrock([point[name] for name in NAMES]))
