"""Quality of the points that searches find: dhmpi beside other packages, on functions whose optimum is known.

    python benchmarks/quality.py --results quality.jsonl [--contenders random,optuna-TPE] [--functions levy10] ...
    python benchmarks/quality.py --results quality.jsonl --table

Workers are simulated: they finish one after the other, and each gets a point when it does. A run is a contender on a
function with a seed; it appends one JSON line to the file, and is not repeated if its line is there. Seed 0 comes first
for all functions and contenders, so that the tables mean something early.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from functions import NAMES, Function, load
from peers import CONTENDERS, durations, make, version
from quality_tables import tables
from virtual_time import Simulation

CHECKPOINTS = (50, 100, 200, 500)  # finished evaluations
Line = dict[str, Any]


def measure(contender: str, function: str, seed: int, workers: int, evals: int) -> Line:
    """Run a contender on a function once.

    Args:
        contender: One of `CONTENDERS`.
        function: Name of the function.
        seed: Of the contender, the durations and the noise.
        workers: How many are simulated.
        evals: Evaluations.
    """
    searched, begun = load(function), time.perf_counter()
    search, clock = make(contender, searched, seed)
    noise = partial(searched.observe, rng=np.random.default_rng([seed, 1]))
    simulation = Simulation(search, noise, workers, iter(durations(evals, seed)), clock, max_evals=evals)
    regrets = _regrets(searched, simulation)
    # Some fit a model when they are told, others when they are asked.
    computing = [sum(pair) for pair in zip(simulation.tells, simulation.asks[1:], strict=False)]
    return {
        **{"contender": contender, "function": function, "seed": seed, "workers": workers, "evals": evals},
        "version": version(contender),
        "regret": {str(num): regrets[num - 1] for num in CHECKPOINTS if num <= len(regrets)},
        "finished": len(regrets),
        "ask_median": median(computing),
        "ask_mean": fmean(computing),
        "seconds": time.perf_counter() - begun,
    }


def _regrets(function: Function, simulation: Simulation) -> list[float]:
    """Return the regret after each evaluation, in finishing order: that of the point whose observed value is best."""
    regrets: list[float] = []
    best, regret = float("inf"), float("inf")
    for evaluations in simulation:
        for evaluation in evaluations:
            if evaluation.objective < best:
                best, regret = evaluation.objective, function.regret(evaluation.point)
            regrets.append(regret)
    return regrets


def read(path: Path) -> list[Line]:
    """Return the lines of a results file; none if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _key(line: Line) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("contender", "function", "seed", "workers", "evals"))


def _longest(lines: Iterable[Line], workers: int, evals: int) -> list[Line]:
    """Return the longest of each run's lines that have at most so many evaluations, the last of equal ones."""
    found = {}
    for line in sorted(lines, key=lambda line: line["evals"]):
        if line["workers"] == workers and line["evals"] <= evals:
            found[line["contender"], line["function"], line["seed"]] = line
    return list(found.values())


def _outcomes(tasks: Iterable[tuple[Any, ...]], jobs: int) -> Iterator[tuple[tuple[Any, ...], Callable[[], Line]]]:
    """Yield tasks, and what returns their lines or raises, as they end."""
    if jobs == 1:
        yield from ((task, partial(measure, *task)) for task in tasks)
        return
    with ProcessPoolExecutor(jobs, max_tasks_per_child=1) as pool:
        futures = {pool.submit(measure, *task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result


def run(path: Path, tasks: Iterable[tuple[Any, ...]], jobs: int) -> None:
    """Measure what is not in the file yet, and append it.

    Args:
        path: The results file.
        tasks: Contender, function, seed, workers and evaluations of each run.
        jobs: Processes.
    """
    known = {_key(line) for line in read(path)}
    for task, line_of in _outcomes([task for task in tasks if task not in known], jobs):
        try:
            line = line_of()
        except Exception:
            # A peer that breaks down does not keep the others from running, nor is it a result.
            print(f"{task}\n{traceback.format_exc()}", file=sys.stderr, flush=True)
            continue
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        regret = " ".join(f"{num}: {value:.3g}" for num, value in line["regret"].items())
        print(f"{line['contender']} {line['function']} {line['seed']}: {line['seconds']:.1f} s, {regret}", flush=True)


def name_list(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a parser of names, separated by commas, all of which must be known."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"must be known, got {name!r}; choose from {', '.join(known)}")
        return names

    return parse


def main() -> None:
    """Run, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--contenders", type=name_list(CONTENDERS), default=list(CONTENDERS), help="in this order")
    parser.add_argument("--functions", type=name_list(NAMES), default=list(NAMES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evals", type=int, default=500)
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="print the tables of the file, and run nothing")
    arguments = parser.parse_args()
    sizes = arguments.workers, arguments.evals
    if arguments.table:
        lines = _longest(read(arguments.results), *sizes)
        lines = [line for line in lines if line["contender"] in arguments.contenders]
        print(tables([line for line in lines if line["function"] in arguments.functions]))
        return
    tasks = [
        (contender, function, seed, *sizes)
        for seed in range(arguments.seeds)
        for contender in arguments.contenders
        for function in arguments.functions
    ]
    run(arguments.results, tasks, arguments.jobs)


if __name__ == "__main__":
    main()
