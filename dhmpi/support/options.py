"""Options declared once, as dataclass fields: the command line and the Python interface both derive from them.

Where an option chooses something that has settings of its own, these are given in its value: NAME:key=value,key=value.
They are options, too, and so have names in Python, but help lists them with the choice.
"""

import argparse
import dataclasses
import math
import operator
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from dhmpi.errors import OptionError, did_you_mean, option_name

Parse = Callable[[str, object], Any]
Options = TypeVar("Options")
MAX_DIGITS = 18  # of an integer of 64 bits


class Setting(NamedTuple):
    """Setting of a choice: what makes an option part of the value of another one, as NAME:key=value.

    Attributes:
        of: The option that chooses; it may belong to another class.
        key: Name within the value; that of the option is as good.
        names: Choices that have it.
    """

    of: str
    key: str
    names: tuple[str, ...]


def option(default: Any, parse: Parse, description: str, *, group: str = "", setting: Setting | None = None) -> Any:
    """Declare a field of an options dataclass.

    Args:
        default: The default value.
        parse: Turns a text or a Python value into the option's value; gets the option's name for its error.
        description: What it does, for --help; the default is added.
        group: Heading that help lists it under, or nothing for that of its class.
        setting: Says that it is part of another option's value; its own flag works, but help does not list it.
    """
    metadata = {"parse": parse, "description": description, "group": group, "setting": setting}
    return dataclasses.field(default=default, metadata=metadata)


def integer(minimum: int, maximum: float = math.inf) -> Parse:
    """Return a parser of integers that are at least `minimum`, up to `maximum`."""

    def parse(name: str, value: object) -> int:
        try:
            number = int(plain(value)) if isinstance(value, str) else _index(value)
        except (ValueError, TypeError):
            number = minimum - 1
        if number < minimum:
            raise OptionError(f"{name} must be an integer of at least {minimum}, got {_shown(value)}")
        if number > maximum:
            raise OptionError(f"{name} must be at most {maximum}, got {_shown(value)}")
        return number

    return parse


def plain(value: str) -> str:
    """Return the text of a number; Python would take underscores and the digits of all scripts, too.

    Raises:
        ValueError: It has some.
    """
    if not value.isascii() or "_" in value:
        raise ValueError(value)
    return value


def is_count(value: str) -> bool:
    """Whether a text is nothing but digits, so many that a number can be made of it."""
    return value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS


def _index(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def number(minimum: float, *, exclusive: bool = False, maximum: float = math.inf) -> Parse:
    """Return a parser of finite numbers from `minimum` on, itself excluded if `exclusive`, up to `maximum`."""

    def parse(name: str, value: object) -> float:
        try:
            given = plain(value) if isinstance(value, str) else value
            parsed = math.nan if isinstance(value, bool) else float(given)  # type: ignore[arg-type]  # may raise: caught
        except (ValueError, TypeError):
            parsed = math.nan
        if not math.isfinite(parsed) or not minimum <= parsed <= maximum or (exclusive and parsed == minimum):
            bound = "" if math.isinf(minimum) else f" above {minimum:g}" if exclusive else f" of at least {minimum:g}"
            limit = "" if math.isinf(maximum) else f" and at most {maximum:g}"
            raise OptionError(f"{name} must be a finite number{bound}{limit}, got {_shown(value)}")
        return parsed

    return parse


def choice(names: Iterable[str]) -> Parse:
    """Return a parser of one of the given names; case, hyphens and underscores are ignored."""
    known = {_squeezed(name): name for name in names}

    def parse(name: str, value: object) -> str:
        found = known.get(_squeezed(value)) if isinstance(value, str) else None
        if found is None:
            raise OptionError(
                f"{name} must be one of {', '.join(known.values())}, got {_shown(value)}{_near(value, known.values())}"
            )
        return found

    return parse


def _near(value: object, names: Iterable[str]) -> str:
    """Return the remedy for a misspelt name, if one is near; all of them have been named."""
    remedy = did_you_mean(str(value), names)
    return f"; {remedy}" if remedy.endswith("?") else ""


def choice_with_settings(names: Iterable[str]) -> Parse:
    """Return a parser of one of the given names that may have settings: NAME, or NAME:key=value,key=value.

    `build` makes options of the settings of a value that it returns.
    """
    parse_name = choice(names)

    def parse(name: str, value: object) -> str:
        if not isinstance(value, str):
            return str(parse_name(name, value))
        _, colon, settings = value.partition(":")
        return f"{parse_name(name, name_alone(value))}{colon}{settings}"

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
        if not is_count(first) or (dash and not is_count(last)) or int(last or first) < int(first):
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


def texts(name: str, value: object) -> tuple[str, ...]:
    """Parse texts, none of them empty; one alone stands for a list of it. The command line takes several words."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(text(name, each) for each in values)


def flag(name: str, value: object) -> bool:
    """Parse a switch."""
    if not isinstance(value, bool):
        raise OptionError(f"{name} must be True or False, got {value!r}")
    return value


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else repr(value)


def add_arguments(parser: argparse.ArgumentParser, options_class: type, heading: str = "options") -> None:
    """Add one argument per field of an options dataclass.

    Args:
        parser: Gets them.
        options_class: The dataclass.
        heading: What help lists those under that name no group.
    """
    settings: dict[tuple[str, tuple[str, ...]], list[dataclasses.Field[Any]]] = {}
    for field in dataclasses.fields(options_class):
        name = as_flag(field.name)
        parse, description, setting = (field.metadata[key] for key in ("parse", "description", "setting"))
        group = argument_group(parser, field.metadata["group"] or heading)
        if setting is not None:
            settings.setdefault((setting.of, setting.names), []).append(field)
        hidden = argparse.SUPPRESS if setting else None
        if parse is flag:
            group.add_argument(name, action="store_true", help=hidden or description)
            continue
        # The texts are parsed by `build`, so that the command line and Python share their sentences.
        shown = hidden or description + _default(field)
        if parse is texts:
            group.add_argument(name, default=field.default, nargs="+", metavar="FILE", help=shown)
            continue
        group.add_argument(name, default=field.default, metavar=field.name.upper(), help=shown)
    for (of, names), fields in settings.items():
        _describe_settings(parser, of, names, fields)


def argument_group(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    """Return the group of a parser that help lists under a title; it is made if there is none yet."""
    found = [group for group in parser._action_groups if group.title == title]  # argparse has no other way to them
    return found[0] if found else parser.add_argument_group(title)


def _default(field: "dataclasses.Field[Any]") -> str:
    return "" if field.default is None else f" (default: {field.default})"


def _describe_settings(
    parser: argparse.ArgumentParser, of: str, names: tuple[str, ...], fields: "list[dataclasses.Field[Any]]"
) -> None:
    """Add a group for the settings of a choice, a line for each in the columns of argparse."""
    width, indent = max(shutil.get_terminal_size().columns - 4, 40), 22 * " "
    lines = [
        textwrap.fill(
            field.metadata["description"] + ("" if field.metadata["parse"] is flag else _default(field)),
            width,
            initial_indent=indent,
            subsequent_indent=indent,
        )
        for field in fields
    ]
    keys = [field.metadata["setting"].key for field in fields]
    text = "\n".join(key + line[len(key) :] for key, line in zip(keys, lines, strict=True))
    values = ["..." if field.default is None else field.default for field in fields]
    given = [
        key if field.metadata["parse"] is flag else f"{key}={value}"
        for key, value, field in zip(keys, values, fields, strict=True)
    ]
    having = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    title = f"settings of {as_flag(of)} {having}, as {names[0]}:{','.join(given[:2])}"
    parser.add_argument_group(title, text + "\n")


def build(options_class: type[Options], values: Mapping[str, Any]) -> Options:
    """Make an options object, checking every value that is not the default.

    Args:
        options_class: The dataclass.
        values: Values by field name; other names are left to the caller.

    Raises:
        OptionError: A value is not allowed.
    """
    parsed = {}
    values = unfolded(options_class, values)
    for field in dataclasses.fields(options_class):  # type: ignore[arg-type]  # a dataclass, which typing cannot say
        value = values.get(field.name, field.default)
        if value is not field.default:
            value = field.metadata["parse"](option_name(field.name), value)
        parsed[field.name] = value
    return options_class(**parsed)


def unfolded(options_class: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which each NAME:key=value,key=value is NAME, and its settings are options of their own.

    Raises:
        OptionError: A setting is unknown, has a value that is not allowed, or is given twice.
    """
    result, choosers = dict(values), dict[str, dict[str, dataclasses.Field[Any]]]()
    own = {field.name: field for field in dataclasses.fields(options_class)}
    for field in own.values():
        if (setting := field.metadata["setting"]) is not None:
            choosers.setdefault(setting.of, {})[setting.key] = field
    for chooser, fields in choosers.items():
        value = values.get(chooser)
        if isinstance(value, str) and ":" in value:
            if chooser in own:
                value = own[chooser].metadata["parse"](option_name(chooser), value)
            result[chooser] = name_alone(value)
            for key, given in _settings(option_name(chooser), value, fields).items():
                field = fields[key]
                if values.get(field.name, field.default) is not field.default:
                    raise OptionError(
                        f"{option_name(field.name)} must be given once, got it in {option_name(chooser)} {value}, too"
                    )
                result[field.name] = given
    return result


def name_alone(value: str) -> str:
    """Return the name of NAME:key=value,key=value, which may have no settings."""
    return value.partition(":")[0]


def _settings(chooser: str, value: str, fields: "Mapping[str, dataclasses.Field[Any]]") -> dict[str, Any]:
    """Return the settings in a value, parsed.

    Args:
        chooser: The option.
        value: NAME:key=value,key=value.
        fields: All settings that some choice has, by key.

    Raises:
        OptionError: One of them cannot be used.
    """
    name, _, text = value.partition(":")
    known = {key: field for key, field in fields.items() if _is_one_of(name, field.metadata["setting"].names)}
    if not known:
        having = dict.fromkeys(each for field in fields.values() for each in field.metadata["setting"].names)
        raise OptionError(f"{chooser} {name} must have no settings, got {value}; those that have: {', '.join(having)}")
    found: dict[str, Any] = {}
    for part in text.split(","):
        key, equal, given = (each.strip() for each in part.partition("="))
        keys = [each for each, field in known.items() if _is_one_of(key, (each, field.name))]
        if not keys and key:
            raise OptionError(
                f"{chooser} {name} must have settings that are known, got {key}; {did_you_mean(key, known)}"
            )
        is_flag = bool(keys) and known[keys[0]].metadata["parse"] is flag
        if not key or bool(equal) == is_flag:
            example = ",".join(
                each if field.metadata["parse"] is flag else f"{each}=..." for each, field in known.items()
            )
            raise OptionError(f"{chooser} must be {name} or {name}:{example}, got {value}")
        if keys[0] in found:
            raise OptionError(f"{chooser} {name} must have each setting once, got {value}")
        found[keys[0]] = is_flag or known[keys[0]].metadata["parse"](f"{chooser} {name}:{keys[0]}", given)
    return found


def _is_one_of(name: str, names: Iterable[str]) -> bool:
    return _squeezed(name) in map(_squeezed, names)


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
