"""Capsule network on CIFAR-10.

The objective, minus the accuracy on the validation part, is minimised. Optimum: unknown; -1 is a bound.
"""

from dhmpi.benchmark.datasets import cifar10
from dhmpi.benchmark.hps.network_problem import NetworkProblem

Problem = NetworkProblem(cifar10.check)
Problem.add_dim("epochs", (5, 500), 5)
Problem.add_dim("data_aug", [False, True], False)
Problem.add_dim("num_conv", (1, 5), 1)
Problem.add_dim("dim_capsule", [4, 8, 16, 32, 64], 4)
Problem.add_dim("routings", (1, 5), 1)
Problem.add_dim("share_weights", [False, True], False)
Problem.add_network_dims()

if __name__ == "__main__":
    print(Problem)
