"""What a run function returned, by the objectives that a problem has declared."""

import math

import pytest

from dhmpi.evaluation import Objective, State
from dhmpi.evaluator.returned import measured
from dhmpi.execution.runner import Outcome, read_result

ACCURACY, LATENCY = Objective("accuracy", True), Objective("latency")


def outcome(returned):
    """What a worker sends when a run function has returned something."""
    reading = read_result(returned)
    state = State.FAILED if reading.error else State.DONE
    return Outcome(3, state, reading.objective, 1.0, 2.0, *reading[1:])


@pytest.mark.parametrize(
    ("returned", "names"),
    [({}, "[]"), ({"loss": 1.0}, "['loss']"), ({"b": 1, 3: 1, "Objective": 1}, "['3', 'Objective', 'b']")],
)
def test_a_dict_without_an_objective_is_told_so(returned, names):
    found = measured(outcome(returned), ())
    assert (found.state, found.objective) == (State.FAILED, None)
    assert found.error == f"the returned dict must have the key 'objective', got {names}"
    assert len(found.extra) == len(returned)


def test_what_needs_no_names_passes():
    for returned in (0.5, {"objective": 0.5, "more": 1}, "text"):
        assert measured(outcome(returned), ()) == outcome(returned)


@pytest.mark.parametrize(
    ("returned", "extra"),
    [
        (0.5, {}),
        ({"objective": 0.5}, {}),
        ({"accuracy": 0.5}, {}),
        ({"accuracy": 0.5, "objective": 9.0, "loss": 2}, {"objective": 9.0, "loss": 2}),
    ],
)
def test_a_single_one_has_its_name_or_none(returned, extra):
    found = measured(outcome(returned), [ACCURACY])
    assert (found.state, found.objective, found.extra, found.error) == (State.DONE, 0.5, extra, "")


def test_of_several_the_first_is_the_objective_and_the_others_stay():
    found = measured(outcome({"latency": 3, "accuracy": 0.9, "more": [1]}), [ACCURACY, LATENCY])
    assert (found.state, found.objective, found.extra) == (State.DONE, 0.9, {"latency": 3, "more": [1]})


REMEDY = "; return {'accuracy': ..., 'latency': ...}"


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        (0.5, "the returned dict must have the keys 'accuracy' and 'latency', got 0.5"),
        ({"accuracy": 1}, "the returned dict must have the key 'latency', got ['accuracy']"),
        ({"objective": 1, "loss": 2}, "the returned dict must have the keys 'accuracy' and 'latency', got "),
        ({"accuracy": 1, "latency": math.inf}, "the objective 'latency' must be a finite number, got inf"),
        ({"accuracy": None, "latency": 1}, "the objective 'accuracy' must be a finite number, got None"),
        ({"accuracy": True, "latency": 1}, "the objective 'accuracy' must be a finite number, got True"),
        ({"accuracy": "0.5", "latency": 1}, "the objective 'accuracy' must be a finite number, got '0.5'"),
        ({"accuracy": 10**400, "latency": 1}, "the objective 'accuracy' must be a finite number, got 1000"),
    ],
)
def test_what_is_missing_is_said_with_what_to_return(returned, error):
    found = measured(outcome(returned), [ACCURACY, LATENCY])
    assert (found.state, found.objective) == (State.FAILED, None)
    assert found.error.startswith(error)
    assert found.error.endswith(REMEDY)


def test_failures_stay_what_they_are():
    failed = Outcome(3, State.FAILED, None, 1.0, 2.0, "Traceback")
    assert measured(failed, [ACCURACY, LATENCY]) is failed


def test_what_was_printed_is_part_of_failures_alone():
    printed = "\n--- last output ---\nlast words"
    some = outcome({"accuracy": 0.5})._replace(error=printed)
    assert measured(some, [ACCURACY]).error == ""
    failed = measured(some, [ACCURACY, LATENCY])
    assert failed.error.endswith(f"{REMEDY}{printed}")
