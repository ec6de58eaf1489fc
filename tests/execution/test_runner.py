import functools
import math
import os
import pickle
import sys
import time
import traceback
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from dhmpi.evaluation import Report, State
from dhmpi.execution.runner import (
    Interrupted,
    Outcome,
    Reading,
    Runner,
    Task,
    flush_streams,
    pack_outcomes,
    pack_tasks,
    read_answer,
    read_result,
    unpack_outcomes,
    unpack_tasks,
    user_traceback,
)

POINT = {"x": 3, "objective": 0.5}


def run(function, timeout=None, files="files", id=4, seed=99):
    return Runner(function, timeout, str(files))(Task(id, dict(POINT), seed))


@pytest.mark.parametrize(
    ("returned", "objective"),
    [
        (1.5, 1.5),
        (-3, -3.0),
        (np.float64(0.25), 0.25),
        (np.float32(0.25), 0.25),
        (np.int8(-7), -7.0),
        (np.array(2), 2.0),
        (np.array(0.25, dtype=np.float16), 0.25),
        (Fraction(1, 4), 0.25),
        (Decimal("0.25"), 0.25),
        (2**1000, 2.0**1000),
        (-0.0, 0.0),
        (5e-324, 5e-324),
    ],
)
def test_what_is_a_finite_number_is_an_objective(returned, objective):
    found = read_result(returned)
    assert found == Reading(objective)
    assert math.copysign(1, found.objective) == (-1 if objective < 0 else 1)  # -0.0 is 0.0
    assert type(found[0]) is float


@pytest.mark.parametrize(
    "returned",
    [
        *(float("nan"), float("-inf"), np.float64("nan"), np.array(np.inf)),
        *(None, True, False, "0.5", np.str_("0.5"), b"0.5", bytearray(b"1")),
        *(1 + 0j, 10**400, Fraction(10**400), Decimal("sNaN")),
        *([1.0], (1.0,), np.array([1.0]), np.array([1.0, 2.0]), np.array([]), np.array(None)),
        *(object, lambda: 1.0, np.datetime64("2020-01-01")),
    ],
)
def test_what_is_none_is_shown(returned):
    assert read_result(returned) == Reading(None, f"the objective must be a finite number, got {returned!r:.200}")
    assert read_result({"objective": returned, "kept": 1}) == Reading(
        None,
        f"the objective must be a finite number, got {returned!r:.200}",
        {"kept": 1},
    )


@pytest.mark.parametrize(
    "returned", [np.bool_(True), np.array(True), np.array("0.5"), np.complex128(1 + 2j)], ids=lambda each: repr(each)
)
def test_what_is_none_is_none_in_numpy_either(returned):
    objective, error, *_ = read_result(returned)
    assert (objective, error) == (None, f"the objective must be a finite number, got {returned!r}")


@pytest.mark.parametrize(
    ("extra", "kinds"),
    [
        ({"model": object()}, "object"),
        ({"deep": [{"of": 1 + 2j}], "at": datetime.now()}, "complex, datetime"),
        ({(1, 2): 3}, "tuple"),
        ({"fine": np.arange(3), "path": Path("/"), "set": {1}, 4: None, "nan": math.nan}, ""),
    ],
)
def test_what_is_kept_as_text_is_told(extra, kinds):
    told = (
        f"what is returned besides the objective must be numbers, texts, lists and dicts, got {kinds}; its text is kept"
    )
    assert run(lambda point: {"objective": 1.0} | extra).warning == (told if kinds else "")


def test_a_long_text_is_cut():
    assert len(read_result("x" * 10_000)[1]) < 300


@pytest.mark.parametrize(
    ("returned", "objective", "extra"),
    [
        ({"objective": 1}, 1.0, {}),
        ({"objective": np.float32(0.5), "loss": np.float32(0.25)}, 0.5, {"loss": 0.25}),
        ({"objective": 1.0, "curve": np.array([1, 2])}, 1.0, {"curve": [1, 2]}),
        ({"objective": 1.0, 7: (1, 2), None: {"a": None}}, 1.0, {"7": [1, 2], "null": {"a": None}}),
        (MappingProxyType({"objective": 2, "note": "kept"}), 2.0, {"note": "kept"}),
    ],
)
def test_a_dict_has_an_objective_and_other_results(returned, objective, extra):
    before = dict(returned)
    assert read_result(returned) == Reading(objective, "", extra)
    assert dict(returned).keys() == before.keys()


def test_a_dict_may_have_objectives_by_other_names():
    assert read_result({"accuracy": 0.5, 3: 1}) == Reading(None, "", {"accuracy": 0.5, "3": 1})


def by_name(point, context):
    return {"objective": 1.0, "id": context.id}


def by_keyword(point, *, context):
    return {"objective": 1.0, "id": context.id}


def by_default(point, scale=2, context=None):
    return {"objective": 1.0, "id": context.id}


class Callable:
    def __call__(self, point, context):
        return {"objective": 1.0, "id": context.id}

    def method(self, point, context):
        return self(point, context)


@pytest.mark.parametrize(
    "function",
    [by_name, by_keyword, by_default, Callable(), Callable().method, functools.partial(by_default, scale=3)],
    ids=lambda function: getattr(function, "__name__", type(function).__name__),
)
def test_a_function_that_names_the_context_gets_it(function):
    assert run(function).extra == {"id": 4}


def without(point):
    return 1.0


def another(point, ctx="default"):
    return 1.0 if ctx == "default" else None


def anything(point, *arguments, **named):
    return float(len(arguments) + len(named))


@pytest.mark.parametrize(("function", "objective"), [(without, 1.0), (another, 1.0), (anything, 0.0), (dict, 0.5)])
def test_other_functions_get_the_point_alone(function, objective):
    """The last one, as some builtins, has no signature to look at; it returns the point."""
    assert run(function).objective == objective


def test_the_context_has_the_seed_and_the_deadline():
    def look(point, context):
        return {"objective": 1.0, "seed": context.seed, "deadline": context.deadline}

    assert run(look).extra == {"seed": 99, "deadline": None}
    found = run(look, timeout=7.0)
    assert found.extra["deadline"] == pytest.approx(found.started + 7.0, abs=1e-6)


def test_reports_are_pairs_of_floats():
    def train(point, context):
        context.report(1, np.float32(0.5))
        context.report(np.int64(2), 1)
        return {"objective": 1.0, "note": "kept"}

    reports = run(train).reports
    assert [(each.step, each.value) for each in reports] == [(1.0, 0.5), (2.0, 1.0)]
    assert {type(value) for report in reports for value in report[1:]} == {float}
    assert run(train).extra["note"] == "kept"


def test_a_directory_is_made_when_it_is_asked_for(tmp_path):
    def keep(point, context):
        (context.directory / "model").write_text("kept")
        return float(context.directory == context.directory)

    run(without, files=tmp_path / "files")
    assert list(tmp_path.iterdir()) == []
    assert run(keep, files=tmp_path / "files").objective == 1.0
    assert (tmp_path / "files" / "evaluation-000004" / "model").read_text() == "kept"


def test_the_point_is_the_functions_own():
    task = Task(0, {"x": 3}, 0)
    Runner(lambda point: point.clear(), None, "files")(task)
    assert task.point == {"x": 3}


def deep(point):
    deeper(point)


def deeper(point):
    raise ValueError("é")


def test_a_traceback_begins_where_user_code_does():
    found = run(deep)
    lines = found.error.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line.split(", in ")[1] for line in lines if line.startswith("  File")] == ["deep", "deeper"]
    assert lines[-1] == "ValueError: é"
    assert not found.error.endswith("\n")
    assert (found.state, found.objective) == (State.FAILED, None)


def test_a_call_that_does_not_fit_has_no_frames_of_ours():
    error = run(lambda: 1.0).error
    assert "runner.py" not in error
    assert error.splitlines()[-1].startswith("TypeError: ")


def test_a_cause_is_shown():
    def fail(point):
        try:
            deeper(point)
        except ValueError as error:
            raise KeyError("outer") from error

    error = run(fail).error
    assert "ValueError: é\n" in error
    assert "direct cause" in error
    assert error.endswith("KeyError: 'outer'")


def test_an_error_without_a_traceback_is_its_name():
    assert user_traceback(ValueError("text")) == "ValueError: text"


@pytest.mark.parametrize("state", [State.CANCELLED, State.TIMEOUT])
def test_an_interruption_passes_through_user_code_and_gives_its_state(state):
    def cautious(point):
        try:
            runner.interrupt(state)
        except Exception:
            return 1.0

    runner = Runner(cautious, None, "files")
    found = runner(Task(0, {}, 0))
    assert (found.state, found.objective, found.error, found.extra) == (state, None, "", {})


def test_what_a_library_makes_of_an_interruption_is_one_and_the_next_evaluation_is_its_own():
    """As pybind11 does where the signal comes while it raises an exception itself."""

    def user(point):
        if point["x"] == 0:
            try:
                runner.interrupt(State.TIMEOUT)
            except BaseException as exception:
                raise RuntimeError("active exception types differ") from exception
        raise ValueError("bad luck")

    runner = Runner(user, None, "files")
    outcomes = [runner(Task(id, {"x": id}, 0)) for id in range(2)]
    assert [each.state for each in outcomes] == [State.TIMEOUT, State.FAILED]
    assert (outcomes[0].error, outcomes[1].error.splitlines()[-1]) == ("", "ValueError: bad luck")


def test_an_interruption_that_user_code_makes_is_a_failure():
    def pretend(point):
        raise Interrupted("DONE")

    found = run(pretend)
    assert (found.state, found.error.splitlines()[-1]) == (State.FAILED, "dhmpi.execution.runner.Interrupted: DONE")


@pytest.mark.parametrize(
    ("how", "status"),
    [(float, 0), (lambda: [][0], 1), (sys.exit, 0), (lambda: sys.exit(3), 3), (lambda: sys.exit("why"), 1)],
)
def test_a_process_that_user_code_forks_ends_where_it_comes_back(how, status):
    def forking(point):
        pid = os.fork()
        if pid:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return how()

    assert run(forking).objective == status


def test_functions_that_user_code_replaces_are_not_missed(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("replaced")

    def replacing(point):
        for name in ("json.dumps", "json.loads", "time.time", "time.perf_counter", "os.getpid", "os.path.abspath"):
            monkeypatch.setattr(name, broken)
        return {"objective": 1.0, "kept": [1]}

    def failing(point):
        for name in ("format_exception", "TracebackException", "StackSummary"):
            monkeypatch.setattr(traceback, name, broken)
        raise ValueError("told")

    found, failed = run(replacing), run(failing)
    monkeypatch.undo()
    assert (found.state, found.extra) == (State.DONE, {"kept": [1]})
    first, frame, last = failed.error.splitlines()
    assert (first, last) == ("Traceback (most recent call last):", "ValueError: told")
    assert frame.startswith(f'  File "{__file__}", line ')
    assert frame.endswith(", in failing")


@pytest.mark.parametrize("stream", [None, object()])
def test_streams_that_user_code_has_broken_are_not_missed(stream, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream)
    flush_streams()


ANSWER = [4, "DONE", 0.5, 1.0, 2.0, "", {}, "", [], 0]


def test_an_answer_is_an_outcome():
    assert read_answer(ANSWER, 4) == Outcome(4, State.DONE, 0.5, 1.0, 2.0)
    assert read_answer([4, "FAILED", None, 1.0, 2.0, "why", {"a": 1}, "warned", [], 0], 4).error == "why"
    assert read_answer([4, "STOPPED", None, 1.0, 2.0, "", {}, "", [], 0], 4).state is State.STOPPED
    reported = read_answer([*ANSWER[:8], [[4, 1.0, 0.5, 1.5]], 0], 4)
    assert reported.reports == (Report(4, 1.0, 0.5, 1.5),)


@pytest.mark.parametrize(
    "message",
    [
        *(None, 5, "text", {}, [], ANSWER[:-1], [*ANSWER, 0], {"ready": True}),
        *([value, *ANSWER[1:]] for value in (5, None, "4")),
        *([4, state, 0.5, *ANSWER[3:]] for state in ("FAILED", "TIMEOUT", "CANCELLED", "RUNNING", "", None, [])),
        *([4, "DONE", value, *ANSWER[3:]] for value in ("0.5", 1, float("nan"))),
        *([*ANSWER[:3], value, *ANSWER[4:]] for value in (None, "1")),
        *(
            [*ANSWER[:5], *values]
            for values in ((None, {}, "", [], 0), ("", [], "", [], 0), ("", {}, None, [], 0), ("", {}, "", [], None))
        ),
        *(
            [*ANSWER[:8], reports, 0]
            for reports in (None, "ab", [1], [[4, 1.0, 0.5]], [[5, 1.0, 0.5, 1.5]], [[4, 1, 0.5, 1.5]])
        ),
    ],
)
def test_what_is_no_answer_is_none(message):
    assert read_answer(message, 4) is None


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_would_end_a_process_is_a_failure(error):
    def leave(point):
        raise error

    assert run(leave).error.splitlines()[-1].startswith(type(error).__name__)


def test_a_repr_that_fails_is_a_failure():
    class Odd:
        def __repr__(self):
            raise RuntimeError("no text")

    found = run(lambda point: Odd())
    assert (found.state, found.error.splitlines()[-1]) == (State.FAILED, "RuntimeError: no text")


def test_times_are_those_of_the_call():
    before = time.time()
    found = run(lambda point: time.sleep(0.02) or 1.0)
    assert before <= found.started
    assert found.ended - found.started >= 0.02


def test_a_clock_that_is_set_back_makes_no_negative_duration(monkeypatch):
    def set_back(point):
        monkeypatch.setattr(time, "time", lambda: 0.0)
        return 1.0

    found = run(set_back)
    monkeypatch.undo()
    assert found.ended >= found.started


TASKS = [Task(0, {"x": True, "y": None}, 1), Task(2**40, {"x": "é", "y": 0.1}, 2**32 - 1)]
OUTCOMES = [
    Outcome(0, State.DONE, 0.1, 1.0, 2.0),
    *(Outcome(1, state, None, 1.0, 2.0, "error", {"note": [1, None]}) for state in State),
]


@pytest.mark.parametrize(
    ("values", "pack", "unpack"),
    [(TASKS, pack_tasks, unpack_tasks), (OUTCOMES, pack_outcomes, unpack_outcomes), ([], pack_tasks, unpack_tasks)],
)
def test_what_travels_arrives_as_it_was(values, pack, unpack):
    packed = pack(values)
    assert all(type(each) is tuple for each in packed)
    found = unpack(pickle.loads(pickle.dumps(packed)))
    assert found == values
    assert [type(each) for each in found] == [type(each) for each in values]


def test_states_travel_as_texts_and_arrive_as_states():
    assert {type(each[1]) for each in pack_outcomes(OUTCOMES)} == {str}
    assert all(isinstance(each.state, State) for each in unpack_outcomes(pack_outcomes(OUTCOMES)))


def test_nan_is_no_objective_even_by_identity():
    assert run(lambda point: math.nan).state is State.FAILED


def test_results_beside_the_objective_are_limited():
    largest = {"objective": np.zeros(3_000_000), "text": "x" * (1_000_000 - len('{"text":""}'))}
    assert len(read_result(largest | {"objective": 1.0})[2]["text"]) == 999_989
    objective, error, extra, _ = read_result({"objective": 1.0, "text": largest["text"] + "x"})
    assert (objective, extra) == (None, {})
    assert error == (
        "what is returned besides the objective must take at most 1,000,000 bytes, got 1,000,001; "
        "return a summary and write the rest to a file in context.directory"
    )


def test_an_error_that_quotes_everything_is_cut():
    def quote(point):
        raise ValueError("begin" + 10_000_000 * "x" + "end")

    error = run(quote).error
    assert len(error) < 20_100
    assert "ValueError: begin" in error
    assert error.endswith("xend")
