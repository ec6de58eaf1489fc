"""Points as rows of numbers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dhmpi.benchmark.space import Categorical, Space
from dhmpi.evaluation import Point

Matrix = npt.NDArray[np.float64]


class Encoding:
    """Turns points into rows of numbers from 0 to 1: ranges scaled by their prior, categories one-hot.

    Dimensions with a single value are left out.

    Args:
        space: The space of the points.
    """

    def __init__(self, space: Space) -> None:
        self._dimensions = {name: dim for name, dim in zip(space.names, space.dimensions, strict=True) if dim.size != 1}
        self.num_columns = sum(
            len(dim.choices) if isinstance(dim, Categorical) else 1 for dim in self._dimensions.values()
        )

    def encode(self, points: Sequence[Point]) -> Matrix:
        """Return the rows of some points, shape (num, num_columns)."""
        columns = []
        for name, dim in self._dimensions.items():
            values = [point[name] for point in points]
            if isinstance(dim, Categorical):
                columns.append(np.eye(len(dim.choices))[[dim.index(value) for value in values]])
            else:
                columns.append(dim.to_unit(values)[:, None])
        return np.hstack(columns)
