"""Gradients per second that the parameter server takes, beside a bare Send and Recv of the same bytes.

    mpirun -n 3 python benchmarks/exchange.py [--pushes 3000] [--repeats 5]

Rank 0 serves, the others push without a pause, as agents would whose updates cost nothing. Both loops run in turn in
one job, again and again; the table shows medians over the repeats and the ratio of the medians.
"""

import argparse
import statistics
import time

import numpy as np
from mpi4py import MPI

from dhmpi.agents.exchange import ParameterServer, ServerExchange
from dhmpi.mpi.comm import Backoff, Communicator
from dhmpi.search.nas.policy.policy_state import PolicyState
from dhmpi.search.nas.policy.ppo_options import PPOOptions
from dhmpi.search.nas.policy.rewards import Scale
from dhmpi.search.nas.policy.update import UpdateStep

NUM_PARAMETERS = 9_000


def bare(num: int) -> float:
    """Return pushes a second of blocking sends and receives; meaningful on rank 0."""
    comm = MPI.COMM_WORLD
    comm.Barrier()
    buffer, status = np.zeros(NUM_PARAMETERS, dtype=np.float32), MPI.Status()
    begun = time.perf_counter()
    if comm.rank == 0:
        for _ in range(num * (comm.size - 1)):
            comm.Recv(buffer, source=MPI.ANY_SOURCE, status=status)
            comm.Send(buffer, dest=status.Get_source())
    else:
        for _ in range(num):
            comm.Send(buffer, dest=0)
            comm.Recv(buffer, source=0)
    comm.Barrier()
    return num * (comm.size - 1) / (time.perf_counter() - begun)


def served(num: int) -> float:
    """Return pushes a second through both ends of the exchange; meaningful on rank 0."""
    comm = Communicator(MPI, MPI.COMM_WORLD)
    comm.barrier()
    state = PolicyState.new(np.zeros(NUM_PARAMETERS, dtype=np.float32))
    begun = time.perf_counter()
    if comm.rank == 0:
        _serve(comm, ParameterServer(state, PPOOptions(), Scale(), 10**9), num * (comm.size - 1))
    else:
        _push(comm, ServerExchange(0, comm.send, Scale(), 0), num)
    comm.barrier()
    return num * (comm.size - 1) / (time.perf_counter() - begun)


def _serve(comm: Communicator, server: ParameterServer, num: int) -> None:
    backoff = Backoff()
    while server.num_applied + server.num_refused < num:
        messages = []
        while (message := comm.receive()) is not None:
            messages.append(tuple(message))
        if messages:
            backoff.reset()
            server.serve(messages, comm.send)
        else:
            backoff.wait()
    comm.flush(1.0)


def _push(comm: Communicator, exchange: ServerExchange, num: int) -> None:
    request, backoff = UpdateStep(np.ones(NUM_PARAMETERS, dtype=np.float32), 1e-3), Backoff()
    for _ in range(num):
        exchange.begin(request)
        while exchange.answer() is None:
            message = comm.receive()
            if message is None:
                backoff.wait()
            else:
                backoff.reset()
                exchange.take(*message)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pushes", type=int, default=3000, help="of each agent (default: 3000)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    rates: dict[str, list[float]] = {"bare Send and Recv": [], "parameter server": []}
    for _ in range(arguments.repeats):
        for name, loop in zip(rates, (bare, served), strict=True):
            rates[name].append(loop(arguments.pushes))
    if MPI.COMM_WORLD.rank:
        return
    yardstick = statistics.median(rates["bare Send and Recv"])
    print(f"{MPI.COMM_WORLD.size - 1} agents, {NUM_PARAMETERS:,} parameters, medians of {arguments.repeats}\n")
    print("| loop | pushes/s | range | ratio to bare |\n|---|---|---|---|")
    for name, each in rates.items():
        median = statistics.median(each)
        print(f"| {name} | {median:,.0f} | {min(each):,.0f} to {max(each):,.0f} | {median / yardstick:.2f} |")


if __name__ == "__main__":
    main()
