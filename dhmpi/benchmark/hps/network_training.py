"""Training of networks: time limits, and what is reported."""

import argparse
import math
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import keras
import numpy as np

from dhmpi.benchmark.datasets.data_files import data_source
from dhmpi.benchmark.hps.network_data import SampleParts, Samples
from dhmpi.benchmark.keras_cmdline import fill_missing_defaults, return_optimizer
from dhmpi.benchmark.util import TerminateOnTimeOut, Timer, resume_from_disk, save_meta_data
from dhmpi.errors import ProblemError
from dhmpi.support.data_parallel import ALONE, Replicas, replicas
from dhmpi.support.training_session import Standalone, TrainingContext, distributed, seed_process, session

Params = Mapping[str, Any]

# Share of the time until the deadline that a training may take; the rest is for what comes after it.
TRAINING_SHARE = 0.75
# Samples that are predicted at a time; no dimension, so that it can change nothing.
PREDICTED_AT_ONCE = 128
LEAST = {"epochs": 1, "batch_size": 1, "num_samples": 0}
# After how many batches replicas agree on whether to go on.
BATCHES_UNTIL_AGREED = 10
# By how much the validation accuracy must change to have changed.
DELTA = 1e-4


class Network(NamedTuple):
    """A network that is trained by Keras.

    Attributes:
        name: Name of the benchmark.
        augment_parser: Adds its options to the common ones.
        load: Returns the data of a source, which are copied to a directory on this node if one is given.
        build: Returns the model, not compiled yet.
        loss: Loss, of classes and what the model predicts.
        patience: A training ends after so many epochs in which the validation accuracy stays what it is; None: it does
            not.
    """

    name: str
    augment_parser: Callable[[argparse.ArgumentParser], None]
    load: Callable[[str, str], SampleParts]
    build: Callable[[Params, SampleParts], Any]
    loss: str | Callable[[Any, Any], Any] = "sparse_categorical_crossentropy"
    patience: int | None = None


@lru_cache(maxsize=1)
def _load(load: Callable[[str, str], SampleParts], source: str, stage_in: str) -> SampleParts:
    return load(source, stage_in)


class Score(NamedTuple):
    """Share of classes that are predicted, and the loss; what is not finite predicts nothing."""

    accuracy: float
    loss: float


def measure(network: Network, model: Any, part: Samples, group: Replicas = ALONE) -> Score:
    """Return the score of a network's model on a part, of which each replica predicts its share."""
    loss = keras.losses.get(network.loss)
    own = part.rows(group.part(len(part.classes)))
    # `predict` of Keras makes a data set of them each time, which takes longer and leaves much to be collected.
    batches = [slice(start, start + PREDICTED_AT_ONCE) for start in range(0, len(own.classes), PREDICTED_AT_ONCE)]
    pieces = [model.predict_on_batch(own.rows(batch).inputs) for batch in batches]
    none = np.zeros((0, *model.output_shape[1:]), np.float32)  # there may be more replicas than samples
    predicted = group.gather(np.concatenate([none, *pieces]))
    is_right = (predicted.argmax(axis=-1) == part.classes) & np.isfinite(predicted).all(axis=-1)
    return Score(float(is_right.mean()), float(np.mean(loss(part.classes, predicted))))


class ValidationProgress(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Measures the validation part after each epoch.

    Args:
        network: The network.
        part: That part.
        report: Gets the number of the epoch, from 1, and the objective.
        group: The replicas of the model.
    """

    def __init__(
        self, network: Network, part: Samples, report: Callable[[float, float], None], group: Replicas
    ) -> None:
        super().__init__()
        self._network, self._part, self._report, self._group = network, part, report, group
        self._num_unchanged = 0
        self.num_epochs = 0
        self.is_finite = True
        self.score = Score(math.nan, math.nan)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Measure, report, and end the training if nothing changes any more."""
        before = self.score.accuracy
        self.num_epochs = epoch + 1
        # Moving averages of batch normalisation are each replica's own.
        self._group.broadcast(self.model.non_trainable_weights)
        self.score = measure(self._network, self.model, self._part, self._group)
        self.is_finite = math.isfinite((logs or {}).get("loss", 0.0)) and math.isfinite(self.score.loss)
        self._report(epoch + 1, -self.score.accuracy)
        self._num_unchanged = self._num_unchanged + 1 if abs(self.score.accuracy - before) <= DELTA else 0
        if self._num_unchanged == self._network.patience:
            self.model.stop_training = True


class AgreedEnd(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Ends the training of all replicas after the same batch, soon after one of them wants to end it.

    Args:
        group: The replicas.
    """

    def __init__(self, group: Replicas) -> None:
        super().__init__()
        self._group = group
        self._num_batches, self._wants_end = 0, False

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Agree with the others now and then: it takes about as long as a small batch."""
        self._num_batches += 1
        self._wants_end = self._wants_end or self.model.stop_training
        is_due = self._num_batches % BATCHES_UNTIL_AGREED == 0
        self.model.stop_training = is_due and self._group.any(self._wants_end)


def train(network: Network, point: Params, context: TrainingContext | None = None, comm: Any = None) -> dict[str, Any]:
    """Train a network and return minus its validation accuracy after the last epoch, to be minimised.

    The training ends early if its time is over or its loss is not finite any more. On several ranks it is
    data-parallel, by Horovod.

    Args:
        network: The network.
        point: Values of dimensions and of other options; what is missing has the defaults of the command line.
        context: The evaluation's context; without one, the seed is the option `seed`.
        comm: The communicator of its ranks, if they have one.

    Returns:
        `objective`; `valid_loss`; `test_accuracy` and `test_loss`, which no search sees; `num_epochs`; `stopped`, why
        the training ended; `training_seconds`; `parameters`, how many are trained; `data_source`. A loss that is not
        finite is None.

    Raises:
        DataError: If files are missing or broken.
        ProblemError: If there is nothing to train.
    """
    params = _checked(fill_missing_defaults(network.augment_parser, dict(point)))
    context = Standalone(params["seed"]) if context is None else context
    timer = Timer()
    with session(context.seed), replicas(context, comm, needs_horovod=False) as group:
        timer.start("stage in")
        source = data_source(params["data_source"])
        data = _load(network.load, source, params["stage_in_destination"]).at_most(params["num_samples"])
        timer.end()
        group.check_samples(len(data.train.classes))
        seed_process(context.seed)  # what loading has drawn must not matter: usually, the data are there already
        timer.start("preprocessing")
        saved = resume_from_disk(network.name, params, params["model_path"]) if params["model_path"] else None
        model = network.build(params, data) if saved is None or saved.model is None else saved.model
        own = data.train.rows(slice(group.rank, len(data.train.classes) // group.size * group.size, group.size))
        if group.size > 1:
            group.broadcast(model.weights)
            seed_process(context.seed + group.rank)  # each replica drops other units
        if group.size > 1 or saved is None or saved.model is None:
            model.compile(loss=network.loss, optimizer=_optimizer(params, group, len(data.train.classes)))
        timer.end()
        timer.start("model training")
        began = time.perf_counter()
        progress = ValidationProgress(network, data.valid, context.report, group)
        minutes = _minutes(params["timeout"], context.deadline)
        callbacks = [progress, keras.callbacks.TerminateOnNaN(), TerminateOnTimeOut(minutes)]
        model.fit(
            own.inputs,
            own.classes,
            batch_size=params["batch_size"],
            epochs=params["epochs"],
            initial_epoch=saved.initial_epoch if saved else 0,
            verbose=0,
            callbacks=callbacks if group.size == 1 else [*callbacks, AgreedEnd(group)],
        )
        seconds = time.perf_counter() - began
        timer.end()
        if saved and group.rank == 0:
            if group.size > 1:
                model.compile(loss=network.loss, optimizer=return_optimizer(dict(params)))  # one that can be loaded
            model.save(saved.model_path)
            save_meta_data({**params, "epochs": progress.num_epochs}, saved.model_mda_path)
        test = measure(network, model, data.test, group)
        return {
            "objective": -progress.score.accuracy,
            "valid_loss": _finite(progress.score.loss),
            "test_accuracy": test.accuracy,
            "test_loss": _finite(test.loss),
            "num_epochs": progress.num_epochs,
            "stopped": _reason(progress, params["epochs"], 0 <= 60 * minutes <= seconds),
            "training_seconds": seconds,
            "parameters": sum(math.prod(weight.shape) for weight in model.trainable_weights),
            "data_source": source,
        }


def _checked(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with which there is something to train."""
    for name, least in LEAST.items():
        if params[name] < least:
            raise ProblemError(f"{name} must be at least {least}, got {params[name]}")
    return params


def _optimizer(params: Params, group: Replicas, num_samples: int) -> Any:
    """Return the optimizer, for the batches of all replicas.

    Args:
        params: What describes it, besides `batch_size` and `epochs`.
        group: The replicas.
        num_samples: Samples of an epoch, of which each replica takes its part.
    """
    optimizer = return_optimizer(dict(params))
    if group.size == 1:
        return optimizer
    return distributed(optimizer, group, group.num_steps(num_samples, params["batch_size"]), params["epochs"])


def _minutes(timeout: float, deadline: float | None) -> float:
    """Return the time limit of a training [minutes], below 0 for none."""
    if deadline is None:
        return timeout
    left = max(0.0, TRAINING_SHARE * (deadline - time.time()) / 60)
    return left if timeout < 0 else min(timeout, left)


def _reason(progress: ValidationProgress, num_epochs: int, is_time_over: bool) -> str:
    if not progress.is_finite:
        return "diverged"
    if is_time_over:
        return "time"
    return "epochs" if progress.num_epochs == num_epochs else "patience"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
