"""The documented hyperparameter problems: what searches find in as many evaluations.

    python benchmarks/documented.py [NAME ...] [--directory documented] [--minutes 10] [--seeds 5] [--evals 30]
    python benchmarks/documented.py mnistmlp --searches ambs,ga,hps-random --set data_source=fashion timeout=0.2 ...
    python benchmarks/documented.py --table

Each campaign is a command, `dhmpi ambs` or another search, with one process that evaluates and synthetic data
unless DHMPI_DATA says otherwise. A campaign that is there goes on. What a complete one has found is added to a record,
a line for each campaign, and what the record has is not measured again: this may be stopped and started again at will,
and the tables are of the record.
"""

import argparse
import ast
import json
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
RECORD = Path(__file__).with_suffix(".jsonl")


class Campaign(NamedTuple):
    """Campaign of one search on one problem."""

    seed: int
    name: str
    search: str


class Found(NamedTuple):
    """Findings of a complete campaign: a line of the record.

    Attributes:
        seed: Seed of the search.
        name: Benchmark.
        search: Search.
        settings: What else the numbers depend on: data, number of evaluations, their time limit, options.
        objective: Best objective; infinite if nothing is DONE.
        test_accuracy: Test accuracy of the best; None for functions.
        num_cut: How many trainings their time limit has ended.
        num_killed: How many evaluations were ended from outside.
        num_failed: How many evaluations have failed.
        seconds: How long an evaluation took, mean.
    """

    seed: int
    name: str
    search: str
    settings: str
    objective: float
    test_accuracy: float | None
    num_cut: int
    num_killed: int
    num_failed: int
    seconds: float

    @property
    def campaign(self) -> Campaign:
        """The campaign that has found it."""
        return Campaign(self.seed, self.name, self.search)


def main() -> None:
    """Run campaigns until time is over, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"benchmarks; by default {', '.join(NAMES)}")
    parser.add_argument("--searches", default=",".join(SEARCHES), help="by default %(default)s")
    parser.add_argument("--set", nargs="+", default=[], metavar="OPTION=VALUE", help="options of the run functions")
    parser.add_argument("--directory", type=Path, default=Path("documented"), help="where results files are")
    parser.add_argument("--record", type=Path, default=RECORD, help="where findings are kept: %(default)s")
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long campaigns are begun")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--evals", type=int, default=30, help="number of evaluations of a campaign")
    parser.add_argument("--seconds", type=float, default=20.0, help="time limit of an evaluation")
    parser.add_argument("--table", action="store_true", help="print the tables alone")
    options = parser.parse_args()
    names, searches = options.names or list(NAMES), options.searches.split(",")
    options.directory.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    record = read(options)
    # Seed by seed: a table of few seeds is there early.
    campaigns = product(range(options.seeds), names, searches)
    for campaign in () if options.table else starmap(Campaign, campaigns):
        left = end - time.monotonic()
        if left > 0 and campaign not in record:
            run(options, campaign, left)
            found = finding(options, campaign)
            if found is not None:
                record[campaign] = found
                with options.record.open("a") as file:
                    file.write(json.dumps(found._asdict()) + "\n")
    known = [each for each in record.values() if each.seed < options.seeds]
    print_comparison(options, names, searches, known)
    print_networks(options, names, searches, known)


def read(options: argparse.Namespace) -> dict[Campaign, Found]:
    """Return what the record has of these settings."""
    lines = options.record.read_text().splitlines() if options.record.exists() else []
    found = [Found(**json.loads(line)) for line in lines]
    return {each.campaign: each for each in found if each.settings == settings_of(options)}


def settings_of(options: argparse.Namespace) -> str:
    """Return what numbers depend on besides benchmark, search and seed."""
    data = os.environ.get("DHMPI_DATA", "synthetic")
    return " ".join([f"DHMPI_DATA={data}", f"evals={options.evals}", f"seconds={options.seconds:g}", *options.set])


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


def finding(options: argparse.Namespace, campaign: Campaign) -> Found | None:
    """Return what a campaign has found; None unless it has had all its evaluations."""
    file = file_of(options, campaign)
    evaluations = list(results.read(file).evaluations)[: options.evals] if file.exists() else []
    if len(evaluations) < options.evals:
        return None
    best = min((each for each in evaluations if each.objective is not None), key=objective, default=None)
    accuracy = best.extra.get("test_accuracy") if best else None
    return Found(
        *campaign,
        settings=settings_of(options),
        objective=objective(best) if best else math.inf,
        test_accuracy=None if accuracy is None else float(accuracy),
        num_cut=sum(each.extra.get("stopped") == "time" for each in evaluations),
        num_killed=sum(each.state is State.TIMEOUT for each in evaluations),
        num_failed=sum(each.state is State.FAILED for each in evaluations),
        seconds=statistics.fmean(each.duration for each in evaluations),
    )


def objective(evaluation: Evaluation) -> float:
    """Return the objective of an evaluation; infinite without one."""
    return math.inf if evaluation.objective is None else evaluation.objective


def of(known: Sequence[Found], name: str, search: str) -> list[Found]:
    """Return what one search has found on one benchmark, by seed."""
    return sorted(each for each in known if (each.name, each.search) == (name, search))


def print_comparison(
    options: argparse.Namespace, names: Sequence[str], searches: Sequence[str], known: Sequence[Found]
) -> None:
    """Print for each benchmark the best objectives of each search, smaller being better, beside random search."""
    others = [search for search in searches if search != REFERENCE]
    cells = ["benchmark", "seeds", "random, median"]
    cells += [cell for search in others for cell in (f"{search}, median", f"{search} is better than that of random")]
    print(f"Best of {options.evals} evaluations:\n\n| {' | '.join(cells)} |\n|{'---|' * len(cells)}")
    for name in names:
        random = of(known, name, REFERENCE)
        if not random:
            continue
        median = statistics.median(each.objective for each in random)
        cells = [name, str(len(random)), f"{median:.4g}"]
        for search in others:
            found = [each.objective for each in of(known, name, search)]
            cells += [f"{statistics.median(found):.4g}" if found else ""]
            cells += [f"{sum(each < median for each in found)} of {len(found)}"]
        print(f"| {' | '.join(cells)} |")


def print_networks(
    options: argparse.Namespace, names: Sequence[str], searches: Sequence[str], known: Sequence[Found]
) -> None:
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
    for name, search in product(names, searches):
        found = of(known, name, search)
        tested = [each.test_accuracy for each in found if each.test_accuracy is not None]
        if tested:
            cells = [name, search, *row_of([-each.objective for each in found]), *row_of(tested)]
            cells += [f"{sum(each.num_cut for each in found)} of {options.evals * len(found)}"]
            cells += [str(sum(each.num_killed for each in found)), str(sum(each.num_failed for each in found))]
            cells += [f"{statistics.fmean(each.seconds for each in found):.1f}"]
            print(f"| {' | '.join(cells)} |")


def row_of(accuracies: Sequence[float]) -> list[str]:
    """Return accuracies, and their median."""
    return [", ".join(f"{each:.4f}" for each in accuracies), f"{statistics.median(accuracies):.4f}"]


if __name__ == "__main__":
    main()
