import pickle

import pytest

from dhmpi import errors
from dhmpi.errors import (
    DhmpiError,
    EvaluatorError,
    InputError,
    LoadError,
    StorageError,
    did_you_mean,
    option_name,
    reason,
)
from dhmpi.support.options import as_flag

NAMES = [
    name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
]


@pytest.mark.parametrize("name", NAMES)
def test_every_error_can_be_caught_as_one_of_ours(name):
    assert issubclass(getattr(errors, name), DhmpiError)


@pytest.mark.parametrize("name", NAMES)
def test_the_tree_in_the_module_names_every_error(name):
    assert f" {name} " in " ".join(errors.__doc__.split()) + " "


@pytest.mark.parametrize("name", ["ProblemError", "LoadError", "OptionError", "ResultsError"])
def test_bad_input_is_a_value_error(name):
    error = getattr(errors, name)("one sentence")
    assert isinstance(error, InputError)
    assert isinstance(error, ValueError)
    assert str(error) == "one sentence"


@pytest.mark.parametrize("name", ["EvaluatorError", "ProtocolError"])
def test_what_is_nobodys_input_is_none(name):
    assert issubclass(getattr(errors, name), EvaluatorError)
    assert not issubclass(getattr(errors, name), ValueError)


def test_a_load_error_may_have_details():
    assert LoadError("one sentence").details == ""
    error = LoadError("one sentence", "a traceback")
    assert (str(error), error.details) == ("one sentence", "a traceback")


@pytest.mark.parametrize(
    ("name", "choices", "remedy"),
    [
        ("amsb", ["hps-random", "ambs"], "did you mean 'ambs'?"),
        ("gp_hedg", ["LCB", "gp_hedge"], "did you mean 'gp_hedge'?"),
        ("RFF", ["GP", "RF"], "did you mean 'RF'?"),
        ("lcb", ["EI", "LCB"], "did you mean 'LCB'?"),
        ("zzz", ["b", "a"], "choose from a, b"),
        ("", ["b", "a"], "choose from a, b"),
        ("anything", [], "there is nothing to choose from"),
        ("unitz", iter(["units", "rate"]), "did you mean 'units'?"),
    ],
)
def test_the_remedy_for_a_misspelt_name(name, choices, remedy):
    assert did_you_mean(name, choices) == remedy


def test_options_are_spelled_by_whoever_shows_the_error():
    error = StorageError(
        f"cannot write {option_name('output')}",
        remedy=f"use {option_name('resume=True')} or {option_name('max_evals')}",
    )
    assert str(error) == "cannot write output; use resume=True or max_evals"
    assert error.spelled(as_flag) == "cannot write --output; use --resume or --max-evals"
    assert reason(error) == "cannot write output"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert reason(ValueError("text")) == "text"
