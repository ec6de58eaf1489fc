"""Time for which an evaluation that is to stop keeps its worker: from its last report until it has ended.

    python benchmarks/stop_latency.py [--repeats 3] [--evals 200]

The time includes the way of the report to rank 0, the decision, the way back, and the end of the evaluation; each epoch
sleeps 10 ms. Under mpirun with two workers, and in a pool of two.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from dhmpi import results
from dhmpi.evaluation import State

PROBLEM = """
import time
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("level", (0.0, 1.0), 0.5)


def run(point, context):
    for epoch in range(1, 28):
        time.sleep(0.01)
        value = point["level"] + 1 / epoch
        context.report(epoch, value)
    return value
"""
LAUNCHES = {
    "mpirun -n 3, process": (["mpirun", "--oversubscribe", "-n", "3", "dhmpi"], []),
    "mpirun -n 3, inline": (["mpirun", "--oversubscribe", "-n", "3", "dhmpi"], ["--isolation", "inline"]),
    "processPool, 2 workers": (["dhmpi"], ["--evaluator", "processPool", "--num-workers", "2"]),
    "subprocess, 2 workers": (["dhmpi"], ["--evaluator", "subprocess", "--num-workers", "2"]),
}


def main() -> None:
    """Run the campaigns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="campaigns of each kind")
    parser.add_argument("--evals", type=int, default=200, help="evaluations of each campaign")
    options = parser.parse_args()
    print("| evaluator | stopped | median [s] | 99 % [s] | most [s] |\n|---|---|---|---|---|")
    for name, (launcher, words) in LAUNCHES.items():
        found = [latencies(launcher, words, options.evals, seed) for seed in range(options.repeats)]
        all_of_them = np.concatenate(found)
        medians = [statistics.median(each) for each in found]
        shown = f"{np.median(all_of_them):.4f} ({min(medians):.4f} to {max(medians):.4f})"
        print(
            f"| {name} | {len(all_of_them)} | {shown} | {np.quantile(all_of_them, 0.99):.4f} | {max(all_of_them):.4f} |"
        )


def latencies(launcher: list[str], words: list[str], evals: int, seed: int) -> np.ndarray:
    """Run a campaign, and return how long after its last report each stopped evaluation had ended [s]."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "results.h5"
        problem = Path(directory) / "curves.py"
        problem.write_text(PROBLEM)
        search = ["hps-random", "--problem", str(problem), "--run", str(problem), "--seed", str(seed), "--quiet"]
        search += ["--max-evals", str(evals), "--stopper", "asha", "--max-steps", "27", "--output", str(file)]
        variables = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **os.environ}
        subprocess.run([*launcher, *search, *words], check=True, timeout=600, env=variables, capture_output=True)
        found = results.read(file)
        stopped = [each for each in found.evaluations if each.state is State.STOPPED]
        last = dict(zip(found.reports.evaluation.tolist(), found.reports.time.tolist(), strict=True))
        return np.array([(each.ended or 0.0) - last[each.id] for each in stopped])


if __name__ == "__main__":
    main()
