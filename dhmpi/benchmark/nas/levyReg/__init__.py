"""Regression of minus Levy's function."""

from dhmpi.benchmark.nas.levyReg.problem import Problem

__all__ = ["Problem"]
