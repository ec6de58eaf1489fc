"""Overhead of an evaluation with each evaluator, beside the standard library's own way in the same run.

    python benchmarks/evaluators.py [--rounds 5] [--workers 2] [--no-tensorflow]

All contenders run in turn, again and again; the table shows medians, and ratios of medians to the standard library's.
Each gets a next evaluation as soon as a worker is idle. The empty run function returns at once; the other one imports
TensorFlow, which a pool does once per worker and fresh interpreters every time.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

from evaluators_run import empty, imports_tensorflow

from dhmpi.evaluation import Evaluation, Point, State
from dhmpi.evaluator import Evaluator

HERE = Path(__file__).resolve().parent
RUNS = {"empty": empty, "tensorflow": imports_tensorflow}
# Evaluations of one round: enough for a second or so.
NUMBERS = {
    "empty": {"threadPool": 20_000, "processPool": 4_000, "subprocess": 40},
    "tensorflow": {"threadPool": 2_000, "processPool": 2_000, "subprocess": 4},
}


def points(num: int, first: int = 0) -> Iterator[Point]:
    """Yield ten-dimensional points, none of them twice: equal ones would be evaluated once."""
    return ({f"x{j}": i + j / 10 for j in range(10)} for i in range(first, first + num))


def evaluator(method: str, run: str, workers: int) -> Callable[[int], float]:
    """Return what evaluates so many points by dhmpi, and returns the seconds it took."""

    def measure(num: int) -> float:
        with (
            tempfile.TemporaryDirectory() as files,
            Evaluator.create(RUNS[run], None, method, workers, files=files) as by_hand,
        ):
            made = by_hand.evaluator
            made.start()
            _rounds(made, list(points(2 * workers, num)), first_id=num)  # imports, and whatever else happens once
            return _rounds(made, list(points(num)), first_id=0)

    return measure


def _rounds(made: Evaluator, todo: list[Point], first_id: int) -> float:
    begun, next_index, finished = time.perf_counter(), 0, 0
    while finished < len(todo):
        while made.num_idle and next_index < len(todo):
            made.submit(Evaluation(first_id + next_index, todo[next_index]))
            next_index += 1
        ended = made.gather(1.0)
        assert all(each.state is State.DONE for each in ended), ended
        finished += len(ended)
    return time.perf_counter() - begun


def pool(make: Callable[[int], Executor], run: str, workers: int) -> Callable[[int], float]:
    """Return what does the same by concurrent.futures."""

    def measure(num: int) -> float:
        with make(workers) as executor:
            _futures(executor, run, workers, list(points(2 * workers)))
            return _futures(executor, run, workers, list(points(num)))

    return measure


def _futures(executor: Executor, run: str, workers: int, todo: list[Point]) -> float:
    begun = time.perf_counter()
    left = iter(todo)
    running: set[Future[float]] = set()
    finished = 0
    while finished < len(todo):
        while len(running) < workers and (point := next(left, None)) is not None:
            running.add(executor.submit(RUNS[run], point))
        done, running = wait(running, return_when=FIRST_COMPLETED)
        finished += len([future.result() for future in done])
    return time.perf_counter() - begun


def interpreters(run: str, workers: int) -> Callable[[int], float]:
    """Return what starts bare interpreters, so many at a time."""
    code = "pass" if run == "empty" else "import evaluators_run; evaluators_run.imports_tensorflow({})"

    def measure(num: int) -> float:
        begun = time.perf_counter()
        running: list[subprocess.Popen[bytes]] = []
        for _ in range(num):
            if len(running) == workers:
                _wait_for_one(running)
            running.append(subprocess.Popen([sys.executable, "-c", code], cwd=HERE, stdin=subprocess.DEVNULL))
        while running:
            _wait_for_one(running)
        return time.perf_counter() - begun

    return measure


def _wait_for_one(running: list[subprocess.Popen[bytes]]) -> None:
    pid, status = os.wait()
    assert status == 0, status
    running[:] = [process for process in running if process.pid != pid]


def spawned(workers: int) -> Executor:
    """Return a process pool that does not fork."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-tensorflow", action="store_true")
    arguments = parser.parse_args()
    with_tensorflow = not arguments.no_tensorflow and importlib.util.find_spec("tensorflow") is not None
    peers = {
        "threadPool": ("ThreadPoolExecutor", lambda run: pool(ThreadPoolExecutor, run, arguments.workers)),
        "processPool": ("ProcessPoolExecutor", lambda run: pool(spawned, run, arguments.workers)),
        "subprocess": ("bare interpreters", lambda run: interpreters(run, arguments.workers)),
    }
    print(f"{arguments.workers} workers, {arguments.rounds} rounds\n")
    print("| run function | evaluator | ms per evaluation | beside | ms per evaluation | ratio |")
    print("|---|---|---|---|---|---|")
    for run in ("empty", "tensorflow")[: 1 + with_tensorflow]:
        seconds: dict[str, list[float]] = defaultdict(list)
        for _ in range(arguments.rounds):
            for method, (peer, make_peer) in peers.items():
                num = NUMBERS[run][method]
                seconds[method].append(evaluator(method, run, arguments.workers)(num) / num)
                seconds[peer].append(make_peer(run)(num) / num)
        for method, (peer, _) in peers.items():
            ours, theirs = (1e3 * statistics.median(seconds[name]) for name in (method, peer))
            print(f"| {run} | {method} | {ours:.3f} | {peer} | {theirs:.3f} | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
