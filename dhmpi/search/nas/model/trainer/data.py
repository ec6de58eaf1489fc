"""Data sets as models are trained on them: loaded once per process, checked and scaled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.errors import ProblemError
from dhmpi.search.nas.model.affine import Affine
from dhmpi.search.nas.model.preprocessing import Scaling, Transformer

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
# How many data sets a process keeps; a campaign has one.
NUM_KEPT = 2


class Part(NamedTuple):
    """Samples of a data set.

    Attributes:
        inputs: The scaled inputs, one array or several, float32, shapes (num, ...).
        targets: What is to be predicted, scaled, or the labels, one-hot; float32, shape (num, dim).
        original: The targets before scaling, float64, shape (num, dim).
        raw: The inputs before scaling; none unless the data keep them.
    """

    inputs: list[Array]
    targets: Array
    original: Array
    raw: list[Array]


@dataclass(frozen=True)
class Source:
    """Source of data, and their preparation; equal sources give equal data.

    Attributes:
        load: Returns pairs of inputs and targets: for training, validation and perhaps a final test.
        kwargs: Its arguments.
        arguments: The same as text.
        preprocessing: Returns a new scaler, or None.
        regression: Whether targets are numbers, which are scaled too, rather than labels.
    """

    load: Callable[..., Any]
    kwargs: Mapping[str, Any] = field(compare=False)
    arguments: str
    preprocessing: Callable[[], Transformer] | None
    regression: bool


class AffineScaling(NamedTuple):
    """Affine scaling of the columns of each input, and of those of predictions; None where there is none."""

    inputs: list[Affine | None]
    original: Affine | None


class Data:
    """A data set that is ready for training.

    Args:
        source: Where it comes from.
        keeps_raw: Whether parts keep their inputs as they were loaded, too.

    Raises:
        ProblemError: If what is loaded cannot be trained on.
    """

    def __init__(self, source: Source, keeps_raw: bool = False) -> None:
        self._keeps_raw = keeps_raw
        pairs = _pairs(source.load(**source.kwargs))
        self._is_list = isinstance(pairs[0][0], list | tuple)
        self._regression = source.regression
        inputs, targets = self._arrays("train", pairs[0])
        self._width = 0 if source.regression else _width(targets)
        self._shapes = [each.shape[1:] for each in inputs]
        self._scaling = Scaling(source.preprocessing, inputs, targets if source.regression else None)
        self.train = self._part("train", pairs[0])
        self.valid = self._part("valid", pairs[1])
        self._test = pairs[2] if len(pairs) > 2 else None

    @property
    def input_shape(self) -> Shape | list[Shape]:
        """Shape of an input, or of each of several, without the axis of the samples."""
        return list(self._shapes) if self._is_list else self._shapes[0]

    @property
    def output_shape(self) -> Shape:
        """Shape of an output, without the axis of the samples."""
        return self.train.targets.shape[1:]

    @cached_property
    def test(self) -> Part | None:
        """The part for a final test, which no training and no reward looks at; None if there is none."""
        return None if self._test is None else self._part("test", self._test)

    def affine(self) -> AffineScaling:
        """Return what the scaling does as arithmetic; only of data that keep raw inputs.

        Raises:
            ProblemError: Something else is done than to multiply each column and add to it.
        """
        parts = [self.train, self.valid] if self.test is None else [self.train, self.valid, self.test]
        inputs = [np.concatenate(arrays) for arrays in zip(*(part.raw for part in parts), strict=True)]
        targets = np.concatenate([part.original for part in parts])
        return AffineScaling(self._scaling.affine_inputs(inputs), self._scaling.affine_original(targets))

    def original(self, predictions: Array) -> Array:
        """Return predictions in the units of the targets before scaling, float64."""
        return self._scaling.original(predictions.astype(np.float64))

    def _part(self, name: str, pair: Any) -> Part:
        inputs, targets = self._arrays(name, pair)
        shapes = [each.shape[1:] for each in inputs]
        if shapes != self._shapes:
            raise ProblemError(f"{name}_X must have samples of the shapes {self._shapes} of train_X, got {shapes}")
        original = targets if self._regression else _one_hot(name, targets, self._width)
        if name != "train" and original.shape[1:] != self.output_shape:
            got = original.shape[1:]
            raise ProblemError(f"{name}_y must have samples of the shape {self.output_shape} of train_y, got {got}")
        scaled = [np.ascontiguousarray(each, np.float32) for each in self._scaling.inputs(inputs)]
        targets = np.ascontiguousarray(self._scaling.targets(original), np.float32)
        return Part(scaled, targets, original, inputs if self._keeps_raw else [])

    def _arrays(self, name: str, pair: Any) -> tuple[list[Array], Array]:
        """Return inputs of at least two axes and targets of two."""
        inputs = pair[0] if isinstance(pair[0], list | tuple) else [pair[0]]
        arrays = [_columns(_numbers(f"{name}_X", each)) for each in inputs]
        targets = _columns(_numbers(f"{name}_y", pair[1])).astype(np.float64)
        if targets.ndim != 2:
            raise ProblemError(f"{name}_y must have the shape (num,) or (num, dim), got {targets.shape}")
        lengths = {len(each) for each in (*arrays, targets)}
        if len(lengths) != 1 or 0 in lengths:
            shapes = [each.shape for each in (*arrays, targets)]
            raise ProblemError(f"{name}_X and {name}_y must have the same number of samples, at least 1, got {shapes}")
        return arrays, targets


@lru_cache(maxsize=NUM_KEPT)
def data_of(source: Source) -> Data:
    """Return the data of a source; the latest ones are kept."""
    return Data(source)


def _pairs(loaded: Any) -> list[Any]:
    try:
        pairs = list(loaded)
        if len(pairs) in (2, 3) and all(len(pair) == 2 for pair in pairs):
            return pairs
    except TypeError:  # what was loaded has no length
        pass
    wanted = "((train_X, train_y), (valid_X, valid_y)), and may append a pair for a final test"
    raise ProblemError(f"load_data must return {wanted}, got {type(loaded).__name__} {loaded!r:.100}")


def _numbers(name: str, values: Any) -> Array:
    array = np.atleast_1d(np.asarray(values))
    if array.dtype.kind not in "biuf":
        raise ProblemError(f"{name} must be an array of numbers, got dtype {array.dtype}")
    if not np.isfinite(array).all():
        num = array.size - np.count_nonzero(np.isfinite(array))
        raise ProblemError(f"{name} must be finite, got {num} values that are not, of {array.size}")
    return array


def _columns(array: Array) -> Array:
    return array.reshape(len(array), -1) if array.ndim == 1 else array


def _width(labels: Array) -> int:
    """Return the number of classes: of one column of labels, or of columns that are one-hot already."""
    return labels.shape[1] if labels.shape[1] > 1 else int(labels.max()) + 1


def _one_hot(name: str, labels: Array, width: int) -> Array:
    if labels.shape[1] > 1:
        return labels
    numbers = labels[:, 0].astype(np.int64)
    if (numbers != labels[:, 0]).any() or numbers.min() < 0 or numbers.max() >= width:
        got = f"{labels.min():g} to {labels.max():g}"
        raise ProblemError(f"{name}_y must be one-hot, or integers from 0 to {width - 1} as in train_y, got {got}")
    return np.eye(width)[numbers]
