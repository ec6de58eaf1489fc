import time

import pytest

from dhmpi.mpi.comm import FIRST_RAW_TAG, Backoff, nodes_of
from dhmpi.mpi.roles import Roles
from dhmpi.support import environment
from dhmpi.support.gpus import GpuView
from dhmpi.support.resources import SlotOptions

pytestmark = pytest.mark.mpi


def receive(comm, limit=10.0):
    backoff, end = Backoff(), time.monotonic() + limit
    while (message := comm.receive()) is None:
        assert time.monotonic() < end, "no message has come"
        backoff.wait()
    return message


def test_every_rank_hears_from_its_neighbour(comm):
    neighbour = (comm.rank + 1) % comm.size
    comm.send(neighbour, 3, {"from": comm.rank})
    message = receive(comm)
    source = (comm.rank - 1) % comm.size
    assert (message.source, message.tag, message.payload) == (source, 3, {"from": source})


def test_sending_never_waits_for_the_receiver(comm):
    large = bytes(8 << 20)
    neighbour = (comm.rank + 1) % comm.size
    for number in range(3):
        comm.send(neighbour, 1, (number, large))  # every rank sends before any rank receives
    received = [receive(comm).payload for _ in range(3)]
    assert [number for number, _ in received] == [0, 1, 2]
    assert all(data == large for _, data in received)
    comm.send(neighbour, 2)
    assert receive(comm).tag == 2


def test_nothing_comes_from_nobody(comm):
    assert comm.receive() is None


def test_the_library_has_a_name(comm):
    assert "MPI" in comm.library() or "MPICH" in comm.library()


def test_bytes_travel_as_they_are(comm):
    neighbour, payload = (comm.rank + 1) % comm.size, bytes(range(256)) * 200
    for number in range(3):
        comm.send(neighbour, FIRST_RAW_TAG + number, payload + bytes([comm.rank]))
    comm.send(neighbour, FIRST_RAW_TAG + 3, b"")
    source = (comm.rank - 1) % comm.size
    for number in range(3):
        message = receive(comm)
        assert (message.source, message.tag) == (source, FIRST_RAW_TAG + number)
        assert bytes(message.payload) == payload + bytes([source])
    assert bytes(receive(comm).payload) == b""


def test_all_ranks_know_where_all_ranks_are(comm):
    [node] = comm.nodes
    assert node.host == environment.hostname()
    assert node.ranks == tuple(range(comm.size))
    mask = node.masks[comm.rank]
    assert {core for core in range(mask.bit_length()) if mask >> core & 1} == environment.cores()


def test_ranks_may_be_dealt_out_to_nodes(comm):
    class TwoNodes:
        """The ranks of this job, every other one elsewhere."""

        def __getattr__(self, name):
            return getattr(comm._comm, name)

        def Split_type(self, kind, key):  # noqa: N802  # MPI's name
            return comm._comm.Split(comm.rank % 2, key)

    # The first rank of each knows its GPUs, as if it had asked for them; there is none here.
    view = GpuView("CUDA_VISIBLE_DEVICES", tuple("01234")) if comm.rank < 2 else None
    found = nodes_of(comm._mpi, TwoNodes(), view)
    assert [node.ranks for node in found] == [tuple(range(n, comm.size, 2)) for n in range(min(2, comm.size))]
    slots = (
        Roles.on_ranks(comm.size).placed(found).with_slots(SlotOptions(gpus_per_eval=1.0)).gpus.slots
        if comm.size > 1
        else ()
    )
    assert [slot.gpus for slot in slots] == [(str((rank - 1) // 2),) for rank in range(1, comm.size)]
