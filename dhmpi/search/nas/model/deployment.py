"""Models to be used elsewhere: saved with their preprocessing as layers, and measured as what has been saved.

The layers are Keras's own, so what is saved loads where there is no dhmpi.
"""

from typing import Any

import numpy as np

from dhmpi.errors import TrainingError
from dhmpi.search.nas.model.affine import Affine
from dhmpi.search.nas.model.backend import keras
from dhmpi.search.nas.model.run.alpha import Trained
from dhmpi.search.nas.model.trainer.data import AffineScaling
from dhmpi.search.nas.model.trainer.steps import NUM_PREDICTED, as_called
from dhmpi.search.nas.model.trainer.trainer import Record


def save(model: Any, scaling: AffineScaling | None, path: str) -> None:
    """Write a model to a file.

    Args:
        model: A Keras model.
        scaling: What is done to its inputs and its predictions, to become part of it; None leaves it as it is.
        path: A file ending in .keras.
    """
    (model if scaling is None else with_scaling(model, scaling)).save(path)


def with_scaling(model: Any, scaling: AffineScaling) -> Any:
    """Return a model that takes raw data and predicts in the units of the data.

    Args:
        model: One that takes scaled inputs and predicts scaled targets.
        scaling: What scales them.
    """
    if all(each is None for each in (*scaling.inputs, scaling.original)):
        return model
    raw = [keras.Input(tuple(each.shape)[1:], name=each.name.partition(":")[0]) for each in model.inputs]
    scaled = [
        tensor if each is None else _applied(each, tensor, f"preprocessing_{number}")
        for number, (each, tensor) in enumerate(zip(scaling.inputs, raw, strict=True))
    ]
    predicted = model(as_called(model, scaled))
    if scaling.original is not None:
        predicted = _applied(scaling.original, predicted, "original_units")
    return keras.Model(as_called(model, raw), predicted)


def _applied(affine: Affine, tensor: Any, name: str) -> Any:
    # In two steps: the difference of close numbers is exact, that of their multiples is not.
    center = keras.layers.Rescaling(1.0, (-affine.center).tolist(), name=f"{name}_center")
    scale = keras.layers.Rescaling(affine.scale.tolist(), affine.offset.tolist(), name=f"{name}_scale")
    return scale(center(tensor))


def measure(path: str, trained: Trained, is_raw: bool) -> Record:
    """Return the metrics of a saved model on test data, in the units of the data.

    Args:
        path: Its file.
        trained: What was saved; its data have a part for a test, and keep raw inputs.
        is_raw: Whether it takes raw data and predicts in their units.

    Raises:
        TrainingError: If a prediction is not finite.
    """
    test = trained.data.test
    assert test is not None
    # A space may have layers of the user's own; and what has just been written can be trusted.
    own = {type(layer).__name__: type(layer) for layer in trained.model.layers}
    model = keras.models.load_model(path, custom_objects=own, compile=False, safe_mode=False)
    inputs = as_called(model, test.raw if is_raw else test.inputs)
    predictions = np.asarray(model.predict(inputs, batch_size=NUM_PREDICTED, verbose=0), np.float64)
    if not np.isfinite(predictions).all():
        raise TrainingError("predictions must be finite, got some that are not; lower the learning rate")
    return trained.trainer.metrics(test.original, predictions if is_raw else trained.data.original(predictions))
