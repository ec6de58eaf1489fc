"""Callbacks for a run function's own training with Keras: it reports its epochs, ends when told, and goes on later.

This module imports Keras; nothing of dhmpi imports it before `dhmpi.callbacks` is asked for.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from dhmpi.errors import did_you_mean
from dhmpi.evaluation import State
from dhmpi.execution.context import Context, StopEvaluation, current

log = logging.getLogger(__name__)

Logs = Mapping[str, Any]
# Keras wants this at the end of the names of files of weights.
SUFFIX = ".weights.h5"


class Report(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Callback that reports a value after each epoch, and ends training when the evaluation is to stop or to pause.

    The step is the number of the epoch. When one object goes into several calls of `fit`, epochs are counted on.
    Outside of an evaluation nothing happens.

    Args:
        monitor: Name of a value in Keras' logs, or a function of these logs that returns one (default: `val_loss`, or
            `loss` where there is no validation data). An epoch without validation does not report what belongs to it.
        sign: Factor of that value. What is reported must be what the run function returns: with -1 `val_accuracy`
            becomes an objective, which is to be small.
    """

    def __init__(self, monitor: str | Callable[[Logs], float] | None = None, sign: float = 1.0) -> None:
        super().__init__()
        self._monitor, self._sign = monitor, sign
        self._step = self._offset = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Report what the epoch has reached."""
        context, value = current(), self._value(logs or {})
        if epoch + 1 + self._offset <= self._step:  # another call of `fit`, which counts from the beginning
            self._offset = self._step - epoch
        self._step = epoch + 1 + self._offset
        if context is None or value is None:
            return
        try:
            context.report(self._step, value)
        except StopEvaluation:  # raised here, it would keep Keras from ending in order
            self.model.stop_training = True

    def _value(self, logs: Logs) -> float | None:
        """Return the value of an epoch; None if it has none, since it was not validated.

        Raises:
            ValueError: There is none of that name.
        """
        if callable(self._monitor):
            return self._sign * float(self._monitor(logs))
        is_validated = any(name.startswith("val_") for name in logs)
        name = self._monitor or ("val_loss" if is_validated else "loss")
        if name in logs:
            return self._sign * float(logs[name])
        if name.startswith("val_") and not is_validated:
            return None
        raise ValueError(f"monitor must be a value in Keras' logs, got {name!r}; {did_you_mean(name, list(logs))}")


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Callback that keeps the weights of model and optimizer, with which a later run of the evaluation goes on.

    They are in the evaluation's directory, the latest ones alone, and restored when training begins. When the time of
    the job is about to end, training is saved and the evaluation paused. Outside of an evaluation nothing happens.

        checkpoint = dhmpi.callbacks.Checkpoint()
        model.fit(..., initial_epoch=checkpoint.epoch, callbacks=[dhmpi.callbacks.Report(), checkpoint])

    Args:
        every: After how many epochs they are saved.
    """

    def __init__(self, every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        self._every = every
        self._context = context = current()
        self._saved = _files(context) if context is not None and context.resumed is not None else []
        if context is not None and context.resumed is None and not context.group_rank:
            for file in _files(context):  # of another evaluation, which a crash of the machine has wiped out elsewhere
                file.unlink()
        self._is_known = False

    @property
    def epoch(self) -> int:
        """Number of epochs behind it when training begins: what `fit` is to be given as `initial_epoch`."""
        self._is_known = True
        return _epoch(self._saved[-1]) if self._saved else 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Restore what an earlier run of the evaluation has left.

        Raises:
            ValueError: `fit` cannot go on where that has ended.
        """
        if not self._is_known:
            raise ValueError("fit must know where to go on, got no initial_epoch; give initial_epoch=checkpoint.epoch")
        if not self.model.built:
            raise ValueError("a model must be built before it is trained, got one that is not; give it a keras.Input")
        if self._saved:
            self.model.optimizer.build(self.model.trainable_variables)
            self.model.load_weights(self._saved[-1])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save what the epoch has left if that is due, and pause if the time ends."""
        context = self._context
        if context is None or context.group_rank:
            return
        must_pause = context.should_checkpoint and epoch + 1 < self.params["epochs"]
        if must_pause or (epoch + 1) % self._every == 0:
            self._save(context, epoch + 1)
        if must_pause:
            context.verdict = context.verdict or State.PAUSED
            self.model.stop_training = True

    def _save(self, context: Context, epoch: int) -> None:
        """Save what there is after an epoch; a kill at any moment leaves a whole file."""
        new = context.directory / f"new{SUFFIX}"
        self.model.save_weights(new, overwrite=True)
        new.rename(context.directory / f"epoch-{epoch:06d}{SUFFIX}")
        for file in _files(context)[:-1]:
            file.unlink()


def _files(context: Context) -> list[Path]:
    """Return the files that are there, the latest last."""
    return sorted(context.directory.glob(f"epoch-*{SUFFIX}"), key=_epoch)


def _epoch(file: Path) -> int:
    return int(file.name.removesuffix(SUFFIX).rpartition("-")[2])
