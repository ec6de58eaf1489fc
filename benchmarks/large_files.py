"""Large results files: how long commands need to read them, and to go on with them.

    python benchmarks/large_files.py [--evals 300000 1000000] [--repeats 3]

The files hold evaluations of ten dimensions on 1,000 workers, of which one in fifty has failed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dhmpi.evaluation import State
from dhmpi.results import Metadata
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.snapshot import Snapshot, dump
from dhmpi.results.table import STATES, EvaluationTable

NUM_DIMENSIONS, NUM_WORKERS, NUM_NEW = 10, 1000, 20
SECONDS = 0.95  # of an evaluation
BEGUN = 1.7e9
PROBLEM = f"""\
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
for number in range({NUM_DIMENSIONS}):
    Problem.add_dim(f"x{{number}}", (0.0, 1.0), 0.5)


def run(point):
    return sum(point.values())
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evals", type=int, nargs="+", default=[300_000, 1_000_000], help="sizes of the files")
    parser.add_argument("--repeats", type=int, default=3, help="how often each command is run")
    options = parser.parse_args()
    print(f"median (and range) of {options.repeats}, load average {os.getloadavg()[0]:.1f}:\n")
    print("| evaluations | file [MB] | show [s] | resume, 20 more evaluations, end [s] | processor time of that [s] |")
    print("|---|---|---|---|---|")
    for num in options.evals:
        with tempfile.TemporaryDirectory() as place:
            print(row(Path(place), num, options.repeats), flush=True)


def row(place: Path, num: int, repeats: int) -> str:
    """Measure the commands on a file."""
    (place / "problem.py").write_text(PROBLEM)
    content = made(num)
    shown, resumed, computed = [], [], []
    for _ in range(repeats):
        (place / "large.h5").write_bytes(content)
        shown.append(seconds(place, ["show", "large.h5"])[0])
        words = ["hps-random", "--problem", "problem.py", "--max-evals", str(num + NUM_NEW), "--evaluator", "serial"]
        wall, processor = seconds(
            place, [*words, "--isolation", "inline", "--output", "large.h5", "--resume", "--quiet"]
        )
        resumed.append(wall)
        computed.append(processor)
    cells = [f"{num:,}", f"{len(content) / 1e6:.0f}", *map(cell, (shown, resumed, computed))]
    return f"| {' | '.join(cells)} |"


def made(num: int) -> bytes:
    """Return the content of a file of so many evaluations."""
    rng = np.random.default_rng(0)
    table = EvaluationTable([f"x{number}" for number in range(NUM_DIMENSIONS)])
    failed, numbers = rng.random(num) < 1 / 50, np.arange(num)
    begun = BEGUN + numbers / NUM_WORKERS
    table.id, table.order, table.num_ordered = array("q", range(num)), array("q", range(num)), num
    table.objective = array("d", np.where(failed, np.nan, rng.normal(size=num)))
    table.state = bytearray(
        np.where(failed, STATES.index(State.FAILED), STATES.index(State.DONE)).astype(np.uint8).tobytes()
    )
    table.submitted, table.started, table.ended = (array("d", begun + later) for later in (0.0, 1e-3, SECONDS))
    table.rank = array("i", (numbers % NUM_WORKERS + 1).astype(np.int32))
    table.host = [f"node{rank // 8:04d}" for rank in table.rank]
    table.error = {int(each): f"Traceback\nValueError: at {each}" for each in np.flatnonzero(failed)}
    table.step = array("d", np.full(num, np.nan))
    table.model = ["random"] * num
    table.known = table.fitted = table.detail = array("q", bytes(8 * num))
    table.rows = {number: number for number in range(num)}
    table.points = list(zip(*rng.random((NUM_DIMENSIONS, num)).tolist(), strict=True))
    table.counts = [table.state.count(code) for code in range(len(STATES))]
    space = dict.fromkeys(table.names, (0.0, 1.0))
    ended = BEGUN + num / NUM_WORKERS + 1
    run = {
        "started": BEGUN,
        "ended": ended,
        "num_workers": NUM_WORKERS,
        "hosts": [],
        "layout": "",
        "why": "",
        "roles": {},
    }
    metadata = Metadata("hps-random", "problem.Problem", space, seed=0, created=BEGUN, runs=[run])
    return dump(Snapshot(metadata, table, "large", 1, PolicyLog()))


def seconds(place: Path, words: Sequence[str]) -> tuple[float, float]:
    """Return how long a command takes, and its processor time."""
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "dhmpi", *words], cwd=place, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, os.times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def cell(values: Sequence[float]) -> str:
    """Return the median of measurements, and their range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
