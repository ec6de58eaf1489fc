"""Straight line through points, fitted by gradient descent; half the mean squared error plus a penalty, minimised."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem", "run"]
__getattr__ = exported(__name__, Problem="problem", run="model_run")
