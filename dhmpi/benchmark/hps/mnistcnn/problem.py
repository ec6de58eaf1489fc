"""Convolutional network on MNIST.

The objective, minus the accuracy on the validation part, is minimised. Optimum: unknown; -1 is a bound.
"""

from dhmpi.benchmark.datasets import mnist
from dhmpi.benchmark.hps.network_problem import NetworkProblem

Problem = NetworkProblem(mnist.check)
Problem.add_dim("epochs", (5, 500), 5)
Problem.add_dim("f1_size", [1, 3, 5, 7], 1)  # of the filters of the first block
Problem.add_dim("f2_size", [1, 3, 5, 7], 1)
Problem.add_dim("f1_units", [8, 16, 32, 64], 8)
Problem.add_dim("f2_units", [8, 16, 32, 64], 8)
Problem.add_dim("p_size", [2, 3, 4], 2)  # of the pools
Problem.add_dim("nunits", (1, 1000), 1)
Problem.add_network_dims()

if __name__ == "__main__":
    print(Problem)
