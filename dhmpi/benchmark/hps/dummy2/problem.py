"""Straight line through points, fitted by gradient descent.

The objective, half the mean squared error on the validation part plus the penalty, is minimised. Optimum: unknown; the
best penalty is 0.
"""

from dhmpi.space.problem import HpProblem

Problem = HpProblem()
Problem.add_dim("epochs", (2, 500), 10)
Problem.add_dim("learning_rate", (1e-4, 0.05), 0.01)
Problem.add_dim("penalty", (0.0, 3.0), 0.5)

if __name__ == "__main__":
    print(Problem)
