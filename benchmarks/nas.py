"""Architectures trained per minute, beside a script of Keras alone that trains the same ones.

    python benchmarks/nas.py [--evals 24] [--rounds 3]

Random search on two worker ranks, linearReg with five cells for one epoch; then two plain processes, half of the same
architectures each. Neither counts the time until the first training: imports, data.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dhmpi import results
from dhmpi.evaluation import State

HERE = Path(__file__).resolve().parent
NUM_WORKERS = 2


def search(num: int, seed: int, directory: str) -> tuple[float, float, list[list[int]]]:
    """Run the search.

    Returns:
        Trainings per minute, the share of the workers' time that is training, and the architectures.
    """
    output = f"{directory}/{seed}.h5"
    words = ["mpirun", "-n", str(1 + NUM_WORKERS), "dhmpi", "nas-random", "--problem", str(HERE / "nas_problem.py")]
    words += ["--max-evals", str(num), "--seed", str(seed), "--output", output, "--quiet"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=1800)
    found = results.read(output).evaluations
    assert all(each.state is State.DONE for each in found), [each.error for each in found]
    # The first evaluation of each rank compiles and loads the data; it is left out, as is the plain script's start.
    first = {each.rank: each for each in reversed(found)}
    begun = min(each.ended for each in first.values())
    later = [each for each in found if each.id not in {one.id for one in first.values()}]
    seconds = max(each.ended for each in later) - begun
    training = sum(each.extra["training_seconds"] for each in later)
    rate = len(later) / seconds * 60
    return rate, training / (NUM_WORKERS * seconds), [list(each.point.values()) for each in later]


def plain(architectures: list[list[int]], directory: str) -> float:
    """Train the architectures with Keras alone, and return how many it does a minute."""
    processes = []
    for number in range(NUM_WORKERS):
        path = Path(directory) / f"{number}.json"
        path.write_text(json.dumps([architectures[number], *architectures[number::NUM_WORKERS]]))
        words = [sys.executable, str(HERE / "nas_plain.py"), str(path)]
        processes.append(
            subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    begun = time.perf_counter()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    seconds = [json.loads(process.stdout.readline()) for process in processes]
    total = time.perf_counter() - begun
    for process in processes:
        process.wait(60)
    first = statistics.mean(each[0] for each in seconds)  # in which TensorFlow starts
    return len(architectures) / (total - first) * 60


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evals", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    print("| round | dhmpi [1/min] | plain Keras [1/min] | ratio | share of training |\n|---|---|---|---|---|")
    ratios = []
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(arguments.rounds):
            rate, share, architectures = search(arguments.evals, seed, directory)
            theirs = plain(architectures, directory)
            ratios.append(rate / theirs)
            print(f"| {seed} | {rate:.1f} | {theirs:.1f} | {ratios[-1]:.2f} | {share:.2f} |", flush=True)
    print(f"\nmedian ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
