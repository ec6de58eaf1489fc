"""Callback of Keras that ends a training at a time limit; `dhmpi.benchmark.util` has it, too."""

import math
from time import monotonic
from typing import Any

import keras

from dhmpi.errors import OptionError
from dhmpi.support.printing import Printer


class TerminateOnTimeOut(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Ends a training after the batch within which its time is over.

    Args:
        timeout_in_min: The time, counted from the begin of the training [minutes]; below 0, there is no limit.

    Raises:
        OptionError: It is not a number.
    """

    def __init__(self, timeout_in_min: float = 10) -> None:
        super().__init__()
        if math.isnan(timeout_in_min):
            raise OptionError("timeout_in_min must be a number of minutes, or -1 for no limit, got nan")
        self.run_timestamp = monotonic()
        self.timeout_in_sec = timeout_in_min * 60

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begin to count."""
        self.run_timestamp = monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """End the training if its time is over."""
        elapsed = monotonic() - self.run_timestamp
        if 0 <= self.timeout_in_sec <= elapsed:
            Printer().write(f"training ends after {elapsed:.1f} s: its limit is {self.timeout_in_sec:.1f} s\n")
            self.model.stop_training = True
