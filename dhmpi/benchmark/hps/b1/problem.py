"""Recurrent network that adds two numbers, character by character.

The objective, minus the accuracy on the validation part, is minimised. Optimum: unknown; -1 is a bound.
"""

from dhmpi.benchmark.hps.network_problem import RNN_TYPES, NetworkProblem

Problem = NetworkProblem()
Problem.add_dim("epochs", (5, 500), 5)
Problem.add_dim("rnn_type", RNN_TYPES, "LSTM")
Problem.add_dim("nhidden", (1, 100), 1)
Problem.add_dim("nlayers", (1, 30), 1)
Problem.add_network_dims()

if __name__ == "__main__":
    print(Problem)
