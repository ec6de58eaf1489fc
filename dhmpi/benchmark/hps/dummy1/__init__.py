"""Three-hump camel function with a penalty, minimised; optimum 0 at the origin without penalty."""

from dhmpi.benchmark.hps.dummy1.problem import Problem
from dhmpi.benchmark.hps.dummy1.three_hump_camel import run

__all__ = ["Problem", "run"]
