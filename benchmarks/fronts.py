"""Searches of several objectives, beside those of other packages: the hypervolume of what they find.

    python benchmarks/fronts.py [NAME ...] [--searches ambs,ga,hps-random,optuna-tpe,...] [--minutes 10]
    python benchmarks/fronts.py --table

Peers are Optuna (NSGA-II, TPE, and its Gaussian processes) and pymoo (NSGA-II by generations). 32 evaluations are
pending at all times, and end in random order. The record has a line for each run, with the fronts that it had found;
what it has is not run again. Hypervolumes are taken between each front and a reference point: the worst of all that
any search has on its front, and a tenth of their extent beyond.
"""

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from front_problems import PROBLEMS, Front
from recorded import compare

from dhmpi.evaluation import Evaluation, Point, State
from dhmpi.space.space import Choices
from dhmpi.support.hypervolume import hypervolume
from dhmpi.support.pareto import is_non_dominated

CHECKPOINTS = (200, 500)
NUM_PENDING = 32
RECORD = Path(__file__).with_suffix(".jsonl")
OWN = ("ambs", "ga", "hps-random")


class Peer(ABC):
    """A search of several objectives."""

    def __init__(self, front: Front, seed: int) -> None:
        self.front, self.space = front, front.problem().dimensions
        self._begin(seed)

    @abstractmethod
    def _begin(self, seed: int) -> None:
        """Make the search."""

    @abstractmethod
    def ask(self) -> tuple[Any, Point]:
        """Return what stands for a point, and the point."""

    @abstractmethod
    def tell(self, handle: Any, values: tuple[float, ...]) -> None:
        """Tell the objectives of a point."""


class Optuna(Peer):
    """Optuna with a sampler of its own."""

    sampler = "TPESampler"

    def _begin(self, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        more = {"constant_liar": True} if self.sampler == "TPESampler" else {}
        sampler = getattr(optuna.samplers, self.sampler)(seed=seed, **more)
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * self.front.num_objectives)

    def ask(self) -> tuple[Any, Point]:
        """Return a trial, and its point."""
        trial, point = self._study.ask(), {}
        for name, dim in zip(self.space.names, self.space.dimensions, strict=True):
            if isinstance(dim, Choices):
                point[name] = trial.suggest_categorical(name, dim.choices)
            else:
                point[name] = trial.suggest_float(name, dim.low, dim.high)
        return trial, point

    def tell(self, handle: Any, values: tuple[float, ...]) -> None:
        """Tell values."""
        self._study.tell(handle, values)


class OptunaNsga(Optuna):
    """NSGA-II of Optuna."""

    sampler = "NSGAIISampler"


class OptunaGp(Optuna):
    """Gaussian processes of Optuna, whose acquisition function is a logarithm of the hypervolume gain."""

    sampler = "GPSampler"


class Dhmpi(Peer):
    """A search of dhmpi."""

    name = "ambs"

    def _begin(self, seed: int) -> None:
        from dhmpi.search.registry import find

        self._search = find(self.name)(self.front.problem(), seed=seed)
        self._num = 0

    def ask(self) -> tuple[Any, Point]:
        """Return a point, twice."""
        [point] = self._search.ask(1)
        return point, point

    def tell(self, handle: Any, values: tuple[float, ...]) -> None:
        """Tell values."""
        self._search.tell([Evaluation(self._num, handle, values[0], State.DONE, objectives=values)])
        self._num += 1


class Ga(Dhmpi):
    """NSGA-II of dhmpi."""

    name = "ga"


class Random(Dhmpi):
    """Random search."""

    name = "hps-random"


SEARCHES: dict[str, type[Peer]] = {
    "ambs": Dhmpi,
    "ga": Ga,
    "hps-random": Random,
    "optuna-tpe": Optuna,
    "optuna-nsga2": OptunaNsga,
    "optuna-gp": OptunaGp,
}


def front_of(values: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return those that no other one dominates, each once."""
    table = np.array(values)
    front: list[list[float]] = np.unique(table[is_non_dominated(table)], axis=0).tolist()
    return front


def volume(front: Any, reference: Any) -> float:
    """Return the hypervolume of a front of two or three objectives."""
    return float(hypervolume(np.array(front), reference) or 0.0)


def run(name: str, search: str, seed: int) -> dict[str, Any]:
    """Return the fronts that a search had at each checkpoint."""
    front = PROBLEMS[name]
    peer = SEARCHES[search](front, seed)
    rng, pending, begun = np.random.default_rng(seed), [], time.process_time()
    values: list[tuple[float, ...]] = []
    while len(values) < CHECKPOINTS[-1]:
        while len(pending) < NUM_PENDING:
            pending.append(peer.ask())
        handle, point = pending.pop(int(rng.integers(NUM_PENDING)))
        values.append(front.evaluate(peer.space.canonical(point)))
        peer.tell(handle, values[-1])
    fronts = {str(num): front_of(values[:num]) for num in CHECKPOINTS}
    return {"name": name, "search": search, "seed": seed, "fronts": fronts, "seconds": time.process_time() - begun}


def main() -> None:
    """Run what the record lacks until time is over, and print the table."""
    compare(__doc__, (RECORD, PROBLEMS, OWN), run, print_table)


def print_table(record: list[dict[str, Any]]) -> None:
    """Print medians of the hypervolumes at each checkpoint, as shares of that of all fronts together."""
    searches = sorted({each["search"] for each in record})
    names = [name for name in PROBLEMS if any(each["name"] == name for each in record)]
    for num in CHECKPOINTS:
        print(f"\nAfter {num} evaluations, hypervolume, median (seeds):\n\n| problem | {' | '.join(searches)} |")
        print("|---" * (len(searches) + 1) + "|")
        wins = dict.fromkeys(searches, 0)
        for name in names:
            runs = [each for each in record if each["name"] == name]
            found_by_all = [tuple(row) for each in runs for row in each["fronts"][str(CHECKPOINTS[-1])]]
            table = np.array(front_of(found_by_all))
            ideal, nadir = table.min(axis=0), table.max(axis=0)
            # One point may dominate all others: then their extent counts.
            reference = nadir + 0.1 * np.where(nadir > ideal, nadir - ideal, np.max(found_by_all, axis=0) - ideal)
            whole = volume(table, reference)
            medians = {}
            for search in searches:
                found = [
                    volume(each["fronts"][str(num)], reference) / whole for each in runs if each["search"] == search
                ]
                medians[search] = (statistics.median(found), len(found)) if found else (float("nan"), 0)
            best = max(value for value, count in medians.values() if count)
            for search in searches:
                wins[search] += medians[search][0] >= best
            cells = [name, *(f"{value:.4f} ({count})" for value, count in medians.values())]
            print(f"| {' | '.join(cells)} |")
        for search in searches:
            print(f"{search}: best on {wins[search]} of {len(names)}")


if __name__ == "__main__":
    main()
