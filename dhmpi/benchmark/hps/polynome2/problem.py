"""Minus the sum of squares of ten integers.

The objective is minimised. Optimum: -1000 at every corner, where each dimension is -10 or 10. The origin is the worst
point. The default of e_i is i, with the objective -285.
"""

from dhmpi.space.problem import HpProblem, Optimum

NAMES = tuple(f"e{i}" for i in range(10))
OPTIMUM = Optimum(dict.fromkeys(NAMES, 10), -1000)

Problem = HpProblem()
for i, name in enumerate(NAMES):
    Problem.add_dim(p_name=name, p_space=(-10, 10), default=i)

if __name__ == "__main__":
    print(Problem)
