"""Regression of minus the function of Dixon and Price."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem"]
__getattr__ = exported(__name__, Problem="problem")
