"""Evaluations that several ranks do together: what that costs, and how soon they are ready again after a failure.

    python benchmarks/groups.py [--num-evals 20000] [--repeats 5] [--failures 20]

There is one worker, of k ranks; so k + 1 ranks share the cores of this machine, and more of them than cores make that
slower. The first table is of an empty run function: medians of repeats that take turns, and ratios to one rank inline.
The second is how long after the end of a failure the next evaluation begins, with k = 2, by the clocks of the ranks.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from dhmpi import results

PROBLEM = str(Path(__file__).resolve().parent / "empty_problem.py")
SIZES = (1, 2, 4)
ISOLATIONS = ("inline", "process")
# What every second evaluation does; the ranks that do nothing of this kind sleep for a minute, unless they are stopped.
FAILING = """
import os, signal, time

def run(point, context):
    if context.id % 2 == 0:
        return 0.0
    {}
    time.sleep(60)
"""
DEEDS = {
    "all raise": "raise ValueError",
    "the leader raises": "if context.group_rank == 0: raise ValueError",
    "the other raises": "if context.group_rank == 1: raise ValueError",
    "the leader is killed": "if context.group_rank == 0: os.kill(os.getpid(), signal.SIGKILL)",
    "the other is killed": "if context.group_rank == 1: os.kill(os.getpid(), signal.SIGKILL)",
}


def search(size: int, run: str, num: int, isolation: str, directory: str) -> results.Results:
    """Run a random search with one worker of so many ranks."""
    path = f"{directory}/results.h5"
    words = ["mpirun", "-n", str(size + 1), "dhmpi", "hps-random", "--problem", PROBLEM, "--run", run, "--quiet"]
    words += ["--ranks-per-eval", str(size), "--isolation", isolation, "--max-evals", str(num)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*words, "--output", path, "--overwrite"], stdout=subprocess.DEVNULL, check=True, timeout=600, env=env
    )
    return results.read(path)


def duration(found: results.Results) -> float:
    """Return how long each evaluation took, start-up aside [us]."""
    run = found.metadata.runs[-1]
    return 1e6 * float(run["ended"] - run["started"]) / len(found.evaluations)


def gaps(found: results.Results) -> list[float]:
    """Return how long after each failure the next evaluation began [ms]."""
    ordered = sorted(found.evaluations, key=lambda each: each.id)
    return [1e3 * (after.started - before.ended) for before, after in itertools.pairwise(ordered) if before.id % 2]


def print_overhead(num: int, repeats: int, directory: str) -> None:
    """Measure and print the first table."""
    measured: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(repeats):
        for isolation in ISOLATIONS:
            for size in SIZES:
                measured[isolation, size].append(duration(search(size, PROBLEM, num, isolation, directory)))
    print(f"empty run function, {num} evaluations, {repeats} repeats\n")
    print("| isolation | ranks per evaluation | us per evaluation (least to most) | ratio to one rank inline |")
    print("|---|---|---|---|")
    yardstick = statistics.median(measured["inline", 1])
    for (isolation, size), values in measured.items():
        median = statistics.median(values)
        spread = f"{median:.0f} ({min(values):.0f} to {max(values):.0f})"
        print(f"| {isolation} | {size} | {spread} | {median / yardstick:.2f} |", flush=True)


def print_recovery(num: int, directory: str) -> None:
    """Measure and print the second table."""
    print(f"\ntwo ranks per evaluation, {num} failures each\n")
    print("| isolation | failure | ms until the next evaluation, median | most |")
    print("|---|---|---|---|")
    for isolation in ISOLATIONS:
        for name, deed in DEEDS.items():
            if isolation == "inline" and "killed" in name:
                continue  # that would be the end of the job
            run = Path(directory) / "failing.py"
            run.write_text(FAILING.format(deed))
            found = gaps(search(2, f"{run}:run", 2 * num + 1, isolation, directory))
            print(f"| {isolation} | {name} | {statistics.median(found):.1f} | {max(found):.1f} |", flush=True)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-evals", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--failures", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        print_overhead(arguments.num_evals, arguments.repeats, directory)
        print_recovery(arguments.failures, directory)


if __name__ == "__main__":
    main()
