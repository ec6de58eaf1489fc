"""Rosenbrock function in 10 dimensions, minimised; optimum 0 where all are 1."""

from dhmpi.benchmark.hps.rosen10.problem import Problem
from dhmpi.benchmark.hps.rosen10.rosenbrock10 import run

__all__ = ["Problem", "run"]
