"""Scaling of one rank 0: the real search, with workers that only wait, in virtual time.

    python benchmarks/scale.py [--scenario ackley,shifted,short,random] [--workers 128,1024] [--learner RF] ...
    python benchmarks/scale.py --validate     a server whose cost is known, beside what was published for one
    python benchmarks/scale.py --rate         how fast the simulator itself is

Each ask and tell is charged with what it computes, times the slow-down; see virtual_time.py. The figures of a campaign
are means over seeds, each campaign in a process of its own, except that latencies and memory are the largest of them.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from functions import load
from peers import dhmpi_search
from virtual_time import Clock, Simulation

from dhmpi.evaluation import Evaluation, Point
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.random import RandomSearch

# DeepHyper on Polaris: seconds an ask, seconds an evaluation, horizon [s], and utilisation by workers.
PUBLISHED_ASK, PUBLISHED_EVALUATION, PUBLISHED_HORIZON = 2.0, 950.0, 10_800.0
PUBLISHED = {160: 0.983, 640: 0.728, 1920: 0.267}


@dataclass(frozen=True)
class Scenario:
    """A campaign to be simulated.

    Args:
        function: Name of the function.
        mean: Mean duration of an evaluation [virtual s].
        deviation: Standard deviation of the durations [virtual s].
        least: Shorter durations are set to it [virtual s].
        horizon: When the campaign ends [virtual s].
        workers: Numbers of workers.
        slowdown: Virtual seconds for a second of computing.
        is_random: Whether it is a random search, the control: what the loop costs without a model.
    """

    function: str
    mean: float
    deviation: float
    least: float
    horizon: float
    workers: tuple[int, ...]
    slowdown: float
    is_random: bool = False

    def durations(self, seed: int) -> Iterator[float]:
        """Yield durations [virtual s]."""
        rng = np.random.default_rng([seed, 60])
        while True:
            yield from np.maximum(self.least, rng.normal(self.mean, self.deviation, 1024)).tolist()


_MANY = (128, 1024, 4096, 10_000)
SCENARIOS = {
    "ackley": Scenario("ackley5-centred", 60, 20, 1, 1800, _MANY, 10),
    "shifted": Scenario("ackley5", 60, 20, 1, 1800, _MANY, 10),
    "short": Scenario("ackley5-centred", 1, 0.25, 0.1, 60, (1000,), 1),
    "random": Scenario("ackley5", 60, 20, 1, 1800, _MANY, 10, is_random=True),
}


class Figures(NamedTuple):
    """Figures of a campaign.

    Attributes:
        utilisation: Share of the workers' time in which they evaluate.
        evaluations: Those that ended.
        best: The smallest regret.
        latencies: Median, 99th percentile and maximum of an ask [s of computing].
        per_ask: Mean number of points of an ask.
        duplicates: Points that were asked before.
        memory: Largest resident memory of the process [MB].
        seconds: What the simulation took [s].
        statistics: What the search says of itself.
    """

    utilisation: float
    evaluations: int
    best: float
    latencies: tuple[float, float, float]
    per_ask: float
    duplicates: int
    memory: float
    seconds: float
    statistics: dict[str, Any]


def measure(scenario: Scenario, workers: int, learner: str, slowdown: float, seed: int) -> Figures:
    """Simulate a campaign.

    Args:
        scenario: What is simulated.
        workers: How many.
        learner: Of AMBS.
        slowdown: Virtual seconds for a second of computing.
        seed: Of the search and the durations.
    """
    function, clock, begun = load(scenario.function), Clock(slowdown), time.perf_counter()
    kind, options = (RandomSearch, {}) if scenario.is_random else (AMBS, {"learner": learner})
    search = dhmpi_search(kind, clock, function, seed, **options)
    simulation = Simulation(search, function, workers, scenario.durations(seed), clock, scenario.horizon)
    keys: set[Hashable] = set()
    key_of, num, best = function.problem().dimensions.key, 0, float("inf")
    for evaluations in simulation:
        num += len(evaluations)
        keys.update(key_of(evaluation.point) for evaluation in evaluations)
        best = min(best, min(evaluation.objective for evaluation in evaluations))
    median, percentile, worst = np.percentile(simulation.asks, (50, 99, 100)).tolist()
    return Figures(
        simulation.utilisation,
        num,
        best - function.optimum,
        (median, percentile, worst),
        simulation.num_asked / len(simulation.asks),
        num - len(keys),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        time.perf_counter() - begun,
        search.statistics() if hasattr(search, "statistics") else {},
    )


def table(names: Iterable[str], arguments: argparse.Namespace) -> None:
    """Print a row for each scenario and number of workers, as it is measured."""
    print(
        "| scenario | slow-down | workers | utilisation [%] | evaluations | best regret | ask median / p99 / max [ms] "
        "| points an ask | duplicates | memory [MB] | simulated in [s] | says of itself |"
    )
    print("|---" * 12 + "|")
    # A new process each: the largest resident memory is one number in the life of a process.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for name in names:
            scenario = SCENARIOS[name]
            slowdown = scenario.slowdown if arguments.slowdown is None else arguments.slowdown
            for workers in arguments.workers or scenario.workers:
                tasks = [
                    pool.submit(measure, scenario, workers, arguments.learner, slowdown, seed)
                    for seed in range(arguments.seeds)
                ]
                label = name if scenario.is_random else f"{name}, {arguments.learner}"
                print(
                    f"| {label} | {slowdown:g} | {workers:,} | {_row([task.result() for task in tasks])} |", flush=True
                )


def _row(runs: list[Figures]) -> str:
    mean = {
        name: fmean(getattr(run, name) for run in runs) for name in ("utilisation", "evaluations", "best", "per_ask")
    }
    # The statistics are those of the first seed.
    statistics = ", ".join(f"{key} {_short(value)}" for key, value in runs[0].statistics.items())
    cells = [
        f"{100 * mean['utilisation']:.1f}",
        f"{mean['evaluations']:,.0f}",
        f"{mean['best']:.3g}",
        " / ".join(f"{1e3 * max(run.latencies[index] for run in runs):.1f}" for index in range(3)),
        f"{mean['per_ask']:.1f}",
        f"{sum(run.duplicates for run in runs)}",
        f"{max(run.memory for run in runs):,.0f}",
        f"{fmean(run.seconds for run in runs):.0f}",
        statistics or "-",
    ]
    return " | ".join(cells)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class FixedCost:
    """A master that blocks for a fixed time to make a point.

    Args:
        clock: The clock of rank 0.
        seconds: How long [virtual s].
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def ask(self, num: int) -> list[Point]:
        """Return one point, and let the time pass."""
        self._clock.now += self._seconds
        return [{}]

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Learn nothing."""


def validate() -> None:
    """Print what the simulator says of a server whose cost is known, beside what was published for one like it.

    The steady state has no workers that wait for their first point, and no evaluations that the horizon cuts off.
    """
    print("| workers | utilisation [%] | steady state [%] | published [%] |\n|---|---|---|---|")
    for workers, published in PUBLISHED.items():
        clock = Clock(slowdown=0.0)
        master, durations = FixedCost(clock, PUBLISHED_ASK), repeat(PUBLISHED_EVALUATION)
        simulation = Simulation(master, lambda point: 0.0, workers, durations, clock, PUBLISHED_HORIZON)
        for _ in simulation:
            pass
        cycle = max(PUBLISHED_EVALUATION + PUBLISHED_ASK, workers * PUBLISHED_ASK)
        figures = simulation.utilisation, PUBLISHED_EVALUATION / cycle, published
        print(f"| {workers:,} | {' | '.join(f'{100 * figure:.1f}' for figure in figures)} |")


class Nothing(FixedCost):
    """A search that hands out the same point again and again."""

    def __init__(self) -> None:
        super().__init__(Clock(), 0.0)

    def ask(self, num: int) -> list[Point]:
        """Return `num` points."""
        return [{}] * num


def rate() -> None:
    """Print how many evaluations a second the simulator handles, with no search, and with random search."""
    print("| search | workers | evaluations/s |\n|---|---|---|")
    scenario = SCENARIOS["random"]
    for workers in (32, 1024, 10_000):
        for name in ("nothing", "hps-random"):
            clock = Clock()
            search = Nothing() if name == "nothing" else dhmpi_search(RandomSearch, clock, load("ackley5"), 0)
            horizon = 200_000 / workers * scenario.mean
            simulation = Simulation(search, lambda point: 0.0, workers, scenario.durations(0), clock, horizon)
            begun = time.perf_counter()
            num = sum(len(evaluations) for evaluations in simulation)
            print(f"| {name} | {workers:,} | {num / (time.perf_counter() - begun):,.0f} |", flush=True)


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--rate", action="store_true")
    parser.add_argument("--scenario", default=",".join(SCENARIOS), help="one or more of " + ", ".join(SCENARIOS))
    parser.add_argument("--workers", type=_numbers, help="instead of the scenario's")
    parser.add_argument("--slowdown", type=float, help="instead of the scenario's")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--learner", default="auto")
    arguments = parser.parse_args()
    names = arguments.scenario.split(",")
    if unknown := [name for name in names if name not in SCENARIOS]:
        parser.error(f"a scenario must be known, got {unknown[0]!r}; choose from {', '.join(SCENARIOS)}")
    if arguments.validate:
        validate()
    elif arguments.rate:
        rate()
    else:
        table(names, arguments)


if __name__ == "__main__":
    main()
