"""The space of 2.1e14 architectures, and the seed of the rewards; the optimum is 1."""

from dhmpi.space.problem import Problem as _Problem

BEST_REWARD = 1.0

Problem = _Problem()
Problem.add_dim("create_structure", {"func": "dhmpi.benchmark.nas.table.table_structure:create_structure"})
Problem.add_dim("table", {"seed": 0})

if __name__ == "__main__":
    print(Problem)
