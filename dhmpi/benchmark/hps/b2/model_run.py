"""Run function of b2."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from dhmpi.benchmark.datasets import babi
from dhmpi.benchmark.hps.b2.problem import Problem
from dhmpi.benchmark.hps.network_data import SampleParts, question_parts
from dhmpi.benchmark.hps.network_layers import dropout, rnn
from dhmpi.benchmark.hps.network_problem import augmenting
from dhmpi.benchmark.hps.network_training import Network, train
from dhmpi.support.training_session import TrainingContext

EMBEDDING = 64
augment_parser = augmenting(Problem, {"rnn_type": "LSTM", "nhidden": 128})


def load(source: str, stage_in: str) -> SampleParts:
    """Return words of stories and questions, and those that answer."""
    return question_parts(babi.load(babi.ONE_FACT, source, stage_in))


def build(params: Mapping[str, Any], data: SampleParts) -> Any:
    """Return a memory of the story's words, which a question looks up, and a recurrent layer that answers.

    Source: Sukhbaatar et al. 2015, End-To-End Memory Networks, arXiv 1503.08895.
    """
    lengths = [words.shape[1] for words in data.train.inputs]
    story, question = (layers.Input((length,)) for length in lengths)
    asked = dropout(params)(layers.Embedding(data.num_classes, EMBEDDING)(question))
    keys = dropout(params)(layers.Embedding(data.num_classes, EMBEDDING)(story))
    values = dropout(params)(layers.Embedding(data.num_classes, lengths[1])(story))
    match = layers.Softmax(axis=1)(layers.Dot(axes=2)([keys, asked]))  # which word of the story each one asks for
    found = layers.Permute((2, 1))(layers.Add()([match, values]))
    answer = dropout(params)(rnn(params, params["nhidden"])(layers.Concatenate()([found, asked])))
    return keras.Model([story, question], layers.Dense(data.num_classes, activation="softmax")(answer))


NETWORK = Network("b2", augment_parser, load, build)


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
