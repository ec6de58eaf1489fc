"""CIFAR-10."""

from dhmpi.benchmark.nas.cifar10.problem import Problem

__all__ = ["Problem"]
