"""Searches of spaces with conditions, beside those of other packages, each in an environment of its own.

    python benchmarks/nested.py [NAME ...] [--searches ambs,ga,hps-random] [--minutes 10]
    PYTHONPATH=. /path/to/environment/of/deephyper/bin/python benchmarks/nested.py --searches deephyper
    python benchmarks/nested.py --table

Peers are optuna (TPE, which is told what is pending), smac (its facade for hyperparameters) and deephyper (CBO); eight
evaluations are pending at all times, and end in random order. A run is a line of the record, and what the record has is
not run again.
"""

import statistics
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from nested_problems import PROBLEMS, Nested
from recorded import compare

from dhmpi.evaluation import INACTIVE, Evaluation, Point, State
from dhmpi.space.space import Choices, Integer, Ordinal, Space

CHECKPOINTS = (50, 100, 200)
NUM_PENDING = 8
RECORD = Path(__file__).with_suffix(".jsonl")
OWN = ("ambs", "ga", "hps-random")


class Peer(ABC):
    """A search of another package."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self._begin(seed)

    @abstractmethod
    def _begin(self, seed: int) -> None:
        """Make the search."""

    @abstractmethod
    def ask(self) -> tuple[Any, Point]:
        """Return what stands for a point, and the point."""

    @abstractmethod
    def tell(self, handle: Any, value: float) -> None:
        """Tell a value."""


class Optuna(Peer):
    """Tree-structured Parzen estimator of Optuna; dimensions are suggested where they are active."""

    def _begin(self, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(sampler=sampler)

    def ask(self) -> tuple[Any, Point]:
        """Return a trial, and its point."""
        trial, point = self._study.ask(), {}
        for index, (name, dim) in enumerate(zip(self.space.names, self.space.dimensions, strict=True)):
            known = [[point.get(each, INACTIVE)] for each in self.space.names]
            if not self.space.activity(known)[0][index]:
                continue
            if isinstance(dim, Choices):
                point[name] = trial.suggest_categorical(name, dim.choices)
            else:
                suggest = trial.suggest_int if isinstance(dim, Integer) else trial.suggest_float
                point[name] = suggest(name, dim.low, dim.high, log=dim.prior == "log-uniform")
        return trial, point

    def tell(self, handle: Any, value: float) -> None:
        """Tell a value."""
        self._study.tell(handle, value)


def configuration_space(space: Space, seed: int) -> Any:
    """Return a space as ConfigSpace has it."""
    import ConfigSpace

    found = ConfigSpace.ConfigurationSpace(seed=seed)
    kinds: dict[str, Any] = {}
    for name, dim in zip(space.names, space.dimensions, strict=True):
        if isinstance(dim, Ordinal):
            kinds[name] = ConfigSpace.OrdinalHyperparameter(name, list(dim.choices))
        elif isinstance(dim, Choices):
            kinds[name] = ConfigSpace.CategoricalHyperparameter(name, list(dim.choices))
        else:
            kind = (
                ConfigSpace.UniformIntegerHyperparameter
                if isinstance(dim, Integer)
                else ConfigSpace.UniformFloatHyperparameter
            )
            kinds[name] = kind(name, dim.low, dim.high, log=dim.prior == "log-uniform")
        found.add(kinds[name])
    for name, conditions in space.rules.conditions.items():
        parts = []
        for each in conditions:
            if each.is_in is not None:
                parts.append(ConfigSpace.InCondition(kinds[name], kinds[each.when], list(each.is_in)))
            for text in each.when.split(" and ") if each.is_in is None else ():
                parent, bound = text.split(" > ")
                parts.append(ConfigSpace.GreaterThanCondition(kinds[name], kinds[parent], float(bound)))
        found.add(parts[0] if len(parts) == 1 else ConfigSpace.AndConjunction(*parts))
    return found


class Smac(Peer):
    """SMAC3's facade for hyperparameter optimisation."""

    def _begin(self, seed: int) -> None:
        import logging
        import tempfile

        from smac import HyperparameterOptimizationFacade, Scenario

        logging.disable(logging.WARNING)
        self._directory = tempfile.TemporaryDirectory()
        scenario = Scenario(
            configuration_space(self.space, seed),
            n_trials=10_000,
            seed=seed,
            deterministic=True,
            output_directory=Path(self._directory.name),
        )
        intensifier = HyperparameterOptimizationFacade.get_intensifier(scenario, max_config_calls=1)
        self._search = HyperparameterOptimizationFacade(
            scenario, lambda config, seed=0: 0.0, intensifier=intensifier, overwrite=True
        )

    def ask(self) -> tuple[Any, Point]:
        """Return a trial, and its point."""
        trial = self._search.ask()
        return trial, dict(trial.config)

    def tell(self, handle: Any, value: float) -> None:
        """Tell a value."""
        from smac.runhistory.dataclasses import TrialValue

        self._search.tell(handle, TrialValue(cost=value))


class DeepHyper(Peer):
    """DeepHyper's centralised Bayesian optimisation, which maximises."""

    def _begin(self, seed: int) -> None:
        import tempfile

        from deephyper.hpo import CBO, HpProblem

        problem = HpProblem(configuration_space(self.space, seed))
        self._directory = tempfile.TemporaryDirectory()
        self._search = CBO(
            problem,
            random_state=seed,
            log_dir=self._directory.name,
            checkpoint_history_to_csv=False,
            acq_optimizer="sampling",
            multi_point_strategy="qUCBd",
        )

    def ask(self) -> tuple[Any, Point]:
        """Return a configuration, and its point."""
        (config,) = self._search.ask(1)
        point = {name: config[name] for name in self.space.names if name in config}
        return config, point

    def tell(self, handle: Any, value: float) -> None:
        """Tell a value."""
        self._search.tell([(handle, -value)])


PEERS = {"optuna": Optuna, "smac": Smac, "deephyper": DeepHyper}


class Dhmpi(Peer):
    """A search of dhmpi, by name and perhaps `:learner`."""

    def __init__(self, nested: Nested, seed: int, name: str) -> None:
        from dhmpi.search.registry import find

        kind, _, learner = name.partition(":")
        self._search = find(kind)(nested.problem(), seed=seed, **({"learner": learner} if learner else {}))
        self._num = 0

    def _begin(self, seed: int) -> None:
        """Do nothing: it is made already."""

    def ask(self) -> tuple[Any, Point]:
        """Return a point, twice."""
        [point] = self._search.ask(1)
        return point, point

    def tell(self, handle: Any, value: float) -> None:
        """Tell a value."""
        self._search.tell([Evaluation(self._num, handle, value, State.DONE)])
        self._num += 1


def run(name: str, search: str, seed: int) -> dict[str, Any]:
    """Return how good the best point was at each checkpoint."""
    nested = PROBLEMS[name]
    space = nested.problem().dimensions
    kind = search.partition(":")[0]
    peer = Dhmpi(nested, seed, search) if kind in OWN else PEERS[search](space, seed)
    rng, pending, values, begun = np.random.default_rng(seed), [], [], time.process_time()
    while len(values) < CHECKPOINTS[-1]:
        while len(pending) < NUM_PENDING:
            pending.append(peer.ask())
        handle, point = pending.pop(int(rng.integers(NUM_PENDING)))
        value = nested.evaluate(space.canonical(point))
        peer.tell(handle, value)
        values.append(max(value - nested.optimum, 1e-6))
    best = {str(num): min(values[:num]) for num in CHECKPOINTS}
    return {"name": name, "search": search, "seed": seed, "best": best, "seconds": time.process_time() - begun}


def main() -> None:
    """Run what the record lacks until time is over, and print the table."""
    compare(__doc__, (RECORD, PROBLEMS, OWN), run, print_table)


def print_table(record: list[dict[str, Any]]) -> None:
    """Print medians of the seeds at each checkpoint, and how often a search is as good as the best of the others."""
    searches = sorted({each["search"] for each in record})
    names = [name for name in PROBLEMS if any(each["name"] == name for each in record)]
    for num in CHECKPOINTS:
        print(f"\nAfter {num} evaluations, median (seeds):\n\n| problem | {' | '.join(searches)} |")
        print("|---" * (len(searches) + 1) + "|")
        medians: dict[tuple[str, str], float] = {}
        for name in names:
            cells = [name]
            for search in searches:
                found = [each["best"][str(num)] for each in record if (each["name"], each["search"]) == (name, search)]
                medians[name, search] = statistics.median(found) if found else float("nan")
                cells.append(f"{medians[name, search]:.4g} ({len(found)})")
            print(f"| {' | '.join(cells)} |")
        for search in searches:
            wins = sum(medians[name, search] <= min(medians[name, each] for each in searches) for name in names)
            print(f"{search}: best on {wins} of {len(names)}")


if __name__ == "__main__":
    main()
