"""An environment to find faults of agents with: ten numbers to choose, the smaller the better; maximised."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem", "run"]
__getattr__ = exported(__name__, Problem="problem", run="numbers")
