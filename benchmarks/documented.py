"""The documented hyperparameter problems: what searches find in as many evaluations.

    python benchmarks/documented.py [NAME ...] [--directory documented] [--minutes 10] [--seeds 5] [--evals 30]
    python benchmarks/documented.py mnistmlp --searches ambs,ga,hps-random --set data_source=fashion timeout=0.2 ...
    python benchmarks/documented.py --table

Each campaign is a command, `dhmpi ambs` or another search, with one process that evaluates and synthetic data
unless DHMPI_DATA says otherwise. A campaign that is there goes on, and one that is complete is left alone, so this may
be stopped and started again at will; the tables are of the campaigns that are complete.
"""

import argparse
import ast
import math
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from itertools import product, starmap
from pathlib import Path
from typing import Any, NamedTuple

from dhmpi import results
from dhmpi.evaluation import Evaluation, State

# From the quickest to the slowest.
NAMES = (
    *("dummy1", "dummy2", "polynome2", "rosen2", "rosen10", "rosen30", "digits", "gcn", "mnistmlp", "b2", "b3"),
    *("mnistcnn", "cifar10cnn", "b1", "capsule"),
)
SEARCHES = ("ambs", "hps-random")
REFERENCE = "hps-random"
# How long a campaign may need to end.
PATIENCE = 60.0


class Campaign(NamedTuple):
    """Campaign of one search on one problem."""

    seed: int
    name: str
    search: str


def main() -> None:
    """Run campaigns until time is over, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"benchmarks; by default {', '.join(NAMES)}")
    parser.add_argument("--searches", default=",".join(SEARCHES), help="by default %(default)s")
    parser.add_argument("--set", nargs="+", default=[], metavar="OPTION=VALUE", help="options of the run functions")
    parser.add_argument("--directory", type=Path, default=Path("documented"), help="where results files are")
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long campaigns are begun")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--evals", type=int, default=30, help="number of evaluations of a campaign")
    parser.add_argument("--seconds", type=float, default=20.0, help="time limit of an evaluation")
    parser.add_argument("--table", action="store_true", help="print the tables alone")
    options = parser.parse_args()
    names, searches = options.names or list(NAMES), options.searches.split(",")
    options.directory.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    # Seed by seed: a table of few seeds is there early.
    campaigns = product(range(options.seeds), names, searches)
    for campaign in () if options.table else starmap(Campaign, campaigns):
        left = end - time.monotonic()
        if left > 0 and not is_complete(options, campaign):
            run(options, campaign, left)
    print_comparison(options, names, searches)
    print_networks(options, names, searches)


def file_of(options: argparse.Namespace, campaign: Campaign) -> Path:
    """Return the results file of a campaign."""
    directory: Path = options.directory
    return directory / f"{campaign.name}-{campaign.search}-{campaign.seed}.h5"


def problem_of(options: argparse.Namespace, name: str) -> list[str]:
    """Return the words of a command that say what is searched: options are dimensions with a single value."""
    package = f"dhmpi.benchmark.hps.{name}"
    if not options.set:
        return ["--problem", f"{package}.Problem", "--run", f"{package}.run"]
    lines = [f"from {package} import Problem"]
    for each in options.set:
        option, _, text = each.partition("=")
        value = value_of(text)
        lines.append(f"Problem.add_dim({option!r}, [{value!r}], {value!r})")
    file: Path = options.directory / f"{name}_problem.py"
    file.write_text("\n".join(lines) + "\n")
    return ["--problem", str(file), "--run", f"{package}.run"]


def value_of(text: str) -> Any:
    """Return a number, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def run(options: argparse.Namespace, campaign: Campaign, left: float) -> None:
    """Run a campaign, or go on with it, for as many seconds as are left at most."""
    file = file_of(options, campaign)
    words = ["dhmpi", campaign.search, *problem_of(options, campaign.name), "--seed", str(campaign.seed)]
    words += ["--max-evals", str(options.evals), "--eval-timeout-minutes", str(options.seconds / 60)]
    words += ["--max-minutes", str(left / 60), "--output", str(file)]
    words += ["--evaluator", "processPool", "--num-workers", "1", "--logs", "failures", "--quiet"]
    words += ["--resume"] if file.exists() else []
    variables = {"DHMPI_DATA": "synthetic", "OMP_NUM_THREADS": "1", **os.environ}
    done = subprocess.run(words, env=variables, timeout=left + PATIENCE, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{campaign.name}, {campaign.search}, seed {campaign.seed}: {done.stderr.strip()}", flush=True)


def evaluations_of(options: argparse.Namespace, campaign: Campaign) -> list[Evaluation]:
    """Return the evaluations of a campaign that count: not those that it has made beyond their number."""
    file = file_of(options, campaign)
    return list(results.read(file).evaluations)[: options.evals] if file.exists() else []


def is_complete(options: argparse.Namespace, campaign: Campaign) -> bool:
    """Return whether a campaign has had all its evaluations."""
    num_evals: int = options.evals
    return len(evaluations_of(options, campaign)) >= num_evals


def complete_seeds(options: argparse.Namespace, name: str, searches: Sequence[str]) -> list[int]:
    """Return the seeds with which the campaigns of all searches are complete."""
    return [
        seed
        for seed in range(options.seeds)
        if all(is_complete(options, Campaign(seed, name, search)) for search in searches)
    ]


def best_of(options: argparse.Namespace, name: str, search: str, seeds: Sequence[int]) -> list[Evaluation | None]:
    """Return the best evaluation of each campaign; None if nothing is DONE in it."""
    campaigns = [evaluations_of(options, Campaign(seed, name, search)) for seed in seeds]
    return [
        min((each for each in known if each.objective is not None), key=objective, default=None) for known in campaigns
    ]


def objective(evaluation: Evaluation | None) -> float:
    """Return the objective of an evaluation; infinite without one."""
    return math.inf if evaluation is None or evaluation.objective is None else evaluation.objective


def print_comparison(options: argparse.Namespace, names: Sequence[str], searches: Sequence[str]) -> None:
    """Print for each benchmark the best objectives of each search, smaller being better, beside random search."""
    others = [search for search in searches if search != REFERENCE]
    cells = ["benchmark", "seeds", "random, median"]
    cells += [cell for search in others for cell in (f"{search}, median", f"{search} is better than that of random")]
    print(f"Best of {options.evals} evaluations:\n\n| {' | '.join(cells)} |\n|{'---|' * len(cells)}")
    for name in names:
        seeds = complete_seeds(options, name, [*others, REFERENCE])
        if not seeds:
            continue
        median = statistics.median(map(objective, best_of(options, name, REFERENCE, seeds)))
        cells = [name, str(len(seeds)), f"{median:.4g}"]
        for search in others:
            found = [objective(best) for best in best_of(options, name, search, seeds)]
            cells += [f"{statistics.median(found):.4g}", f"{sum(each < median for each in found)} of {len(found)}"]
        print(f"| {' | '.join(cells)} |")


def print_networks(options: argparse.Namespace, names: Sequence[str], searches: Sequence[str]) -> None:
    """Print how good the networks are that each search has found, and what has become of its evaluations."""
    cells = [
        "benchmark",
        "search",
        "best validation accuracy of each seed",
        "median",
        "test accuracy of these",
        "median",
    ]
    cells += ["trainings ended by the time limit", "killed", "failed", "an evaluation, mean [s]"]
    print(f"\nOf {options.evals} evaluations:\n\n| {' | '.join(cells)} |\n|{'---|' * len(cells)}")
    for name in names:
        for search in searches:
            seeds = complete_seeds(options, name, [search])
            found = [best for best in best_of(options, name, search, seeds) if best and "test_accuracy" in best.extra]
            if found:
                cells = [name, search, *row_of([-objective(best) for best in found])]
                cells += row_of([float(best.extra["test_accuracy"]) for best in found])
                campaigns = [evaluations_of(options, Campaign(seed, name, search)) for seed in seeds]
                cells += fates([each for known in campaigns for each in known])
                print(f"| {' | '.join(cells)} |")


def row_of(accuracies: Sequence[float]) -> list[str]:
    """Return accuracies, and their median."""
    return [", ".join(f"{each:.4f}" for each in accuracies), f"{statistics.median(accuracies):.4f}"]


def fates(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return how many evaluations were cut, killed and failed, and how long one took."""
    cut = sum(each.extra.get("stopped") == "time" for each in evaluations)
    killed, failed = (sum(each.state is state for each in evaluations) for state in (State.TIMEOUT, State.FAILED))
    mean = statistics.fmean(each.duration for each in evaluations)
    return [f"{cut} of {len(evaluations)}", str(killed), str(failed), f"{mean:.1f}"]


if __name__ == "__main__":
    main()
