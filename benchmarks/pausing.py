"""Steps that are taken twice when a campaign is killed again and again, or ends with its time, and goes on.

    python benchmarks/pausing.py [--seconds 6] [--evals 6]

Each evaluation takes 100 steps of 50 ms; it saves its state after every step where campaigns are killed (SIGKILL, to
all processes of the job at once), and only when it is told to where they end with their time.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from dhmpi import results
from dhmpi.evaluation import State

NUM_STEPS = 100
PROBLEM = """
import os, time
from dhmpi.benchmark import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0), 0.5)


def run(point, context):
    file, step = context.directory / "step", 0
    if context.resumed and file.exists():
        step = int(file.read_text())
    while step < NUM_STEPS:
        time.sleep(0.05)
        step += 1
        with open(context.directory / "steps", "a") as log:
            log.write(f"{step}\\n")
        if "EVERY" in os.environ or context.should_checkpoint:
            new = file.with_suffix(".new")
            new.write_text(str(step))
            new.rename(file)
        context.report(step, point["x"] + 1 / step)
    return point["x"]
""".replace("NUM_STEPS", str(NUM_STEPS))
PROGRAM = """#!/bin/sh
step=0
[ ! -f "$DHMPI_DIRECTORY/step" ] || step=$(cat "$DHMPI_DIRECTORY/step")
save() { echo "$step" > "$DHMPI_DIRECTORY/step.new" && mv "$DHMPI_DIRECTORY/step.new" "$DHMPI_DIRECTORY/step"; }
trap 'ends=yes' USR1
while [ "$step" -lt NUM_STEPS ]; do
    sleep 0.05
    step=$((step + 1))
    echo "$step" >> "$DHMPI_DIRECTORY/steps"
    [ -z "$EVERY$ends" ] || save
    echo "DH-REPORT: $step $1"
    [ -z "$ends" ] || exit 0
done
echo "DH-OUTPUT: $1"
""".replace("NUM_STEPS", str(NUM_STEPS))
LAUNCHES = {
    "mpirun -n 3": ["mpirun", "--oversubscribe", "-n", "3", "dhmpi", "hps-random"],
    "processPool, 2 workers": ["dhmpi", "hps-random", "--evaluator", "processPool", "--num-workers", "2"],
    "mpirun -n 3, programs": [
        "mpirun",
        "--oversubscribe",
        "-n",
        "3",
        "dhmpi",
        "hps-random",
        "--run",
        "exec:./program.sh {x}",
    ],
}


class Tally(NamedTuple):
    """Tally of a campaign: how often it has begun, and steps that were taken, and that were taken again."""

    num_runs: int
    num_taken: int
    num_again: int


def main() -> None:
    """Run the campaigns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each run may take")
    parser.add_argument("--evals", type=int, default=6, help="evaluations of each campaign")
    options = parser.parse_args()
    print("| evaluator | ended by | runs | steps | of these again |\n|---|---|---|---|---|")
    for name, launcher in LAUNCHES.items():
        for is_killed in (True, False):
            found = campaign(launcher, options.seconds, options.evals, is_killed)
            how = "SIGKILL" if is_killed else "the time"
            print(f"| {name} | {how} | {found.num_runs} | {found.num_taken} | {found.num_again} |", flush=True)


def campaign(launcher: list[str], seconds: float, num: int, is_killed: bool) -> Tally:
    """Run a campaign to its end, bit by bit."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "problem.py").write_text(PROBLEM)
        program = Path(directory) / "program.sh"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        output = Path(directory) / "results.h5"
        words = [*launcher, "--problem", "problem.py", "--max-evals", str(num), "--quiet"]
        num_runs = 0
        while not (output.exists() and results.read(output).metadata.complete):
            num_runs += 1
            resume = ["--resume"] if output.exists() else []
            limit = [] if is_killed else ["--max-minutes", str(seconds / 60)]
            env = os.environ | ({"EVERY": "1"} if is_killed else {})
            job = subprocess.Popen(
                [*words, *resume, *limit], cwd=directory, env=env, start_new_session=True, stdout=subprocess.DEVNULL
            )
            try:
                job.wait(seconds if is_killed else None)
            except subprocess.TimeoutExpired:
                kill_session(job.pid)
                job.wait()
                time.sleep(0.5)  # until supervisors have ended what is left
        taken = [file.read_text().split() for file in Path(f"{output}.files").glob("evaluation-*/steps")]
        assert all(each.state is State.DONE for each in results.read(output).evaluations)
        assert all(len(set(steps)) == NUM_STEPS for steps in taken)
        total = sum(map(len, taken))
        return Tally(num_runs, total, total - num * NUM_STEPS)


def kill_session(session: int) -> None:
    """Kill all processes of a session; mpirun gives ranks groups of their own."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _session_of(int(entry.name)) == session:
            os.kill(int(entry.name), signal.SIGKILL)


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


if __name__ == "__main__":
    main()
