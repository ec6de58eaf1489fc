"""Files of points that are to be evaluated: CSV, JSON, or one JSON object per line."""

import csv
import json
import logging
import os
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

from dhmpi.errors import OptionError, option_name
from dhmpi.space.choices import Choices
from dhmpi.space.dimension import Dimension
from dhmpi.space.fixed_points import FixedPoint, read_point
from dhmpi.space.object_categories import category_text
from dhmpi.support.options import plain

log = logging.getLogger(__name__)

# What exports write before the name of a dimension, and for the value None where none of its texts is the same.
PREFIXES = ("p:", "point.")
WORDS_OF_NONE = ("None", "null", "<None>", "(None)")
TRUTHS = {"true": True, "false": False}
NOT_GIVEN = object()


def read_points(path: str, dimensions: Mapping[str, Dimension]) -> list[FixedPoint]:
    """Read a file of points; columns that name no dimension are passed over.

    Args:
        path: The file.
        dimensions: Those that there are, by name.

    Raises:
        OptionError: It cannot be read, or holds no points.
        ProblemError: A value is not in its dimension.
    """
    name = os.path.basename(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise OptionError(f"{option_name('points')} must be a file that can be read, got {path} ({why})") from None
    is_json = text.lstrip()[:1] in ("[", "{")
    found: list[FixedPoint] = []
    unknown: dict[str, None] = {}
    lacking = set(dimensions)
    for place, record in _json_records(name, text) if is_json else _csv_records(name, text):
        columns = _columns(record, dimensions)
        if not columns:
            got = ", ".join(map(str, record)) or "nothing"
            raise OptionError(f"{place}: points must have values of {', '.join(dimensions)}, got {got}; rename them")
        unknown |= dict.fromkeys(key for key in record if key not in columns.values())
        lacking -= set(columns)
        read = _json_value if is_json else _csv_value
        values = {each: read(record[column], dimensions[each]) for each, column in columns.items()}
        if values := {each: value for each, value in values.items() if value is not NOT_GIVEN}:
            found.append(read_point(values, dimensions, place))
    if not found:
        raise OptionError(f"{option_name('points')} must be a file with a point at least, got none in {path}")
    if lacking and unknown:
        log.warning("%s: %s in no point; passed over: %s", name, ", ".join(sorted(lacking)), ", ".join(unknown))
    return found


def _columns(record: Mapping[str, Any], dimensions: Mapping[str, Dimension]) -> dict[str, str]:
    """Return which columns have the values of which dimensions: those with a prefix, or with the very name."""
    found = {}
    for name in dimensions:
        keys = [key for prefix in PREFIXES if (key := f"{prefix}{name}") in record and key not in dimensions]
        if keys or name in record:
            found[name] = next(iter(keys), name)
    return found


def _csv_records(name: str, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield where each line of CSV is, and its cells by the names in the first line."""
    reader = csv.reader(text.splitlines(keepends=True), skipinitialspace=True, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if len(set(header)) < len(header):
            twice = next(cell for cell in header if header.count(cell) > 1)
            raise OptionError(f"{name}, line 1: columns must have names of their own, got {twice!r} twice; remove one")
        for row in reader:
            place = f"{name}, line {reader.line_num}"
            if not any(row):
                continue
            if len(row) != len(header):
                raise OptionError(f"{place}: a line must have {len(header)} cells as the first one, got {len(row)}")
            yield place, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise OptionError(f"{name}, line {reader.line_num}: points must be CSV or JSON ({error})") from None


def _json_records(name: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where each object of JSON is, and the object: of a list, of `dhmpi export --json`, or of lines."""
    try:
        whole = json.loads(text)
    except RecursionError:
        raise OptionError(f"{name}: points must be CSV or JSON, got lists that are nested too deeply") from None
    except json.JSONDecodeError as error:
        if text.lstrip()[0] == "[":
            raise OptionError(f"{name}, line {error.lineno}: points must be CSV or JSON ({error.msg})") from None
        places = [(f"{name}, line {number}", line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        records = [(place, _json_of_line(place, line)) for place, line in places]
    else:
        nested = whole.get("evaluations") if isinstance(whole, dict) else whole
        several = nested if isinstance(nested, list) else [whole]
        records = [(f"{name}, point {number}", each) for number, each in enumerate(several, 1)]
    for place, record in records:
        if not isinstance(record, dict):
            raise OptionError(f"{place}: a point must be a JSON object, got {reprlib.repr(record)}")
        yield place, record["point"] if isinstance(record.get("point"), dict) else record


def _json_of_line(place: str, line: str) -> Any:
    try:
        return json.loads(line)
    except RecursionError:
        raise OptionError(f"{place}: points must be CSV or JSON, got lists that are nested too deeply") from None
    except json.JSONDecodeError as error:
        raise OptionError(f"{place}: points must be CSV or JSON ({error.msg})") from None


def _json_value(value: Any, dim: Dimension) -> Any:
    """Return a value, or `NOT_GIVEN` for a null that is no category."""
    if value is None and not dim.holds(None):
        return NOT_GIVEN
    return category_text(value) if isinstance(dim, Choices) else value


def _csv_value(text: str, dim: Dimension) -> Any:
    """Return the value that a cell stands for; the text itself if it stands for none, as an error will say."""
    if not text:
        return NOT_GIVEN
    number = _number(text)
    if not isinstance(dim, Choices):
        return text if number is None else number
    if text in dim.choices:
        return text
    if text in WORDS_OF_NONE and None in dim.choices:
        return None
    meant = (TRUTHS.get(text.strip().lower()), number)
    equal = [each for each in dim.choices if each is not None and each == meant[not isinstance(each, bool)]]
    return min(equal, key=lambda each: str(each) != text, default=text)  # of 1 and 1.0 the one that is written so


def _number(text: str) -> int | float | None:
    """Return the number that a text stands for; None if it is none."""
    for kind in (int, float):
        try:
            return kind(plain(text.strip()))
        except ValueError:
            pass
    return None
