"""Size of a report, and how long it takes to make one: of campaigns of ten dimensions, of a hundred workers.

A fiftieth of the evaluations fail, of seven causes. `dhmpi report` runs in a process of its own, as users start it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.results import Metadata
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.snapshot import Snapshot, dump
from dhmpi.results.table import EvaluationTable

NUM_DIMENSIONS, NUM_WORKERS = 10, 100
NAMES = [f"x{index}" for index in range(NUM_DIMENSIONS)]


def evaluation(id: int, values: list[float]) -> Evaluation:
    """Return an evaluation that takes about a second."""
    begun = 1.7e9 + id / NUM_WORKERS
    times = {"submitted": begun, "started": begun + 0.01, "ended": begun + 0.95}
    where = {"rank": id % NUM_WORKERS + 1, "host": f"node{id % NUM_WORKERS // 8:03d}"}
    point, origin = dict(zip(NAMES, values, strict=True)), Origin("RF", id, id)
    if id % 50 == 7:
        error = f'Traceback (most recent call last):\n  File "run.py", line 3\nValueError: cause {id % 7}'
        return Evaluation(id, point, None, State.FAILED, error=error, origin=origin, order=id, **times, **where)
    objective = sum((value - 0.3) ** 2 for value in values)
    extra = {"accuracy": 1.0 - objective}
    return Evaluation(id, point, objective, State.DONE, extra=extra, origin=origin, order=id, **times, **where)


def write_campaign(path: Path, num: int) -> None:
    """Write a results file of so many evaluations."""
    table = EvaluationTable(NAMES)
    points = np.random.default_rng(0).random((num, NUM_DIMENSIONS)).tolist()
    evaluations = [evaluation(id, values) for id, values in enumerate(points)]
    table.submit(evaluations)
    table.finish(evaluations)
    run = {"started": 1.7e9, "ended": 1.7e9 + num / NUM_WORKERS + 1, "num_workers": NUM_WORKERS, "hosts": ["node000"]}
    space = dict.fromkeys(NAMES, (0.0, 1.0))
    command = ["dhmpi", "ambs", "--problem", "my_problem.py"]
    metadata = Metadata("ambs", "P", space, command=command, runs=[{**run, "layout": "", "why": ""}], complete=True)
    path.write_bytes(dump(Snapshot(metadata, table, "benchmark", 1, PolicyLog())))


def main() -> None:
    """Print sizes and times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[1000, 10_000, 100_000], help="campaigns")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each (default: %(default)s)")
    arguments = parser.parse_args()
    print("| evaluations | report [MB] | median [s] | smallest | largest | load |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "campaign.h5"), Path(folder, "report.html")
        for num in arguments.evaluations:
            write_campaign(source, num)
            command = [sys.executable, "-m", "dhmpi", "report", str(source), "-o", str(target)]
            seconds = []
            for _ in range(arguments.repeats):
                begun = time.perf_counter()
                subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
                seconds.append(time.perf_counter() - begun)
            figures = [statistics.median(seconds), min(seconds), max(seconds), os.getloadavg()[0]]
            size = target.stat().st_size / 1e6
            print(f"| {num:,} | {size:.2f} | {' | '.join(f'{each:.2f}' for each in figures)} |", flush=True)


if __name__ == "__main__":
    main()
