import subprocess
import sys

import pytest

from dhmpi import results
from dhmpi.errors import ResultsError
from dhmpi.evaluation import State
from dhmpi.results import ResultsStore, snapshot
from dhmpi.results.checksum import is_intact
from dhmpi.results.files import journal_path
from dhmpi.results.redo import redo

STATES = [State.DONE, State.FAILED, State.TIMEOUT, State.DONE, State.FAILED, State.CANCELLED]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.h5"


@pytest.fixture
def store(path, metadata, running, ended):
    """A campaign that has ended three times what the states say, and is still open."""
    made = ResultsStore.create(path, metadata)
    made.begin_run(2, ["nid0"], "test")
    made.submitted(map(running, range(6)))
    made.finished([ended(id, state, error="bad" * (state is State.FAILED)) for id, state in enumerate(STATES)])
    made.commit()
    return made


@pytest.fixture
def complete(store, path):
    store.close("6 evaluations are complete", complete=True)
    return path


def states(path):
    return [each.state for each in results.read(path).evaluations]


def test_failures_are_to_be_evaluated_again(complete, running):
    before = results.read(complete).evaluations
    assert redo(complete) == {1: State.FAILED, 2: State.TIMEOUT, 4: State.FAILED}
    found = results.read(complete)
    assert not found.metadata.complete
    assert found.metadata.redone == 3
    for each in found.evaluations:
        if each.id in (1, 2, 4):
            assert each == running(each.id)._replace(state=State.PENDING, submitted=None)
        else:
            assert each == before[each.id]
    assert [each.order for each in found.evaluations] == [0, -1, -1, 3, -1, -1]
    assert found.metadata.runs[-1]["why"] == "3 results were taken back"


def test_the_file_is_whole_afterwards_and_nobody_writes_it(complete):
    redo(complete)
    assert is_intact(complete.read_bytes())
    assert sorted(complete.parent.iterdir()) == [complete]
    assert not results.read(complete).dropped


@pytest.mark.parametrize(
    ("chosen", "ids", "expected"),
    [
        ([State.FAILED], None, [1, 4]),
        ([State.TIMEOUT], None, [2]),
        ([State.DONE, State.CANCELLED], None, [0, 3]),
        (None, [4], [4]),
        (None, [0, 5, 2, 0], [0, 2]),
        ([State.FAILED], [3, 4, 5], [4]),
        (None, [], []),
        ([State.CANCELLED], None, []),
    ],
)
def test_what_is_redone_can_be_chosen(complete, chosen, ids, expected):
    before = complete.read_bytes()
    assert list(redo(complete, chosen, ids)) == expected
    assert [id for id, state in enumerate(states(complete)) if state is State.PENDING] == expected
    assert (complete.read_bytes() == before) == (not expected)


def test_a_second_time_nothing_is_left(complete):
    redo(complete)
    before = complete.read_bytes()
    assert redo(complete) == {}
    assert complete.read_bytes() == before
    assert results.read(complete).metadata.redone == 3


def test_an_unknown_evaluation_is_refused(complete):
    before = complete.read_bytes()
    with pytest.raises(ResultsError, match=r"^evaluation 6 must be in .* to be redone, got evaluations 0 to 5; see"):
        redo(complete, ids=range(2, 10**15))
    assert complete.read_bytes() == before


def test_an_unknown_state_is_refused(complete):
    with pytest.raises(ResultsError, match=r"^states must be known, got 'FALED'; did you mean 'FAILED'\?$"):
        redo(complete, ["FALED"])


def test_a_missing_file_is_refused(path):
    with pytest.raises(ResultsError, match="does not exist"):
        redo(path)
    assert list(path.parent.iterdir()) == []


def test_what_a_killed_campaign_has_left_in_its_journal_counts(store, path):
    store.abandon()
    assert journal_path(path).exists()
    assert list(redo(path)) == [1, 2, 4]
    assert not journal_path(path).exists()
    assert states(path) == [State.DONE, State.PENDING, State.PENDING, State.DONE, State.PENDING, State.CANCELLED]


def test_a_resumed_campaign_keeps_one_row_for_each_however_it_ends(complete, metadata, running, ended):
    redo(complete)
    resumed = ResultsStore.resume(complete, metadata)
    resumed.begin_run(2, ["nid0"], "test")
    resumed.submitted(map(running, (1, 2)))
    resumed.finished([ended(1)])
    resumed.commit()  # and is killed
    del resumed
    assert states(complete) == [
        *(State.DONE, State.DONE, State.RUNNING, State.DONE, State.PENDING, State.CANCELLED),
    ]
    resumed = ResultsStore.resume(complete, metadata)
    resumed.submitted(map(running, (2, 4, 5)))
    resumed.finished(map(ended, (4, 2, 5)))
    resumed.close("end", complete=True)
    found = results.read(complete).evaluations
    assert [each.id for each in found] == list(range(6))
    assert [each.order for each in found] == [0, 4, 6, 3, 5, 7]
    assert {each.state for each in found} == {State.DONE}
    assert not any(each.error for each in found)


def test_a_death_at_any_moment_leaves_the_old_or_the_new(complete, monkeypatch):
    """The process dies before its n-th rename or removal, and somebody resumes."""
    for num in range(9):
        redo_all = f"""
import os, sys
from pathlib import Path
from dhmpi.results.redo import redo
left = {num}
def dying(act):
    def wrapped(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return act(*arguments, **options)
    return wrapped
os.replace, Path.unlink = dying(os.replace), dying(Path.unlink)
redo({str(complete)!r})
"""
        before = states(complete)
        status = subprocess.run([sys.executable, "-c", redo_all], check=False).returncode
        assert status in (0, 9)
        after = states(complete)
        assert after.count(State.PENDING) in (0, 3)
        assert after.count(State.PENDING) >= before.count(State.PENDING)
        if status == 0:
            break
    assert status == 0
    assert num >= 4
    assert after.count(State.PENDING) == 3
    assert redo(complete, [State.DONE])
    assert sorted(complete.parent.iterdir()) == [complete]


def test_older_files_have_taken_nothing_back(complete, monkeypatch):
    without = tuple(column for column in snapshot.ATTRIBUTES if column.name != "redone")
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "ATTRIBUTES", without)
        redo(complete, ids=[1])
    assert results.read(complete).metadata.redone == 0
