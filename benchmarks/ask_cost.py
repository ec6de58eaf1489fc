"""Cost of a tell and an ask on rank 0, while refits run in the background as they do in a campaign.

    python benchmarks/ask_cost.py [--learners RF,ET] [--sizes 1000,10000,100000] [--num-asks 1000] [--interval 0.01]

Ten real dimensions, 1,000 workers with a pending point each. The history is random points, told and never asked. Then,
again and again, after a pause that lets refits come to an end, the oldest pending point is told and one is asked for.
Measured is the time that passes, since waiting for the interpreter, or for a model, counts. Each row is a process of
its own.
"""

import argparse
import multiprocessing
import resource
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from functions import Function, load

from dhmpi.evaluation import Evaluation, Point, State
from dhmpi.search.hps.ambs import AMBS

FUNCTION = "ackley10"
NUM_PENDING = 1000
# How long the first model may take [s], and how often it is looked for [s].
PATIENCE, LOOK_INTERVAL = 900.0, 0.05


class Cost(NamedTuple):
    """Row of the table.

    Attributes:
        pairs: Seconds of each tell and ask together.
        asks: Seconds of each ask.
        first_model: When the first model was there, after the history [s].
        num_refits: Models that came while it was measured.
        mode: What the search says its model is.
        memory: Largest resident memory of the process [MB].
    """

    pairs: list[float]
    asks: list[float]
    first_model: float
    num_refits: int
    mode: str
    memory: float


def measure(learner: str, size: int, num_asks: int, interval: float, budget: float | None) -> Cost:
    """Measure one search.

    Args:
        learner: Of AMBS.
        size: Evaluations that are finished before anything is asked.
        num_asks: How many tells and asks are measured.
        interval: Pause before each [s].
        budget: Option `ask_budget` of AMBS [s], or None for its default.
    """
    options = {} if budget is None else {"ask_budget": budget}
    function = load(FUNCTION)
    search = AMBS(function.problem(), learner=learner, seed=1, **options)
    search.begin_run(NUM_PENDING)
    history = function.problem().dimensions.sample(np.random.default_rng(2), size)
    search.tell([_done(function, point) for point in history])
    pending: deque[Point] = deque()
    first_model = _wait_for_model(search, pending)
    while len(pending) < NUM_PENDING:
        pending += search.ask(NUM_PENDING - len(pending))
    pairs: list[float] = []
    asks: list[float] = []
    refits = _statistics(search)["refits"]
    while len(asks) < num_asks:
        evaluation = _done(function, pending.popleft())
        time.sleep(interval)
        begun = time.perf_counter()
        search.tell([evaluation])
        told = time.perf_counter()
        points = search.ask(1)
        ended = time.perf_counter()
        pairs.append(ended - begun)
        asks.append(ended - told)
        pending += points
    found = _statistics(search)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(pairs, asks, first_model, found["refits"] - refits, found["mode"], memory)


def _done(function: Function, point: Point) -> Evaluation:
    return Evaluation(0, point, function(point), State.DONE)


def _statistics(search: Any) -> dict[str, Any]:
    return search.statistics() if hasattr(search, "statistics") else {"refits": 0, "mode": "-"}


def _wait_for_model(search: Any, pending: deque[Point]) -> float:
    """Ask now and then until points come from a model; return how long that took [s]."""
    begun = time.perf_counter()
    while hasattr(search, "statistics") and not _statistics(search)["refits"]:
        if time.perf_counter() - begun > PATIENCE:
            raise RuntimeError(f"the first model must come within {PATIENCE:g} s, got none; measure a smaller history")
        if len(pending) < NUM_PENDING:
            pending += search.ask(1)
        else:
            search.tell([])
        time.sleep(LOOK_INTERVAL)
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", default="RF,ET")
    parser.add_argument("--sizes", default="1000,10000,100000", help="finished evaluations")
    parser.add_argument("--num-asks", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=0.01, help="pause before each tell and ask [s]")
    parser.add_argument("--ask-budget", type=float, help="the search's option [s], and a column: asks within it")
    arguments = parser.parse_args()
    budget = arguments.ask_budget
    print(f"{FUNCTION}, {NUM_PENDING:,} pending, {arguments.num_asks:,} asks, {arguments.interval:g} s between them\n")
    print(
        "| learner | finished | tell + ask, median / p99 / max [ms] | ask, median / p99 / max [ms] "
        "| within the budget [%] | refits | first model [s] | mode | memory [MB] |"
    )
    print("|---" * 9 + "|")
    # A new process each: the largest resident memory is one number in the life of a process.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for learner in arguments.learners.split(","):
            for size in map(int, arguments.sizes.split(",")):
                cost = pool.submit(measure, learner, size, arguments.num_asks, arguments.interval, budget).result()
                print(f"| {learner} | {size:,} | {_row(cost, budget)} |", flush=True)


def _row(cost: Cost, budget: float | None) -> str:
    cells = [
        *(" / ".join(f"{1e3 * x:.2f}" for x in np.percentile(of, (50, 99, 100))) for of in (cost.pairs, cost.asks)),
        "-" if budget is None else f"{100 * float(np.mean(np.array(cost.asks) <= budget)):.1f}",
        f"{cost.num_refits}",
        f"{cost.first_model:.1f}",
        cost.mode,
        f"{cost.memory:,.0f}",
    ]
    return " | ".join(cells)


if __name__ == "__main__":
    main()
