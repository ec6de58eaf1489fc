"""TensorFlow as one training finds it: few threads, its own seeds, nothing left from the training before."""

import contextlib
import gc
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import keras
import tensorflow as tf

from dhmpi.errors import ProblemError
from dhmpi.support import environment
from dhmpi.support.data_parallel import Replicas

# Epochs in which the learning rate rises to that of all replicas: Goyal et al., Accurate, large minibatch SGD, 2017.
WARMUP_EPOCHS = 5
# Seeds and the list of what has been built belong to the whole process.
_one_at_a_time = threading.RLock()


class TrainingContext(Protocol):
    """Part of an evaluation's context that a training needs."""

    seed: int
    deadline: float | None

    def report(self, step: float, value: float) -> None:
        """Keep an intermediate value."""


@dataclass
class Standalone:
    """The context of an evaluation outside a campaign."""

    seed: int
    deadline: float | None = None

    def report(self, step: float, value: float) -> None:
        """Keep nothing."""


@contextlib.contextmanager
def session(seed: int) -> Iterator[None]:
    """Let one training at a time run in this process, seeded, and free what it leaves behind.

    Args:
        seed: See `seed_process`.
    """
    with _one_at_a_time:
        prepare_process()
        seed_process(seed)
        try:
            yield
        finally:
            keras.backend.clear_session()
            gc.collect()  # models are cycles, and large


def seed_process(seed: int) -> None:
    """Seed the generators of Python, numpy and TensorFlow.

    Args:
        seed: Taken modulo 2**32.
    """
    keras.utils.set_random_seed(seed % 2**32)


@cache
def prepare_process() -> None:
    """Limit TensorFlow to this process's share of the cores, once.

    Raises:
        ProblemError: If Keras was told to use something else than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ProblemError(f"KERAS_BACKEND must be tensorflow, got {keras.backend.backend()}; unset it")
    threads = num_threads()
    # TensorFlow refuses if user code has computed something with it before; then its threads are the user's choice.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)  # several ranks may share one
    # What has been imported stays; otherwise looking through it after each training takes as long as a short training.
    gc.collect()
    gc.freeze()


def num_threads() -> int:
    """Return how many threads TensorFlow may use: the first number of OMP_NUM_THREADS, or else that of cores."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdigit() and int(first) else environment.num_cores()


class Warmup(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """Learning rate for batches that are shared by several replicas of a model.

    It rises over the first 5 epochs, or the first quarter of a shorter training, from that of one replica to as many
    times as much as there are replicas (Goyal et al., Accurate, large minibatch SGD, 2017).

    Args:
        learning_rate: The learning rate of one replica, a number or a schedule of Keras.
        num_replicas: How many replicas there are.
        num_steps: How many steps an epoch has.
        num_epochs: How many epochs the training has at most.
    """

    def __init__(self, learning_rate: Any, num_replicas: int, num_steps: int, num_epochs: int) -> None:
        self._learning_rate, self._num_replicas = learning_rate, num_replicas
        self._num_steps, self._num_epochs = num_steps, num_epochs

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step, counted from 0."""
        rate = self._learning_rate(step) if callable(self._learning_rate) else self._learning_rate
        epoch = tf.cast(step, tf.float32) / self._num_steps
        risen = tf.minimum(1.0, epoch / min(WARMUP_EPOCHS, self._num_epochs / 4))
        return rate * (1 + (self._num_replicas - 1) * risen)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            "learning_rate": self._learning_rate,
            "num_replicas": self._num_replicas,
            "num_steps": self._num_steps,
            "num_epochs": self._num_epochs,
        }


def distributed(optimizer: Any, group: Replicas, num_steps: int, num_epochs: int) -> Any:
    """Return an optimizer of the same kind that averages gradients over replicas, with the learning rate for these.

    Args:
        optimizer: The optimizer of one replica.
        group: The replicas.
        num_steps: How many steps an epoch has.
        num_epochs: How many epochs the training has at most.
    """
    kind, config = type(optimizer), optimizer.get_config()

    class Distributed(kind):  # type: ignore[misc, valid-type]  # Keras has no types
        def apply_gradients(self, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
            gradients, variables = zip(*grads_and_vars, strict=True)
            averages = zip(group.averaged(gradients), variables, strict=True)
            return super().apply_gradients(averages, *args, **kwargs)

    rate = config["learning_rate"]
    if isinstance(rate, dict):
        rate = keras.optimizers.schedules.deserialize(rate)
    return Distributed.from_config(config | {"learning_rate": Warmup(rate, group.size, num_steps, num_epochs)})
