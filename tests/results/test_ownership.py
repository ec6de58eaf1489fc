import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from dhmpi.errors import ResultsError, StorageError
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, ResultsStore, is_written, liveness, ownership, read
from dhmpi.results.files import journal_path, open_new, put_in_place
from dhmpi.results.owner import Owner
from dhmpi.results.ownership import Ownership, Traces, claim_path, require_free
from dhmpi.results.redo import redo

METADATA = Metadata("s", "p", {"x": (0, 10**9)})
# Begins a campaign as soon as a line comes in, on a host of any name, and then does nothing for a long time.
WRITER = """
import platform, sys, time
import h5py
from dhmpi.errors import DhmpiError
from dhmpi.evaluation import Evaluation
from dhmpi.results import Metadata, ResultsStore, ownership, store
how, path, host = sys.argv[1:]
if host:
    platform.node = lambda: host
ownership.PATIENCE, ownership.LOOK_INTERVAL, store.BEAT_INTERVAL = 3.0, 0.05, 0.1
metadata = Metadata("s", "p", {"x": (0, 10**9)})
print("ready", flush=True)
sys.stdin.readline()
try:
    if how == "resume":
        results = ResultsStore.resume(path, metadata)
    else:
        results = ResultsStore.create(path, metadata, overwrite=how == "overwrite")
    results.submitted([Evaluation(len(results.evaluations), {"x": 1})])
    results.commit()
except DhmpiError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print("begun", flush=True)
sys.stdin.readline()
try:
    results.close("end")
except DhmpiError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


class Writer:
    def __init__(self, how, path, host=""):
        words = [sys.executable, "-c", WRITER, how, str(path), host]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(words, text=True, **pipes)

    def hear(self):
        return self.process.stdout.readline().strip()

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def begin(self):
        assert self.hear() == "ready"
        self.go()
        assert self.hear() == "begun"
        return self

    def end(self):
        self.go()
        self.process.wait(60)
        return self.process.stderr.read()

    def kill(self):
        self.process.kill()
        self.process.wait(60)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.h5"


@pytest.fixture
def writer():
    made = []

    def make(*args):
        made.append(Writer(*args))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(ownership, "PATIENCE", 1.0)
    monkeypatch.setattr(ownership, "LOOK_INTERVAL", 0.05)


@pytest.fixture
def elsewhere(monkeypatch, impatient):
    monkeypatch.setattr("platform.node", lambda: "elsewhere")


@pytest.mark.parametrize("how", ["new", "overwrite", "resume"])
@pytest.mark.parametrize("hosts", [["", "", ""], ["a", "b", "c"]], ids=["one host", "three hosts"])
def test_exactly_one_of_several_survives(path, writer, how, hosts):
    if how != "new":
        writer("new", path, hosts[0] and "d").begin().kill()
    writers = [writer(how, path, host) for host in hosts]
    assert [each.hear() for each in writers] == ["ready"] * 3
    for each in writers:
        each.go()
    begun = [each for each in writers if each.hear() == "begun"]
    assert len(begun) == 1
    for each in writers:
        if each is not begun[0]:
            each.process.wait(60)
            assert "is writing it" in each.process.stderr.read()
    assert "Error" not in begun[0].end()
    assert len(read(path).evaluations) == (2 if how == "resume" else 1)
    assert os.listdir(path.parent) == ["results.h5"]


def test_a_writer_on_another_host_is_seen_to_live_although_nothing_happens(
    path, writer, elsewhere, caplog, monkeypatch
):
    monkeypatch.setattr(ownership, "PATIENCE", 30.0)
    living = writer("new", path).begin()
    began = time.monotonic()
    for opener in (lambda: ResultsStore.resume(path, METADATA), lambda: ResultsStore.create(path, METADATA, True)):
        with pytest.raises(ResultsError, match=f"process {living.process.pid} on .* is writing it"):
            opener()
    assert time.monotonic() - began < 20
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} may have a writer, process {living.process.pid} on {os.uname().nodename}, which cannot be asked from "
        "here; waiting up to 30 s to see whether it goes on"
    ] * 2
    assert living.end() == ""


def test_a_dead_writer_on_another_host_is_succeeded_after_a_while(path, writer, elsewhere):
    writer("new", path).begin().kill()
    began = time.monotonic()
    store = ResultsStore.resume(path, METADATA)
    assert time.monotonic() - began >= 1.0
    assert len(store.evaluations) == 1
    store.close("end")
    assert os.listdir(path.parent) == ["results.h5"]


def test_a_dead_writer_on_this_host_is_known_at_once(path, writer):
    writer("new", path).begin().kill()
    began = time.monotonic()
    ResultsStore.resume(path, METADATA).close("end")
    assert time.monotonic() - began < 30


def test_whoever_waits_can_be_stopped(path, writer, elsewhere):
    living = writer("new", path).begin()
    living.process.send_signal(signal.SIGSTOP)

    def pause(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ResultsStore.resume(path, METADATA, pause)
    living.process.send_signal(signal.SIGCONT)
    assert living.end() == ""


def test_a_writer_that_was_taken_for_dead_writes_nothing_more(path, writer, elsewhere):
    frozen = writer("new", path).begin()
    frozen.process.send_signal(signal.SIGSTOP)
    store = ResultsStore.resume(path, METADATA)
    store.finished([Evaluation(0, {"x": 1}, 0.5, State.DONE)])
    store.commit()
    frozen.process.send_signal(signal.SIGCONT)
    assert frozen.end() == f"StorageError: {path} must have one writer, and another process has taken it over\n"
    store.commit(time.monotonic() + 2)
    assert [each.state for each in read(path).evaluations] == [State.DONE]
    store.close("end")
    assert os.listdir(path.parent) == ["results.h5"]


@pytest.mark.parametrize("moment", ["before the file", "before the journal"])
def test_a_predecessor_in_the_middle_of_writing_puts_nothing_in_place(path, monkeypatch, moment):
    first = ResultsStore.create(path, METADATA)
    seconds = []

    def rename(where, token):
        """Let a successor come in before the file, or before the journal, is put in place."""
        if not seconds and moment == f"before the {'journal' if where != path else 'file'}":
            seconds.append(None)
            first._ownership.owner.end()  # taken for dead
            seconds[0] = ResultsStore.resume(path, METADATA)
        put_in_place(where, token)

    monkeypatch.setattr("dhmpi.results.files.put_in_place", rename)
    monkeypatch.setattr("dhmpi.results.journal.put_in_place", rename)
    with pytest.raises(StorageError, match="another process has taken it over"):
        first.snapshot()
    [second] = seconds
    second.submitted([Evaluation(0, {"x": 1})])
    second.commit(time.monotonic() + 2)
    assert len(read(path).evaluations) == 1
    second.close("end")
    assert os.listdir(path.parent) == ["results.h5"]


def test_the_trial_file_of_a_newcomer_may_be_swept_away(path, monkeypatch):
    def beaten(where, token):
        """Let somebody else become the writer right after the newcomer has made its file."""
        opened = open_new(where, token)
        monkeypatch.undo()
        firsts.append(ResultsStore.create(path, METADATA))
        return opened

    firsts = []
    monkeypatch.setattr("dhmpi.results.places.open_new", beaten)
    ResultsStore.check(path)
    firsts[0].close("end")
    assert os.listdir(path.parent) == ["results.h5"]


def test_claims_of_the_past_have_no_effect(path):
    first = ResultsStore.create(path, METADATA)
    traces = Traces.of(path)
    first._ownership.owner.end()  # taken for dead
    second = ResultsStore.resume(path, METADATA)
    # Somebody slow, who has seen what was before.
    assert Ownership._claimed(path, Owner.current(), traces) is None
    second.commit(time.monotonic() + 2)
    second.close("end")
    assert Ownership._claimed(path, Owner.current(), traces) is None
    assert os.listdir(path.parent) == ["results.h5"]
    with pytest.raises(StorageError, match="taken it over"):
        first.close("end")


def test_successors_that_die_before_they_write_are_succeeded(path):
    first = ResultsStore.create(path, METADATA)
    dead = [
        Owner(first._ownership.owner.host, 2**22 + each, 1, first._ownership.owner.place, f"t{each}")
        for each in range(3)
    ]
    for predecessor, successor in zip([first._ownership.owner, *dead], dead, strict=False):
        claim_path(path, predecessor).symlink_to(ownership.dumps(successor))
    assert Traces.of(path).owner == dead[-1]
    ResultsStore.resume(path, METADATA).close("end")
    assert os.listdir(path.parent) == ["results.h5"]


def test_what_is_refused_is_given_back(path):
    ResultsStore.create(path, METADATA).close("end")
    other = Metadata("other", "p", {"x": (0, 10**9)})
    with pytest.raises(ResultsError, match="search must be"):
        ResultsStore.resume(path, other)
    taken = Ownership.take(path)
    taken.release()
    assert os.listdir(path.parent) == ["results.h5"]
    require_free(path)


def test_a_claim_that_says_nothing_is_a_sentence(path):
    claim_path(path, None).symlink_to("nonsense")
    with pytest.raises(ResultsError, match=r"claim must name the process that is about to write .*; remove it"):
        ResultsStore.create(path, METADATA)


def test_an_owner_without_a_place_cannot_be_asked():
    here = Owner.current()
    assert here.is_alive is False  # this process does not write
    parent = here._replace(pid=os.getppid(), started=here.started + 1)  # it cannot have begun after its child
    assert parent.is_alive is False  # another one had that number
    assert Owner(here.host, os.getppid(), here.started).is_alive is None
    assert here._replace(host="elsewhere").is_alive is None
    assert here._replace(place="another boot").is_alive is None
    assert here._replace(started=-1).is_alive is None


def test_a_process_writes_a_file_once_at_a_time(path):
    store = ResultsStore.create(path, METADATA)
    store.submitted([Evaluation(0, {"x": 3})])
    store.commit()
    refused = f"{path} must have one writer, and this process is writing it"
    again = (
        lambda: ResultsStore.create(path, METADATA, overwrite=True),
        lambda: ResultsStore.resume(path, METADATA),
        lambda: ResultsStore.check(path, overwrite=True),
        lambda: redo(path),
    )
    for each in again:
        with pytest.raises(ResultsError, match=re.escape(refused)):
            each()
    assert len(read(path).evaluations) == 1
    assert is_written(path) is True
    store.close("end")
    assert is_written(path) is False
    ResultsStore.create(path, METADATA, overwrite=True).close("end")


def test_of_two_threads_one_writes(path):
    barrier, found = threading.Barrier(8), []

    def begin():
        barrier.wait(20)
        try:
            found.append(ResultsStore.create(path, METADATA, overwrite=True))
        except ResultsError as error:
            found.append(str(error))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    [store] = [each for each in found if isinstance(each, ResultsStore)]
    assert [each for each in found if each is not store and "must have one writer" not in each] == []
    store.close("end")
    assert os.listdir(path.parent) == ["results.h5"]


@pytest.mark.parametrize("how", ["abandoned", "forgotten"])
def test_a_writer_that_is_given_up_leaves_the_file_to_others(path, how):
    store = ResultsStore.create(path, METADATA)
    store.submitted([Evaluation(0, {"x": 3})])
    store.commit()
    if how == "abandoned":
        store.abandon()
        store.close("end")  # does nothing
        assert journal_path(path).exists()
    else:
        del store
        until = time.monotonic() + 20
        while is_written(path) and time.monotonic() < until:
            time.sleep(0.01)  # its heartbeat may just have it in hand
    ResultsStore.resume(path, METADATA).close("end")
    assert len(read(path).evaluations) == 1


@pytest.mark.parametrize("host", ["", "elsewhere"])
def test_what_a_living_campaign_writes_is_not_redone(path, writer, host, monkeypatch):
    monkeypatch.setattr(ownership, "PATIENCE", 10.0)
    monkeypatch.setattr(ownership, "LOOK_INTERVAL", 0.05)
    store = ResultsStore.create(path, METADATA)
    store.submitted([Evaluation(0, {"x": 3})])
    store.finished([Evaluation(0, {"x": 3}, None, State.FAILED)])
    store.close("end")
    living = writer("resume", path, host).begin()
    with pytest.raises(ResultsError, match=f"and process {living.process.pid} on .* is writing it"):
        redo(path)
    assert living.end() == ""
    assert read(path).evaluations[0].state is State.FAILED
    assert redo(path) == {0: State.FAILED}


def test_a_running_campaign_is_told_from_a_killed_one(path, writer):
    living = writer("new", path).begin()
    assert is_written(path) is True
    living.kill()
    assert is_written(path) is False


def test_a_campaign_that_has_ended_is_not_written(path, writer):
    assert writer("new", path).begin().end() == ""
    assert is_written(path) is False


def test_on_another_host_a_campaign_shows_that_it_runs(path, writer, monkeypatch, caplog):
    monkeypatch.setattr(liveness, "LOOK_INTERVAL", 0.05)
    living = writer("new", path, "elsewhere").begin()
    assert is_written(path) is True
    assert (
        f"process {living.process.pid} on elsewhere, which cannot be asked from here; waiting up to 10" in caplog.text
    )
    living.kill()
    monkeypatch.setattr(liveness, "SILENCE", 1.0)
    assert is_written(path) is None


def test_a_campaign_may_end_while_its_sign_of_life_is_awaited(path, writer, monkeypatch):
    living = writer("new", path, "elsewhere").begin()
    os.kill(living.process.pid, signal.SIGSTOP)

    def pause(seconds):
        os.kill(living.process.pid, signal.SIGCONT)
        assert living.end() == ""

    assert is_written(path, pause) is False
