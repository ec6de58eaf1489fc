"""Problems, how to write them, and some to try."""

from dhmpi.benchmark.problem import HpProblem, Problem

__all__ = ["HpProblem", "Problem"]
