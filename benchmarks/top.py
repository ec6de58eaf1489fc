"""Time that `dhmpi top` takes for a refresh, beside a campaign that writes 10,000 evaluations a second.

    python benchmarks/top.py [--held 100000 1000000] [--rate 10000] [--seconds 30] [--dimensions 10]

A process of its own writes through the store, as a campaign does, with snapshots when they are due. The file holds so
many evaluations before that. A refresh reads what is new and makes a page of 120x40; the first page needs the whole
file. Where there is more than can be read in a refresh, the next one follows at once, as on the screen.
"""

import argparse
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

from dhmpi.analysis.top.live_page import PageSize
from dhmpi.analysis.top.watch import Watch
from dhmpi.evaluation import Evaluation, Origin, State
from dhmpi.results import Metadata, ResultsStore

NUM_WORKERS = 1000
FAILED_SHARE = 0.02
ERROR = 'Traceback (most recent call last):\n  File "my.py", line 1, in run\nValueError: bad value {}'


class Load(NamedTuple):
    """Load that the writer makes."""

    path: Path
    num_held: int
    rate: int
    num_dimensions: int


def evaluations(load: Load, source: random.Random, first: int, number: int) -> Iterator[Evaluation]:
    """Yield evaluations as they are sent off."""
    origin, moment = Origin("RF", first, first, 0), time.time()
    for id in range(first, first + number):
        point = {f"x{dimension}": source.random() for dimension in range(load.num_dimensions)}
        rank = 1 + id % NUM_WORKERS
        yield Evaluation(id, point, submitted=moment, rank=rank, host=f"node{rank // 8:04d}", origin=origin)


def ended(each: Evaluation, source: random.Random) -> Evaluation:
    """Return an evaluation as it comes back."""
    now = time.time()
    failed = source.random() < FAILED_SHARE
    error = ERROR.format(source.random()) if failed else ""
    state, objective = (State.FAILED, None) if failed else (State.DONE, source.gauss(0.0, 1.0))
    return each._replace(state=state, objective=objective, started=each.submitted, ended=now, error=error)


def write(load: Load, is_held: Event, must_end: Event) -> None:
    """Be the campaign: fill the file, then write as many evaluations per second as are wanted."""
    source, space = random.Random(0), {f"x{dimension}": (0.0, 1.0) for dimension in range(load.num_dimensions)}
    store = ResultsStore.create(load.path, Metadata("ambs", "a problem", space, options={"max_evals": 10**8}))
    store.begin_run(NUM_WORKERS, ["node"], "a benchmark")
    running: list[Evaluation] = []
    num, begun = 0, 0.0
    while not must_end.is_set():
        if num >= load.num_held and not begun:
            store.snapshot()
            is_held.set()
            begun = time.monotonic()
        batch = 100
        if begun and num - load.num_held > load.rate * (time.monotonic() - begun):
            time.sleep(0.001)
            continue
        store.finished([ended(each, source) for each in running[:batch]])
        del running[: batch if len(running) >= NUM_WORKERS else 0]
        new = list(evaluations(load, source, num, batch))
        store.submitted(new)
        running += new
        num += batch
        store.commit()
    store.finished([ended(each, source) for each in running])
    store.close("the end")


def measure(load: Load, seconds: float) -> str:
    """Return a row of the table."""
    context = multiprocessing.get_context("spawn")
    is_held, must_end = context.Event(), context.Event()
    writer = context.Process(target=write, args=(load, is_held, must_end))
    writer.start()
    is_held.wait()
    watch = Watch(str(load.path))
    begun = time.monotonic()
    watch.poll(float("inf"))
    watch.lines(PageSize(120, 39))
    first = time.monotonic() - begun
    before, is_all = watch.num_ended, True
    took, cost = [], []
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        time.sleep(1.0 if is_all else 0.0)
        refreshed, computed = time.monotonic(), time.process_time()
        is_all = watch.poll()
        watch.lines(PageSize(120, 39))
        took.append(time.monotonic() - refreshed)
        cost.append(time.process_time() - computed)
    rate = (watch.num_ended - before) / (time.monotonic() - begun)
    must_end.set()
    writer.join()
    refresh = (f"{statistics.median(took):.3f}", f"{max(took):.3f}", f"{max(cost):.3f}")
    cells = (f"{load.num_held:,}", f"{rate:,.0f}", f"{first:.2f}", *refresh)
    watch.close()
    return f"| {' | '.join(cells)} | {watch.num_reads} |"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--dimensions", type=int, default=10)
    arguments = parser.parse_args()
    titles = "evaluations in the file | written per second | first page [s] | refresh, median [s] | maximum [s]"
    print(f"| {titles} | CPU, maximum [s] | snapshots read |\n|---|---|---|---|---|---|---|")
    for num_held in arguments.held:
        with tempfile.TemporaryDirectory() as directory:
            load = Load(Path(directory) / "results.h5", num_held, arguments.rate, arguments.dimensions)
            print(measure(load, arguments.seconds), flush=True)


if __name__ == "__main__":
    main()
