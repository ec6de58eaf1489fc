import argparse
from dataclasses import dataclass

import pytest

from dhmpi.errors import OptionError
from dhmpi.support.options import (
    Setting,
    add_arguments,
    as_flag,
    build,
    check_names,
    choice,
    choice_with_settings,
    choices,
    flag,
    integer,
    name_alone,
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
        ({"count": "\u0663"}, "count must be an integer of at least 1, got \u0663"),
        ({"count": "1_0"}, "count must be an integer of at least 1, got 1_0"),
        ({"size": "\u0663"}, "size must be a finite number above 0, got \u0663"),
        ({"size": "1_0.5"}, "size must be a finite number above 0, got 1_0.5"),
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


@pytest.mark.parametrize(
    "value", ["", ",", "3,", "a", "-3", "3-", "9-7", "3-5-7", "1.5", "²", "\u0663", "1-" + "9" * 5000]
)
def test_what_is_no_range_is_refused(value):
    with pytest.raises(OptionError, match=r"^--ids must be integers and ranges of them like 3,7-9, got "):
        ranges("--ids", value)


def test_choices():
    parse = choices(["DONE", "FAILED"])
    assert parse("--states", "failed, DONE") == ["FAILED", "DONE"]
    with pytest.raises(OptionError, match=r"^--states must be one of DONE, FAILED, got FALED; did you mean 'FAILED'\?"):
        parse("--states", "DONE,FALED")


# --- settings of a choice: NAME:key=value,key=value


def of_stopper(key, *names):
    return Setting("stopper", key, names)


@dataclass(frozen=True)
class Stopping:
    stopper: str | None = option(None, choice_with_settings(("none", "asha", "median")), "what stops early")
    reduction: int = option(3, integer(2), "how many are stopped", setting=of_stopper("reduction", "asha"))
    first_step: int = option(1, integer(1), "steps before", setting=of_stopper("first-step", "asha", "median"))
    strict: bool = option(False, flag, "whether", setting=of_stopper("strict", "median"))
    mode: str = option("max", choice(("max", "min")), "which", setting=Setting("place", "mode", ("here",)))


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("asha", Stopping("asha")),
        ("none", Stopping("none")),
        ("asha:reduction=4", Stopping("asha", 4)),
        ("ASHA:first_step=7, Reduction = 4", Stopping("asha", 4, 7)),
        ("median:strict,first-step=2", Stopping("median", first_step=2, strict=True)),
    ],
)
def test_a_choice_carries_its_settings(value, made):
    assert build(Stopping, {"stopper": value}) == made


def test_settings_of_an_option_that_is_elsewhere():
    assert build(Stopping, {"place": "here:mode=MIN"}).mode == "min"
    assert name_alone("here:mode=MIN") == "here"
    assert name_alone("here") == "here"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"stopper": "ahsa:reduction=4"},
            "--stopper must be one of none, asha, median, got ahsa; did you mean 'asha'?",
        ),
        (
            {"stopper": "none:reduction=4"},
            "--stopper none must have no settings, got none:reduction=4; those that have: ",
        ),
        (
            {"stopper": "asha:reductoin=4"},
            "--stopper asha must have settings that are known, got reductoin; did you mean 'reduction'?",
        ),
        (
            {"stopper": "median:reduction=4"},
            "--stopper median must have settings that are known, got reduction; choose from first-step, strict",
        ),
        ({"stopper": "asha:reduction=1"}, "--stopper asha:reduction must be an integer of at least 2, got 1"),
        ({"stopper": "asha:reduction="}, "--stopper asha:reduction must be an integer of at least 2, got ''"),
        ({"stopper": "asha:"}, "--stopper must be asha or asha:reduction=...,first-step=..., got asha:"),
        (
            {"stopper": "asha:reduction"},
            "--stopper must be asha or asha:reduction=...,first-step=..., got asha:reduction",
        ),
        (
            {"stopper": "median:strict=1"},
            "--stopper must be median or median:first-step=...,strict, got median:strict=1",
        ),
        ({"stopper": "asha:reduction=4,"}, "--stopper must be asha or asha:reduction=...,first-step=..., got "),
        ({"stopper": "asha:reduction=4,reduction=4"}, "--stopper asha must have each setting once, got "),
        (
            {"stopper": "asha:reduction=4", "reduction": "5"},
            "--reduction must be given once, got it in --stopper asha:reduction=4, too",
        ),
        ({"stopper": 3}, "--stopper must be one of none, asha, median, got 3"),
    ],
)
def test_a_setting_that_cannot_be_used_is_said(values, sentence):
    with pytest.raises(OptionError) as caught:
        build(Stopping, values)
    assert caught.value.spelled(as_flag).startswith(sentence)


def test_help_lists_settings_with_their_choice_and_not_as_options():
    parser = argparse.ArgumentParser()
    add_arguments(parser, Stopping)
    shown = parser.format_help()
    assert "--stopper" in shown
    assert "--reduction" not in shown
    assert "settings of --stopper asha, as asha:reduction=3:" in shown
    assert "how many are stopped (default: 3)" in shown
    assert build(Stopping, vars(parser.parse_args(["--reduction", "4"]))).reduction == 4
