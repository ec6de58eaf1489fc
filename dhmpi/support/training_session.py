"""TensorFlow as one training finds it: few threads, its own seeds, nothing left from the training before."""

import contextlib
import gc
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import keras
import tensorflow as tf

from dhmpi.errors import ProblemError
from dhmpi.support import environment

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
