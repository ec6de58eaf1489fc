"""Data-parallel training on the ranks of one evaluation: the door to Horovod.

Each rank has a replica of the model, and trains it on its part of each batch; the gradients are averaged, so that the
replicas stay equal. In children of the ranks, Horovod's Gloo finds the others by a server in the leader. In the ranks
themselves Horovod uses the evaluation's communicator.
"""

import contextlib
import http
import http.client
import json
import math
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dhmpi.errors import ProblemError, TrainingError

Array = npt.NDArray[Any]

# How long replicas wait for each other, and how often they look [s].
MEETING_TIME, LOOK_INTERVAL = 60.0, 0.02
# What Horovod says on ranks that have not ended by themselves. They wait for so long [s] that what has ended another
# one is told first, as the reason; but not until they are stopped, which costs a process.
SHUT_DOWN, CAUSE_TIME = "Horovod has been shut down", 0.05
# Variables by which Horovod's Gloo needs no other process.
HERE = {
    **{f"HOROVOD_{scope}RANK": "0" for scope in ("", "LOCAL_", "CROSS_")},
    **{f"HOROVOD_{scope}SIZE": "1" for scope in ("", "LOCAL_", "CROSS_")},
    "HOROVOD_HOSTNAME": "localhost",
    "HOROVOD_GLOO_IFACE": "lo",
}


class GroupMember(Protocol):
    """Part of an evaluation's context that says which of its ranks this is."""

    group_rank: int
    group_size: int


class Replicas:
    """Replicas of a model that are trained together; here there is one.

    Attributes:
        rank: The number of the replica of this rank.
        size: How many there are.
    """

    rank = 0
    size = 1

    def share(self, rows: Array, batch_size: int) -> Array:
        """Return this replica's part of rows that are trained on in this order, the same number on each.

        Args:
            rows: Numbers of samples, the same on all replicas, shape (num,).
            batch_size: Rows of a step on one replica. Of each `size` times as many, the first go to replica 0 and so
                on. A remainder is divided, but for the rows that would be one more on some: fewer than `size`.
        """
        step = self.size * batch_size
        parts = []
        for start in range(0, len(rows), step):
            batch = rows[start : start + step]
            num = len(batch) // self.size
            parts.append(batch[self.rank * num : (self.rank + 1) * num])
        return np.concatenate(parts) if parts else rows

    def part(self, num: int) -> slice:
        """Return which of `num` samples this replica measures; together they are all, in the order of the ranks."""
        return slice(self.rank * num // self.size, (self.rank + 1) * num // self.size)

    def check_samples(self, num: int) -> None:
        """Refuse to train on fewer samples than replicas: some would have none.

        Raises:
            ProblemError: `num` is too low.
        """
        if num < self.size:
            raise ProblemError(
                f"samples of training must be at least as many as replicas, which are {self.size}, got {num}; "
                "give more samples, or fewer --ranks-per-eval"
            )

    def num_steps(self, num: int, batch_size: int) -> int:
        """Return in how many steps each replica takes its part of `num` samples."""
        return math.ceil(num // self.size / batch_size)

    def average(self, values: Sequence[float]) -> list[float]:
        """Return the average of each value over all replicas."""
        return list(values)

    def any(self, is_so: bool) -> bool:
        """Return whether something is so on any replica: they must agree on what to do next."""
        return self.average([is_so])[0] > 0

    def gather(self, array: Array) -> Array:
        """Return the arrays of all replicas, one behind the other along the first axis."""
        return array

    def averaged(self, gradients: Sequence[Any]) -> list[Any]:
        """Return the average of each gradient over all replicas; in a function that TensorFlow compiles."""
        return list(gradients)

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give variables of TensorFlow the values that they have on replica 0."""


ALONE = Replicas()


class HorovodReplicas(Replicas):
    """Replicas on several ranks.

    Args:
        hvd: The module horovod.tensorflow, which has been initialised.
    """

    def __init__(self, hvd: Any) -> None:
        self._hvd = hvd
        self.rank, self.size = hvd.rank(), hvd.size()

    def average(self, values: Sequence[float]) -> list[float]:
        """Return the average of each value over all replicas."""
        array = np.asarray(values, np.float64)
        averages: list[float] = self._hvd.allreduce(array, op=self._hvd.Average, name="values").numpy().tolist()
        return averages

    def gather(self, array: Array) -> Array:
        """Return the arrays of all replicas, one behind the other along the first axis."""
        gathered: Array = self._hvd.allgather(array, name="array").numpy()
        return gathered

    def averaged(self, gradients: Sequence[Any]) -> list[Any]:
        """Return the average of each gradient over all replicas; in a function that TensorFlow compiles."""
        averages = list(gradients)
        # Those of embeddings are rows with their numbers, which Horovod confuses with the others in a group.
        dense = [number for number, each in enumerate(gradients) if each is not None and not hasattr(each, "indices")]
        rest = [number for number, each in enumerate(gradients) if each is not None and hasattr(each, "indices")]
        together = self._hvd.grouped_allreduce([gradients[number] for number in dense], op=self._hvd.Average)
        for number, average in zip(dense, together, strict=True):
            averages[number] = average
        for number in rest:
            averages[number] = self._hvd.allreduce(gradients[number], op=self._hvd.Average, name=f"gradient-{number}")
        return averages

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give variables of TensorFlow the values that they have on replica 0."""
        self._hvd.broadcast_variables(variables, root_rank=0)


@contextlib.contextmanager
def replicas(context: GroupMember | Any, comm: Any = None, *, needs_horovod: bool = True) -> Iterator[Replicas]:
    """Initialise Horovod for the ranks of an evaluation, and shut it down; to be entered as often on each of them.

    Inside, `horovod.tensorflow` and its like can be used, too. On one rank it is initialised alone where it is
    installed, and stays so.

    Args:
        context: The evaluation's context; without `group_size`, or with 1, there is one replica.
        comm: The communicator of these ranks, if they have one.
        needs_horovod: Whether Horovod itself is used on one rank, too; what the replicas can do does not need it there.

    Raises:
        ImportError: Horovod is not installed, or lacks what is needed; so every evaluation fails, and a campaign ends
            after few of them.
        ProblemError: Horovod is initialised already, some ranks do not enter, or the arguments are not these.
        TrainingError: Another rank has left before this one.
    """
    if hasattr(comm, "group_size") or hasattr(context, "Get_size"):
        raise ProblemError(
            "replicas must be given the context first, got a communicator or the two exchanged; "
            "write replicas(context, comm)"
        )
    size = getattr(context, "group_size", 1)
    if size == 1:
        if needs_horovod:
            _initialise_alone()
        yield Replicas()
        return
    hvd = _horovod(size, "MPI" if comm is not None else "Gloo")
    if hvd.is_initialized():
        raise ProblemError(
            "replicas must find horovod not initialised, got one that is; leave out hvd.init(), and leave replicas "
            "before it is entered again"
        )
    try:
        with _initialised(hvd, comm) if comm is not None else _met(hvd, context.group_rank):
            yield HorovodReplicas(hvd)
    except Exception as error:
        if SHUT_DOWN not in str(error):
            raise
        time.sleep(CAUSE_TIME)
        raise TrainingError(
            "all ranks of an evaluation must take the same steps in replicas, got one that had left them before rank "
            f"{context.group_rank} of {size} had ended its own; see the other ranks' errors and output"
        ) from error


def _initialise_alone() -> None:
    """Initialise Horovod for this process alone, without MPI, if it is installed and nobody has done so.

    It is not shut down, since other threads may use it, and for the next evaluation it is the same.
    """
    try:
        import horovod.tensorflow as hvd
    except ImportError:  # who needs it imports it, too
        return
    if hvd.gloo_built() and not hvd.is_initialized():
        with _variables({**HERE, "HOROVOD_CONTROLLER": "gloo", "HOROVOD_CPU_OPERATIONS": "gloo"}):
            hvd.init()


def _horovod(size: int, needed: str) -> Any:
    """Return horovod.tensorflow, built with what is needed."""
    try:
        import horovod.tensorflow as hvd
    except ImportError as error:
        raise ImportError(
            f"horovod must be installed to train on several ranks, got ranks_per_eval {size} without it: {error}; "
            "see docs/data-parallel.md, or leave out --ranks-per-eval"
        ) from error
    is_built = hvd.mpi_built() if needed == "MPI" else hvd.gloo_built()
    if not is_built:
        raise ImportError(f"horovod must be built with {needed} here, got one without; see docs/data-parallel.md")
    return hvd


@contextlib.contextmanager
def _initialised(hvd: Any, comm: Any) -> Iterator[None]:
    with _variables({"HOROVOD_CONTROLLER": "mpi", "HOROVOD_CPU_OPERATIONS": "mpi"}):
        hvd.init(comm=comm)
        try:
            yield
        finally:
            hvd.shutdown()  # which ends what the others are waiting for, if this one has failed


@contextlib.contextmanager
def _met(hvd: Any, rank: int) -> Iterator[None]:
    """Initialise Gloo by the addresses in TF_CONFIG, of which the leader's gets the server by which they meet.

    The server is closed before any of them goes on: the next one, when they enter again, has the same address.
    """
    if "TF_CONFIG" not in os.environ:
        raise ProblemError(
            "replicas must be given the communicator where there is one, got none; "
            "name comm=None in the run function, and hand it on"
        )
    addresses = [each.rpartition(":") for each in json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]]
    hosts = [host for host, _, _ in addresses]
    port = int(addresses[0][2])
    slots = _slots(hosts)
    meeting = Meeting(hosts[0], port, rank, len(hosts))
    with _variables(_gloo_variables(slots[rank], hosts, port)):
        try:
            with _server(slots, port) if rank == 0 else contextlib.nullcontext():
                meeting.wait_for_all("begun")
                hvd.init()
                if rank == 0:
                    meeting.wait_for_all("initialised")
                else:
                    meeting.say("initialised")
            meeting.wait_for_end()
            yield
        finally:
            hvd.shutdown()


class Meeting:
    """Meeting of the ranks of an evaluation at the leader's server, which keeps what they say.

    Args:
        host: The leader's.
        port: The server's.
        rank: This one.
        size: How many there are.
    """

    def __init__(self, host: str, port: int, rank: int, size: int) -> None:
        self._host, self._port, self._rank, self._size = host, port, rank, size

    def say(self, word: str) -> None:
        """Let the others know that this rank is so far."""
        if not self._ask("PUT", f"/{word}/{self._rank}"):
            raise ConnectionError(f"{self._host}:{self._port} has not taken a word")

    def wait_for_all(self, word: str) -> None:
        """Say that this rank is so far, and wait until all are; the leader's server may be there only later.

        Raises:
            ProblemError: Some are not.
        """
        end = time.monotonic() + MEETING_TIME
        missing, has_said = list(range(self._size)), False
        while missing:
            trouble = ""
            try:
                if not has_said:
                    self.say(word)
                    has_said = True
                while missing and self._ask("GET", f"/{word}/{missing[0]}"):
                    del missing[0]
            except (OSError, http.client.HTTPException) as error:
                trouble = f" ({self._host}:{self._port}: {error})"
            if missing and time.monotonic() > end:
                raise ProblemError(
                    f"all ranks must enter replicas within {MEETING_TIME:g} s, got nothing from rank {missing[0]} of "
                    f"{self._size}{trouble}; enter it equally often on each"
                )
            if missing:
                time.sleep(LOOK_INTERVAL)

    def wait_for_end(self) -> None:
        """Wait until the server is closed."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                self._ask("GET", "/end/0")
                time.sleep(LOOK_INTERVAL)

    def _ask(self, method: str, path: str) -> bool:
        """Return whether the server has done what it is asked for."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=MEETING_TIME)
        try:
            connection.request(method, path, body=b"1" if method == "PUT" else None)
            return connection.getresponse().status == http.HTTPStatus.OK
        finally:
            connection.close()


def _slots(hosts: Sequence[str]) -> list[Any]:
    """Return who is where, as Horovod's server wants it."""
    from horovod.runner.common.util.hosts import SlotInfo

    nodes = list(dict.fromkeys(hosts))
    slots = []
    for rank, host in enumerate(hosts):
        local_rank = hosts[:rank].count(host)
        across = [node for node in nodes if hosts.count(node) > local_rank]
        slots.append(SlotInfo(host, rank, local_rank, across.index(host), len(hosts), hosts.count(host), len(across)))
    return slots


def _gloo_variables(slot: Any, hosts: Sequence[str], port: int) -> dict[str, str]:
    from horovod.runner.gloo_run import create_slot_env_vars

    variables: dict[str, str] = create_slot_env_vars(slot) | {
        "HOROVOD_GLOO_RENDEZVOUS_ADDR": socket.gethostbyname(hosts[0]),
        "HOROVOD_GLOO_RENDEZVOUS_PORT": str(port),
        "HOROVOD_CONTROLLER": "gloo",
        "HOROVOD_CPU_OPERATIONS": "gloo",
    }
    if len(set(hosts)) == 1:
        variables["HOROVOD_GLOO_IFACE"] = "lo"
    return variables


@contextlib.contextmanager
def _server(slots: Sequence[Any], port: int) -> Iterator[None]:
    from horovod.runner.http.http_server import RendezvousHandler, RendezvousHTTPServer

    server = RendezvousHTTPServer(("", port), RendezvousHandler, 0)
    server.init(slots)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def _variables(variables: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment, and put them back; those that are the user's stay."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
