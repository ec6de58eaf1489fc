"""Steps a second of `--evaluator launch`, beside the bare launcher; to be run within an allocation.

    sbatch --nodes=3 --exclusive --wrap "python benchmarks/launch.py [--num-steps 60] [--repeats 5]"

Each step is one rank on one node, and does nothing. As many run at the same time as there are nodes. The bare launcher
is a loop that starts the same lines, waits for the first of them to end, and starts the next one on its node. What is
left is what dhmpi does around a step: supervisors, files, the journal. Repeats take turns.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict

from dhmpi import results
from dhmpi.evaluator.launch_steps import launch_evaluator
from dhmpi.execution.executor import Setup
from dhmpi.execution.step_executor import Launching

PROBLEM = "dhmpi.benchmark.hps.polynome2.Problem"
PROGRAM = ["/bin/echo", "DH-OUTPUT: 1"]
RUNS = {"program": "exec:/bin/echo 'DH-OUTPUT: 1'", "run function": "dhmpi.benchmark.hps.polynome2.run"}


def bare(launching: Launching, nodes: tuple[str, ...], num: int) -> float:
    """Return how many steps a second the launcher starts by itself."""
    env = launching.environment()
    free, running, num_begun, num_ended = list(nodes), {}, 0, 0
    begun = time.perf_counter()
    while num_ended < num:
        while free and num_begun < num:
            node = free.pop()
            line = launching.words((node,), f"bare-{num_begun}", env)
            running[
                subprocess.Popen([*line, *PROGRAM], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ] = node
            num_begun += 1
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        for process in [each for each in running if each.poll() is not None]:
            if process.returncode:
                raise SystemExit(f"the launcher ended with exit status {process.returncode}")
            free.append(running.pop(process))
            num_ended += 1
    return num / (time.perf_counter() - begun)


def search(run: str, num: int, directory: str) -> float:
    """Return how many steps a second a random search does, start-up aside."""
    path = f"{directory}/results.h5"
    words = ["dhmpi", "hps-random", "--problem", PROBLEM, "--run", run, "--max-evals", str(num), "--quiet"]
    words += ["--evaluator", "launch", "--output", path, "--overwrite", "--logs", "none"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=900)
    found = results.read(path)
    run_of_it = found.metadata.runs[-1]
    return len(found.evaluations) / float(run_of_it["ended"] - run_of_it["started"])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    evaluator = launch_evaluator(Setup(RUNS["program"]))
    launching, nodes = evaluator.launching, tuple(evaluator.hosts())
    evaluator.shutdown()
    measured: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(dir=".") as directory:
        for _ in range(arguments.repeats):
            measured["bare"].append(bare(launching, nodes, arguments.num_steps))
            for name, run in RUNS.items():
                measured[name].append(search(run, arguments.num_steps, directory))
    print(f"{arguments.num_steps} steps of {launching.kind} on {len(nodes)} nodes, {arguments.repeats} repeats\n")
    print("| what starts them | steps/s, median (least to most) | ratio to bare |")
    print("|---|---|---|")
    yardstick = statistics.median(measured["bare"])
    for name, values in measured.items():
        median = statistics.median(values)
        label = f"bare {launching.kind}" if name == "bare" else f"`--evaluator launch`, {name}"
        print(f"| {label} | {median:.1f} ({min(values):.1f} to {max(values):.1f}) | {median / yardstick:.2f} |")


if __name__ == "__main__":
    main()
