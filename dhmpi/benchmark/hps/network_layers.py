"""Layers that several networks share."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers

from dhmpi.benchmark.hps.network_data import SampleParts
from dhmpi.benchmark.hps.network_problem import augmenting
from dhmpi.benchmark.util import str2bool
from dhmpi.space.problem import HpProblem

# With all units dropped there would be nothing left to scale up; TensorFlow refuses 1.
MAX_DROPOUT = 0.999
# Of the command line.
CONVOLUTIONAL_DEFAULTS = {"f1_size": 3, "f2_size": 3, "f1_units": 32, "f2_units": 64, "p_size": 2, "nunits": 512}
RNNS = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}


def sequential(data: SampleParts, *others: Any) -> Any:
    """Return a model of layers in a row; made at once, since each layer that is added later has all built again."""
    return keras.Sequential([layers.InputLayer(data.train.inputs.shape[1:]), *others])


def dropout(params: Mapping[str, Any], name: str = "dropout") -> Any:
    """Return a layer that drops the share of units that is a parameter."""
    return layers.Dropout(min(params[name], MAX_DROPOUT))


def rnn(params: Mapping[str, Any], num_units: int, **settings: Any) -> Any:
    """Return a recurrent layer of the type and with the activation function that are parameters."""
    return RNNS[params["rnn_type"]](num_units, activation=params["activation"], **settings)


def augmentation(flips: bool) -> list[Any]:
    """Return layers that move images a little while the network is trained, and mirror them if they may be."""
    moves = [layers.RandomTranslation(0.1, 0.1, fill_mode="nearest")]
    return [layers.RandomFlip("horizontal"), *moves] if flips else moves


def augmenting_images(problem: HpProblem, defaults: Mapping[str, Any]) -> Callable[[argparse.ArgumentParser], None]:
    """Return `augmenting`, with the options of the convolutional networks that are no dimensions."""
    augment = augmenting(problem, defaults)

    def augment_parser(parser: argparse.ArgumentParser) -> None:
        text = "whether images are moved about while the network is trained (default: False)"
        parser.add_argument("--data_aug", type=str2bool, nargs="?", const=True, default=False, help=text)
        text = "share of units that are dropped behind the dense layer (default: 0.5)"
        parser.add_argument("--dropout2", type=float, default=0.5, help=text)
        augment(parser)

    return augment_parser


def convolutional_network(params: Mapping[str, Any], data: SampleParts, flips: bool) -> Any:
    """Return the model of cifar10cnn and mnistcnn: two blocks of two convolutions and a pool, and a dense layer.

    Args:
        params: Values of their dimensions, `data_aug` and `dropout2`.
        data: Images and their classes.
        flips: Whether a mirrored image is of the same class.
    """
    blocks = []
    for block in ("f1", "f2"):
        for _ in range(2):
            size, units = params[f"{block}_size"], params[f"{block}_units"]
            blocks.append(layers.Conv2D(units, size, padding="same", activation=params["activation"]))
        blocks += [layers.MaxPooling2D(params["p_size"]), dropout(params)]
    return sequential(
        data,
        *(augmentation(flips) if params["data_aug"] else []),
        *blocks,
        layers.Flatten(),
        layers.Dense(params["nunits"], activation=params["activation"]),
        dropout(params, "dropout2"),
        layers.Dense(data.num_classes, activation="softmax"),
    )
