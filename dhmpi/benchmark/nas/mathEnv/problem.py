"""Ten decisions of ten numbers each; the best reward is -308.64, and 1,024 architectures of 1e10 have it."""

from dhmpi.space.problem import Problem as _Problem

BEST_REWARD = -10 * (50 / 9) ** 2

Problem = _Problem()
Problem.add_dim("create_structure", {"func": "dhmpi.benchmark.nas.mathEnv.numbers:create_structure"})

if __name__ == "__main__":
    print(Problem)
