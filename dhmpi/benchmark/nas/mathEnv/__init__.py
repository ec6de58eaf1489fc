"""An environment to find faults of agents with: ten numbers to choose, the smaller the better; maximised."""

from dhmpi.benchmark.nas.mathEnv.numbers import run
from dhmpi.benchmark.nas.mathEnv.problem import Problem

__all__ = ["Problem", "run"]
