import time

import pytest

from dhmpi.control.failures import HOPELESS_LIMIT, LIMIT, Failures
from dhmpi.evaluation import Evaluation, State

FRAMES = 'Traceback (most recent call last):\n  File "run.py", line 3, in run\n    import torchx\n'
MISSING = f"{FRAMES}ModuleNotFoundError: No module named 'torchx'"
NEGATIVE = f"{FRAMES}ValueError: x must not be negative"


def ended(state, error=""):
    return Evaluation(0, {}, 1.0 if state is State.DONE else None, state, error=error)


def noted(failures, error, num, state=State.FAILED):
    for _ in range(num):
        failures.note(ended(state, error))
    return failures


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


def test_what_was_told_to_stop_is_no_failure():
    failures = noted(Failures(), "", LIMIT, State.STOPPED)
    assert not failures.are_all
    assert not failures.are_many
    assert not Failures(None, [ended(State.STOPPED)]).are_all


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
