"""Handwritten digits that scikit-learn brings along."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem"]
__getattr__ = exported(__name__, Problem="problem")
