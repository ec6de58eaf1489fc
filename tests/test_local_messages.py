import pytest

from dhmpi.mpi.comm import FIRST_RAW_TAG
from dhmpi.mpi.memory import Mailboxes


@pytest.fixture
def mailboxes():
    ranks = Mailboxes(2)
    return ranks.of(0), ranks.of(1)


def test_messages_arrive_in_order(mailboxes):
    first, second = mailboxes
    for number in range(3):
        first.send(1, 7, number)
    assert [tuple(second.receive()) for _ in range(3)] == [(0, 7, 0), (0, 7, 1), (0, 7, 2)]
    assert second.receive() is None
    assert first.receive() is None


def test_a_rank_can_write_to_itself(mailboxes):
    first, _ = mailboxes
    first.send(0, 7, "note")
    assert tuple(first.receive()) == (0, 7, "note")


def test_what_is_sent_is_a_copy(mailboxes):
    first, second = mailboxes
    sent, raw = {"a": [1]}, bytearray(b"abc")
    first.send(1, 7, sent)
    first.send(1, FIRST_RAW_TAG, raw)
    sent["a"].append(2)
    raw[0] = 0
    assert second.receive().payload == {"a": [1]}
    assert second.receive().payload == b"abc"
