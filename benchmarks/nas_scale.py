"""Utilisation and rewards of 1,024 nodes in virtual time: agents with a server, agents in step, random search.

    python benchmarks/nas_scale.py [--seeds 3] [--hours 3] [--slowdown 1]

The rewards and training times are those of the synthetic table (log-normal times, median 60 s, sigma 0.5). Real agents
and the real rank 0 run, and are charged with what they compute (`virtual_agents.py`); random search is charged nothing.
Layout as for the search on Theta in the literature: 21 agents, all other nodes evaluate.
"""

import argparse
import heapq
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from virtual_agents import Ended, Fleet

from dhmpi.benchmark.nas.table import Table
from dhmpi.evaluation import Point
from dhmpi.search.nas.random import NasRandom

NODES, AGENTS = 1024, 21
PROBLEM = "dhmpi.benchmark.nas.table.Problem"
CONTENDERS = ("async", "sync", "random")


class Figures(NamedTuple):
    """Figures of a search."""

    utilisation: float
    evaluations: int
    hits: int
    updates: int
    means: tuple[float, ...]
    best: float
    good: int
    busiest: float
    seconds: float


def evaluate_with(table: Table) -> Callable[[Point], tuple[float, float]]:
    """Return what finds reward and duration of a point."""

    def evaluate(point: Point) -> tuple[float, float]:
        arch = tuple(point.values())
        return table.reward(arch), table.seconds(arch)

    return evaluate


def measure(contender: str, seed: int, horizon: float, slowdown: float) -> Figures:
    """Simulate a search."""
    table, begun = Table(seed), time.perf_counter()
    quantile = table.quantile(0.999, 1_000_000, np.random.default_rng(seed))
    evaluate = evaluate_with(table)
    if contender == "random":
        ended, utilisation = _random(seed, evaluate, horizon)
        hits, updates, busiest = 0, 0, 0.0
    else:
        num_workers = NODES - AGENTS - (contender == "async")
        fleet = Fleet(contender, PROBLEM, AGENTS, num_workers, evaluate, seed, horizon=horizon, slowdown=slowdown).run()
        ended, utilisation = fleet.ended, fleet.utilisation()
        hits, updates = int(fleet.coordinator.statistics()["hits"]), len(fleet.store.policy)
        busiest = slowdown * max(fleet.computing.values()) / horizon
    thirds = np.array_split(np.array([each.reward for each in ended]), 3)
    return Figures(
        utilisation,
        len(ended),
        hits,
        updates,
        tuple(float(third.mean()) for third in thirds),
        max(each.reward for each in ended),
        len({each.values for each in ended if each.reward > quantile}),
        busiest,
        time.perf_counter() - begun,
    )


def _random(seed: int, evaluate: Callable[[Point], tuple[float, float]], horizon: float) -> tuple[list[Ended], float]:
    """Return what random search finds with workers that are never idle."""
    search, ended = NasRandom(PROBLEM, seed=seed), []
    running = [(0.0, worker) for worker in range(NODES - 1)]
    while running:
        now, worker = heapq.heappop(running)
        [point] = search.ask(1)
        reward, seconds = evaluate(point)
        if now + seconds < horizon:
            ended.append(Ended(now + seconds, reward, tuple(point.values())))
            heapq.heappush(running, (now + seconds, worker))
    return ended, 1.0


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hours", type=float, default=3.0, help="virtual ones (default: 3)")
    parser.add_argument("--slowdown", type=float, default=1.0, help="virtual seconds for a second of computing")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    arguments = parser.parse_args()
    columns = ["search", "utilisation [%]", "evaluations", "hits", "updates", "mean reward, thirds", "best"]
    columns += ["distinct above random's 99.9 %", "busiest rank [%]", "simulated in [s]"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for name in arguments.contenders.split(","):
            tasks = [
                pool.submit(measure, name, seed, 3600 * arguments.hours, arguments.slowdown)
                for seed in range(arguments.seeds)
            ]
            print(_row(name, [task.result() for task in tasks]), flush=True)


def _row(name: str, runs: list[Figures]) -> str:
    """Return a row of medians."""

    def median(figure: str) -> float:
        return float(np.median([getattr(run, figure) for run in runs]))

    means = " / ".join(f"{np.median([run.means[third] for run in runs]):.3f}" for third in range(3))
    cells = [
        f"{100 * median('utilisation'):.1f}",
        *(f"{median(figure):,.0f}" for figure in ("evaluations", "hits", "updates")),
        means,
        f"{median('best'):.3f}",
        f"{median('good'):,.0f}",
        f"{100 * median('busiest'):.1f}",
        f"{median('seconds'):.0f}",
    ]
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
