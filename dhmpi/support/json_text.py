"""Text and JSON that any file format can hold."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

_MAX_DEPTH = 50


def _text_of(value: object) -> str:
    try:
        return os.fsdecode(value) if isinstance(value, os.PathLike) else repr(value)
    except Exception:  # repr is the user's code
        return f"<{type(value).__name__}>"


def simplify(value: Any) -> Any:
    """Return a JSON value for an object that JSON does not know.

    Args:
        value: numpy scalars and arrays become numbers and lists, sets lists, anything else its `repr`.
    """
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if not isinstance(value, type) and callable(getattr(value, "tolist", None)):  # numpy, without importing it
        try:
            simple = value.tolist()
        except Exception:  # of user code, and the value is not lost: its text is recorded in its place
            return _text_of(value)
        return simple if isinstance(simple, bool | int | float | str | list | None) else _text_of(value)
    return _text_of(value)


def _purify(value: Any, lost: set[str], depth: int = 0) -> Any:
    """Return a JSON value for anything: strange keys, cycles and integers that are too long included.

    Args:
        value: Anything.
        lost: Gets the types of what only its text could stand for.
        depth: In how many others it is.
    """
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        return value if value.bit_length() < 4096 else hex(value)
    if depth > _MAX_DEPTH:
        lost.add(type(value).__name__)
        return "..."
    if isinstance(value, Mapping):
        return {_purify_key(k, lost): _purify(v, lost, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_purify(item, lost, depth + 1) for item in value]
    simple = simplify(value)
    if isinstance(simple, str) and not isinstance(value, os.PathLike):
        lost.add(type(value).__name__)
    return _purify(simple, lost, depth + 1)


def _purify_key(key: object, lost: set[str]) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return str(_purify(key, lost)) if isinstance(key, int) and not isinstance(key, bool) else _encode(key)
    lost.add(type(key).__name__)
    return _text_of(key)


# Cycles end in a RecursionError: looking for them would cost every evaluation.
_encode: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=simplify).encode
_encode_pure: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


# Bound here, before user code that may replace functions of other modules is loaded.
loads: Callable[[str], Any] = json.JSONDecoder().decode


def dumps(value: Any) -> str:
    """Encode anything as compact ASCII JSON; NaN and infinities in Python's spelling."""
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError):
        return _encode(_purify(value, set()))


def dumps_noting(value: Any) -> tuple[str, set[str]]:
    """Encode anything like `dumps`, and return also the types of what only its text could stand for."""
    try:
        return _encode_pure(value), set()
    except (TypeError, ValueError, RecursionError):
        lost: set[str] = set()
        return _encode(_purify(value, lost)), lost


def plain(value: Any) -> Any:
    """Return a value as it comes back from JSON."""
    return loads(dumps(value))


def clean(text: str) -> str:
    """Return text that HDF5 can hold: NUL and lone surrogates are replaced."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
