"""MNIST as rows of pixels, a tenth of it."""

from dhmpi.benchmark.nas.mnist1D.problem import Problem

__all__ = ["Problem"]
