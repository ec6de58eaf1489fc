"""Run function of b1."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from dhmpi.benchmark.datasets import addition
from dhmpi.benchmark.hps.b1.problem import Problem
from dhmpi.benchmark.hps.network_data import SampleParts, Samples, split
from dhmpi.benchmark.hps.network_layers import dropout, rnn, sequential
from dhmpi.benchmark.hps.network_problem import augmenting
from dhmpi.benchmark.hps.network_training import Network, train
from dhmpi.support.training_session import TrainingContext

augment_parser = augmenting(Problem, {"rnn_type": "LSTM", "nhidden": 128, "nlayers": 1})


def load(source: str, stage_in: str) -> SampleParts:
    """Return questions, one-hot, and the characters of their answers."""
    sums = addition.load(source)
    questions = keras.utils.to_categorical(sums.questions, len(addition.CHARACTERS))
    whole, num_train = Samples(questions, sums.answers), len(questions) - sums.num_test
    return split(whole.rows(slice(num_train)), whole.rows(slice(num_train, None)), len(addition.CHARACTERS))


def build(params: Mapping[str, Any], data: SampleParts) -> Any:
    """Return a recurrent layer that reads the question, and `nlayers` that write the answer."""
    return sequential(
        data,
        rnn(params, params["nhidden"]),
        layers.RepeatVector(data.train.classes.shape[1]),
        *(rnn(params, params["nhidden"], return_sequences=True) for _ in range(params["nlayers"])),
        dropout(params),
        layers.Dense(data.num_classes, activation="softmax"),
    )


NETWORK = Network("b1", augment_parser, load, build)


def run(point: Mapping[str, Any], context: TrainingContext | None = None, comm: Any = None) -> dict[str, Any]:
    """Train the network and return minus its validation accuracy, to be minimised; the optimum is unknown.

    Args:
        point: The dimensions of the problem, and perhaps other options of the command line.
        context: The evaluation's context.
        comm: The communicator of its ranks, if they have one.

    Returns:
        See `dhmpi.benchmark.hps.network_training.train`.
    """
    return train(NETWORK, point, context, comm)
