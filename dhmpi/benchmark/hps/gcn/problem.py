"""Graph convolutional network on the citations of Cora.

The objective, minus the accuracy on the validation part, is minimised. Optimum: unknown; -1 is a bound.
"""

from dhmpi.benchmark.datasets import cora
from dhmpi.benchmark.hps.network_problem import NetworkProblem

Problem = NetworkProblem(cora.check)
Problem.add_dim("epochs", (5, 500), 5)
Problem.add_dim("sys_norm", [False, True], False)
Problem.add_dim("nunits", [2, 4, 6, 8, 16, 32, 64], 2)
Problem.add_dim("filter", ["localpool", "chebyshev"], "localpool")
Problem.add_dim("max_degree", (1, 10), 1)
Problem.add_network_dims()

if __name__ == "__main__":
    print(Problem)
