"""Runs many campaigns of all kinds one after the other in one job, and says what became of them.

    mpirun -n 5 python benchmarks/campaigns.py --campaigns 200

Kinds follow each other in random order, with and without isolation: searches of all sorts, evaluators that are driven
by hand, campaigns that a signal ends, and some that do not begin because their file exists. At least five ranks are
needed. The exit status is 0 if each campaign has done exactly what it should.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from dhmpi.errors import ResultsError
from dhmpi.evaluation import State
from dhmpi.evaluator import Evaluator
from dhmpi.results import Results
from dhmpi.search.hps.ga import GA
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.nas.ppo_a3c_async import NasPPOAsyncA3C
from dhmpi.search.nas.ppo_a3c_sync import NasPPOSyncA3C
from dhmpi.search.nas.random import NasRandom
from dhmpi.support import environment

POLYNOME = "dhmpi.benchmark.hps.polynome2"
TABLE = "dhmpi.benchmark.nas.table"
NUM_EVALUATIONS = 12
# One after the other, since the same signal counts once within a second.
SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
IS_RANK_0 = environment.launch().rank == 0


class Campaign(NamedTuple):
    """Options of a campaign.

    Attributes:
        number: Its number in the job.
        turn: How many of its kind have been before.
        isolation: Where the run function runs.
        num_agents: How many agents a search by agents has.
    """

    number: int
    turn: int
    isolation: str
    num_agents: int

    def options(self, **more: Any) -> dict[str, Any]:
        """Return a search's options."""
        common = {"max_evals": NUM_EVALUATIONS, "output": f"{self.number}.h5", "isolation": self.isolation}
        return common | {"quiet": True} | more


def square(point: dict[str, Any]) -> float:
    """Run function of evaluators that are driven by hand."""
    return float(point["x"] ** 2)


def slow(point: dict[str, Any]) -> float:
    """Run function that lasts until a signal ends it."""
    time.sleep(0.02)
    return 1.0


def _is_complete(found: Results | None) -> bool:
    if not IS_RANK_0:
        return True
    assert found is not None
    ids = [each.id for each in found.evaluations]
    states = {each.state for each in found.evaluations}
    return ids == list(range(NUM_EVALUATIONS)) and states == {State.DONE} and found.metadata.complete


def _hps(search: Any) -> Callable[[Campaign], bool]:
    return lambda campaign: _is_complete(search(f"{POLYNOME}.Problem", f"{POLYNOME}.run", **campaign.options()).main())


def _nas(search: Any, has_agents: bool = True) -> Callable[[Campaign], bool]:
    def run(campaign: Campaign) -> bool:
        agents = {"agents": campaign.num_agents} if has_agents else {}
        return _is_complete(search(f"{TABLE}.Problem", f"{TABLE}.run", **campaign.options(**agents)).main())

    return run


def _by_hand(campaign: Campaign) -> bool:
    points = [{"x": x} for x in range(NUM_EVALUATIONS)]
    files = f"{campaign.number}.files"
    with Evaluator.create(square, method="mpi", isolation=campaign.isolation, files=files) as evaluator:
        evaluator.add_eval_batch(points)
        return list(evaluator.await_evals(points, 60.0)) == [(point, square(point)) for point in points]


def _stopped(campaign: Campaign) -> bool:
    options = campaign.options(max_evals=1_000_000)
    signum = SIGNALS[campaign.turn % len(SIGNALS)]
    if IS_RANK_0:
        threading.Thread(target=_signal_when_there, args=(Path(options["output"]), signum), daemon=True).start()
    found = RandomSearch(f"{POLYNOME}.Problem", slow, **options).main()
    if found is None:
        return not IS_RANK_0
    states = {each.state for each in found.evaluations}
    return found.metadata.runs[-1]["why"] == f"stopped by {signum.name}" and states <= {State.DONE, State.CANCELLED}


def _signal_when_there(path: Path, signum: signal.Signals) -> None:
    while not path.exists():
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(os.getpid(), signum)


def _refused(campaign: Campaign) -> bool:
    options = campaign.options()
    if IS_RANK_0:
        Path(options["output"]).write_text("another one's")
    try:
        return RandomSearch(f"{POLYNOME}.Problem", f"{POLYNOME}.run", **options).main() is None and not IS_RANK_0
    except ResultsError:  # the program goes on
        return IS_RANK_0


KINDS: dict[str, Callable[[Campaign], bool]] = {
    "hps-random": _hps(RandomSearch),
    "ga": _hps(GA),
    "nas-random": _nas(NasRandom, has_agents=False),
    "ppo-async": _nas(NasPPOAsyncA3C),
    "ppo-sync": _nas(NasPPOSyncA3C),
    "stopped by a signal": _stopped,
    "refused": _refused,
    "by hand": _by_hand,
}


def order(num: int, rng: random.Random) -> list[str]:
    """Return what kind each campaign is; in the first half, all ranks go through the program side by side."""
    together = [name for name in KINDS if name != "by hand"]
    return [rng.choice(together if number < num // 2 else list(KINDS)) for number in range(num)]


def main() -> int:
    """Run the campaigns, and print the table on rank 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of their order")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    seconds: dict[str, list[float]] = {name: [] for name in KINDS}
    right = Counter[str]()
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        for number, kind in enumerate(order(arguments.campaigns, rng)):
            campaign = Campaign(number, len(seconds[kind]), rng.choice(["process", "inline"]), rng.choice([1, 2]))
            begun = time.monotonic()
            right[kind] += KINDS[kind](campaign)
            seconds[kind].append(time.monotonic() - begun)
    if IS_RANK_0:
        print("| kind | campaigns | as they should be | median [s] | longest [s] |")
        print("|---|---|---|---|---|")
        for kind, each in seconds.items():
            if each:
                print(f"| {kind} | {len(each)} | {right[kind]} | {median(each):.2f} | {max(each):.2f} |")
    return 0 if right.total() == arguments.campaigns else 1


if __name__ == "__main__":
    sys.exit(main())
