"""Contract of trainers: the epochs, when they end, and what is recorded of each."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dhmpi.errors import TrainingError
from dhmpi.search.nas.model.reward import Epochs, over_epochs, reward_named
from dhmpi.search.nas.model.trainer import names
from dhmpi.search.nas.model.trainer.data import Array, Data, Part
from dhmpi.search.nas.model.trainer.steps import Taken, compile_forward, compile_steps
from dhmpi.space.nas_entries import check_entry
from dhmpi.support.data_parallel import ALONE, Replicas
from dhmpi.support.training_session import Warmup

# Seconds after which training comes back from TensorFlow for a moment, to look at the clock and for signals.
SLICE = 0.5
# Seconds before the deadline at which training stops, to hand over what there is.
RESERVE = 1.0

Record = dict[str, float]


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of the training; the problem's entry of this name.

    Attributes:
        batch_size: Samples per step.
        learning_rate: Learning rate of the optimizer.
        optimizer: Its name in Keras.
        num_epochs: Largest number of epochs.
        loss_metric: Name in Keras of the loss to minimise.
        metrics: Names of metrics to record besides the usual ones.
        reward: Name of the reward, or None for the usual one.
        reward_epochs: Of which epochs the reward is.
        patience: After how many epochs without a better reward training stops, or None.
    """

    batch_size: int
    learning_rate: float
    optimizer: str
    num_epochs: int
    loss_metric: str
    metrics: Sequence[str]
    reward: str | None = None
    reward_epochs: Epochs = "last"
    patience: int | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Hyperparameters":
        """Return a problem's entry, checked.

        Raises:
            ProblemError: If it does not fit.
        """
        check_entry("hyperparameters", entry)
        return cls(**entry)


class Training(NamedTuple):
    """Result of a training.

    Attributes:
        reward: The reward, larger is better.
        rewards: Reward after each epoch.
        records: Losses and metrics of each epoch by name; those of the validation part begin with `val_`.
        stopped: Why it ended: `epochs` when all were done, `patience` or `time`.
        seconds: How long it took, with the compilation of its steps and all that is measured after each epoch.
    """

    reward: float
    rewards: list[float]
    records: list[Record]
    stopped: str
    seconds: float

    @property
    def best(self) -> int:
        """Index of the first epoch with the best reward."""
        return self.rewards.index(max(self.rewards))


class Trainer(ABC):
    """Trains one model.

    Args:
        model: The Keras model.
        data: What it is trained and measured on.
        settings: How it is trained.
        seed: Seed of the order of the samples; other random numbers are Keras's.
        replicas: The replicas of the model that are trained together; each takes batches of the size that was set.

    Raises:
        ProblemError: If there is no such optimizer, loss, metric or reward.
    """

    regression: ClassVar[bool]
    # The metrics that are always recorded, and other names for them.
    usual: ClassVar[tuple[str, ...]]
    aliases: ClassVar[Mapping[str, str]]

    def __init__(
        self, model: Any, data: Data, settings: Hyperparameters, seed: int, replicas: Replicas = ALONE
    ) -> None:
        self._began = time.perf_counter()
        self._model, self._replicas = model, replicas
        self._data, self._settings = data, settings
        self._reward = reward_named(settings.reward, self.usual, self.regression)
        self._loss = names.loss(self._loss_name(settings.loss_metric))
        wanted = {self.aliases.get(name, name) for name in settings.metrics}
        self._others = {name: names.metric(name) for name in sorted(wanted.difference(self.usual))}
        rate: Any = settings.learning_rate
        if replicas.size > 1:
            num_steps = replicas.num_steps(len(data.train.targets), settings.batch_size)
            rate = Warmup(rate, replicas.size, num_steps, settings.num_epochs)
        optimizer = names.optimizer(settings.optimizer, rate)
        self._steps = compile_steps(model, data.train, self._loss, optimizer, settings.batch_size, replicas)
        self._predict = compile_forward(model, data.train)
        self._rng = np.random.default_rng(seed)
        self._num_batches = 1  # of one call to TensorFlow; adapted to their speed

    @abstractmethod
    def _measure(self, targets: Array, predictions: Array) -> Record:
        """Return the usual metrics of predictions, both in the units of the data."""

    def _loss_name(self, name: str) -> str:
        return name

    def train(self, report: Callable[[int, float], None], deadline: float | None = None) -> Training:
        """Train until all epochs are done, the reward gets no better, or time is up.

        Args:
            report: Called after each epoch with its number, from 1, and the reward if training ended there.
            deadline: When the training must be over [s since 1970-01-01 UTC], or None.

        Raises:
            TrainingError: If a loss or a prediction is not finite, or time is up before the first epoch has ended.
        """
        rewards: list[float] = []
        records: list[Record] = []
        stopped = ""
        for record in self._epochs(math.inf if deadline is None else deadline - RESERVE):
            records.append(record)
            rewards.append(self._reward.of(record[f"val_{self._reward.metric}"]))
            report(len(rewards), over_epochs(rewards, self._settings.reward_epochs))
            patience = self._settings.patience
            if patience is not None and max(rewards[-patience:]) <= max(rewards[:-patience], default=-math.inf):
                stopped = "patience"
                break
        seconds = time.perf_counter() - self._began
        if not rewards:
            raise TrainingError(f"the first epoch must end before the time-out, got none in {seconds:.1f} s")
        if not stopped:
            stopped = "epochs" if len(rewards) == self._settings.num_epochs else "time"
        return Training(over_epochs(rewards, self._settings.reward_epochs), rewards, records, stopped, seconds)

    def evaluate(self, part: Part) -> Record:
        """Return the loss, in the units of training, and the metrics, in those of the data.

        Raises:
            TrainingError: If a prediction is not finite.
        """
        own = self._replicas.part(len(part.targets))
        predictions = self._replicas.gather(self._predict([each[own] for each in part.inputs]))
        if not np.isfinite(predictions).all():
            raise TrainingError("predictions must be finite, got some that are not; lower the learning rate")
        return {
            "loss": float(np.mean(self._loss(part.targets, predictions))),
            **self._metrics(part.original, predictions),
        }

    def metrics(self, targets: Array, predictions: Array) -> Record:
        """Return the metrics of predictions, both in the units of the data."""
        others = {name: measure(targets, predictions) for name, measure in self._others.items()}
        return self._measure(targets, predictions) | others

    def _epochs(self, limit: float) -> Iterator[Record]:
        """Train epoch by epoch, and yield the record of each, as long as there is time for another one."""
        fastest = math.inf
        for epoch in range(1, self._settings.num_epochs + 1):
            began = time.time()
            if epoch > 1 and self._replicas.any(began + fastest > limit):
                return
            trained = self._train_epoch(epoch, limit)
            if trained is None:
                return
            validated = self.evaluate(self._data.valid)
            fastest = min(fastest, time.time() - began)
            yield trained | {f"val_{name}": value for name, value in validated.items()}

    def _train_epoch(self, epoch: int, limit: float) -> Record | None:
        """Train on all samples once, in a random order; None if time is up before the end.

        The metrics are those of the predictions made on the way, as Keras has it: by a model that gets better, and with
        its dropout.
        """
        order = self._rng.permutation(len(self._data.train.targets)).astype(np.int32)
        batch_size, replicas = self._settings.batch_size, self._replicas
        rows = replicas.share(order, batch_size)
        every: list[Taken] = []
        start = 0
        while start < len(rows):
            began = time.perf_counter()
            end = min(start + self._num_batches * batch_size, len(rows))
            taken = self._steps(rows[start:end])
            if not np.isfinite(taken.losses).all():
                got = taken.losses[~np.isfinite(taken.losses)][0]
                raise TrainingError(f"the loss must stay finite, got {got} in epoch {epoch}; lower the learning rate")
            every.append(taken)
            start, num = end, len(taken.losses)
            over, speed = replicas.average([time.time() > limit, num / (time.perf_counter() - began)])
            if over:
                return None
            self._num_batches = max(1, min(10 * num, int(SLICE * speed)))
        # Moving averages of batch normalisation are each replica's own.
        replicas.broadcast(self._model.non_trainable_variables)
        losses = np.concatenate([taken.losses for taken in every])
        [loss] = replicas.average([losses.mean(dtype=np.float64)])
        predictions = replicas.gather(np.concatenate([taken.predictions for taken in every]))
        return {"loss": loss, **self._metrics(self._data.train.original[replicas.gather(rows)], predictions)}

    def _metrics(self, targets: Array, predictions: Array) -> Record:
        return self.metrics(targets, self._data.original(predictions))
