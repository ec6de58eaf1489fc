"""Regression of a saddle."""

from dhmpi.benchmark.nas.saddleReg.problem import Problem

__all__ = ["Problem"]
