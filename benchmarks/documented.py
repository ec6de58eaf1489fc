"""The documented hyperparameter problems: what ambs finds in as many evaluations as random search.

    python benchmarks/documented.py [NAME ...] [--directory documented] [--minutes 10] [--seeds 5] [--evals 30]
    python benchmarks/documented.py --table

Each campaign is a command, `dhmpi ambs` or `dhmpi hps-random`, with one process that evaluates and synthetic data
unless DHMPI_DATA says otherwise. A campaign that is there goes on, and one that is complete is left alone, so this may
be stopped and started again at will; the table is of the campaigns that are complete.
"""

import argparse
import math
import os
import statistics
import subprocess
import time
from pathlib import Path

from dhmpi import results

# From the quickest to the slowest.
NAMES = (
    *("dummy1", "dummy2", "polynome2", "rosen2", "rosen10", "rosen30", "digits", "gcn", "mnistmlp", "b2", "b3"),
    *("mnistcnn", "cifar10cnn", "b1", "capsule"),
)
SEARCHES = ("ambs", "hps-random")
# How long a campaign may need to end.
PATIENCE = 60.0


def main() -> None:
    """Run campaigns until time is over, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"benchmarks; by default {', '.join(NAMES)}")
    parser.add_argument("--directory", type=Path, default=Path("documented"), help="where results files are")
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long campaigns are begun")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--evals", type=int, default=30, help="number of evaluations of a campaign")
    parser.add_argument("--seconds", type=float, default=20.0, help="time limit of an evaluation")
    parser.add_argument("--table", action="store_true", help="print the table alone")
    options = parser.parse_args()
    names = options.names or list(NAMES)
    options.directory.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    for seed in range(options.seeds):  # a table of few seeds is there early
        for name in [] if options.table else names:
            for search in SEARCHES:
                left = end - time.monotonic()
                if left > 0 and not is_complete(file_of(options, name, search, seed), options.evals):
                    run(options, name, search, seed, left)
    print_table(options, names)


def file_of(options: argparse.Namespace, name: str, search: str, seed: int) -> Path:
    """Return the results file of a campaign."""
    directory: Path = options.directory
    return directory / f"{name}-{search}-{seed}.h5"


def run(options: argparse.Namespace, name: str, search: str, seed: int, left: float) -> None:
    """Run a campaign, or go on with it, for as many seconds as are left at most."""
    package = f"dhmpi.benchmark.hps.{name}"
    words = ["dhmpi", search, "--problem", f"{package}.Problem", "--run", f"{package}.run", "--seed", str(seed)]
    words += ["--max-evals", str(options.evals), "--eval-timeout-minutes", str(options.seconds / 60)]
    words += ["--max-minutes", str(left / 60), "--output", str(file_of(options, name, search, seed))]
    words += ["--evaluator", "processPool", "--num-workers", "1", "--logs", "failures", "--quiet"]
    words += ["--resume"] if file_of(options, name, search, seed).exists() else []
    variables = {"DHMPI_DATA": "synthetic", "OMP_NUM_THREADS": "1", **os.environ}
    done = subprocess.run(words, env=variables, timeout=left + PATIENCE, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}, {search}, seed {seed}: {done.stderr.strip()}", flush=True)


def is_complete(path: Path, num_evals: int) -> bool:
    """Return whether a campaign has had all its evaluations."""
    return path.exists() and len(results.read(path).evaluations) >= num_evals


def print_table(options: argparse.Namespace, names: list[str]) -> None:
    """Print for each benchmark the best objectives of both searches, smaller being better."""
    print(f"Best of {options.evals} evaluations:\n")
    print("| benchmark | seeds | random, median | ambs, median | ambs is better than that median of random |")
    print("|---|---|---|---|---|")
    for name in names:
        best: dict[str, list[float]] = {search: [] for search in SEARCHES}
        for seed in range(options.seeds):
            paths = [file_of(options, name, search, seed) for search in SEARCHES]
            if all(is_complete(path, options.evals) for path in paths):
                for search, path in zip(SEARCHES, paths, strict=True):
                    found = results.read(path).best
                    best[search].append(math.inf if found is None or found.objective is None else found.objective)
        found_by_ambs, at_random = (best[search] for search in SEARCHES)
        if at_random:
            median = statistics.median(at_random)
            num_better = sum(each < median for each in found_by_ambs)
            row = f"{median:.4g} | {statistics.median(found_by_ambs):.4g} | {num_better} of {len(at_random)}"
            print(f"| {name} | {len(at_random)} | {row} |")


if __name__ == "__main__":
    main()
