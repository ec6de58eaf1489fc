"""Learning of one, two and four agents in 10,000 evaluations, with a server and in step, beside random search.

    python benchmarks/nas_learning.py [--seeds 5] [--evals 10000] [--problems table,mathEnv]

Prints, for each problem, medians over the seeds of the best reward so far, and after how many evaluations the agents
had reached what random search has found with twenty times as many. Real agents and the real rank 0 run in virtual time,
with eight workers in all, training times that are log-normal (median 60 s, sigma 0.5), and computing for nothing. The
options are the defaults. At last the medians as a chart for the documentation.
"""

import argparse
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from virtual_agents import Fleet, best_so_far

from dhmpi.benchmark.nas.mathEnv.numbers import NUMBERS
from dhmpi.benchmark.nas.table import Table
from dhmpi.evaluation import Point

NUM_WORKERS, FACTOR = 8, 20
MILESTONES = (250, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000)
SEARCHES = [(mode, agents) for mode in ("async", "sync") for agents in (1, 2, 4)]
TABLE_SEED = 0


def rewards(problem: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives the rewards of architectures, shape (num, num_decisions)."""
    if problem == "table":
        return Table(TABLE_SEED).rewards
    numbers = np.array(NUMBERS)
    return lambda archs: -np.square(numbers[np.arange(len(numbers)), archs]).sum(axis=1)


def num_options(problem: str) -> tuple[int, ...]:
    """Return how many options each decision has."""
    return Table(TABLE_SEED).num_options if problem == "table" else tuple(map(len, NUMBERS))


def agents(problem: str, mode: str, num_agents: int, num_evals: int, seed: int) -> np.ndarray:
    """Return the best reward after each evaluation."""
    rng, score = np.random.default_rng((seed, 1)), rewards(problem)

    def evaluate(point: Point) -> tuple[float, float]:
        return float(score(np.array([list(point.values())]))[0]), float(60 * np.exp(0.5 * rng.standard_normal()))

    name = f"dhmpi.benchmark.nas.{problem}.Problem"
    fleet = Fleet(mode, name, num_agents, NUM_WORKERS, evaluate, seed, max_evals=num_evals, slowdown=0.0).run()
    return best_so_far(fleet.ended)


def random(problem: str, num_evals: int, seed: int) -> np.ndarray:
    """Return the best reward of random search after each evaluation."""
    options = num_options(problem)
    archs = np.random.default_rng(seed).integers(options, size=(num_evals, len(options)))
    return np.maximum.accumulate(rewards(problem)(archs))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evals", type=int, default=10_000)
    parser.add_argument("--problems", default="table,mathEnv")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, mp_context=spawn) as pool:
        for problem in arguments.problems.split(","):
            compare(problem, arguments.evals, arguments.seeds, pool)


def compare(problem: str, num_evals: int, num_seeds: int, pool: ProcessPoolExecutor) -> None:
    """Print the table and the chart of a problem."""
    far = np.array([random(problem, FACTOR * num_evals, seed) for seed in range(num_seeds)])
    goal = float(np.median(far[:, -1]))
    marks = [mark for mark in MILESTONES if mark <= num_evals]
    print(f"\n{problem}: random search finds {goal:.4g} with {FACTOR * num_evals:,} evaluations\n")
    print(f"| search | {' | '.join(f'{mark:,}' for mark in marks)} | random's reached after | seeds that do |")
    print("|---" * (len(marks) + 3) + "|")
    charts = {"random": _row("random", far[:, :num_evals], marks, goal)}
    for mode, num_agents in SEARCHES:
        tasks = [pool.submit(agents, problem, mode, num_agents, num_evals, seed) for seed in range(num_seeds)]
        name = f"{mode}, {num_agents} agent{'s' if num_agents > 1 else ''}"
        charts[name] = _row(name, [task.result() for task in tasks], marks, goal)
    print(f'\n```mermaid\nxychart-beta\n    x-axis "evaluations" [{", ".join(map(str, marks))}]')
    for values in charts.values():
        print(f"    line [{', '.join(f'{value:.4g}' for value in values)}]")
    print(f"```\n\nLines from below: see the table; in the order {', '.join(charts)}.", flush=True)


def _row(name: str, runs: list[np.ndarray] | np.ndarray, marks: list[int], goal: float) -> list[float]:
    """Print a row, and return the medians."""
    # A run may end earlier, when its policy has converged: then its best stays.
    medians = [float(np.median([run[min(mark, len(run)) - 1] for run in runs])) for mark in marks]
    reached = [int(np.argmax(run >= goal)) + 1 if run[-1] >= goal else None for run in runs]
    times = sorted(time if time is not None else np.inf for time in reached)
    middle = times[len(times) // 2]
    after = f"{middle:,.0f}" if np.isfinite(middle) else "not"
    num = sum(time is not None for time in reached)
    print(
        f"| {name} | {' | '.join(f'{value:.4g}' for value in medians)} | {after} | {num} of {len(runs)} |", flush=True
    )
    return medians


if __name__ == "__main__":
    main()
