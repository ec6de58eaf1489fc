"""Run function of b3."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from dhmpi.benchmark.datasets import babi
from dhmpi.benchmark.hps.b3.problem import Problem
from dhmpi.benchmark.hps.network_data import SampleParts, question_parts
from dhmpi.benchmark.hps.network_layers import dropout, rnn
from dhmpi.benchmark.hps.network_problem import augmenting
from dhmpi.benchmark.hps.network_training import Network, train
from dhmpi.support.training_session import TrainingContext

augment_parser = augmenting(
    Problem, {"rnn_type": "LSTM", "embed_hidden_size": 50, "sent_hidden_size": 100, "query_hidden_size": 100}
)


def load(source: str, stage_in: str) -> SampleParts:
    """Return words of stories and questions, and those that answer."""
    return question_parts(babi.load(babi.TWO_FACTS, source, stage_in))


def build(params: Mapping[str, Any], data: SampleParts) -> Any:
    """Return a recurrent layer that reads the story, one that reads the question, and the answer from both."""
    inputs = [layers.Input((words.shape[1],)) for words in data.train.inputs]
    read = []
    for words, size in zip(inputs, ("sent_hidden_size", "query_hidden_size"), strict=True):
        embedded = dropout(params)(layers.Embedding(data.num_classes, params["embed_hidden_size"])(words))
        read.append(rnn(params, params[size])(embedded))
    both = dropout(params)(layers.Concatenate()(read))
    return keras.Model(inputs, layers.Dense(data.num_classes, activation="softmax")(both))


NETWORK = Network("b3", augment_parser, load, build)


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
