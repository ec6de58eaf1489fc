"""Early stopping: what stoppers keep and what they save, dhmpi's and those of other packages, in virtual time.

    python benchmarks/stopping.py --results stopping.jsonl --minutes 10 [--parts search,bloomers] [--contenders auto]
    python benchmarks/stopping.py --results stopping.jsonl --table

Four parts: `lcdb`, decisions alone on real curves (`--lcdb FILE`: database-accuracy.csv of the sources of lcdb 0.1.0,
a package of Python; without it, this part is left out); `search`, random search with 32 workers among 300
configurations; `models`, searches with models and 32 workers, which are given a quarter of the steps of 300 full
trainings, and those that stop nothing all of them; `bloomers`, twenty configurations of which the best starts slowest.
Each run appends a line to the
results, and none is repeated whose line is there, so this may be stopped and started again at will. Packages other than
Optuna are in environments of their own; see `SERVERS` in benchmarks/stopping_peers.py. `deephyper-LC` takes seconds for
a report, and is no contender unless it is named.
"""

import argparse
import heapq
import json
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from stopping_peers import OWN, PEERS, SLOW, maker
from stopping_searches import FULL, SEARCHES
from stopping_tasks import BLOOMERS, FAMILIES, NUM_EPOCHS, Curve, Family, RandomOrder, bloomers, lcdb
from virtual_time import Asked

from dhmpi.evaluation import Evaluation, Point, State
from dhmpi.search.stopping import Stopper

NUM_POINTS, NUM_WORKERS = 300, 32
FEW_WORKERS = (1, 4)
# What searches that stop are given of the steps of those that do not.
QUARTER = 0.25
CONTENDERS = (*OWN, *(peer for peer in PEERS if peer not in SLOW))
Line = dict[str, Any]


class Run(NamedTuple):
    """Run of one contender on one task."""

    part: str
    task: str
    workers: int
    seed: int
    contender: str


class Spent(NamedTuple):
    """Outcome of a run.

    Attributes:
        done: Configurations that went to their end.
        cost: Of all, in the units of their curves.
        num: How many were begun.
        track: The configuration that is chosen after so many steps, as numbers of steps and true final values.
    """

    done: list[Curve]
    cost: float
    num: int = 0
    track: Sequence[tuple[int, float]] = ()


class Listed:
    """Arms as a search that asks for them in their order.

    Args:
        curves: Theirs.
    """

    def __init__(self, curves: Sequence[Curve]) -> None:
        self._left: list[Point] = [{"curve": curve} for curve in curves]

    def ask(self, num: int) -> list[Point]:
        """Return up to `num` points."""
        taken, self._left = self._left[:num], self._left[num:]
        return taken

    def tell(self, evaluations: Any) -> None:
        """Learn nothing."""


def simulate(
    search: Asked, curve_of: Callable[[Point], Curve], stopper: Stopper, workers: int, most_steps: float = math.inf
) -> Spent:
    """Run a campaign of workers that never wait, and of a search and a stopper that take no time.

    Args:
        search: Asked for points until it has no more.
        curve_of: Returns the learning curve of a point.
        stopper: Decides at each report.
        workers: Number of workers.
        most_steps: Steps of all curves after which it ends.
    """
    track: list[tuple[int, float]] = []
    queue: list[tuple[float, int, Curve, int, Point]] = []  # time, id, curve, number of the report, point
    done: list[Curve] = []
    cost, num, steps = 0.0, 0, 0

    def fill(now: float) -> None:
        nonlocal num
        for point in search.ask(workers - len(queue)):
            curve = curve_of(point)
            stopper.begin(num)
            heapq.heappush(queue, (now + curve.costs[0], num, curve, 0, point))
            num += 1

    fill(0.0)
    while queue and steps < most_steps:
        now, id, curve, index, point = heapq.heappop(queue)
        cost += curve.costs[index]
        steps += 1
        value = curve.values[index]
        must_stop = stopper.report(id, curve.steps[index], value)
        is_last = index == len(curve.steps) - 1
        if not is_last and not must_stop:
            heapq.heappush(queue, (now + curve.costs[index + 1], id, curve, index + 1, point))
            continue
        is_done = is_last and math.isfinite(value)
        if is_done:
            if value < min((each.values[-1] for each in done), default=math.inf):
                track.append((steps, curve.final))
            done.append(curve)
        stopper.end(id, value if is_done else None)
        search.tell([outcome(id, point, value, None if is_last else curve.steps[index])])
        fill(now)
    return Spent(done, cost, num, track)


def outcome(id: int, point: Point, value: float, stopped: float | None) -> Evaluation:
    """Return an evaluation that has ended with a value, and the step at which it was stopped, if it was."""
    if not math.isfinite(value):
        return Evaluation(id, point, state=State.FAILED)
    return Evaluation(id, point, value, State.DONE if stopped is None else State.STOPPED, step=stopped)


def measure(run: Run, file: Path | None) -> Line:
    """Return the line of a run."""
    if run.part == "models":
        return measure_search(run)
    make = maker(run.contender)
    if run.part == "search":
        full, spent = (
            simulate(RandomOrder(family, run.seed), family.curve, stopper, run.workers)
            for family, stopper in (
                (Family(run.task, NUM_POINTS, run.seed), maker("full")(NUM_EPOCHS)),
                (Family(run.task, NUM_POINTS, run.seed), make(NUM_EPOCHS)),
            )
        )
        found, best, tolerance = chosen(spent), chosen(full), 0.0
    else:
        arms = bloomers(run.task, run.seed) if file is None or run.part == "bloomers" else lcdb(file)[run.task]
        curves = random.Random(run.seed).sample(arms.curves, len(arms.curves))
        last = max(curve.steps[-1] for curve in curves)
        spent = simulate(Listed(curves), lambda point: point["curve"], make(last), run.workers)
        full = Spent(curves, sum(sum(curve.costs) for curve in curves))
        best, tolerance = min(curve.final for curve in curves), arms.tolerance
        found = min((curve.final for curve in spent.done), default=math.inf)
    return {
        **run._asdict(),
        "share": spent.cost / full.cost,
        "done": len(spent.done),
        "loss": min(found, 1.0) - best,
        "kept": found <= best + tolerance + 1e-9,
    }


def measure_search(run: Run) -> Line:
    """Return the line of a run of a search with a model."""
    family = Family(run.task, NUM_POINTS, run.seed)
    most_steps = NUM_POINTS * NUM_EPOCHS * (1 if run.contender in FULL else QUARTER)
    search = SEARCHES[run.contender](family, run.seed)
    spent = simulate(search, family.curve, search, run.workers, most_steps)
    return {**run._asdict(), "steps": most_steps, "num": spent.num, "done": len(spent.done), "track": spent.track}


def chosen(spent: Spent) -> float:
    """Return the true final value of the configuration whose last observed value is best."""
    return min(((curve.values[-1], curve.final) for curve in spent.done), default=(math.inf, math.inf))[1]


def runs(options: argparse.Namespace) -> Iterator[Run]:
    """Yield all runs, seed by seed: a table of few seeds is there early."""
    sets = sorted(lcdb(options.lcdb)) if options.lcdb else []
    for seed in range(options.seeds):
        for part in options.parts.split(","):
            named = options.contenders or ",".join(SEARCHES if part == "models" else CONTENDERS)
            contenders = named.split(",")
            tasks: Sequence[str] = {"lcdb": sets, "search": FAMILIES, "models": FAMILIES, "bloomers": BLOOMERS}[part]
            workers = FEW_WORKERS if part in ("lcdb", "bloomers") else (NUM_WORKERS,)
            seeds = range(4 * seed, 4 * seed + 4) if part == "bloomers" else (seed,)  # they are quick, and 1 or 0
            for contender, number, count, task in product(contenders, seeds, workers, tasks):
                yield Run(part, task, count, number, contender)


def read(path: Path) -> dict[Run, Line]:
    """Return the lines of a results file by their runs."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {Run(*(line[name] for name in Run._fields)): line for line in lines}


def main() -> None:
    """Make runs until time is over, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("stopping.jsonl"), help="file of lines")
    parser.add_argument("--lcdb", type=Path, help="database-accuracy.csv of lcdb 0.1.0")
    parser.add_argument("--parts", default="lcdb,search,models,bloomers", help="by default %(default)s")
    parser.add_argument("--contenders", help=f"by default {', '.join(CONTENDERS)}, or {', '.join(SEARCHES)}")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds; four times as many of bloomers")
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long runs are begun")
    parser.add_argument("--table", action="store_true", help="print the tables alone")
    options = parser.parse_args()
    end, known = time.monotonic() + 60 * options.minutes, read(options.results)
    for run in () if options.table else runs(options):
        if time.monotonic() > end:
            break
        if run not in known:
            known[run] = measure(run, options.lcdb)
            with options.results.open("a") as file:
                print(json.dumps(known[run]), file=file)
    print_tables(known)


def print_tables(known: dict[Run, Line]) -> None:
    """Print a table for each part: of each contender the means over its runs, and their spread over seeds."""
    print_searches([line for run, line in known.items() if run.part == "models"])
    for part in sorted({run.part for run in known} - {"models"}):
        print(f"\n{part}\n\n| task | workers | contender | runs | best kept | loss, mean | cost, mean (by seed) |")
        print("|---|---|---|---|---|---|---|")
        groups: dict[tuple[str, int, str], list[Line]] = {}
        for run, line in known.items():
            if run.part == part:
                task = "all" if part == "lcdb" else run.task
                groups.setdefault((task, run.workers, run.contender), []).append(line)
        for (task, workers, contender), lines in sorted(groups.items(), key=lambda item: item[0][:2]):
            kept = sum(line["kept"] for line in lines) / len(lines)
            loss = statistics.fmean(line["loss"] for line in lines)
            cells = [task, str(workers), contender, str(len(lines)), f"{kept:.0%}", f"{loss:.4f}", spread(lines)]
            print(f"| {' | '.join(cells)} |")


def print_searches(lines: Sequence[Line]) -> None:
    """Print what searches have found: of each task the true final value, mean and extremes over seeds."""
    if not lines:
        return
    tasks = [task for task in FAMILIES if any(line["task"] == task for line in lines)]
    print(f"\nmodels\n\n| search | steps | runs | {' | '.join(tasks)} |\n|---|---|---|{'---|' * len(tasks)}")
    for contender in dict.fromkeys(line["contender"] for line in lines):
        of_it = [line for line in lines if line["contender"] == contender]
        cells, num_steps = [], of_it[0]["steps"]
        for task in tasks:
            found = [line["track"][-1][1] if line["track"] else 1.0 for line in of_it if line["task"] == task]
            cells.append(f"{statistics.fmean(found):.4f} ({min(found):.4f} to {max(found):.4f})" if found else "")
        print(f"| {' | '.join([contender, f'{num_steps:.0f}', str(len(of_it)), *cells])} |")


def spread(lines: Sequence[Line]) -> str:
    """Return the mean share of the cost of full trainings, and the smallest and largest mean of a seed."""
    by_seed: dict[int, list[float]] = {}
    for line in lines:
        by_seed.setdefault(line["seed"], []).append(line["share"])
    means = [statistics.fmean(shares) for shares in by_seed.values()]
    return f"{statistics.fmean(line['share'] for line in lines):.0%} ({min(means):.0%} to {max(means):.0%})"


if __name__ == "__main__":
    main()
