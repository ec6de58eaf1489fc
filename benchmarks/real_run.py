"""A real search, end to end: the hyperparameters of a small neural network, by dhmpi and by other libraries.

    python benchmarks/real_run.py [--evals 100] [--seeds 5] [--contenders dhmpi hps-random optuna skopt]

All contenders have the same number of evaluations, two processes that evaluate the same run function, and the same
starting point; they take turns. dhmpi's are `mpirun` and `dhmpi` on the PATH; the others are imported by the Python
that runs this, so that may be one of another environment. Seconds are those of the whole command.
"""

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import Any, NamedTuple

from dhmpi import results
from dhmpi.search.hps.ambs import LEARNERS
from dhmpi.space.space import Categorical, Integer
from dhmpi.support.loader import load_problem, load_run

DIGITS = "dhmpi.benchmark.hps.digits"
PROBLEM, RUN = f"{DIGITS}.Problem", f"{DIGITS}.run"
NUM_WORKERS = 2
# A failure's objective for a library that knows no failures: minus an accuracy of 0.
WORST = 0.0

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",  # rank 0 has no core of its own
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}

Point = dict[str, Any]


class Trial(NamedTuple):
    """One evaluation.

    Attributes:
        objective: Minus the validation accuracy; None if it failed.
        test_accuracy: Which no search sees; None if it failed.
        started: When its worker began [s].
        ended: When its worker ended it [s].
    """

    objective: float | None
    test_accuracy: float | None
    started: float
    ended: float


class Outcome(NamedTuple):
    """Outcome of a search."""

    best: float
    test_accuracy: float
    seconds: float
    utilisation: float
    num_failed: int


# --- the other libraries


class Peer(ABC):
    """Another library, asked for one point at a time while others are being evaluated.

    Args:
        seed: What it depends on.
    """

    def __init__(self, seed: int) -> None:
        self.problem = load_problem(PROBLEM)
        self.space = self.problem.dimensions
        self._setup(seed)

    @abstractmethod
    def _setup(self, seed: int) -> None:
        """Import the library and prepare the search."""

    @abstractmethod
    def ask(self) -> tuple[Any, Point]:
        """Return what the library calls a point, and the point."""

    @abstractmethod
    def tell(self, token: Any, objective: float | None) -> None:
        """Report an objective, or None for a failure."""


class Optuna(Peer):
    """Optuna's TPE with its constant liar, which is meant for several workers."""

    def _setup(self, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the constant liar is called experimental
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._failed = optuna.trial.TrialState.FAIL
        self._study = optuna.create_study(sampler=sampler)
        self._study.enqueue_trial(self.problem.starting_point_asdict)

    def ask(self) -> tuple[Any, Point]:
        """Return a trial, and its point."""
        trial = self._study.ask()
        point = {}
        for name, dim in zip(self.space.names, self.space.dimensions, strict=True):
            if isinstance(dim, Categorical):
                point[name] = trial.suggest_categorical(name, dim.choices)
            else:
                suggest = trial.suggest_int if isinstance(dim, Integer) else trial.suggest_float
                point[name] = suggest(name, dim.low, dim.high, log=dim.prior == "log-uniform")
        return trial, point

    def tell(self, token: Any, objective: float | None) -> None:
        """Report an objective; Optuna knows failures."""
        if objective is None:
            self._study.tell(token, state=self._failed)
        else:
            self._study.tell(token, objective)


class Skopt(Peer):
    """scikit-optimize's Gaussian process; its lie for pending points is the best objective, told to a copy."""

    def _setup(self, seed: int) -> None:
        import skopt

        kinds = skopt.space
        self._optimizer = skopt.Optimizer(
            [
                kinds.Categorical(dim.choices)
                if isinstance(dim, Categorical)
                else (kinds.Integer if isinstance(dim, Integer) else kinds.Real)(dim.low, dim.high, prior=dim.prior)
                for dim in self.space.dimensions
            ],
            random_state=seed,
            model_queue_size=1,
        )
        self._first = [self.problem.starting_point]
        self._pending: list[list[Any]] = []

    def ask(self) -> tuple[Any, Point]:
        """Return a row of values, and the point."""
        row = self._first.pop() if self._first else self._liar().ask()
        self._pending.append(row)
        return row, self.space.canonical(dict(zip(self.space.names, row, strict=True)))

    def _liar(self) -> Any:
        if not self._pending:
            return self._optimizer
        liar = copy.deepcopy(self._optimizer)
        liar.rng = self._optimizer.rng  # or else the next copy would draw the same random point
        lie = min(liar.yi, default=WORST)
        liar.tell(self._pending, [lie] * len(self._pending))
        return liar

    def tell(self, token: Any, objective: float | None) -> None:
        """Report an objective; a failure counts as the worst."""
        self._pending.remove(token)
        self._optimizer.tell(token, WORST if objective is None else objective)


PEERS: dict[str, type[Peer]] = {"optuna": Optuna, "skopt": Skopt}


def drive(peer: Peer, num: int) -> list[Trial]:
    """Keep all workers busy until `num` evaluations have ended."""
    trials: list[Trial] = []
    running: dict[Future[Trial], Any] = {}
    with ProcessPoolExecutor(NUM_WORKERS, get_context("spawn"), initializer=load_run, initargs=(RUN,)) as pool:
        while len(trials) < num:
            while len(running) < min(NUM_WORKERS, num - len(trials)):
                token, point = peer.ask()
                running[pool.submit(evaluate, point)] = token
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                trials.append(future.result())
                peer.tell(running.pop(future), trials[-1].objective)
    return trials


def evaluate(point: Point) -> Trial:
    """Run the run function on a point, in a worker."""
    run, started = load_run(RUN), time.time()
    try:
        found = run(point)
    except Exception:  # whatever a run function raises, the search goes on
        return Trial(None, None, started, time.time())
    return Trial(found["objective"], found["test_accuracy"], started, time.time())


# --- all contenders


def command(*words: str) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(
        words, stdout=subprocess.PIPE, text=True, check=True, timeout=3600, env=os.environ | ENVIRONMENT
    )
    return done.stdout


def other(name: str, num: int, seed: int) -> list[Trial]:
    """Let another library search, in a process of its own."""
    printed = command(sys.executable, __file__, "--peer", name, "--evals", str(num), "--seed", str(seed))
    return [Trial(*trial) for trial in json.loads(printed.splitlines()[-1])]


def dhmpi(num: int, seed: int, search: str, *options: str) -> list[Trial]:
    """Let dhmpi search, on ranks of MPI."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/found.h5"
        command(
            *("mpirun", "-n", str(NUM_WORKERS + 1), "dhmpi", search, "--problem", PROBLEM, "--run", RUN, *options),
            *("--max-evals", str(num), "--seed", str(seed), "--output", path, "--quiet"),
        )
        evaluations = [evaluation for evaluation in results.read(path).evaluations if evaluation.state.is_final]
    return [
        Trial(each.objective, each.extra.get("test_accuracy"), each.started or 0.0, each.ended or 0.0)
        for each in evaluations
    ]


CONTENDERS: dict[str, Callable[[int, int], list[Trial]]] = {
    "dhmpi": lambda num, seed: dhmpi(num, seed, "ambs", *(("--learner", "auto") if "auto" in LEARNERS else ())),
    "hps-random": lambda num, seed: dhmpi(num, seed, "hps-random"),
    "optuna": lambda num, seed: other("optuna", num, seed),
    "skopt": lambda num, seed: other("skopt", num, seed),
}


def measure(name: str, num: int, seed: int) -> Outcome:
    """Let a contender search."""
    begun = time.perf_counter()
    trials = CONTENDERS[name](num, seed)
    seconds = time.perf_counter() - begun
    done = [trial for trial in trials if trial.objective is not None]
    best = min(done, key=lambda trial: (trial.objective, trial.ended))
    busy = sum(trial.ended - trial.started for trial in trials)
    span = max(trial.ended for trial in trials) - min(trial.started for trial in trials)
    return Outcome(best.objective, best.test_accuracy, seconds, busy / (NUM_WORKERS * span), num - len(done))


def table(outcomes: dict[str, list[Outcome]]) -> str:
    """Return medians, and the best objective of every seed, as Markdown."""
    lines = [
        "| contender | best objective | of each seed | test accuracy | seconds | utilisation | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in outcomes.items():
        best, accuracy, seconds, utilisation, failed = (
            statistics.median(column) for column in zip(*found, strict=True)
        )
        each = ", ".join(f"{outcome.best:.4f}" for outcome in found)
        lines.append(
            f"| {name} | {best:.4f} | {each} | {accuracy:.4f} | {seconds:.1f} | {utilisation:.2f} | {failed:g} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evals", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)  # one library alone, for `other`
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(drive(PEERS[arguments.peer](arguments.seed), arguments.evals)))
        return
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for seed in range(arguments.seeds):
        for name in arguments.contenders:
            outcomes[name].append(measure(name, arguments.evals, seed))
    print(f"{arguments.evals} evaluations on {NUM_WORKERS} workers; medians of {arguments.seeds} seeds\n")
    print(table(outcomes))


if __name__ == "__main__":
    main()
