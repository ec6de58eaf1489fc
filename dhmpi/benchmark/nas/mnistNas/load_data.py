"""The data of mnist1D."""

from dhmpi.benchmark.nas.mnist1D.load_data import load_data

__all__ = ["load_data"]
