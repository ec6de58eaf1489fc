"""Recurrent networks that answer questions about stories (bAbI, task 2).

The objective, minus the accuracy on the validation part, is minimised. Optimum: unknown; -1 is a bound.
"""

from dhmpi.benchmark.datasets import babi
from dhmpi.benchmark.hps.network_problem import RNN_TYPES, NetworkProblem

Problem = NetworkProblem(babi.check)
Problem.add_dim("epochs", (5, 500), 5)
Problem.add_dim("rnn_type", RNN_TYPES, "LSTM")
Problem.add_dim("embed_hidden_size", (1, 100), 1)
Problem.add_dim("sent_hidden_size", (1, 100), 1)
Problem.add_dim("query_hidden_size", (1, 100), 1)
Problem.add_network_dims()

if __name__ == "__main__":
    print(Problem)
