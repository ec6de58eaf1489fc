"""CIFAR-10."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem"]
__getattr__ = exported(__name__, Problem="problem")
