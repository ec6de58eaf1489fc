"""Another name of mnist1D, the one in the documentation's table."""

from dhmpi.benchmark.nas.mnistNas.problem import Problem

__all__ = ["Problem"]
