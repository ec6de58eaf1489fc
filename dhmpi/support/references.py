"""References: objects in points on their way to the interpreter that evaluates them.

They are dicts of texts, which travel as JSON; programs that are not Python get the text alone.
"""

import sys
from collections.abc import Mapping
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any

from dhmpi.errors import LoadError

# Keys of a reference: the text that stands for the object in points, and how it is found.
TEXT, LITERAL, NAME = "dhmpi:text", "literal", "name"


def reference(value: Any, text: str) -> dict[str, str]:
    """Return the reference to an object.

    Args:
        value: A tuple, list or dict of plain values, an enum member, a class or a function.
        text: What stands for it.

    Raises:
        LoadError: No other interpreter could import it.
    """
    if type(value) in (tuple, list, dict):
        return {TEXT: text, LITERAL: repr(value)}
    name = _import_name(type(value)) if isinstance(value, Enum) else _import_name(value)
    if name is None:
        need = "a function, class or enum among categories must be one that another interpreter can import"
        raise LoadError(f"{need}, got {text}; define it at the top of a module")
    return {TEXT: text, NAME: f"{name}.{value.name}" if isinstance(value, Enum) else name}


def _import_name(value: Any) -> str | None:
    from dhmpi.support.loader import run_name

    module = sys.modules.get(value.__module__)
    if module is not None and getattr(module, "__file__", None) is None and module.__name__ != "__main__":
        try:  # what is built in
            return (
                f"{module.__name__}:{value.__qualname__}" if attrgetter(value.__qualname__)(module) is value else None
            )
        except AttributeError:
            return None
    return run_name(value)


def resolved(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return a point as a run function gets it: objects in place of references.

    Raises:
        LoadError: One of them cannot be imported here.
    """
    return {name: _object(value) if _is_reference(value) else value for name, value in point.items()}


def texts(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return a point as a program gets it: texts in place of references."""
    return {name: value[TEXT] if _is_reference(value) else value for name, value in point.items()}


def _is_reference(value: object) -> bool:
    return type(value) is dict and TEXT in value


def _object(reference: Mapping[str, str]) -> Any:
    if LITERAL in reference:
        from ast import literal_eval

        return literal_eval(reference[LITERAL])  # a new one each time: user code may change it
    return _loaded(reference[NAME])


@cache
def _loaded(name: str) -> object:
    from dhmpi.support.loader import load

    return load(name, "")
