"""Regression of minus the sum of squares of the inputs."""

from dhmpi.benchmark.nas.polynome2Reg.problem import Problem

__all__ = ["Problem"]
