import os
import random
import time
from dataclasses import replace

import pytest

from dhmpi.analysis.top.tally import Tally
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.results import Metadata, ResultsStore, read, redo
from dhmpi.results import store as store_module
from dhmpi.results.follow import Follower
from dhmpi.results.journal import JournalTail
from dhmpi.results.schema import PolicyRow

ENDS = [State.DONE] * 6 + [State.FAILED, State.TIMEOUT, State.LOST, State.CANCELLED]
MODELS = ["start", "random", "gp-brief", "RF"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.h5"


@pytest.fixture
def metadata():
    space = {"x": (0.0, 1.0), "name": ["a", "b\x1b[31m"]}
    return Metadata("hps-random", "my_problem", space, options={"max_evals": 50})


def journal_of(path):
    return path.with_name(path.name + ".journal")


def figures(tally):
    """Return all that must be the same however it was read."""
    return {
        "metadata": tally.metadata,
        "counts": {state: number for state, number in tally.counts.items() if number},
        "running": dict(tally.running),
        "incumbents": tally.incumbents,
        "errors": tally.errors,
        "models": {name: number for name, number in tally.models.items() if number},
        "num_ended": (tally.num_ended, tally.num_in_run),
        "busy": {host: pytest.approx(num, abs=1e-5) for host, num in tally.busy.items() if num > 1e-5},
        "last_ends": tally.last_ends,
        "in the last minute": tally.num_since(tally.latest - 60),
        "updates": tally.policy.rows(),
    }


def whole(path):
    tally = Tally()
    tally.begin(read(path))
    return tally


class Campaign:
    """A campaign that does something different in every step, some of it without a commit."""

    def __init__(self, path, metadata, seed):
        self.path, self.metadata, self.random = path, metadata, random.Random(seed)
        self.next, self.running, self.again = 0, [], []
        self.clock = time.time()
        self.num_updates = 0
        self.store = ResultsStore.create(path, metadata)
        self.begin()

    def begin(self):
        self.clock += 1
        self.store.begin_run(3, ["node1", "node2"], "a test", started=self.clock)
        self.store.commit()

    def step(self):
        kinds = ["submit"] * 8 + ["finish"] * 8 + ["snapshot", "statistics", "learn", "unsaved", "resume", "overwrite"]
        getattr(self, self.random.choice(kinds))()

    def submit(self, with_commit=True):
        several = []
        for _ in range(self.random.randrange(1, 5)):
            number, self.next = (self.again.pop(), self.next) if self.again else (self.next, self.next + 1)
            self.clock += 0.01
            rank, host = self.random.choice([(1, "node1"), (2, "node2"), (-1, "")])
            origin = Origin(self.random.choice(MODELS), number, 0, 0)
            point = {"x": self.random.random(), "name": "a"}
            several.append(Evaluation(number, point, submitted=self.clock, rank=rank, host=host, origin=origin))
        self.store.submitted(several)
        self.running += several
        if with_commit:
            self.store.commit()

    def finish(self):
        for _ in range(min(len(self.running), self.random.randrange(1, 5))):
            each = self.running.pop(self.random.randrange(len(self.running)))
            state = self.random.choice(ENDS)
            self.clock += 0.01
            error = "" if state is State.DONE else f"ValueError: bad value {self.random.randrange(10**6)}"
            objective = round(self.random.gauss(0, 1), 1) if state is State.DONE else None
            ended = each._replace(
                state=state,
                objective=objective,
                started=self.clock,
                ended=self.clock + 0.5,
                error=error,
                rank=1,
                host="node1",
                extra={"more": [1]},
            )
            self.store.finished([ended])
            if not state.is_final:
                self.again.append(each.id)
        self.store.commit()

    def snapshot(self):
        self.store.snapshot()

    def unsaved(self):
        """As when a signal interrupts a pass of the loop."""
        self.submit(with_commit=False)
        self.store.snapshot()

    def statistics(self):
        self.store.set_statistics({"mode": self.random.choice(MODELS)})
        self.store.commit()

    def learn(self):
        values = dict.fromkeys(PolicyRow._fields, 1.0) | {"agent": 1, "update": self.num_updates}
        self.num_updates += 1
        self.store.learned([PolicyRow(**values)])
        self.store.commit()

    def resume(self):
        self.store.close("a test")
        if self.random.random() < 0.5 and self.store.counts[State.FAILED]:
            redo(self.path, [State.FAILED])
        self.store = ResultsStore.resume(self.path, replace(self.metadata, options={"max_evals": self.next}))
        self.running, states = [], {each.id: each.state for each in self.store.evaluations}
        self.again = [number for number, state in states.items() if not state.is_final]
        self.begin()

    def overwrite(self):
        self.store.close("a test")
        self.store = ResultsStore.create(self.path, self.metadata, overwrite=True)
        self.next, self.running, self.again, self.num_updates = 0, [], [], 0
        self.begin()


@pytest.mark.parametrize("seed", range(2))
def test_it_knows_what_a_reader_of_the_whole_file_knows(seed, path, metadata):
    campaign = Campaign(path, metadata, seed)
    tally, late = Tally(), Tally()
    follower, seldom = Follower(path, tally), Follower(path, late)
    for step in range(60):
        campaign.step()
        while not follower.poll(0.0):
            pass
        expected = figures(whole(path))
        assert figures(tally) == expected, step
        if step % 7 == 0:
            assert seldom.poll()
            assert figures(late) == expected, step
    campaign.store.close("the end", complete=True)
    assert follower.poll()
    assert tally.metadata.complete
    assert figures(tally) == figures(whole(path))
    assert follower.owner is None
    follower.close()
    seldom.close()


def test_snapshots_are_read_only_where_something_was_missed(path, metadata, monkeypatch):
    monkeypatch.setattr(store_module, "SNAPSHOT_INTERVAL", 0.0)
    monkeypatch.setattr(store_module, "SNAPSHOT_SHARE", 0.0)
    campaign, tally = Campaign(path, metadata, 1), Tally()
    follower = Follower(path, tally)
    for _ in range(10):
        campaign.submit()  # each with a snapshot
        follower.poll()
    assert follower.num_reads == 1
    campaign.submit()
    campaign.finish()
    follower.poll()
    assert follower.num_reads == 2
    campaign.store.close("the end")
    follower.poll()
    follower.close()
    assert figures(tally) == figures(whole(path))


@pytest.mark.parametrize("keep", [1, 7, 8, 20])
def test_a_torn_record_is_read_when_it_is_whole(keep, path, metadata):
    campaign, tally = Campaign(path, metadata, 1), Tally()
    campaign.submit()
    follower = Follower(path, tally)
    assert follower.poll()
    before = figures(tally)
    journal = journal_of(path)
    size = journal.stat().st_size
    campaign.finish()
    data = journal.read_bytes()
    os.truncate(journal, size + keep)
    assert follower.poll()
    assert figures(tally) == before
    assert not follower.dropped
    with journal.open("r+b") as file:
        file.write(data)
    assert follower.poll()
    assert figures(tally) == figures(whole(path))
    campaign.store.close("the end")
    follower.close()


def test_a_torn_end_of_a_journal_that_was_replaced_leads_to_the_snapshot(path, metadata):
    campaign, tally = Campaign(path, metadata, 1), Tally()
    follower = Follower(path, tally)
    follower.poll()
    campaign.submit()
    os.truncate(journal_of(path), journal_of(path).stat().st_size - 3)
    campaign.store.snapshot()
    follower.poll()
    assert follower.num_reads == 2
    assert figures(tally) == figures(whole(path))
    campaign.store.close("the end")
    follower.close()


def test_damage_is_told(path, metadata):
    campaign, tally = Campaign(path, metadata, 1), Tally()
    follower = Follower(path, tally)
    follower.poll()
    place = journal_of(path).stat().st_size
    for _ in range(3):
        campaign.submit()
    with journal_of(path).open("r+b") as file:
        file.seek(place + 12)
        file.write(b"\0\0\0")
    assert follower.poll()
    assert "is damaged, and read no further" in follower.dropped
    assert not tally.running
    campaign.store.snapshot()
    assert follower.poll()
    assert not follower.dropped
    assert figures(tally) == figures(whole(path))
    campaign.store.close("the end")
    follower.close()


def test_a_file_may_come_later_and_go(path, metadata):
    tally = Tally()
    follower = Follower(path, tally)
    with pytest.raises(ResultsError, match="does not exist"):
        follower.poll()
    path.write_bytes(b"")
    with pytest.raises(ResultsError, match="must be an HDF5 file, got an empty file"):
        follower.poll()
    path.unlink()
    campaign = Campaign(path, metadata, 1)
    follower.poll()
    assert follower.num_campaigns == 1
    campaign.submit()
    follower.poll()
    assert tally.running
    path.unlink()
    with pytest.raises(ResultsError, match="does not exist"):
        follower.poll()
    campaign.overwrite()
    follower.poll()
    assert follower.num_campaigns == 2
    assert not tally.running
    campaign.store.close("the end")
    follower.close()


def test_another_file_in_the_place_of_one_that_nobody_writes_is_noticed(path, metadata, tmp_path):
    first, second = Campaign(path, metadata, 1), Campaign(tmp_path / "other.h5", metadata, 2)
    second.submit()
    first.store.close("the end")
    second.store.close("the end")
    tally = Tally()
    follower = Follower(path, tally)
    follower.poll()
    second.path.replace(path)
    follower.poll()
    assert follower.num_campaigns == 2
    assert figures(tally) == figures(whole(path))


def test_a_reader_writes_nothing(path, metadata):
    campaign = Campaign(path, metadata, 1)
    campaign.submit()
    follower = Follower(path, Tally())
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    follower.poll()
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before
    campaign.store.close("the end")
    follower.close()


def test_a_record_that_is_longer_than_what_is_read_at_once(path, metadata):
    campaign = Campaign(path, metadata, 1)
    for _ in range(5):
        campaign.submit()
    tail, events = JournalTail(journal_of(path)), []
    while (found := tail.read(10)) is not None:
        events += found
    assert sum(len(rows) for kind, rows in events if kind == "s") == campaign.next
    tail.close()
    campaign.store.close("the end")
