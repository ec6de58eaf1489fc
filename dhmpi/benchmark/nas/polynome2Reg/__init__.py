"""Regression of minus the sum of squares of the inputs."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem"]
__getattr__ = exported(__name__, Problem="problem")
