"""Boxes in the unit cube, and coordinates in which a box is as wide as any other."""

from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.space.space import Categorical

# Of two one-hot rows that differ, the squared distance is 1.
ONE_HOT = 0.5**0.5


class Box(NamedTuple):
    """A part of the space.

    Attributes:
        center: Its middle in the unit cube, shape (num_dimensions,).
        half: Half its widths, shape (num_dimensions,).
    """

    center: Matrix
    half: Matrix

    @property
    def bounds(self) -> tuple[Matrix, Matrix]:
        """Its lowest and its highest corner in the unit cube, both of shape (num_dimensions,)."""
        return np.clip(self.center - self.half, 0, 1), np.clip(self.center + self.half, 0, 1)


def whole_box(encoding: Encoding) -> Box:
    """Return the box that is the whole space."""
    half = np.full(len(encoding.space.dimensions), 0.5)
    return Box(half, half)


class Frame:
    """Coordinates in which a box reaches from -1 to 1, whatever its size; categories stay as they are.

    Args:
        encoding: The encoding of the rows.
        box: The box.
    """

    def __init__(self, encoding: Encoding, box: Box) -> None:
        self.owners = encoding.owners
        categorical = np.array([isinstance(dim, Categorical) for dim in encoding.space.dimensions])[encoding.columns_of]
        self._shift = np.where(categorical, 0.0, box.center[encoding.columns_of])
        self._scale = np.where(categorical, 1 / ONE_HOT, box.half[encoding.columns_of])
        self._conditional = encoding.conditional
        self._shift[self._conditional + 1], self._scale[self._conditional + 1] = 0.0, 1.0

    def rows(self, rows: Matrix) -> Matrix:
        """Return rows of the encoding, shape (num, num_columns), in these coordinates."""
        scaled: Matrix = (rows - self._shift) / self._scale
        if len(self._conditional):  # what is inactive lies in the middle of every box
            scaled[..., self._conditional] *= rows[..., self._conditional + 1]
        return scaled

    def unit_gradient(self, slope: Matrix) -> Matrix:
        """Return a gradient by rows, shape (num_columns,), for a gradient in these coordinates."""
        scaled: Matrix = slope / self._scale
        return scaled
