"""Minus the sum of squares of ten integers, minimised; optimum -1000 at the corners."""

from dhmpi.benchmark.hps.polynome2.polynome2 import run
from dhmpi.benchmark.hps.polynome2.problem import Problem

__all__ = ["Problem", "run"]
