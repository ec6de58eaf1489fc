"""Architectures that are really trained: agents beside random search, with equal evaluations and seeds.

    python benchmarks/nas_real.py [--evals 300] [--seeds 2] [--problem digitsNas] [--options "--learning-rate 0.03"]

Runs `mpirun -n 3 dhmpi` with each search, two trainings at a time, and prints the mean reward of each third of the
evaluations, the best reward, and how long it took. So few evaluations want larger steps than the default.
"""

import argparse
import os
import shlex
import statistics
import subprocess
import tempfile
import time

from dhmpi import results
from dhmpi.evaluation import State

SEARCHES = ("nas-random", "ppo-async", "ppo-sync")


def run(search: str, problem: str, num_evals: int, seed: int, options: list[str], directory: str) -> list[float]:
    """Run a search; return the means of its thirds, the last one's standard deviation, the best, and the minutes."""
    output = f"{directory}/{search}-{seed}.h5"
    # In step two ranks are two agents; else rank 0 trains nothing.
    ranks = 2 if search == "ppo-sync" else 3
    words = ["mpirun", "-n", str(ranks), "dhmpi", search, "--problem", f"dhmpi.benchmark.nas.{problem}.problem.Problem"]
    words += ["--max-evals", str(num_evals), "--seed", str(seed), "--output", output, "--quiet"]
    words += [] if search == "nas-random" else options
    begun = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ, OMP_NUM_THREADS="1"))
    minutes = (time.perf_counter() - begun) / 60
    found = [-each.objective for each in results.read(output).evaluations if each.state is State.DONE]
    third = len(found) // 3
    thirds = [statistics.fmean(found[start : start + third]) for start in (0, third, 2 * third)]
    return [*thirds, statistics.stdev(found[2 * third :]), max(found), minutes]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evals", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--problem", default="digitsNas")
    parser.add_argument("--options", default="--learning-rate 0.03", help="of the agents")
    parser.add_argument("--searches", default=",".join(SEARCHES))
    arguments = parser.parse_args()
    print(f"{arguments.problem}, {arguments.evals} evaluations, agents with {arguments.options}\n")
    print(
        "| search | seed | first third | second third | last third | its standard deviation | best | minutes |\n"
        + "|---" * 8
        + "|"
    )
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(arguments.seeds):
            for search in arguments.searches.split(","):
                options = shlex.split(arguments.options)
                cells = run(search, arguments.problem, arguments.evals, seed, options, directory)
                print(f"| {search} | {seed} | {' | '.join(f'{cell:.4g}' for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()
