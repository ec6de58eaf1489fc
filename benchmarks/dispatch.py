"""Evaluations dispatched per second, end to end, beside a bare mpi4py loop in the same run.

    python benchmarks/dispatch.py [--num-evals 60000] [--repeats 5]

All contenders run in turn, again and again; the table shows medians, and ratios of medians to the bare loop.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from dhmpi import results

HERE = Path(__file__).resolve().parent
PROBLEM = str(HERE / "empty_problem.py")
# 1,000 evaluations around the 1,000th and around the 50,000th.
EARLY, LATE = slice(500, 1500), slice(49500, 50500)


def mpirun(num_ranks: int, *words: str) -> str:
    """Run a command on MPI ranks and return what it prints."""
    env = dict(os.environ, OMP_NUM_THREADS="1")
    done = subprocess.run(
        ["mpirun", "-n", str(num_ranks), *words], stdout=subprocess.PIPE, text=True, check=True, timeout=300, env=env
    )
    return done.stdout


def bare(num_ranks: int, num: int) -> dict[str, float]:
    """Run the bare loop."""
    begun = time.time()
    found = json.loads(mpirun(num_ranks, sys.executable, str(HERE / "bare_loop.py"), str(num)).splitlines()[-1])
    return {"rate": found["rate"], "start": found["up"] - begun}


def dhmpi(num_ranks: int, num: int, isolation: str, directory: str) -> dict[str, float]:
    """Run a random search."""
    path = f"{directory}/{isolation}.h5"
    begun = time.time()
    mpirun(
        num_ranks,
        *("dhmpi", "hps-random", "--problem", PROBLEM, "--run", PROBLEM, "--max-evals", str(num)),
        *("--isolation", isolation, "--output", path, "--overwrite", "--quiet"),
    )
    found = results.read(path)
    run, statistic = found.metadata.runs[-1], found.metadata.statistics
    seconds = run["ended"] - run["started"]
    ended = sorted(evaluation.ended for evaluation in found.evaluations)
    figures = {
        "rate": num / seconds,
        "start": min(evaluation.submitted for evaluation in found.evaluations) - begun,
        "store share": statistic["store_seconds"] / seconds,
    }
    if len(ended) >= LATE.stop:
        early, late = (1 / (ended[part][-1] - ended[part][0]) for part in (EARLY, LATE))
        figures["late / early"] = late / early
    return figures


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-evals", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    num = arguments.num_evals
    measured: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as directory:
        contenders = {
            "bare mpi4py loop, 3 ranks": lambda: bare(3, num),
            "hps-random inline, 3 ranks": lambda: dhmpi(3, num, "inline", directory),
            "hps-random process, 3 ranks": lambda: dhmpi(3, num, "process", directory),
            "bare mpi4py loop, 4 ranks": lambda: bare(4, 10),
            "hps-random process, 4 ranks": lambda: dhmpi(4, 10, "process", directory),
        }
        for _ in range(arguments.repeats):
            for name, run in contenders.items():
                for figure, value in run().items():
                    measured[name][figure].append(value)
    print(f"medians of {arguments.repeats} runs of {num} evaluations (4 ranks: start-up only)\n")
    print("| contender | evaluations/s | ratio to bare | start-up [s] | store's share | rate at 50,000 / at 1,000 |")
    print("|---|---|---|---|---|---|")
    yardstick = statistics.median(measured["bare mpi4py loop, 3 ranks"]["rate"])
    for name, figures in measured.items():
        median = {figure: statistics.median(values) for figure, values in figures.items()}
        rate = f"{median['rate']:,.0f} | {median['rate'] / yardstick:.2f}" if "3 ranks" in name else "- | -"
        share, ratio = (f"{median[key]:.2f}" if key in median else "-" for key in ("store share", "late / early"))
        print(f"| {name} | {rate} | {median['start']:.2f} | {share} | {ratio} |")


if __name__ == "__main__":
    main()
