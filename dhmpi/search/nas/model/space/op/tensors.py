"""Keras tensors in operations; Keras is imported only when one is made."""

from collections.abc import Sequence
from typing import Any

from dhmpi.errors import ProblemError

KerasTensor = Any


def layer(kind: str, **settings: Any) -> Any:
    """Return a new layer.

    Args:
        kind: Name of its class in `keras.layers`.
        **settings: Arguments of the class.
    """
    from dhmpi.search.nas.model.backend import keras

    return getattr(keras.layers, kind)(**settings)


def shape_of(tensor: KerasTensor) -> tuple[int, ...]:
    """Return the shape of a tensor without the axis of the samples."""
    return tuple(tensor.shape)[1:]


def with_rank(tensor: KerasTensor, rank: int) -> KerasTensor:
    """Return a tensor of at least `rank` axes besides that of the samples, appending axes of length 1."""
    shape = shape_of(tensor)
    if len(shape) >= rank:
        return tensor
    return layer("Reshape", target_shape=shape + (1,) * (rank - len(shape)))(tensor)


def padded(tensors: Sequence[KerasTensor], but: int | None = None) -> list[KerasTensor]:
    """Return tensors of the same shape; smaller ones get axes of length 1 at their end, and zeros around their middle.

    Args:
        tensors: Tensors of any ranks.
        but: Axis whose sizes stay as they are, counting that of the samples.

    Raises:
        ProblemError: If there is no such axis, or a tensor has too many axes to be padded.
    """
    rank = max(len(shape_of(tensor)) for tensor in tensors)
    if but is not None and not -rank <= but <= rank:
        raise ProblemError(f"axis must be from {-rank} to {rank} for tensors of {rank + 1} axes, got {but}")
    kept = None if but is None else but % (rank + 1) - 1
    alike = [with_rank(tensor, rank) for tensor in tensors]
    target = [max(sizes) for sizes in zip(*map(shape_of, alike), strict=True)]
    return [
        _zero_padded(tensor, [size if axis == kept else target[axis] for axis, size in enumerate(shape_of(tensor))])
        for tensor in alike
    ]


def _zero_padded(tensor: KerasTensor, target: list[int]) -> KerasTensor:
    """Return a tensor of the target's shape; only layers of Keras itself do it, so that saved models load anywhere.

    Its middle `size // 2` comes to lie on the target's, so padding in two steps is the same as padding at once.
    """
    shape = shape_of(tensor)
    if list(shape) == target:
        return tensor
    if len(shape) > 3:
        raise ProblemError(f"tensors of more than 3 axes must have the same shape to be merged, got {shape}")
    before = [new // 2 - old // 2 for old, new in zip(shape, target, strict=True)]
    widths = [(left, new - old - left) for left, old, new in zip(before, shape, target, strict=True)]
    widths += [(0, 0)] * (3 - len(shape))
    volume = layer("ZeroPadding3D", padding=tuple(widths))(with_rank(tensor, 4))
    return layer("Reshape", target_shape=tuple(target))(volume)
