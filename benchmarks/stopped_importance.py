"""Importance of dimensions in campaigns that stop early, beside what it is in truth.

    python benchmarks/stopped_importance.py [--evals 80] [--seeds 4] [--searches ambs,hps-random]

Trainings are synthetic curves of a learning rate, a dropout and a number of units, on four workers in virtual time.
Printed is by how much shares are off: half the sum of what they differ by from those of 300 full trainings, as a mean
over families of curves and seeds, and the worst; with what was stopped, and with what went to its end alone. Where no
shares can be computed, all of them count as 0.
"""

import argparse
import heapq
import math
import random
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dhmpi.analysis.importance import importances
from dhmpi.benchmark import HpProblem
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, Point, Report, State
from dhmpi.results import Metadata, Results
from dhmpi.results.report_log import ReportLog
from dhmpi.search import Search, stopping
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.random import RandomSearch

NUM_EPOCHS, NUM_WORKERS, NUM_TRUE, NOISE = 27, 4, 300, 0.005
SPACE = {"lr": (1e-5, 1.0, "log-uniform"), "dropout": (0.0, 0.6), "units": (8, 256)}
SEARCHES: dict[str, type[Search]] = {"ambs": AMBS, "hps-random": RandomSearch}
Shares = dict[str, float]


def place_of(point: Point) -> float:
    """Return where the learning rate is in its range, 0 to 1."""
    return (math.log10(point["lr"]) + 5) / 5


def end_of(point: Point) -> float:
    """Return the value after a full training: nearly all of its variance is the learning rate's."""
    return float(0.05 + 1.6 * (place_of(point) - 0.45) ** 2 + 0.1 * (point["dropout"] - 0.3) ** 2)


# What is left at an epoch of the distance to the end.
FAMILIES: dict[str, Callable[[Point, int], float]] = {
    "power law": lambda point, epoch: 0.7 * epoch ** -(0.4 + 0.8 * point["dropout"]),
    "small rates are slow": lambda point, epoch: math.exp(-epoch / (0.5 + 12 * (1 - place_of(point)))),
    "good ones are slow": lambda point, epoch: math.exp(-epoch / (12 - 10 * min(1, 2 * abs(place_of(point) - 0.45)))),
    "dropout is the speed": lambda point, epoch: math.exp(-epoch / (1 + 8 * point["dropout"])),
}


class Campaign(NamedTuple):
    """Campaign with early stopping.

    Attributes:
        evaluations: All of them.
        reports: What they reported.
    """

    evaluations: list[Evaluation]
    reports: ReportLog

    def results(self) -> Results:
        """Return it as its file would have it."""
        made = results_of(sorted(self.evaluations, key=lambda each: each.id))
        return Results(made.metadata, made.columns, report_source=self.reports.columns)


def results_of(evaluations: Sequence[Evaluation]) -> Results:
    """Return evaluations as a file would have them."""
    return Results.of(Metadata("search", "problem", SPACE), evaluations)


def run(family: str, search: Search, stopper_name: str, num: int, seed: int) -> Campaign:
    """Run a campaign in which nobody waits."""
    rng, speed = random.Random(seed), FAMILIES[family]
    settings = {"min_steps": None, "reduction": 3.0, "min_others": 5, "risk": 0.35}
    stopper = stopping.make(stopper_name, settings, float(NUM_EPOCHS))
    assert stopper is not None
    queue: list[tuple[float, int, int]] = []  # time, number of the evaluation, epoch
    found, log, points = Campaign([], ReportLog()), ReportLog(), list[Point]()

    def fill(now: float) -> None:
        while len(queue) < NUM_WORKERS and len(points) < num:
            points.extend(search.ask(1))
            stopper.begin(len(points) - 1)
            heapq.heappush(queue, (now + rng.lognormvariate(0, 0.3), len(points) - 1, 1))

    fill(0.0)
    while queue:
        now, id, epoch = heapq.heappop(queue)
        end = end_of(points[id])
        value = end + (1 - end) * speed(points[id], epoch) + rng.gauss(0, NOISE)
        log.append([Report(id, float(epoch), value, now)], len(found.evaluations))
        search.report(points[id], epoch, value)
        must_stop = stopper.report(id, float(epoch), value)
        if not must_stop and epoch < NUM_EPOCHS:
            heapq.heappush(queue, (now + rng.lognormvariate(0, 0.3), id, epoch + 1))
            continue
        state = State.DONE if epoch == NUM_EPOCHS else State.STOPPED
        stopper.end(id, value if state is State.DONE else None)
        found.evaluations.append(Evaluation(id, points[id], value, state, step=float(epoch)))
        search.tell(found.evaluations[-1:])
        fill(now)
    return found._replace(reports=log)


def shares(results: Results) -> Shares:
    """Return the importance of each dimension; nothing of any if there are too few evaluations."""
    try:
        return {each.name: each.share for each in importances(results)}
    except ResultsError:
        return dict.fromkeys(SPACE, 0.0)


def main() -> None:
    """Run campaigns, and print how far their shares are off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evals", type=int, default=80, help="evaluations of a campaign")
    parser.add_argument("--seeds", type=int, default=4, help="number of seeds")
    parser.add_argument("--searches", default="ambs,hps-random")
    options = parser.parse_args()
    problem = HpProblem()
    for name, form in SPACE.items():
        problem.add_dim(name, form)
    full = RandomSearch(problem, None, seed=99).ask(NUM_TRUE)
    true = shares(results_of([Evaluation(id, each, end_of(each), State.DONE) for id, each in enumerate(full)]))
    print("| search | stopper | went to their end | off with what was stopped | off with the others alone |")
    print("|---|---|---|---|---|")
    for search_name in options.searches.split(","):
        for stopper in ("auto", "asha", "median"):
            errors, num_done = np.zeros((0, 2)), []
            for family in FAMILIES:
                for seed in range(options.seeds):
                    search = SEARCHES[search_name](problem, None, seed=seed)
                    campaign = run(family, search, stopper, options.evals, seed)
                    done = [each for each in campaign.evaluations if each.state is State.DONE]
                    found = [shares(campaign.results()), shares(results_of(done))]
                    row = [0.5 * sum(abs(each[name] - true[name]) for name in true) for each in found]
                    errors, num_done = np.vstack([errors, row]), [*num_done, len(done) / options.evals]
            cells = [search_name, stopper, f"{100 * statistics.fmean(num_done):.0f} %"]
            cells += [f"{100 * error.mean():.0f} % (at most {100 * error.max():.0f} %)" for error in errors.T]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
