"""Handwritten digits that scikit-learn brings along."""

from dhmpi.benchmark.nas.digitsNas.problem import Problem

__all__ = ["Problem"]
