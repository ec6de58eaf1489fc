"""Matrix of AMBS: every learner with every acquisition function and every lie, through the command line under mpirun.

    python benchmarks/ambs_matrix.py [--minutes 10] [--results matrix.jsonl]

Each of the 72 searches has 40 evaluations of the mixed space below on three workers. What has been done is in the
results file, a line each; the same command goes on where it stopped, and repeats what was wrong. The table shows the
best objective of each search; the exit status is 1 if one did not do as it should.
"""

import argparse
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from dhmpi import results
from dhmpi.benchmark import HpProblem
from dhmpi.evaluation import DESIGN, START, State
from dhmpi.search.hps.ambs import ACQ_FUNCS, LEARNERS, LIES

NUM_EVALS = 40
NUM_RANKS = 4
TIMEOUT = 300.0  # of one search [s]

Problem = HpProblem()
Problem.add_dim("x", (-3.0, 3.0), 0.0)
Problem.add_dim("y", (-3.0, 3.0), 0.0)
Problem.add_dim("rate", (1e-4, 1.0, "log-uniform"), 0.1)
Problem.add_dim("n", (1, 16), 12)
Problem.add_dim("m", (1, 256, "log-uniform"), 4)
Problem.add_dim("kind", ["a", "b", "c", "d"], "a")
Problem.add_dim("flag", [True, False], True)

KINDS = {"a": 1.0, "b": 0.4, "c": 0.0, "d": 2.0}


def objective(point: Mapping[str, Any]) -> float:
    """Return a bowl in a mixed space, whose middle depends on a category; the minimum is 0, with the kind c."""
    middle = -1.0 if point["kind"] == "b" else 1.0
    bowl = (point["x"] - middle) ** 2 + (point["y"] + 0.5 * point["x"]) ** 2 + (math.log10(point["rate"]) + 2) ** 2
    steps = abs(point["n"] - 6) / 4 + (math.log2(point["m"]) - 5) ** 2 / 4
    return float(bowl + steps + KINDS[point["kind"]] + 0.5 * point["flag"])


def run(point: Mapping[str, Any]) -> float:
    """Return the objective after a moment that depends on the point."""
    time.sleep(0.01 + 0.002 * point["n"])
    return objective(point)


class Combination(NamedTuple):
    """A learner, an acquisition function and a lie."""

    learner: str
    acq_func: str
    liar_strategy: str


COMBINATIONS = tuple(Combination(*each) for each in product(LEARNERS, ACQ_FUNCS, LIES))


def fifth(turn: int) -> tuple[Combination, ...]:
    """Return a fifth of all combinations; those of turns 0 to 4 are all, and each has every value of every option."""
    return COMBINATIONS[turn % 5 :: 5]


def search(combination: Combination, num_ranks: int) -> dict[str, Any]:
    """Run a search under mpirun, and return what came of it."""
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "results.h5")
        words = ["mpirun", "-n", str(num_ranks), "dhmpi", "ambs", "--problem", __file__, "--output", str(output)]
        words += ["--learner", combination.learner, "--acq-func", combination.acq_func]
        words += ["--liar-strategy", combination.liar_strategy, "--max-evals", str(NUM_EVALS), "--seed", "1", "--quiet"]
        begun = time.perf_counter()
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        seconds = time.perf_counter() - begun
        if done.returncode != 0:
            return {**combination._asdict(), "wrong": f"exit status {done.returncode}: {done.stderr[-500:]}"}
        return {**combination._asdict(), "seconds": round(seconds, 2), **summary(combination, results.read(output))}


def summary(combination: Combination, found: results.Results) -> dict[str, Any]:
    """Return what a search has found, and what is wrong with it; empty if nothing."""
    evaluations, measured = found.evaluations, found.metadata.statistics
    points = [json.dumps(each.point) for each in evaluations]
    objectives = [each.objective for each in evaluations if each.objective is not None]
    by_model = sum(each.origin.model not in (START, DESIGN, "random") for each in evaluations)
    wrong = []
    if [each.state for each in evaluations] != [State.DONE] * NUM_EVALS:
        wrong.append(f"{len(objectives)} of {NUM_EVALS} are DONE")
    if len(set(points)) != len(points):
        wrong.append("a point came twice")
    if combination.learner != "DUMMY" and (by_model < NUM_EVALS / 2 or measured["points_without_model"]):
        wrong.append(f"{by_model} points came from a model")
    return {
        "best": min(objectives, default=math.nan),
        "late": statistics.fmean(objectives[NUM_EVALS // 2 :] or [math.nan]),
        "ask": measured["ask_median"],
        "points": hashlib.sha256("\n".join(sorted(points)).encode()).hexdigest()[:12],
        "wrong": "; ".join(wrong),
    }


def print_table(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print the best objective of each search, and how learners differ."""
    rows = list(rows)
    found = {Combination(*(row[name] for name in Combination._fields)): row for row in rows if "best" in row}
    print(f"| learner | lie | {' | '.join(ACQ_FUNCS)} |\n|---|---|{'---|' * len(ACQ_FUNCS)}")
    for learner, lie in product(LEARNERS, LIES):
        each = [found.get(Combination(learner, acq_func, lie)) for acq_func in ACQ_FUNCS]
        shown = " | ".join("-" if row is None else f"{row['best']:.3f}" for row in each)
        print(f"| {learner} | {lie} | {shown} |")
    print("\n| learner | searches | best, median | mean of the last 20, median | an ask [ms] | a search [s] |")
    print("|---|---|---|---|---|---|")
    for learner in LEARNERS:
        if own := [row for row in found.values() if row["learner"] == learner]:
            names = ("best", "late", "ask", "seconds")
            best, late, ask, seconds = (statistics.median(row[name] for row in own) for name in names)
            print(f"| {learner} | {len(own)} | {best:.3f} | {late:.3f} | {1e3 * ask:.2f} | {seconds:.1f} |")
    distinct = len({row["points"] for row in found.values()})
    print(f"\n{len(found)} of {len(COMBINATIONS)} searches; {distinct} of them with points of their own")
    for row in rows:
        if row["wrong"]:
            print(f"wrong: {', '.join(row[name] for name in Combination._fields)}: {row['wrong']}")


def main() -> int:
    """Run what has not been run yet, and print the matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no search later (default: no limit)")
    parser.add_argument("--results", default="ambs_matrix.jsonl", help="file of what is done (default: %(default)s)")
    parser.add_argument("--turn", type=int, help="only a fifth of the matrix: 0 to 4")
    parser.add_argument("--ranks", type=int, default=NUM_RANKS, help="ranks of a search (default: %(default)s)")
    arguments = parser.parse_args()
    path, end = Path(arguments.results), time.monotonic() + 60 * arguments.minutes
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    rows = {Combination(*(row[name] for name in Combination._fields)): row for row in lines}
    for combination in COMBINATIONS if arguments.turn is None else fifth(arguments.turn):
        if (combination in rows and not rows[combination]["wrong"]) or time.monotonic() > end:
            continue
        rows[combination] = search(combination, arguments.ranks)
        with path.open("a") as file:
            file.write(json.dumps(rows[combination]) + "\n")
        print(f"{len(rows)}: {' '.join(combination)}", file=sys.stderr)
    print_table(rows.values())
    return int(any(row["wrong"] for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
