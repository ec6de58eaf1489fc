"""Data-parallel training by Horovod: how much sooner several ranks have trained a network than one.

    python benchmarks/data_parallel.py [--repeats 3] [--sizes 1,2]

To be run where Horovod is: `scripts/horovod VENV`. A network is trained for as many epochs over the same samples by one
rank and by several, each with one thread; so with more of them than cores there is nothing to win. Of each campaign of
three evaluations the first, which compiles, does not count. The speed-up is the ratio of medians of repeats that take
turns, to one rank inline, which trains without Horovod.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from dhmpi import results

# A dense network, for which an average of all gradients is much, and a convolutional one, for which it is little.
DENSE = {"nhidden": 2, "nunits": 400, "batch_size": 64}
CONVOLUTIONAL = {
    **{"f1_size": 5, "f2_size": 5, "f1_units": 16, "f2_units": 32, "p_size": 2},
    **{"nunits": 64, "batch_size": 64},
}
NETWORKS = {"mnistmlp": DENSE, "mnistcnn": CONVOLUTIONAL}
COMMON = {"epochs": 12, "activation": "relu", "dropout": 0.0, "optimizer": "sgd", "learning_rate": 0.05}
NUM_EVALS = 3


def training_seconds(name: str, size: int, isolation: str, directory: str) -> list[float]:
    """Return how long trainings with so many ranks took, the first aside [s]."""
    problem, path = Path(directory) / "fixed_problem.py", f"{directory}/results.h5"
    values = COMMON | NETWORKS[name] | {"data_source": "synthetic"}
    lines = ["from dhmpi.benchmark import HpProblem", "Problem = HpProblem()", "Problem.add_dim('number', (0, 99), 0)"]
    lines += [f"Problem.add_dim({each!r}, [{value!r}], {value!r})" for each, value in values.items()]
    problem.write_text("\n".join(lines) + "\n")
    words = ["mpirun", "-n", str(size + 1), "dhmpi", "hps-random", "--quiet", "--problem", str(problem)]
    words += ["--run", f"dhmpi.benchmark.hps.{name}.run", "--ranks-per-eval", str(size), "--isolation", isolation]
    words += ["--max-evals", str(NUM_EVALS), "--output", path, "--overwrite"]
    env = os.environ | {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True, timeout=600, env=env)
    evaluations = sorted(results.read(path).evaluations, key=lambda each: each.id)
    return [float(each.extra["training_seconds"]) for each in evaluations[1:]]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", default="1,2", help="numbers of ranks for each evaluation")
    arguments = parser.parse_args()
    sizes = [int(word) for word in arguments.sizes.split(",")]
    measured: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory:
        for _, name, isolation, size in itertools.product(
            range(arguments.repeats), NETWORKS, ("inline", "process"), sizes
        ):
            measured[name, isolation, size] += training_seconds(name, size, isolation, directory)
    print("| network | isolation | ranks per evaluation | training [s] (least to most) | speed-up |")
    print("|---|---|---|---|---|")
    for (name, isolation, size), values in measured.items():
        median, plain = statistics.median(values), statistics.median(measured[name, "inline", sizes[0]])
        spread = f"{median:.2f} ({min(values):.2f} to {max(values):.2f})"
        print(f"| {name} | {isolation} | {size} | {spread} | {plain / median:.2f} |", flush=True)


if __name__ == "__main__":
    main()
