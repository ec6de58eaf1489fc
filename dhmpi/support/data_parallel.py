"""Data-parallel training on the ranks of one evaluation: the door to Horovod.

Each rank has a replica of the model, and trains it on its part of each batch; the gradients are averaged, so that the
replicas stay equal. In children of the ranks, Horovod's Gloo finds the others by a server in the leader. In the ranks
themselves Horovod uses the evaluation's communicator.
"""

import contextlib
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

from dhmpi.errors import ProblemError

Array = npt.NDArray[Any]

# How long replicas wait for the leader's server [s].
MEETING_TIME = 60.0


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
def replicas(context: GroupMember | Any, comm: Any = None) -> Iterator[Replicas]:
    """Initialise Horovod for the ranks of an evaluation, and shut it down.

    Inside, `horovod.tensorflow` and its like can be used, too.

    Args:
        context: The evaluation's context; without `group_size`, or with 1, there is one replica.
        comm: The communicator of these ranks, if they have one.

    Raises:
        ImportError: Horovod is not installed, or lacks what is needed; so every evaluation fails, and a campaign ends
            after few of them.
        ProblemError: The leader of the evaluation cannot be reached, or a communicator is there and was not given.
    """
    size = getattr(context, "group_size", 1)
    if size == 1:
        yield Replicas()
        return
    hvd = _horovod(size, "MPI" if comm is not None else "Gloo")
    with _initialised(hvd, comm) if comm is not None else _met(hvd, context.group_rank):
        yield HorovodReplicas(hvd)


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
    """Initialise Gloo by the addresses in TF_CONFIG, of which the leader's gets the server by which they meet."""
    if "TF_CONFIG" not in os.environ:
        raise ProblemError(
            "replicas must be given the communicator where there is one, got none; "
            "name comm=None in the run function, and hand it on"
        )
    addresses = [each.rpartition(":") for each in json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]]
    hosts = [host for host, _, _ in addresses]
    port = int(addresses[0][2])
    slots = _slots(hosts)
    with _server(slots, port) if rank == 0 else contextlib.nullcontext():
        _wait_for(hosts[0], port)
        with _variables(_gloo_variables(slots[rank], hosts, port)):
            hvd.init()
            try:
                yield
            finally:
                hvd.shutdown()


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


def _wait_for(host: str, port: int) -> None:
    """Wait for the leader's server: it may be slower with its imports."""
    end = time.monotonic() + MEETING_TIME
    while True:
        try:
            socket.create_connection((host, port), timeout=1.0).close()
            return
        except OSError as error:
            if time.monotonic() > end:
                message = (
                    f"the leader of the evaluation must be at {host}:{port} within {MEETING_TIME:g} s, got {error}"
                )
                raise ProblemError(message) from error
            time.sleep(0.02)


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
