"""Integrity of results files: each has exactly one writer, and damage is noticed.

    python benchmarks/integrity.py [--starts 200] [--bits 2500] [--seed 1]

Several processes are started on one results file at the same moment, again and again: exactly one may survive, and its
file must be whole. Then single bits of a results file are flipped: each must be noticed, in one sentence, or change
nothing.
"""

import argparse
import io
import multiprocessing
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dhmpi import cli, results
from dhmpi.analysis import terminal  # loaded before the processes are made
from dhmpi.errors import ResultsError
from dhmpi.evaluation import Evaluation, State
from dhmpi.results import Metadata, ResultsStore, ownership, snapshot, store  # noqa: F401  # loaded before the processes are made
from dhmpi.results.schema import PolicyRow

FORK = multiprocessing.get_context("fork")
NUM_EVALS = 30
CONTENDERS = 3
RUN = "import time\n\ndef run(point):\n    time.sleep(0.02)\n    return point['x1']\n"
PROBLEM = "dhmpi.benchmark.hps.rosen2.Problem"
OUTPUT = "results.h5"
# How long a contender of another host watches whether the file is being written, in place of a minute [s].
PATIENCE_ELSEWHERE = 1.5
LIMIT = 120.0  # s
# What may come of a flipped bit; the last ones must not.
WORDS = ("refused", "noted", "nothing changed", "changed silently", "a traceback")
BAD = (*WORDS[3:], "hung", "crashed")
PATIENCE_READING = 10  # s


def contend(directory: Path, words: list[str], host: str, number: int, start: Callable[[], object]) -> None:
    """Run a campaign in a process of its own, which has everything loaded, as soon as all others are ready too."""
    os.chdir(directory)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(directory.parent / f"{directory.name}.err{number}", os.O_WRONLY | os.O_CREAT), 2)
    if host:
        platform.node = lambda: host
        ownership.PATIENCE, ownership.LOOK_INTERVAL = PATIENCE_ELSEWHERE, 0.05
        store.BEAT_INTERVAL = PATIENCE_ELSEWHERE / 8
    search = ["hps-random", "--problem", PROBLEM, "--run", "run.py", "--output", OUTPUT]
    search += ["--max-evals", str(NUM_EVALS), "--isolation", "inline", "--quiet", *words]
    start()
    status = cli.main(search)
    sys.stderr.flush()
    os._exit(status)


def race(directory: Path, words: list[str], hosts: list[str]) -> list[tuple[int | None, str]]:
    """Let processes begin at the same moment; return their exit statuses and what they complained of."""
    barrier = FORK.Barrier(len(hosts))
    racers = [
        FORK.Process(target=contend, args=(directory, words, host, number, barrier.wait))
        for number, host in enumerate(hosts)
    ]
    for racer in racers:
        racer.start()
    found = []
    for number, racer in enumerate(racers):
        racer.join(LIMIT)
        racer.kill()
        found.append((racer.exitcode, (directory.parent / f"{directory.name}.err{number}").read_text()))
    return found


def left_behind(directory: Path, host: str) -> None:
    """Leave what a campaign leaves that is killed."""
    victim = FORK.Process(target=contend, args=(directory, [], host, 0, time.monotonic))
    victim.start()
    end = time.monotonic() + LIMIT
    while not (directory / f"{OUTPUT}.journal").exists() and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(0.1)
    victim.kill()
    victim.join()


def trial(kind: str, directory: Path) -> str:
    """Start contenders at the same moment.

    Args:
        kind: new, overwrite, resume (what a killed campaign has left), or elsewhere (the same, and each has another
            host).
        directory: Where; it is empty.

    Returns:
        What is wrong, or nothing.
    """
    (directory / "run.py").write_text(RUN)
    hosts = [f"nid{number}" if kind == "elsewhere" else "" for number in range(CONTENDERS)]
    words = {"new": [], "overwrite": ["--overwrite"]}.get(kind, ["--resume"])
    if kind != "new":
        left_behind(directory, "nid-dead" if kind == "elsewhere" else "")
    ended = race(directory, words, hosts)
    statuses = sorted(-1 if status is None else status for status, _ in ended)
    losers = [err for status, err in ended if status]
    if statuses != [0] + [2] * (CONTENDERS - 1):
        return f"one must survive, got the exit statuses {statuses}: {losers}"
    for err in losers:
        if "Traceback" in err or "is writing it" not in err:
            return f"the others must be told who writes, got {err}"
    found = results.read(directory / OUTPUT)
    if not found.metadata.complete or len(found.evaluations) != NUM_EVALS or found.dropped:
        return f"the file must be complete, got {len(found.evaluations)} evaluations; {found.dropped}"
    leftovers = {path.name for path in directory.iterdir()} - {OUTPUT, f"{OUTPUT}.files", "run.py", "__pycache__"}
    return f"nothing must be left behind, got {leftovers}" if leftovers else ""


def starts(num: int) -> tuple[Counter[str], list[str]]:
    """Try all kinds of starts in turn; return how many went well, by kind, and what did not."""
    well: Counter[str] = Counter()
    faults = []
    kinds = ("new", "overwrite", "resume", "elsewhere")
    for number in range(num):
        kind = kinds[number % len(kinds)]
        with tempfile.TemporaryDirectory() as parent:
            place = Path(parent) / "campaign"
            place.mkdir()
            fault = trial(kind, place)
        if fault:
            faults.append(f"{kind}: {fault}")
        else:
            well[kind] += 1
    return well, faults


# --- damage


def sample(path: Path) -> None:
    """Write a campaign in which there is something of everything."""
    space = {"x": (0.0, 1.0), "n": (1, 9), "act": ["relu", None, 3], "name": ["a", "\u00e9"], "flag": [True, False]}
    kept = ResultsStore.create(path, Metadata("ppo-async", "pkg.Problem", space, {"num": 3}, 42, 1e9, "0.1.0", ["a"]))
    kept.begin_run(3, ["nid0", "nid1"], "rank 0 searches", started=1e9)
    states = (State.DONE, State.DONE, State.FAILED, State.TIMEOUT, State.CANCELLED)
    for id in range(60):
        point = {"x": id / 60, "n": id % 9 + 1, "act": space["act"][id % 3], "name": "\u00e9", "flag": id % 2 == 0}
        kept.submitted([Evaluation(id, point, submitted=1e9 + id)])
        state = states[id % len(states)]
        error, extra = ("Traceback: no", {}) if state is State.FAILED else ("", {"loss": id / 7})
        objective = id / 3 if state is State.DONE else None
        kept.finished([Evaluation(id, point, objective, state, None, 1e9 + id, 1e9 + id + 1, 1, "nid0", error, extra)])
    rows = [{name: float(id + number) for number, name in enumerate(PolicyRow._fields)} for id in range(5)]
    kept.learned([PolicyRow(**row | {"agent": 1, "update": id}) for id, row in enumerate(rows)])
    arrays = {name: np.arange(40, dtype=np.float32) for name in ("parameters", "first_moment", "second_moment")}
    kept.keep_policy(arrays, 5)
    kept.set_statistics({"mode": "gp", "ask_median": 0.1, "ask_p99": 0.2, "busy_share": 0.5})
    kept.close("the end", complete=True)


def told(path: Path) -> tuple[str, str]:
    """Return everything that a results file says, and what is noted about it."""
    found = results.read(path)
    stream = io.StringIO()
    terminal.show(found, stream)
    results.export_csv(found, stream)
    results.export_json(found, stream)
    state = {name: array.tolist() for name, array in found.policy.state.items()}
    return repr((found.metadata, found.evaluations, found.policy.rows(), state, found.policy.version)), found.dropped


def consequence(path: Path, truth: str) -> str:
    """Read a file that may be damaged in a process of its own, and return what came of it."""
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE_READING)
        answer = WORDS.index("changed silently")
        try:
            said, note = told(path)
            if said == truth:
                answer = WORDS.index("noted" if note else "nothing changed")
            elif note:
                answer = WORDS.index("refused")
        except ResultsError:
            answer = WORDS.index("refused")
        except Exception:
            answer = WORDS.index("a traceback")
        os._exit(answer)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return WORDS[status] if status >= 0 else "hung" if status == -signal.SIGALRM else "crashed"


def bits(num: int, seed: int, directory: Path) -> Counter[str]:
    """Flip single bits of a results file, and return how often what came of it."""
    path, rng = directory / OUTPUT, random.Random(seed)
    sample(path)
    truth, _ = told(path)
    whole = path.read_bytes()
    seen: Counter[str] = Counter()
    for _ in range(num):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        seen[consequence(path, truth)] += 1
    return seen


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=200, help="simultaneous starts")
    parser.add_argument("--bits", type=int, default=2500, help="bits that are flipped")
    parser.add_argument("--seed", type=int, default=1, help="seed of the bits")
    arguments = parser.parse_args()
    well, faults = starts(arguments.starts)
    print(f"| starts of {CONTENDERS} processes at the same moment | exactly one survived |")
    print("|---|---|")
    for kind, num in well.items():
        print(f"| {kind} | {num} |")
    with tempfile.TemporaryDirectory() as directory:
        seen = bits(arguments.bits, arguments.seed, Path(directory))
    print(f"\n| {arguments.bits} single bits flipped | what came of it |\n|---|---|")
    for word in (*WORDS, "hung", "crashed"):
        print(f"| {seen[word]} | {word} |")
    faults += [f"{seen[word]} flipped bits: {word}" for word in BAD if seen[word]]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
