"""Run function of gcn."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

from dhmpi.benchmark.datasets import cora
from dhmpi.benchmark.hps.gcn.graph_network import GraphNetwork, propagation, scaled_words
from dhmpi.benchmark.hps.gcn.problem import Problem
from dhmpi.benchmark.hps.network_data import SampleParts, Samples
from dhmpi.benchmark.hps.network_layers import MAX_DROPOUT
from dhmpi.benchmark.hps.network_problem import augmenting
from dhmpi.benchmark.hps.network_training import Network, train
from dhmpi.support.training_session import TrainingContext

# Which papers are for training, validation and test, as documented.
PARTS = (range(140), range(200, 500), range(500, 1500))
PATIENCE = 50  # epochs in which the validation accuracy stays what it is
augment_parser = augmenting(Problem, {"sys_norm": False, "nunits": 2, "filter": "localpool", "max_degree": 2})


def load(source: str, stage_in: str) -> SampleParts:
    """Return numbers of papers, their classes, and the graph."""
    graph = cora.load(source, stage_in)
    nodes = [np.array(part)[np.array(part) < len(graph.classes)] for part in PARTS]
    train, valid, test = (Samples(each, graph.classes[each]) for each in nodes)
    return SampleParts(train, valid, test, cora.NUM_CLASSES, graph)


def build(params: Mapping[str, Any], data: SampleParts) -> Any:
    """Return two graph convolutions; a batch is a number of papers whose classes are looked at."""
    graph: cora.Graph = data.graph
    network = GraphNetwork(
        (*graph.words.shape, data.num_classes),
        params["nunits"],
        params["activation"],
        min(params["dropout"], MAX_DROPOUT),
        params["filter"],
        params["max_degree"],
    )
    model = keras.Sequential([layers.InputLayer((), dtype="int64"), network])
    network.assign(scaled_words(graph), propagation(graph.neighbours, params["filter"], params["sys_norm"]))
    return model


NETWORK = Network("gcn", augment_parser, load, build, patience=PATIENCE)


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
