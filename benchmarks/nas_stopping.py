"""Architectures that are really trained, with early stopping and without: what is found, and in how many epochs.

    python benchmarks/nas_stopping.py [--searches nas-random,ppo-async] [--evals 60] [--seeds 3] [--minutes 30]

Each campaign is a command, `mpirun -n 3 dhmpi`, two trainings at a time; random search trains the same architectures
both times. A campaign that is there goes on, and one that is complete is left alone; the table is of seeds that have
both. Prints the mean reward of the best five that went to their end, and the epochs of all; and the best five of as
many full trainings, the first ones, as take the epochs that were taken with stopping.
"""

import argparse
import itertools
import math
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dhmpi import results
from dhmpi.evaluation import State

PROBLEM, NUM_EPOCHS = "dhmpi.benchmark.nas.digitsNas.problem.Problem", 20
NUM_BEST = 5
# How long a campaign may need to end [s].
PATIENCE = 60.0


class Found(NamedTuple):
    """Outcome of a campaign.

    Attributes:
        best: Mean reward of the best ones.
        num_epochs: Of all trainings.
        num_stopped: How many were stopped.
    """

    best: float
    num_epochs: float
    num_stopped: int


def run(options: argparse.Namespace, output: Path, search: str, seed: int, words: Sequence[str], left: float) -> None:
    """Run a campaign, or go on with it, for as many seconds as are left at most."""
    command = ["mpirun", "-n", "3", "dhmpi", search, "--problem", PROBLEM, "--seed", str(seed), "--quiet", *words]
    command += ["--max-evals", str(options.evals), "--max-minutes", str(left / 60), "--output", str(output)]
    command += ["--resume"] if output.exists() else []
    env = dict(os.environ, OMP_NUM_THREADS="1")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env, timeout=left + PATIENCE)


def read(output: Path, num_evals: int, num_epochs: float = math.inf) -> Found | None:
    """Return the outcome of a campaign, of the first ones that take so many epochs; None if it is not complete."""
    if not output.exists():
        return None
    found = results.read(output)
    final = [each for each in found.evaluations if each.state.is_final]
    if len(final) < num_evals:
        return None
    taken = itertools.accumulate(each.step or 0.0 for each in sorted(final, key=lambda each: each.order))
    final = sorted(final, key=lambda each: each.order)[: max(NUM_BEST, sum(steps <= num_epochs for steps in taken))]
    rewards = sorted(-each.objective for each in final if each.state is State.DONE and each.objective is not None)
    steps = sum(each.step or 0.0 for each in final)
    return Found(statistics.fmean(rewards[-NUM_BEST:]), steps, sum(each.state is State.STOPPED for each in final))


def main() -> None:
    """Run campaigns until time is over, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", default="nas-random,ppo-async")
    parser.add_argument("--evals", type=int, default=60, help="number of evaluations of a campaign")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--directory", type=Path, default=Path("nas-stopping"), help="where results files are")
    parser.add_argument("--minutes", type=float, default=30.0, help="for how long campaigns are begun")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    stopping = ["--stopper", "auto", "--max-steps", str(NUM_EPOCHS)]
    titles = "search", "seed", "best five, full", "epochs", "best five, stopped", "epochs", "stopped"
    print(f"| {' | '.join(titles)} | best five, full, in as many epochs |\n" + 8 * "|---" + "|")
    for seed in range(options.seeds):
        for search in options.searches.split(","):
            pair = []
            for name, words in (("full", []), ("auto", stopping)):
                output = options.directory / f"{search}-{name}-{seed}.h5"
                left = end - time.monotonic()
                if read(output, options.evals) is None and left > 0:
                    run(options, output, search, seed, words, left)
                pair.append(read(output, options.evals))
            full, stopped = pair
            if full is not None and stopped is not None:
                cells = [search, str(seed), f"{full.best:.4f}", f"{full.num_epochs:.0f}", f"{stopped.best:.4f}"]
                cells += [f"{stopped.num_epochs:.0f}", f"{stopped.num_stopped} of {options.evals}"]
                fewer = read(options.directory / f"{search}-full-{seed}.h5", options.evals, stopped.num_epochs)
                cells.append("" if fewer is None else f"{fewer.best:.4f}")
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
