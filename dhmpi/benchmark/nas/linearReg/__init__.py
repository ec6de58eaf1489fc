"""Regression of the sum of the inputs."""

from dhmpi.benchmark.nas.linearReg.problem import Problem

__all__ = ["Problem"]
