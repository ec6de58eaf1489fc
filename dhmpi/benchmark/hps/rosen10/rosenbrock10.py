"""Run function of rosen10."""

from collections.abc import Mapping

from dhmpi.benchmark.functions import rosenbrock
from dhmpi.benchmark.hps.rosen10.problem import NAMES

DEFAULTS = {name: 2.0 + i for i, name in enumerate(NAMES, start=1)}  # of the command line


def run(point: Mapping[str, float]) -> float:
    """Return the Rosenbrock function, to be minimised; the optimum is 0 where every dimension is 1.

    Args:
        point: x1 to x10.
    """
    return float(rosenbrock([point[name] for name in NAMES]))
