"""Options declared once, as dataclass fields: the command line and the Python interface both derive from them."""

import argparse
import dataclasses
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from dhmpi.errors import OptionError, did_you_mean, option_name

Parse = Callable[[str, object], Any]
Options = TypeVar("Options")


def option(default: Any, parse: Parse, description: str) -> Any:
    """Declare a field of an options dataclass.

    Args:
        default: The default value.
        parse: Turns a text or a Python value into the option's value; gets the option's name for its error.
        description: What it does, for --help; the default is added.
    """
    return dataclasses.field(default=default, metadata={"parse": parse, "description": description})


def integer(minimum: int) -> Parse:
    """Return a parser of integers that are at least `minimum`."""

    def parse(name: str, value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else _index(value)
        except (ValueError, TypeError):
            number = minimum - 1
        if number < minimum:
            raise OptionError(f"{name} must be an integer of at least {minimum}, got {_shown(value)}")
        return number

    return parse


def _index(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def number(minimum: float, *, exclusive: bool = False, maximum: float = math.inf) -> Parse:
    """Return a parser of finite numbers from `minimum` on, itself excluded if `exclusive`, up to `maximum`."""

    def parse(name: str, value: object) -> float:
        try:
            parsed = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # may raise: caught
        except (ValueError, TypeError):
            parsed = math.nan
        if not math.isfinite(parsed) or not minimum <= parsed <= maximum or (exclusive and parsed == minimum):
            bound = f"above {minimum:g}" if exclusive else f"of at least {minimum:g}"
            limit = "" if math.isinf(maximum) else f" and at most {maximum:g}"
            raise OptionError(f"{name} must be a finite number {bound}{limit}, got {_shown(value)}")
        return parsed

    return parse


def choice(names: Iterable[str]) -> Parse:
    """Return a parser of one of the given names; case, hyphens and underscores are ignored."""
    known = {_squeezed(name): name for name in names}

    def parse(name: str, value: object) -> str:
        found = known.get(_squeezed(value)) if isinstance(value, str) else None
        if found is None:
            remedy = did_you_mean(str(value), known.values())
            raise OptionError(f"{name} must be one of {', '.join(known.values())}, got {_shown(value)}; {remedy}")
        return found

    return parse


def choices(names: Iterable[str]) -> Parse:
    """Return a parser of a list of the given names, as A,B."""
    parse = choice(names)
    return lambda name, value: [parse(name, each.strip()) for each in str(value).split(",")]


def ranges(name: str, value: object) -> list[range]:
    """Parse a list of integers and ranges of integers, as 3,7-9."""
    found = []
    for each in str(value).split(","):
        first, dash, last = each.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(last or first) < int(first):
            raise OptionError(f"{name} must be integers and ranges of them like 3,7-9, got {_shown(value)}")
        found.append(range(int(first), int(last or first) + 1))
    return found


def _squeezed(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def text(name: str, value: object) -> str:
    """Parse a text, or a path, that is not empty."""
    parsed = str(value)
    if not parsed:
        raise OptionError(f"{name} must not be empty")
    return parsed


def flag(name: str, value: object) -> bool:
    """Parse a switch."""
    if not isinstance(value, bool):
        raise OptionError(f"{name} must be True or False, got {value!r}")
    return value


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else repr(value)


def add_arguments(parser: argparse.ArgumentParser, options_class: type) -> None:
    """Add one argument per field of an options dataclass."""
    for field in dataclasses.fields(options_class):
        name = "--" + field.name.replace("_", "-")
        parse, description = field.metadata["parse"], field.metadata["description"]
        if parse is flag:
            parser.add_argument(name, action="store_true", help=description)
            continue
        shown = "" if field.default is None else f" (default: {field.default})"
        # The texts are parsed by `build`, so that the command line and Python share their sentences.
        parser.add_argument(name, default=field.default, metavar=field.name.upper(), help=description + shown)


def build(options_class: type[Options], values: Mapping[str, Any]) -> Options:
    """Make an options object, checking every value that is not the default.

    Args:
        options_class: The dataclass.
        values: Values by field name; other names are left to the caller.

    Raises:
        OptionError: A value is not allowed.
    """
    parsed = {}
    for field in dataclasses.fields(options_class):  # type: ignore[arg-type]  # a dataclass, which typing cannot say
        value = values.get(field.name, field.default)
        if value is not field.default:
            value = field.metadata["parse"](option_name(field.name), value)
        parsed[field.name] = value
    return options_class(**parsed)


def as_flag(name: str) -> str:
    """Return how an option is spelled on the command line."""
    return "--" + name.removesuffix("=True").replace("_", "-")


def check_names(options_classes: Iterable[type], values: Mapping[str, Any]) -> None:
    """Refuse names that none of the options classes has.

    Raises:
        OptionError: A name is unknown.
    """
    known = [field.name for options_class in options_classes for field in dataclasses.fields(options_class)]
    for name in values:
        if name not in known:
            raise OptionError(f"options must be known, got {name!r}; {did_you_mean(name, known)}")
