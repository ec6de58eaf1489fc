"""The run function of architecture searches: load, preprocess, build, train, reward.

TensorFlow is imported with this module, so that a worker does it before its first evaluation.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from dhmpi.errors import ProblemError, TrainingError
from dhmpi.search.nas.model.trainer.classification import ClassificationTrainer
from dhmpi.search.nas.model.trainer.cost import flops, num_parameters
from dhmpi.search.nas.model.trainer.data import Data, Source, data_of
from dhmpi.search.nas.model.trainer.regression import RegressionTrainer
from dhmpi.search.nas.model.trainer.trainer import Hyperparameters, Record, Trainer, Training
from dhmpi.support.data_parallel import ALONE, Replicas, replicas
from dhmpi.support.json_text import dumps
from dhmpi.support.loader import load
from dhmpi.support.training_session import Standalone, TrainingContext, seed_process, session

# Epochs that a history holds at most; of longer ones it holds every second, third, ... and the last.
MAX_HISTORY = 500


class Trained(NamedTuple):
    """A trained architecture.

    Attributes:
        architecture: The choices, made.
        key: Its canonical key.
        model: The Keras model, with the weights after the last epoch.
        trainer: What has trained it, and can evaluate it.
        training: What came of it.
        data: What it was trained on.
    """

    architecture: Any
    key: str
    model: Any
    trainer: Trainer
    training: Training
    data: Data


def run(config: Mapping[str, Any], context: TrainingContext | None = None, comm: Any = None) -> dict[str, Any]:
    """Train an architecture and return its reward, to be maximised; on several ranks, data-parallel by Horovod.

    Args:
        config: The entries of the problem, `arch_seq`, and perhaps `seed` for use without a context.
        context: The evaluation's context.
        comm: The communicator of its ranks, if they have one.

    Returns:
        `objective`, the reward; `metrics` of the last and of the best epoch; `history`; `num_epochs`; `stopped`, why
        the training ended; `training_seconds`; `parameters`; `flops` of a forward pass of one sample; `architecture` as
        text; `canonical_key`.

    Raises:
        ProblemError: If an entry of the problem, its data or the choices do not fit.
        TrainingError: If the architecture cannot be built or trained.
    """
    context = Standalone(config.get("seed", 0)) if context is None else context
    with session(context.seed), replicas(context, comm, needs_horovod=False) as group:
        trained = train(config, context, group=group)
        training, records = trained.training, trained.training.records
        return {
            "objective": training.reward,
            "metrics": {"last": _epoch(records, len(records) - 1), "best": _epoch(records, training.best)},
            "history": history(records),
            "num_epochs": len(records),
            "stopped": training.stopped,
            "training_seconds": training.seconds,
            "parameters": num_parameters(trained.model),
            "flops": flops(trained.model),
            "architecture": trained.architecture.describe(),
            "canonical_key": trained.key,
        }


def load_raw(config: Mapping[str, Any]) -> Data:
    """Load and preprocess, and keep what was loaded, too.

    Args:
        config: See `run`.

    Raises:
        ProblemError: See `run`.
    """
    return Data(_source(config), keeps_raw=True)


def train(
    config: Mapping[str, Any], context: TrainingContext, data: Data | None = None, group: Replicas = ALONE
) -> Trained:
    """Load, preprocess, build and train; to be called in a `session`.

    Args:
        config: See `run`.
        context: The evaluation's context.
        data: The data, if they have been loaded.
        group: The replicas that are trained together.

    Raises:
        ProblemError: See `run`.
        TrainingError: See `run`.
    """
    regression = _entry(config, "regression")
    settings = Hyperparameters.of(_entry(config, "hyperparameters"))
    data = data_of(_source(config)) if data is None else data
    group.check_samples(len(data.train.targets))
    seed_process(context.seed)  # what loading has drawn must not matter: usually, the data are there already
    create = _entry(config, "create_structure")
    structure = _function(create, "create_structure")(data.input_shape, data.output_shape, **_kwargs(create))
    arch_seq = _entry(config, "arch_seq")
    architecture = structure.set_ops(arch_seq)
    try:
        model = architecture.create_model(activation=None if regression else "softmax")
    except Exception as error:  # whatever Keras raises when layers do not fit together
        raise TrainingError(
            f"the architecture must be one that Keras can build, got {list(arch_seq)}: {error}"
        ) from error
    kind = RegressionTrainer if regression else ClassificationTrainer
    if group.size > 1:
        group.broadcast(model.variables)
        seed_process(context.seed + group.rank)  # each replica drops other units
    trainer = kind(model, data, settings, context.seed, group)
    training = trainer.train(context.report, context.deadline)
    return Trained(architecture, structure.canonical_key(arch_seq), model, trainer, training, data)


def history(records: Sequence[Record]) -> dict[str, Sequence[float]]:
    """Return the series of each value, to 6 digits, with the numbers of the epochs from 1; at most 500 of them."""
    stride = math.ceil(len(records) / MAX_HISTORY)
    kept = range(len(records) - 1, -1, -stride)[::-1]
    series: dict[str, Sequence[float]] = {"epoch": [index + 1 for index in kept]}
    for name in records[-1]:
        series[name] = [float(f"{records[index][name]:.6g}") for index in kept]
    return series


def _epoch(records: Sequence[Record], index: int) -> dict[str, float]:
    return {"epoch": index + 1, **records[index]}


def _source(config: Mapping[str, Any]) -> Source:
    entry, preprocessing = _entry(config, "load_data"), config.get("preprocessing")
    kwargs = _kwargs(entry)
    scaler = None if preprocessing is None else _function(preprocessing, "preprocessing")
    return Source(_function(entry, "load_data"), kwargs, dumps(kwargs), scaler, _entry(config, "regression"))


def _entry(config: Mapping[str, Any], name: str) -> Any:
    if name not in config:
        found = ", ".join(key for key in config if key != "arch_seq") or "nothing"
        raise ProblemError(f"a problem of networks to train must have {name!r}, got only {found}; add it")
    return config[name]


def _function(entry: Mapping[str, Any], default: str) -> Callable[..., Any]:
    found: Any = entry["func"]
    return load(found, default) if isinstance(found, str) else found  # type: ignore[return-value]  # called below


def _kwargs(entry: Mapping[str, Any]) -> dict[str, Any]:
    return dict(entry.get("kwargs") or {})
