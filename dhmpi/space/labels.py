"""Labels of dimensions: units and descriptions, for people."""

import reprlib
from collections.abc import Mapping

from dhmpi.errors import ProblemError


def labelled(name: str, label: Mapping[str, str]) -> str:
    """Return a dimension's name with its unit and description, as far as there are any."""
    unit, description = label.get("unit"), label.get("description")
    return f"{name}{f' [{unit}]' if unit else ''}{f': {description}' if description else ''}"


def read_label(name: object, unit: object, description: object) -> dict[str, str]:
    """Return the unit and the description of a dimension, those that are not empty.

    Raises:
        ProblemError: One of them is no text.
    """
    found = {}
    for key, value in (("unit", unit), ("description", description)):
        if not isinstance(value, str):
            raise ProblemError(f"dimension {name!r}: {key} must be a string, got {reprlib.repr(value)}")
        if value:
            found[key] = value
    return found
