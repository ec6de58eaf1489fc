"""Command line of networks that are trained by Keras, and the optimizer that it describes.

Importing this module does not import Keras.
"""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import dhmpi
from dhmpi.benchmark.util import str2bool
from dhmpi.errors import OptionError, did_you_mean

# What Keras calls them today; what has gone from Keras without a successor is no choice.
TODAY = {
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "logcosh": "log_cosh",
    "kullback_leibler_divergence": "kl_divergence",
    "cosine_proximity": "cosine_similarity",
    "normal": "random_normal",
    "Constant": "zeros",  # a constant that is not told is 0
}
ACTIVATIONS = (
    *("softmax", "elu", "selu", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid", "linear"),
    *("leaky_relu", "LeakyReLU", "ELU"),
)
LOSSES = (
    *("mse", "mae", "mape", "msle", "squared_hinge", "categorical_hinge", "hinge", "log_cosh", "logcosh"),
    *("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy", "kl_divergence"),
    *("kullback_leibler_divergence", "poisson", "cosine_similarity", "cosine_proximity"),
)
INITIALIZERS = (
    *("Zeros", "Ones", "Constant", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Orthogonal"),
    *("Identity", "lecun_uniform", "glorot_normal", "glorot_uniform", "he_normal", "lecun_normal", "he_uniform"),
    *("normal", "random_normal"),
)
OPTIMIZERS = {
    "sgd": "SGD",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "adam": "Adam",
    "adamax": "Adamax",
    "nadam": "Nadam",
}
# Which optimizers take a parameter, and what they call it.
_ADAMS = ("adam", "adamax", "nadam")
OWN_PARAMETERS = {
    "momentum": ("momentum", ("sgd", "rmsprop")),
    "nesterov": ("nesterov", ("sgd",)),
    "rho": ("rho", ("rmsprop", "adadelta")),
    "epsilon": ("epsilon", ("rmsprop", "adagrad", "adadelta", *_ADAMS)),
    "beta1": ("beta_1", _ADAMS),
    "beta2": ("beta_2", _ADAMS),
    "clipnorm": ("clipnorm", tuple(OPTIMIZERS)),
    "clipvalue": ("clipvalue", tuple(OPTIMIZERS)),
}


class NetworkOption(NamedTuple):
    """Option of the command line.

    Attributes:
        name: Its name; the flag has two dashes before it.
        default: Its value if it is not given.
        text: What it is, for people.
        type: Makes the value of a word.
        bare: Its value if it is given without one; None is the default.
        choices: Values that it may have; None is any.
    """

    name: str
    default: Any
    text: str
    type: Callable[[str], Any]
    bare: Any = None
    choices: tuple[str, ...] | None = None


OPTIONS = (
    NetworkOption("backend", "tensorflow", "what Keras computes with", str, choices=("tensorflow",)),
    NetworkOption("activation", "relu", "activation function of the hidden layers", str, choices=ACTIVATIONS),
    NetworkOption("loss", "mae", "loss", str, choices=LOSSES),
    NetworkOption("epochs", 2, "number of epochs", int),
    NetworkOption("batch_size", 128, "number of samples in a batch", int),
    NetworkOption("init", "normal", "initializer of the weights", str, choices=INITIALIZERS),
    NetworkOption("dropout", 0.0, "share of units that are dropped", float, bare=0.5),
    NetworkOption("optimizer", "sgd", "optimizer", str, choices=tuple(OPTIMIZERS)),
    NetworkOption("patience", 10, "number of epochs without progress after which a training may end", int),
    NetworkOption("delta", 1e-4, "what counts as progress", float),
    NetworkOption("clipnorm", None, "largest norm of a gradient; by default any", float, bare=1.0),
    NetworkOption("clipvalue", None, "largest part of a gradient; by default any", float, bare=0.5),
    NetworkOption("learning_rate", 0.01, "learning rate; also --lr", float),
    NetworkOption("momentum", 0.0, "momentum of sgd and rmsprop", float, bare=0.9),
    NetworkOption("decay", 0.0, "the learning rate is divided by 1 + decay * steps", float, bare=1e-6),
    NetworkOption("nesterov", False, "whether sgd has Nesterov's momentum", str2bool, bare=True),
    NetworkOption("rho", 0.9, "decay of the averages of rmsprop and adadelta", float),
    NetworkOption("epsilon", 1e-8, "what keeps optimizers from dividing by 0", float),
    NetworkOption("beta1", 0.9, "decay of the average of gradients of adam, adamax and nadam", float),
    NetworkOption("beta2", 0.999, "decay of the average of their squares", float),
    NetworkOption("model_path", "", "directory of saved models; by default nothing is saved", str),
    NetworkOption("data_source", "", "directory of the data", str),
    NetworkOption("stage_in_destination", "", "directory to copy the data to, such as a disk of the node", str),
    NetworkOption("timeout", 60.0, "time limit of a training [minutes], or -1 for none", float),
)
OTHER_FLAGS = {"learning_rate": ["--lr"]}


def create_parser() -> argparse.ArgumentParser:
    """Return a parser of the options that all networks have; an option without a value takes the value in brackets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", "--version", action="version", version=f"%(prog)s {dhmpi.__version__}")
    for name, default, text, kind, bare, choices in OPTIONS:
        const = default if bare is None else bare
        parser.add_argument(
            f"--{name}",
            *OTHER_FLAGS.get(name, []),
            dest=name,
            nargs="?",
            type=kind,
            default=default,
            const=const,
            choices=choices,
            help=f"{text} (default: {default!r}{'' if const == default else f', [{const!r}]'})",
        )
    return parser


def fill_missing_defaults(
    augment_parser: Callable[[argparse.ArgumentParser], Any], param_dict: dict[str, Any]
) -> dict[str, Any]:
    """Give parameters that are missing the defaults of the command line, and others the names of today.

    The learning rate is there by both of its names.

    Args:
        augment_parser: Adds a benchmark's own options to the parser that it is given; what it returns is not needed.
        param_dict: Parameters; `lr` is taken for `learning_rate`.

    Returns:
        The same dict.

    Raises:
        OptionError: There are both `lr` and another `learning_rate`.
    """
    parser = create_parser()
    augment_parser(parser)
    if "lr" in param_dict and param_dict.setdefault("learning_rate", param_dict["lr"]) != param_dict["lr"]:
        raise OptionError(f"lr is another name of learning_rate, got lr={param_dict['lr']!r} beside it; remove one")
    for name, value in vars(parser.parse_args([])).items():
        param_dict.setdefault(name, value)
    param_dict.setdefault("lr", param_dict["learning_rate"])
    for name in ("activation", "loss", "init"):
        param_dict[name] = TODAY.get(param_dict[name], param_dict[name])
    return param_dict


def return_optimizer(param_dict: dict[str, Any]) -> Any:
    """Return the optimizer of Keras that parameters describe; those that it does not take play no role.

    Args:
        param_dict: `optimizer`, `learning_rate`, and what else `create_parser` has of optimizers.

    Raises:
        OptionError: There is no such optimizer, or gradients are clipped in two ways.
    """
    name = param_dict["optimizer"]
    if name not in OPTIMIZERS:
        raise OptionError(f"no such optimizer: {name!r} ({did_you_mean(str(name), OPTIMIZERS)})")
    if param_dict.get("clipnorm") is not None and param_dict.get("clipvalue") is not None:
        got = f"clipnorm={param_dict['clipnorm']!r} and clipvalue={param_dict['clipvalue']!r}"
        raise OptionError(f"gradients must be clipped by clipnorm or by clipvalue, got {got}; leave one out")
    import keras

    learning_rate = param_dict["learning_rate"] if "learning_rate" in param_dict else param_dict["lr"]
    if param_dict.get("decay"):
        learning_rate = keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, param_dict["decay"])
    own = {
        keyword: param_dict[parameter]
        for parameter, (keyword, optimizers) in OWN_PARAMETERS.items()
        if name in optimizers and param_dict.get(parameter) is not None
    }
    return getattr(keras.optimizers, OPTIMIZERS[name])(learning_rate=learning_rate, **own)
