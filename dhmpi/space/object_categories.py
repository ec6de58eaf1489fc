"""Objects among categories, and the texts that stand for them in points and in files."""

import json
import math
import reprlib
from enum import Enum
from typing import Any

from dhmpi.errors import ProblemError
from dhmpi.space.values import CATEGORY_TYPES, plain_value

REMEDY = "name it by a string and look the object up in the run function"


def category_text(value: Any) -> Any:
    """Return the text that stands for an object; what is no such object is returned as it is.

    Args:
        value: A tuple, list or dict is its JSON; an enum member `Class.NAME`; a class or function `module:name`.

    Raises:
        ProblemError: There is none, since it is another object, has parts that JSON has not, or no name.
    """
    if type(value) in CATEGORY_TYPES:
        return value
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if type(value) in (tuple, list, dict):
        _check_parts(value, value)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if callable(value) and isinstance(module, str) and isinstance(name, str):
        if "<" in name:
            got = reprlib.repr(value)
            raise ProblemError(
                f"a function or class among categories must have a name, got {got}; define it in a module"
            )
        return f"{module}:{name}"
    if type(plain_value(value)) not in CATEGORY_TYPES:
        got = f"{reprlib.repr(value)} of type {type(value).__name__}"
        raise ProblemError(
            "a category must be a string, number, bool, None, tuple, list, dict, enum member, class or function, "
            f"got {got}; {REMEDY}"
        )
    return value


def without_objects(name: str, space: Any) -> tuple[Any, dict[str, Any]]:
    """Return a space with texts in place of objects, and the objects by their texts."""
    if not isinstance(space, list):
        return space, {}
    try:
        texts = [category_text(each) for each in space]
    except ProblemError as error:
        raise ProblemError(f"dimension {name!r}: {error}") from None
    objects = {text: each for text, each in zip(texts, space, strict=True) if text is not each}
    return (type(space)(texts) if objects else space), objects


def _check_parts(value: Any, whole: object) -> None:
    """Find out whether a value is one that is written in Python as it is.

    Raises:
        ProblemError: It is not.
    """
    if type(value) in (tuple, list, dict):
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        for part in parts:
            _check_parts(part, whole)
    elif type(value) not in CATEGORY_TYPES or (isinstance(value, float) and not math.isfinite(value)):
        got = f"{reprlib.repr(value)} in {reprlib.repr(whole)}"
        raise ProblemError(
            f"a category must hold strings, finite numbers, bools, None, tuples, lists and dicts, got {got}; {REMEDY}"
        )
