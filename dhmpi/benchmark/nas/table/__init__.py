"""Rewards and training times out of a generator: architecture searches without training; the reward is maximised."""

from dhmpi.benchmark.exports import exported

__all__ = ["Problem", "Table", "create_structure", "run"]
__getattr__ = exported(
    __name__, Problem="problem", Table="landscape", create_structure="table_structure", run="evaluate"
)
