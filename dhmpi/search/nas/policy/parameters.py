"""All parameters of a policy as one vector, which is what agents exchange."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[Any]  # one-dimensional; float32 in a search, float64 where a test wants to see small differences
Views = dict[str, NDArray[Any]]


class ParameterLayout:
    """Layout of the arrays of parameters in one vector.

    Args:
        shapes: Shape of every array, by name, in order.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.size = 0
        self._places = []
        for name, shape in shapes.items():
            end = self.size + prod(shape)
            self._places.append((name, slice(self.size, end), shape))
            self.size = end

    def views(self, vector: Vector) -> Views:
        """Return the arrays, which share the vector's memory."""
        return {name: vector[place].reshape(shape) for name, place, shape in self._places}


def normalised_columns(rng: np.random.Generator, shape: tuple[int, ...], norm: float = 1.0) -> NDArray[np.float64]:
    """Return a random matrix whose columns have the given norm, as OpenAI Baselines begin."""
    values = rng.standard_normal(shape)
    return np.asarray(norm * values / np.sqrt(np.square(values).sum(axis=0, keepdims=True)))
