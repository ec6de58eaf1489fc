"""Multilayer perceptron on MNIST.

The objective, minus the accuracy on the validation part, is minimised. Optimum: unknown; -1 is a bound.
"""

from dhmpi.benchmark.datasets import mnist
from dhmpi.benchmark.hps.network_problem import NetworkProblem

Problem = NetworkProblem(mnist.check)
Problem.add_dim("epochs", (5, 500), 5)
Problem.add_dim("nhidden", (1, 100), 1)
Problem.add_dim("nunits", (1, 1000), 1)
Problem.add_network_dims()

if __name__ == "__main__":
    print(Problem)
