"""The yardstick of dispatch.py: a bare pickled mpi4py loop, and nothing that makes a search.

Rank 0 keeps every other rank busy with an empty function, by blocking sends and receives. Prints one JSON line:
evaluations a second, and when MPI was up.
"""

import json
import sys
import time

from mpi4py import MPI


def run(point: dict[str, float]) -> float:
    """Do nothing, as the function that dhmpi is measured with."""
    return 1.0


def main(num: int) -> None:
    """Dispatch `num` evaluations."""
    comm = MPI.COMM_WORLD
    comm.Barrier()
    up = time.time()
    if comm.rank:
        while (task := comm.recv(source=0)) is not None:
            id, point = task
            comm.send((id, run(point)), dest=0)
        return
    status = MPI.Status()
    begun, sent, received = time.perf_counter(), 0, 0
    for rank in range(1, comm.size):
        comm.send((sent, {f"x{index}": 0.5 for index in range(10)}), dest=rank)
        sent += 1
    while received < num:
        comm.recv(source=MPI.ANY_SOURCE, status=status)
        received += 1
        if sent < num:
            comm.send((sent, {f"x{index}": 0.5 for index in range(10)}), dest=status.Get_source())
            sent += 1
    rate = num / (time.perf_counter() - begun)
    for rank in range(1, comm.size):
        comm.send(None, dest=rank)
    print(json.dumps({"rate": rate, "up": up}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
