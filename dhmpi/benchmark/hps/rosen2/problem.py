"""Rosenbrock function in 2 dimensions.

The objective is minimised. Optimum: 0 where every dimension is 1. The default is -2 everywhere, in the far valley.
"""

from dhmpi.space.problem import HpProblem, Optimum

NAMES = tuple(f"x{i}" for i in range(1, 3))
OPTIMUM = Optimum(dict.fromkeys(NAMES, 1.0), 0.0)

Problem = HpProblem()
for name in NAMES:
    Problem.add_dim(p_name=name, p_space=(-3.0, 4.0), default=-2.0)

if __name__ == "__main__":
    print(Problem)
