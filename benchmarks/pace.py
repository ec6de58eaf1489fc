"""Quality of model-based searches by pace: evaluations that take no time beside slow ones.

    python benchmarks/pace.py --results pace.jsonl [--contenders auto,RF] [--functions levy10] [--minutes 60] ...
    python benchmarks/pace.py --results pace.jsonl --table

A model is fitted while evaluations run. If they end at once, a search has to wait for its model, or it goes on without
one and finds less with as many evaluations. So each search runs twice with the same seed, with evaluations of 0 ms and
of 100 ms in virtual time, and its regrets are compared: on the functions of quality.py, and on real tables.

A run is a contender on a function or table with a seed and a delay; it appends one JSON line to the file, and is not
repeated if its line is there. Seed 0 comes first, and within a seed the tables; the two runs of a pair follow each
other.
"""

import argparse
import json
import math
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from itertools import product, repeat
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev

import functions
import numpy as np
import tables
from functions import Function
from peers import PEERS, dhmpi_search, make, version
from quality import Line, name_list, read
from virtual_time import Asked, Clock, Simulation

from dhmpi.search.hps.ambs import AMBS

LEARNERS = ("auto", "RF", "ET", "GBRT", "GP")
REFERENCE = "optuna-TPE"  # computes in no time at all, so that delays make no difference to it; on the tables only
CONTENDERS = (*LEARNERS, REFERENCE)
FAST, SLOW = 0, 100  # what an evaluation takes [ms]
NAMES = (*tables.NAMES, *functions.NAMES)
Task = tuple[str, str, int, int, int, int]  # contender, function, seed, delay [ms], workers, evaluations
KEY = ("contender", "function", "seed", "delay_ms", "workers", "evals")


def load(name: str) -> Function:
    """Return a function or a table."""
    return tables.load(name) if name in tables.NAMES else functions.load(name)


def measure(contender: str, function: str, seed: int, delay_ms: int, workers: int, evals: int) -> Line:
    """Run a contender on a function once.

    Args:
        contender: One of `CONTENDERS`.
        function: One of `NAMES`.
        seed: Of the contender and the noise.
        delay_ms: What an evaluation takes [virtual ms].
        workers: How many are simulated.
        evals: Evaluations.

    Raises:
        RuntimeError: If the search ended before it had made all evaluations.
    """
    searched, begun = load(function), time.perf_counter()
    search, clock = _search(contender, searched, seed)
    observe = partial(searched.observe, rng=np.random.default_rng([seed, 1]))
    simulation = Simulation(search, observe, workers, repeat(delay_ms / 1000), clock, max_evals=evals)
    done = [evaluation for evaluations in simulation for evaluation in evaluations]
    if len(done) < evals:
        raise RuntimeError(
            f"a search must make {evals} evaluations, got {len(done)}: none is running, and it has no point"
        )
    best = min(done, key=lambda evaluation: evaluation.objective)
    statistics = search.statistics() if isinstance(search, AMBS) else {}
    without_model = statistics.get("points_without_model")
    return {
        **dict(zip(KEY, (contender, function, seed, delay_ms, workers, evals), strict=True)),
        "version": version(contender),
        "regret": searched.regret(best.point),
        "without_model": None if without_model is None else float(without_model) / evals,
        "refits": statistics.get("refits"),
        "virtual_seconds": clock.now,
        "seconds": time.perf_counter() - begun,
    }


def _search(contender: str, function: Function, seed: int) -> tuple[Asked, Clock]:
    """Return a search, and the clock that charges it."""
    if contender in PEERS:
        return make(contender, function, seed)
    clock = Clock()
    return dhmpi_search(AMBS, clock, function, seed, learner=contender), clock


def _warm_up() -> None:
    """Let a process import what learners need: its first campaign would be charged for it."""
    for learner in LEARNERS:
        measure(learner, "polynome2", 0, SLOW, workers=8, evals=50)


def _outcomes(tasks: Iterable[Task], jobs: int, minutes: float) -> Iterator[tuple[Task, Future[Line]]]:
    """Yield tasks with what came of them, as they end; none begins when the minutes are over."""
    last = time.monotonic() + 60 * minutes
    running: dict[Future[Line], Task] = {}
    # Spawned, because the threads of BLAS do not survive a fork.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _warm_up) as pool:
        for task in tasks:
            if time.monotonic() >= last:
                break
            running[pool.submit(measure, *task)] = task
            if len(running) == jobs:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future
        for future in wait(running).done:
            yield running.pop(future), future


def run(path: Path, tasks: Iterable[Task], jobs: int, minutes: float) -> None:
    """Measure what is not in the file yet, and append it.

    Args:
        path: The results file.
        tasks: The runs, in the order in which they begin.
        jobs: Processes.
        minutes: After which no run begins.
    """
    known = {tuple(line[name] for name in KEY) for line in read(path)}
    for task, future in _outcomes([task for task in tasks if task not in known], jobs, minutes):
        try:
            line = future.result()
        except Exception:
            # A search that breaks down does not keep the others from running, nor is it a result.
            print(f"{task}\n{traceback.format_exc()}", file=sys.stderr, flush=True)
            continue
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        name = f"{line['contender']} {line['function']} {line['seed']}, {line['delay_ms']} ms"
        print(f"{name}: {line['seconds']:.1f} s, {line['regret']:.3g}", flush=True)


def report(lines: Sequence[Line]) -> str:
    """Return the tables in Markdown.

    Args:
        lines: Lines of the results file with the same number of workers and evaluations.
    """
    return f"{_ratios(lines)}\n\n{_regrets(lines)}"


def _ratios(lines: Sequence[Line]) -> str:
    """Return what a search loses when evaluations are fast, over the pairs of runs that are there."""
    by_key = {(line["contender"], line["function"], line["seed"], line["delay_ms"]): line for line in lines}
    pairs = [
        (by_key[*key, FAST], by_key[*key, SLOW])
        for *key, delay in by_key
        if delay == FAST and (*key, SLOW) in by_key and key[0] in LEARNERS
    ]
    rows = [
        f"Regret with evaluations of {FAST} ms over that with {SLOW} ms: geometric means, with intervals of 95 %; and "
        f"with {FAST} / {SLOW} ms: the share of the points that were proposed without a model, and how long a campaign "
        "takes in virtual time\n",
        "| learner | pairs | all | functions | tables | without a model [%] | campaign [s] | a run [s] |",
        "|" + "---|" * 8,
    ]
    for name in (*LEARNERS, "all"):
        own = [pair for pair in pairs if name in (pair[0]["contender"], "all")]
        on_tables = [pair for pair in own if pair[0]["function"] in tables.NAMES]
        on_functions = [pair for pair in own if pair[0]["function"] not in tables.NAMES]
        if own:
            cells = [name, str(len(own)), *map(_ratio, (own, on_functions, on_tables))]
            cells += [_both(own, "without_model", 100, ".0f"), _both(own, "virtual_seconds", 1, ".2f")]
            cells.append(f"{fmean(line['seconds'] for pair in own for line in pair):.1f}")
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _ratio(pairs: Sequence[tuple[Line, Line]]) -> str:
    """Return the geometric mean of the ratios of regrets, and the interval that it is in but for one time in twenty."""
    logarithms = [math.log(fast["regret"] / slow["regret"]) for fast, slow in pairs]
    if len(logarithms) < 2:
        return "-"
    mean, error = fmean(logarithms), 1.96 * stdev(logarithms) / math.sqrt(len(logarithms))
    return f"{math.exp(mean):.3f} ({math.exp(mean - error):.2f}-{math.exp(mean + error):.2f})"


def _both(pairs: Sequence[tuple[Line, Line]], key: str, factor: float, form: str) -> str:
    """Return means of a figure of both runs; `-` where it is not known."""
    cells = []
    for lines in zip(*pairs, strict=True):
        values = [line[key] for line in lines if line[key] is not None]
        cells.append(format(factor * fmean(values), form) if values else "-")
    return " / ".join(cells)


def _regrets(lines: Sequence[Line]) -> str:
    """Return mean normalised regrets on the tables; (n): of n seeds, fewer than others have."""
    delays = {name: (FAST, SLOW) if name in LEARNERS else (SLOW,) for name in CONTENDERS}
    shown = [name for name in CONTENDERS if any(line["contender"] == name for line in lines)]
    found: dict[tuple[str, str, int], list[float]] = {}
    for line in lines:
        found.setdefault((line["function"], line["contender"], line["delay_ms"]), []).append(line["regret"])
    most = max((len(found[key]) for key in found if key[0] in tables.NAMES), default=0)
    rows = [
        f"Mean normalised regret on the tables, with {FAST} / {SLOW} ms; (n): of n seeds, fewer than others have\n",
        f"| table | {' | '.join(shown)} |",
        "|" + "---|" * (len(shown) + 1),
    ]
    for table in tables.NAMES:
        cells = [_regret([found.get((table, name, delay), []) for delay in delays[name]], most) for name in shown]
        rows.append(f"| {table} | {' | '.join(cells)} |")
    # Only over all tables are they comparable.
    means = []
    for name in shown:
        by_delay = [[found.get((table, name, delay), []) for table in tables.NAMES] for delay in delays[name]]
        means.append(" / ".join(f"{fmean(map(fmean, each)):.4f}" if all(each) else "-" for each in by_delay))
    return "\n".join([*rows, f"| mean | {' | '.join(means)} |"])


def _regret(by_delay: Sequence[Sequence[float]], most: int) -> str:
    fewest = min(map(len, by_delay))
    cell = " / ".join(f"{fmean(seeds):.4f}" if seeds else "-" for seeds in by_delay)
    return cell if fewest in (0, most) else f"{cell} ({fewest})"


def _tasks(arguments: argparse.Namespace) -> list[Task]:
    """Return the runs in the order in which they begin."""
    sizes = arguments.workers, arguments.evals
    return [
        (contender, function, seed, delay, *sizes)
        for seed in range(arguments.seeds)
        for function, contender in product(arguments.functions, arguments.contenders)
        for delay in (FAST, SLOW)
        if contender != REFERENCE or (delay == SLOW and function in tables.NAMES)
    ]


def main() -> None:
    """Run, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--contenders", type=name_list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--functions", type=name_list(NAMES), default=list(NAMES), help="and tables, in this order")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evals", type=int, default=100)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which no run begins")
    parser.add_argument("--table", action="store_true", help="print the tables of the file, and run nothing")
    arguments = parser.parse_args()
    tasks = _tasks(arguments)
    if arguments.table:
        wanted = set(tasks)
        print(report([line for line in read(arguments.results) if tuple(line[name] for name in KEY) in wanted]))
    else:
        run(arguments.results, tasks, arguments.jobs, arguments.minutes)


if __name__ == "__main__":
    main()
