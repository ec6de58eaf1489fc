"""Local optimiser of acquisition functions."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dhmpi.search.hps.surrogate.box import Box
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.space.space import Categorical

Flags = npt.NDArray[np.bool_]


class Polish:
    """Local optimiser (L-BFGS-B) in the ordered dimensions of a box, as if integers had values in between.

    Args:
        encoding: The encoding of the rows.
        box: Where it stays.
        function: Takes a point of the unit cube, shape (num_dimensions,), and its row, shape (num_columns,); returns
            what is to be small, and its gradient by the row.
    """

    def __init__(
        self, encoding: Encoding, box: Box, function: Callable[[Matrix, Matrix], tuple[float, Matrix]]
    ) -> None:
        self._encoding, self._function = encoding, function
        self._ordered = ordered = ordered_dimensions(encoding)
        self._columns = encoding.ordered_columns
        self._center, self._half = box.center[ordered], box.half[ordered]
        low, high = box.bounds
        # In coordinates of the box, so that steps are of the same size however small it is.
        self._bounds = np.stack([self._scaled(low[ordered]), self._scaled(high[ordered])], axis=1)

    def several(
        self, units: Matrix, num_steps: int, allows: Callable[[Matrix], Flags], is_time_left: Callable[[], bool]
    ) -> Matrix:
        """Return what is reached from points, as many as there is time for, where that may be proposed.

        Args:
            units: Points of the unit cube, shape (num, num_dimensions).
            num_steps: Steps at most.
            allows: Returns for rows which of them may be proposed.
            is_time_left: Whether there is time for one more.
        """
        if not self._ordered.any():
            return units[:0]
        found = np.array([self(each, num_steps) for each in units if is_time_left()]).reshape(-1, units.shape[1])
        reached: Matrix = found[allows(self._encoding.rows(found)) & self._encoding.allowed(found)]
        return reached

    def __call__(self, units: Matrix, num_steps: int) -> Matrix:
        """Return the point that is reached from a point of the unit cube, both of shape (num_dimensions,)."""
        from scipy.optimize import minimize  # slow to import, and needed only with the first model

        row = self._encoding.rows(units[None])[0]
        fixed = self._encoding.inactive(row)
        imputed, place = row[fixed], units.copy()

        def scaled_function(scaled: Matrix) -> tuple[float, Matrix]:
            row[self._columns] = place[self._ordered] = scaled * self._half + self._center
            row[fixed] = imputed
            value, slope = self._function(place, row)
            slope[fixed] = 0.0
            return value, slope[self._columns] * self._half

        start, options = self._scaled(units[self._ordered]), {"maxiter": num_steps}
        found = minimize(scaled_function, start, jac=True, method="L-BFGS-B", bounds=self._bounds, options=options)
        better = units.copy()
        better[self._ordered] = np.clip(found.x * self._half + self._center, 0.0, np.nextafter(1.0, 0.0))
        return better

    def _scaled(self, units: Matrix) -> Matrix:
        scaled: Matrix = (units - self._center) / self._half
        return scaled


def ordered_dimensions(encoding: Encoding) -> Flags:
    """Return which dimensions have an order and more than one value, shape (num_dimensions,)."""
    return np.array([not isinstance(dim, Categorical) and dim.size != 1 for dim in encoding.space.dimensions])
