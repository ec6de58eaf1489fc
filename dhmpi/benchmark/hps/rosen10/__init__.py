"""Rosenbrock function in 10 dimensions, minimised; optimum 0 where all are 1."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem", "run"]
__getattr__ = exported(__name__, Problem="problem", run="rosenbrock10")
