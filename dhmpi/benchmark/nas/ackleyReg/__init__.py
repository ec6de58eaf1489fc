"""Regression of minus Ackley's function."""

from dhmpi.benchmark.nas.ackleyReg.problem import Problem

__all__ = ["Problem"]
