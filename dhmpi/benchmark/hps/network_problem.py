"""Problem of a network: the dimensions that all of them have, and what a training needs."""

import argparse
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from dhmpi.benchmark.util import str2bool
from dhmpi.errors import InputError
from dhmpi.space.problem import HpProblem
from dhmpi.space.space import Choices, Integer

RNN_TYPES = ["LSTM", "GRU", "SimpleRNN"]
ACTIVATIONS = ["relu", "elu", "selu", "tanh"]
OPTIMIZERS = ["sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam"]


class NetworkProblem(HpProblem):
    """Problem of a network that Keras trains; the objective, minus the accuracy on the validation part, is minimised.

    A dimension `data_source` with one value, `["synthetic"]` for example, says where the data come from.

    Args:
        check_data: Finds out whether the files of a source of data are there; by default, none are needed.
    """

    def __init__(self, check_data: Callable[[str | None], None] = lambda source: None) -> None:
        super().__init__()
        self._check_data = check_data

    def add_network_dims(self) -> None:
        """Add the dimensions that the documented networks have in common."""
        self.add_dim("activation", ACTIVATIONS, "relu")
        self.add_dim("batch_size", (8, 1024), 8)
        self.add_dim("dropout", (0.0, 1.0), 0.0)
        self.add_dim("optimizer", OPTIMIZERS, "sgd")
        self.add_dim("learning_rate", (1e-4, 10.0), 1e-4)

    def check(self) -> None:
        """Find out whether TensorFlow and the data are there; called once, before a campaign begins.

        Raises:
            InputError: TensorFlow is not installed.
            DataError: Files are missing or broken.
        """
        super().check()
        require_tensorflow()
        for source in self.space.get("data_source", [None]):
            self._check_data(source)


def require_tensorflow() -> None:
    """Find out whether TensorFlow is there, without importing it.

    Raises:
        InputError: It is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise InputError("tensorflow must be installed to train networks, got none; install dhmpi with its extra nas")


def add_options(parser: argparse.ArgumentParser, problem: HpProblem, defaults: Mapping[str, Any]) -> None:
    """Add an option for each dimension of a problem that the parser does not have yet.

    Args:
        parser: The parser.
        problem: The problem.
        defaults: Defaults of the command line where they are not those of the problem.
    """
    known = vars(parser.parse_args([]))
    space = problem.dimensions
    for name, dimension, default in zip(space.names, space.dimensions, problem.starting_point, strict=True):
        if name in known:
            continue
        default = defaults.get(name, default)
        text = f"{dimension.spec()} (default: {default})"
        if isinstance(dimension, Choices):
            kind = str2bool if isinstance(default, bool) else type(default)
            parser.add_argument(f"--{name}", type=kind, choices=dimension.choices, default=default, help=text)
        else:
            kind = int if isinstance(dimension, Integer) else float
            parser.add_argument(f"--{name}", type=kind, default=default, help=text)


def augmenting(problem: HpProblem, defaults: Mapping[str, Any]) -> Callable[[argparse.ArgumentParser], None]:
    """Return what adds a network's own options to the parser of `dhmpi.benchmark.keras_cmdline`.

    Args:
        problem: Its problem.
        defaults: See `add_options`.
    """

    def augment_parser(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=0, help="seed of weights and batches (default: 0)")
        text = "number of samples of each part at most, or 0 for all (default: 0)"
        parser.add_argument("--num_samples", type=int, default=0, help=text)
        add_options(parser, problem, defaults)  # at last: a dimension may be one of the options

    return augment_parser
