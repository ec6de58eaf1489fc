import argparse
from dataclasses import dataclass

import pytest

from dhmpi.errors import OptionError
from dhmpi.support.options import (
    add_arguments,
    as_flag,
    build,
    check_names,
    choice,
    choices,
    flag,
    integer,
    number,
    option,
    ranges,
    text,
)


@dataclass(frozen=True)
class Example:
    count: int = option(3, integer(1), "how many")
    size: float | None = option(None, number(0, exclusive=True), "how large")
    kind: str = option("plain", choice(("plain", "Fancy")), "which")
    name: str = option("a", text, "its name")
    on: bool = option(False, flag, "whether")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"count": "0"}, "count must be an integer of at least 1, got 0"),
        ({"count": 2.5}, "count must be an integer of at least 1, got 2.5"),
        ({"count": True}, "count must be an integer of at least 1, got True"),
        ({"count": "ten"}, "count must be an integer of at least 1, got ten"),
        ({"size": "0"}, "size must be a finite number above 0, got 0"),
        ({"size": float("nan")}, "size must be a finite number above 0, got nan"),
        ({"size": "inf"}, "size must be a finite number above 0, got inf"),
        ({"kind": "fanci"}, "kind must be one of plain, Fancy, got fanci; did you mean 'Fancy'?"),
        ({"kind": 3}, "kind must be one of plain, Fancy, got 3"),
        ({"name": ""}, "name must not be empty"),
        ({"on": "yes"}, "on must be True or False, got 'yes'"),
    ],
)
def test_what_is_not_allowed_is_said(values, sentence):
    with pytest.raises(OptionError) as caught:
        build(Example, values)
    assert str(caught.value).startswith(sentence)


def test_values_are_parsed():
    assert build(Example, {"count": "7", "size": "1e3", "kind": "FANCY", "on": True}) == Example(
        7, 1000.0, "Fancy", on=True
    )


def test_flags_are_named_as_they_are_typed():
    with pytest.raises(OptionError, match=r"^count must be") as error:
        build(Example, {"count": "0"})
    assert error.value.spelled(as_flag).startswith("--count must be")


def test_the_command_line_has_the_same_defaults():
    parser = argparse.ArgumentParser()
    add_arguments(parser, Example)
    assert build(Example, vars(parser.parse_args([]))) == Example()
    assert build(Example, vars(parser.parse_args(["--count", "5", "--on"]))) == Example(5, on=True)
    assert "how many (default: 3)" in parser.format_help()


def test_near_misses_are_recognised():
    with pytest.raises(OptionError, match="got 'cuont'; did you mean 'count'"):
        check_names([Example], {"cuont": 1})


@pytest.mark.parametrize(
    ("value", "numbers"), [("3", [3]), ("3,7-9", [3, 7, 8, 9]), (" 0 , 2-2 ", [0, 2]), ("5,5", [5, 5])]
)
def test_ranges(value, numbers):
    assert [number for each in ranges("--ids", value) for number in each] == numbers


@pytest.mark.parametrize("value", ["", ",", "3,", "a", "-3", "3-", "9-7", "3-5-7", "1.5", "²"])
def test_what_is_no_range_is_refused(value):
    with pytest.raises(OptionError, match=r"^--ids must be integers and ranges of them like 3,7-9, got "):
        ranges("--ids", value)


def test_choices():
    parse = choices(["DONE", "FAILED"])
    assert parse("--states", "failed, DONE") == ["FAILED", "DONE"]
    with pytest.raises(OptionError, match=r"^--states must be one of DONE, FAILED, got FALED; did you mean 'FAILED'\?"):
        parse("--states", "DONE,FALED")
