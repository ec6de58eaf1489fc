"""Minus the sum of squares of ten integers, minimised; optimum -1000 at the corners."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem", "run"]
__getattr__ = exported(__name__, Problem="problem", run="polynome2")
