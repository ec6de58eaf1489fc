"""Problems, how to write them, and some to try."""

from dhmpi.space.problem import HpProblem, Problem

__all__ = ["HpProblem", "Problem"]
