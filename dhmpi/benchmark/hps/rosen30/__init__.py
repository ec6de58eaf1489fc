"""Rosenbrock function in 30 dimensions, minimised; optimum 0 where all are 1."""

from dhmpi.benchmark.hps.rosen30.problem import Problem
from dhmpi.benchmark.hps.rosen30.rosenbrock30 import run

__all__ = ["Problem", "run"]
