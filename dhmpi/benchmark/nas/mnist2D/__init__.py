"""MNIST as images."""

from dhmpi.benchmark.nas.mnist2D.problem import Problem

__all__ = ["Problem"]
