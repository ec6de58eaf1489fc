"""Rewards and training times out of a generator: architecture searches without training; the reward is maximised."""

from dhmpi.benchmark.nas.table.evaluate import run
from dhmpi.benchmark.nas.table.landscape import Table
from dhmpi.benchmark.nas.table.problem import Problem
from dhmpi.benchmark.nas.table.table_structure import create_structure

__all__ = ["Problem", "Table", "create_structure", "run"]
