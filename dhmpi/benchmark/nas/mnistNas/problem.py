"""The problem of mnist1D."""

from dhmpi.benchmark.nas.mnist1D.problem import Problem

__all__ = ["Problem"]

if __name__ == "__main__":
    print(Problem)
