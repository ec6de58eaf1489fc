"""Values of dimensions: plain Python ones, and numbers from 0 to 1 that stand for them."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Value = str | bool | int | float | None
Unit: TypeAlias = "npt.NDArray[np.float64]"

CATEGORY_TYPES = (str, bool, int, float, type(None))
LARGEST = sys.float_info.max


def plain_value(value: Any) -> Any:
    """Return a numpy scalar as the Python value, and anything else as it is."""
    np = sys.modules.get("numpy")  # where nobody has imported it, nothing is of its types
    if np is None or type(value) in CATEGORY_TYPES:
        return value
    for kind, plain in ((np.bool_, bool), (np.integer, int), (np.floating, float), (np.str_, str)):
        if isinstance(value, kind):
            return plain(value)
    return value


def finite_number(value: object) -> int | float | None:
    """Return a value as a plain number; None for NaN, infinity, bool and anything that is no number."""
    plain = plain_value(value)
    is_number = isinstance(plain, int | float) and not isinstance(plain, bool)
    return plain if is_number and -LARGEST <= plain <= LARGEST else None


def unit_row(numbers: Iterable[float]) -> Unit:
    """Return numbers from 0 to 1 as an array."""
    import numpy as np

    return np.array(list(numbers))
