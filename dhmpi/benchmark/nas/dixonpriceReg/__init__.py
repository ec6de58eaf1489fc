"""Regression of minus the function of Dixon and Price."""

from dhmpi.benchmark.nas.dixonpriceReg.problem import Problem

__all__ = ["Problem"]
