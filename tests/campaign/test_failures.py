import time

import pytest

from dhmpi.campaign.failures import HOPELESS_LIMIT, LIMIT, Failures, error_kind, error_line, is_hopeless
from dhmpi.evaluation import LAST_OUTPUT, Evaluation, State

FRAMES = 'Traceback (most recent call last):\n  File "run.py", line 3, in run\n    import torchx\n'
MISSING = f"{FRAMES}ModuleNotFoundError: No module named 'torchx'"
NEGATIVE = f"{FRAMES}ValueError: x must not be negative"


def ended(state, error=""):
    return Evaluation(0, {}, 1.0 if state is State.DONE else None, state, error=error)


def noted(failures, error, num, state=State.FAILED):
    for _ in range(num):
        failures.note(ended(state, error))
    return failures


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("", ""),
        ("ran longer than 3 s", "ran longer than 3 s"),
        (MISSING, "ModuleNotFoundError: No module named 'torchx'"),
        (f"{MISSING}\n{LAST_OUTPUT}\nepoch 3", "ModuleNotFoundError: No module named 'torchx'"),
        (f"{NEGATIVE}\nsee the manual\n\n", "ValueError: x must not be negative"),
        (f"{NEGATIVE}\n\nDuring handling of it:\n\n{FRAMES}KeyError: 'a'", "KeyError: 'a'"),
        (f'{FRAMES}  File "x.py", line 1\n    a b\n      ^\nSyntaxError: bad', "SyntaxError: bad"),
        (f"file 'run.py' must be importable\n{MISSING}", "ModuleNotFoundError: No module named 'torchx'"),
        ("the program ended with exit status 3", "the program ended with exit status 3"),
        (f"exit status 3\n{LAST_OUTPUT}\nepoch 7", "exit status 3"),
        (f"exit status 1\n{LAST_OUTPUT}\n{NEGATIVE}", "exit status 1: ValueError: x must not be negative"),
        (f"exit status 1\n{LAST_OUTPUT}\ncat: a: No such file or directory", None),
        (f"ValueError: {'a' * 1000}", f"ValueError: {'a' * 184} ..."),
    ],
)
def test_the_line_that_says_most(error, line):
    assert error_line(error) == ("exit status 1: cat: a: No such file or directory" if line is None else line)


@pytest.mark.parametrize(
    "error",
    [
        MISSING,
        f"{FRAMES}ImportError: cannot import name 'a'",
        f"{FRAMES}NameError: name 'nunpy' is not defined",
        f"{FRAMES}IndentationError: unexpected indent",
        f"{FRAMES}FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'",
        "the program ended with exit status 127",
        f"the program ended with exit status 127\n{LAST_OUTPUT}\nsh: 1: foo: not found",
        f"the program ended with exit status 1\n{LAST_OUTPUT}\n{MISSING}",
        f"{FRAMES}subprocess.CalledProcessError: Command 'foo' returned non-zero exit status 127.",
        "a process must start, got [Errno 2] No such file or directory: './train.sh'",
    ],
)
def test_no_point_is_to_blame(error):
    assert is_hopeless(error)


@pytest.mark.parametrize(
    "error",
    [
        "",
        NEGATIVE,
        "ran longer than 3 s",
        f"{FRAMES}UnboundLocalError: cannot access local variable 'a'",  # which branch was taken, a point may decide
        f"{FRAMES}ValueError: NameError",
        "the program ended with exit status 1",
        "the process was killed by signal 9 (SIGKILL)",
        f"{NEGATIVE}\n{LAST_OUTPUT}\n{MISSING}",
    ],
)
def test_a_point_may_be_to_blame(error):
    assert not is_hopeless(error)


@pytest.mark.parametrize(
    ("line", "other", "are_alike"),
    [
        ("ValueError: got 0.25", "ValueError: got 1e-05", True),
        ("ValueError: got -227336", "ValueError: got -1000", True),
        ("ValueError: got 0.25", "ValueError: want 0.25", False),
        ("exit status 1", "exit status 127", False),
        ("kind 1", "kind 2", False),
    ],
)
def test_errors_that_differ_in_values_are_of_one_kind(line, other, are_alike):
    assert (error_kind(line) == error_kind(other)) == are_alike


def test_few_are_enough_if_no_point_is_to_blame():
    failures = noted(Failures(), MISSING, HOPELESS_LIMIT - 1)
    assert not failures.must_end(0)
    noted(failures, NEGATIVE, 50)
    assert not failures.must_end(0)
    assert noted(failures, MISSING, 1).must_end(num_running=7)


@pytest.mark.parametrize("state", [State.FAILED, State.TIMEOUT])
def test_many_are_needed_if_a_point_may_be_to_blame(state):
    failures = noted(Failures(), NEGATIVE, LIMIT - 1, state)
    assert not failures.are_many
    noted(failures, NEGATIVE, 1, state)
    assert failures.are_many
    assert failures.must_end(num_running=0)


def test_what_still_runs_may_succeed():
    failures = noted(Failures(), NEGATIVE, LIMIT)
    assert not failures.must_end(num_running=1)
    failures.note(ended(State.DONE))
    assert not failures.are_many
    assert not noted(failures, MISSING, 3 * LIMIT).must_end(0)
    assert not failures.are_all


@pytest.mark.parametrize(
    ("took", "seconds", "is_outlived"), [(0, 0.9, False), (0, 1.5, True), (10, 19, False), (10, 30, True)]
)
def test_what_takes_far_longer_than_failures_has_come_further(took, seconds, is_outlived):
    failures = Failures()
    for each in (0, took, 0):
        failures.note(ended(State.FAILED)._replace(submitted=time.time() - each))
    assert failures.are_outlived(seconds) == is_outlived


@pytest.mark.parametrize("error", [MISSING, NEGATIVE])
def test_a_given_number_counts_every_failure(error):
    failures = noted(Failures(3), error, 2)
    assert not failures.must_end(0)
    assert noted(failures, error, 1, State.TIMEOUT).must_end(num_running=5)


def test_zero_never_gives_up():
    failures = noted(Failures(0), MISSING, 5 * LIMIT)
    assert not failures.are_many
    assert not failures.must_end(0)
    assert failures.are_all


def test_what_was_done_before_counts():
    failures = noted(Failures(1, [ended(State.FAILED), ended(State.DONE)]), MISSING, 50)
    assert not failures.must_end(0)
    assert not failures.are_all


def test_what_failed_before_may_have_been_mended():
    failures = Failures(3, [ended(State.FAILED, NEGATIVE)] * 300)
    assert not failures.must_end(0)
    assert failures.are_all
    assert failures.sentence() == (
        "at least one evaluation must be DONE, got 300 failures, 300 of them: ValueError: x must not be negative"
    )


def test_what_is_to_be_evaluated_again_is_no_failure():
    failures = Failures(1, [ended(State.CANCELLED)])
    noted(failures, "rank 1 is gone", 5, State.LOST)
    assert not failures.must_end(0)
    assert not failures.are_all


def test_the_sentence_has_the_most_frequent_error():
    failures = noted(noted(Failures(), NEGATIVE, 2), MISSING, 3)
    assert failures.sentence() == (
        "at least one evaluation must be DONE, got 5 failures, 3 of them: ModuleNotFoundError: No module named 'torchx'"
    )
    failures = noted(Failures(), MISSING, 1)
    for value in (0.25, 0.125):
        noted(failures, f"ValueError: got {value}", 1)
    assert failures.sentence().endswith("got 3 failures, 2 of them: ValueError: got 0.25")
    assert noted(Failures(), "", 1).sentence().endswith("got 1 failure, 1 of them: no error")


def missing(path):
    return f"Traceback (most recent call last):\nFileNotFoundError: [Errno 2] No such file or directory: '{path}'"


def test_files_that_only_one_evaluation_misses_do_not_end_it():
    failures = Failures()
    for number in range(LIMIT - 1):
        noted(failures, missing(f"r.h5.files/evaluation-{number:06d}/result.txt"), 1)
    assert not failures.must_end(1)
    assert noted(failures, missing("data.csv"), HOPELESS_LIMIT).must_end(1)


def test_expressions_made_from_points_do_not_end_it():
    error = (
        'Traceback (most recent call last):\n  File "<string>", line 1\n    1 +\n       ^\nSyntaxError: invalid syntax'
    )
    assert not is_hopeless(error)
    assert is_hopeless(error.replace("<string>", "/home/me/model.py"))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("ValueError: in user code:\n\n    cannot reshape", "ValueError: in user code: cannot reshape"),
        ("ValueError: one\ntwo", "ValueError: one"),
        ("ValueError: nothing follows:\n", "ValueError: nothing follows:"),
    ],
)
def test_what_is_only_announced_is_in_the_line_too(error, line):
    assert error_line(f"Traceback (most recent call last):\n  File\n{error}") == line


@pytest.mark.parametrize(
    "value", ["0x7f6e46528150", "0xDEADBEEF", "3fa85f64-5717-4562-b3fc-2c963f66afa6", "9f86d081884c7d65"]
)
def test_addresses_and_identifiers_make_no_kind_of_their_own(value):
    assert error_kind(f"cannot use <O at {value}>") == "cannot use <O at #>"
    assert error_kind("a defaced facade") == "a defaced facade"
