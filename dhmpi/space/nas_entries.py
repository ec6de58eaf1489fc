"""The entries of a problem that an architecture search reads, and what each must look like."""

import importlib
import math
import reprlib
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from dhmpi.errors import ProblemError, did_you_mean


class Rule(NamedTuple):
    """Rule that a hyperparameter must follow, as a test and as words."""

    fits: Callable[[Any], bool]
    constraint: str


def _is_count(value: Any) -> bool:
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    return is_integer and value >= 1


def _is_positive(value: Any) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and 0 < value < math.inf


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


COUNT = Rule(_is_count, "an integer of at least 1")
POSITIVE = Rule(_is_positive, "a finite number above 0")
NAME = Rule(_is_text, "a name that Keras knows")
NAMES = Rule(
    lambda value: isinstance(value, list | tuple) and all(map(_is_text, value)), "a list of names that Keras knows"
)

REQUIRED = {
    "batch_size": COUNT,
    "learning_rate": POSITIVE,
    "optimizer": NAME,
    "num_epochs": COUNT,
    "loss_metric": NAME,
    "metrics": NAMES,
}
OPTIONAL = {
    "reward": Rule(_is_text, "the name of a reward"),
    # Of which epochs the reward is: a number stands for the mean of the last so many.
    "reward_epochs": Rule(
        lambda value: _is_count(value) or (_is_text(value) and value in ("best", "last")),
        "'best', 'last' or an integer of at least 1",
    ),
    "patience": COUNT,  # after how many epochs without progress a training ends
}


def check_entry(name: object, entry: Any) -> None:
    """Check an entry if its name is one of the documented ones; other names are free.

    Args:
        name: Name of the entry.
        entry: What it holds; names of functions are checked for their form, not looked up.

    Raises:
        ProblemError: If it does not fit.
    """
    check = _CHECKS.get(name) if isinstance(name, str) else None
    if check is None:
        return
    try:
        check(entry)
    except ProblemError as error:
        raise ProblemError(f"dimension {name!r}: {error}") from None


def _check_regression(entry: Any) -> None:
    if not isinstance(entry, bool):
        raise ProblemError(f"value must be True or False, got {_shown(entry)}; write False for a classification")


def _check_preprocessing(entry: Any) -> None:
    _check_keys(entry, required=["func"])
    _check_func(entry["func"])


def _check_call(entry: Any) -> None:
    _check_keys(entry, required=["func"], optional=["kwargs"])
    _check_func(entry["func"])
    kwargs = entry.get("kwargs", {})
    if not isinstance(kwargs, Mapping) or not all(map(_is_text, kwargs)):
        raise ProblemError(f"kwargs must be a dict of arguments by name, got {_shown(kwargs)}; leave it out for none")


def _check_func(func: Any) -> None:
    if not callable(func) and not _is_function_name(func):
        remedy = "write pkg.module:name, or the function itself"
        raise ProblemError(f"func must be a function or its dotted name, got {_shown(func)}; {remedy}")


def _check_hyperparameters(entry: Any) -> None:
    _check_keys(entry, REQUIRED, OPTIONAL)
    for name, value in entry.items():
        rule = REQUIRED.get(name) or OPTIONAL[name]
        if not rule.fits(value):
            raise ProblemError(f"{name} must be {rule.constraint}, got {_shown(value)}")


def _check_keys(entry: Any, required: Collection[str], optional: Collection[str] = ()) -> None:
    if not isinstance(entry, Mapping):
        raise ProblemError(f"value must be a dict with {', '.join(required)}, got {_shown(entry)}")
    known = [*required, *optional]
    for key in entry:
        if key not in known:
            raise ProblemError(f"keys must be known, got {key!r}; {did_you_mean(str(key), known)}")
    missing = [key for key in required if key not in entry]
    if missing:
        raise ProblemError(f"value must have {', '.join(required)}, got no {', '.join(missing)}")


def _is_function_name(value: Any) -> bool:
    """Whether a text has a form that `dhmpi.support.loader.load` knows."""
    if not isinstance(value, str):
        return False
    location, _, attribute = value.rpartition(":") if ":" in value else (value, "", "")
    if location.endswith(".py"):
        return not attribute or _is_dotted(attribute)
    return _is_dotted(location) and (_is_dotted(attribute) if ":" in value else "." in location)


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _shown(value: Any) -> str:
    return reprlib.repr(value)


_CHECKS: dict[str, Callable[[Any], None]] = {
    "regression": _check_regression,
    "load_data": _check_call,
    "preprocessing": _check_preprocessing,
    "create_structure": _check_call,
    "hyperparameters": _check_hyperparameters,
}


def check_data(entry: Mapping[str, Any]) -> None:
    """Find out whether the files that a function will load are there, if it can say so by its attribute `check`.

    Args:
        entry: `func`, the function or its name, and perhaps `kwargs`. Modules of others than dhmpi are not imported for
            this, since they may bring TensorFlow along.

    Raises:
        DataError: Files are missing or broken.
    """
    load = entry["func"]
    if isinstance(load, str) and load.startswith("dhmpi."):
        module, _, name = load.rpartition(":") if ":" in load else load.rpartition(".")
        load = getattr(importlib.import_module(module), name, None)
    check = getattr(load, "check", None)
    if callable(check):
        check(**(entry.get("kwargs") or {}))
