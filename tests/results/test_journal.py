import json
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dhmpi.errors import ResultsError
from dhmpi.results.journal import MAGIC, JournalWriter, read_journal, read_owner
from dhmpi.results.owner import Owner
from dhmpi.support.json_text import plain

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(max_size=8) | st.sampled_from(["\ud800", "a\0b", "日本"])
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
events = st.tuples(st.sampled_from("sfm"), values, values).map(list)
passes = st.lists(st.lists(events, min_size=1, max_size=3), min_size=1, max_size=6)


def write(path, records, **kwargs):
    writer = JournalWriter(path, 3, **kwargs)
    writer.put_in_place()
    for record in records:
        writer.append(record)
    writer.sync()
    writer.close()
    return path.read_bytes()


def same(left, right):
    """Compare as JSON does: 1 is neither 1.0 nor True."""
    return json.dumps(left) == json.dumps(right)


def flat(records):
    return [event for record in records for event in record]


def ends(data):
    """Return where the header and every record end."""
    position, found = len(MAGIC), []
    while position < len(data):
        position += 8 + struct.unpack_from("<I", data, position)[0]
        found.append(position)
    return found


@quick
@given(passes)
def test_round_trip(tmp_path, records):
    path = tmp_path / "j"
    owner = Owner("nid00012", 7, 8, "boot", "0123")
    write(path, records, campaign="c", owner=owner)
    journal = read_journal(path)
    assert same(journal.events, flat(records))
    assert (journal.generation, journal.campaign, journal.owner) == (3, "c", owner)
    assert (journal.dropped_bytes, journal.reason) == (0, "")


@quick
@given(passes, st.data())
def test_truncation_anywhere_leaves_a_prefix(tmp_path, records, data):
    path = tmp_path / "j"
    whole = write(path, records)
    stops = ends(whole)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    journal = read_journal(path)
    intact = [stop for stop in stops if stop <= cut]
    if not intact:
        assert (journal.generation, journal.events, journal.reason) == (-1, [], "damaged")
        assert journal.dropped_bytes == cut
        return
    assert journal.events == flat(records[: len(intact) - 1])
    assert journal.dropped_bytes == cut - intact[-1]
    assert journal.reason == ("torn" if journal.dropped_bytes else "")


def test_truncation_at_every_byte(tmp_path):
    path = tmp_path / "j"
    mark = "\xc1REC"
    records = [[["s", 0, [1.5], 2.0]], [["s", 1, [mark], 2.0], ["f", 0, "DONE"]], [["f", 1, 2**70, mark]]]
    whole = write(path, records)
    stops = ends(whole)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        journal = read_journal(path)
        assert journal.events == flat(records[: max(0, sum(stop <= cut for stop in stops) - 1)])
        assert journal.reason == ("" if cut in stops else "torn" if cut > stops[0] else "damaged")


@quick
@given(passes, st.data())
def test_a_flipped_byte_is_found(tmp_path, records, data):
    path = tmp_path / "j"
    whole = bytearray(write(path, records))
    stops = ends(whole)
    where = data.draw(st.integers(0, len(whole) - 1))
    whole[where] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    journal = read_journal(path)
    intact = sum(stop <= where for stop in stops)
    if not intact:
        assert (journal.generation, journal.events, journal.reason) == (-1, [], "damaged")
        return
    assert journal.events == flat(records[: intact - 1])
    assert journal.dropped_bytes == len(whole) - stops[intact - 1]
    assert journal.reason == ("torn" if intact == len(records) else "damaged")


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 4096, b"\xff" * 20, struct.pack("<II", 1 << 31, 0) + b"\xc1REC"])
def test_garbage_at_the_end_is_torn(tmp_path, tail):
    path = tmp_path / "j"
    whole = write(path, [[["s", 0]]])
    path.write_bytes(whole + tail)
    journal = read_journal(path)
    assert (journal.events, journal.dropped_bytes, journal.reason) == ([["s", 0]], len(tail), "torn")


@pytest.mark.parametrize("version", [1, 99])
def test_another_version_is_refused(tmp_path, version):
    payload = json.dumps({"version": version}).encode()
    path = tmp_path / "j"
    path.write_bytes(MAGIC + struct.pack("<II", len(payload), zlib.crc32(payload)) + payload)
    with pytest.raises(ResultsError, match=f"must have version 2 to 4, got {version}"):
        read_journal(path)


@pytest.mark.parametrize("strange", [2**64, -(2**63) - 1, "\ud800", ["\udfff"], np.int64(3), {1}, object()])
def test_what_messagepack_cannot_hold_is_kept_in_json(tmp_path, strange):
    records = [[["s", 0, 0.5]], [["s", 1, strange], ["f", 0, -0.0]], [["f", 1, 2**64 - 1]]]
    write(tmp_path / "j", records)
    assert same(read_journal(tmp_path / "j").events, plain(flat(records)))


def test_odd_keys_become_text(tmp_path):
    write(tmp_path / "j", [[["s", 0, {1: 2, None: [], (1, 2): {"k": 3}}]]])
    assert read_journal(tmp_path / "j").events == [["s", 0, {"1": 2, "null": [], "[1,2]": {"k": 3}}]]


def test_short_writes_are_completed(tmp_path, monkeypatch):
    write_some = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write_some(fd, bytes(data[:3])))
    write(tmp_path / "j", [[["s", 0, "x" * 100]]])
    assert read_journal(tmp_path / "j").events == [["s", 0, "x" * 100]]


def test_a_failed_append_leaves_no_garbage(tmp_path, monkeypatch):
    writer = JournalWriter(tmp_path / "j", 1)
    writer.put_in_place()
    write_some, calls = os.write, []

    def full(fd, data):
        calls.append(fd)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return write_some(fd, bytes(data[:5]))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        writer.append([["s", 0]])
    monkeypatch.undo()
    writer.append([["s", 1]])
    writer.close()
    writer.close()
    journal = read_journal(tmp_path / "j")
    assert (journal.events, journal.reason) == ([["s", 1]], "")


def test_a_writer_never_opens_an_existing_journal(tmp_path):
    write(tmp_path / "j", [[["s", 0]]])
    first = JournalWriter(tmp_path / "j", 4, owner=Owner("a", token="a"))
    assert read_journal(tmp_path / "j").generation == 3
    second = JournalWriter(tmp_path / "j", 5, owner=Owner("b", token="b"))
    first.put_in_place()
    assert read_journal(tmp_path / "j").generation == 4
    second.put_in_place()
    first.close()
    second.close()
    assert read_journal(tmp_path / "j").generation == 5
    assert read_owner(tmp_path / "j")[0] == Owner("b", token="b")
    assert [each.name for each in tmp_path.iterdir()] == ["j"]


def test_owners_of_older_journals_are_known(tmp_path):
    payload = json.dumps({"version": 2, "generation": 1, "campaign": "c", "owner": ["nid00012", 7, 8]}).encode()
    (tmp_path / "j").write_bytes(MAGIC + struct.pack("<II", len(payload), zlib.crc32(payload)) + payload)
    assert read_journal(tmp_path / "j").owner == Owner("nid00012", 7, 8)


def test_a_beat_moves_the_size_if_nothing_else_has(tmp_path):
    writer = JournalWriter(tmp_path / "j", 1)
    writer.put_in_place()
    sizes = []
    for act in (writer.beat, writer.beat, lambda: writer.append([["s", 0]]), writer.beat, writer.beat):
        act()
        sizes.append((tmp_path / "j").stat().st_size)
    first, second, third, fourth, fifth = sizes
    assert first < second < third == fourth < fifth
    writer.append([["s", 1]])
    journal = read_journal(tmp_path / "j")
    assert (journal.events, journal.reason) == ([["s", 0], ["s", 1]], "")
    writer.close()
    writer.beat()
