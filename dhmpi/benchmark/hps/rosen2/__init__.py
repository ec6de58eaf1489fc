"""Rosenbrock function in 2 dimensions, minimised; optimum 0 where all are 1."""

from dhmpi.benchmark.hps.rosen2.problem import Problem
from dhmpi.benchmark.hps.rosen2.rosenbrock2 import run

__all__ = ["Problem", "run"]
