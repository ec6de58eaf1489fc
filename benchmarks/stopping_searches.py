"""Searches with early stopping to compare, dhmpi's and other packages': each is asked for points, and hears reports."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from peers import optuna_dimension
from stopping_peers import Full, OptunaPruner, Remote, maker
from stopping_tasks import NUM_EPOCHS, Family

from dhmpi.evaluation import Evaluation, Point
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.random import RandomSearch
from dhmpi.search.stopping import Stopper
from dhmpi.space.space import Categorical, Integer


class Informed(Stopper):
    """A search of dhmpi and a stopper, as in a campaign.

    Args:
        search: It hears what the stopper hears.
        stopper: The stopper.
    """

    def __init__(self, search: Any, stopper: Stopper) -> None:
        self._search, self._stopper = search, stopper
        self._asked: deque[Point] = deque()
        self._points: dict[int, Point] = {}

    def ask(self, num: int) -> list[Point]:
        """Return points."""
        points: list[Point] = self._search.ask(num)
        self._asked.extend(points)
        return points

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Report evaluations that have ended."""
        self._search.tell(evaluations)

    def begin(self, id: int) -> None:
        """Begin the evaluation of the point that was asked first of those left."""
        self._points[id] = self._asked.popleft()
        self._stopper.begin(id)

    def report(self, id: int, step: float, value: float) -> bool:
        """Return whether it must stop."""
        self._search.report(self._points[id], step, value)
        return self._stopper.report(id, step, value)

    def end(self, id: int, objective: float | None) -> None:
        """End an evaluation."""
        del self._points[id]
        self._stopper.end(id, objective)


class OptunaStudy(OptunaPruner):
    """A study of Optuna with TPE, which knows the running trials, and a pruner.

    Args:
        family: What is searched.
        seed: What its choices depend on.
        pruner: Name of the pruner's class; empty: none.
    """

    def __init__(self, family: Family, seed: int, pruner: str) -> None:
        import optuna

        super().__init__(pruner, NUM_EPOCHS, optuna.samplers.TPESampler(seed=seed, constant_liar=True))
        self._asked: deque[Any] = deque()
        self._space = family.problem.dimensions
        pairs = zip(self._space.names, self._space.dimensions, strict=True)
        self._distributions = {name: optuna_dimension(optuna.distributions, dim) for name, dim in pairs}

    def ask(self, num: int) -> list[Point]:
        """Return points."""
        trials = [self._study.ask(self._distributions) for _ in range(num)]
        self._asked.extend(trials)
        return [self._space.canonical(trial.params) for trial in trials]

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Do nothing: it hears of the end by `end`."""

    def begin(self, id: int) -> None:
        """Begin a trial."""
        self._trials[id] = self._asked.popleft()


class RemoteSearch(Remote):
    """A search of another package in another process.

    Args:
        package: Name of the environment.
        name: Of its class.
        family: What is searched.
        seed: What its choices depend on.
    """

    def __init__(self, package: str, name: str, family: Family, seed: int) -> None:
        self._space = family.problem.dimensions
        self._pairs = list(zip(self._space.names, self._space.dimensions, strict=True))
        super().__init__(package, name, NUM_EPOCHS, {name: in_json(dim) for name, dim in self._pairs}, seed)

    def ask(self, num: int) -> list[Point]:
        """Return points."""
        whole = {name for name, dim in self._pairs if isinstance(dim, Integer)}
        asked = [self._call("ask") for _ in range(num)]
        return [
            self._space.canonical({name: round(value) if name in whole else value for name, value in point.items()})
            for point in asked
        ]

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Do nothing: it hears of the end by `end`."""


def in_json(dim: Any) -> dict[str, Any]:
    """Return a dimension as stopping_server.py reads it."""
    if isinstance(dim, Categorical):
        return {"choices": list(dim.choices)}
    return {"range": [dim.low, dim.high], "prior": dim.prior}


def own(search: type[Any], stopper: str) -> Callable[[Family, int], Informed]:
    """Return what makes a search of dhmpi with a stopper."""

    def made(family: Family, seed: int) -> Informed:
        makes = maker(stopper) if stopper else lambda last: Full()
        return Informed(search(family.problem, seed=seed), makes(NUM_EPOCHS))

    return made


# By name: what makes a search of a family and a seed.
SEARCHES: dict[str, Callable[[Family, int], Any]] = {
    "ambs+auto": own(AMBS, "auto"),
    "ambs+asha": own(AMBS, "asha"),
    "ambs": own(AMBS, ""),
    "random+auto": own(RandomSearch, "auto"),
    "TPE": lambda family, seed: OptunaStudy(family, seed, ""),
    "TPE+SHA": lambda family, seed: OptunaStudy(family, seed, "SuccessiveHalvingPruner"),
    "TPE+Hyperband": lambda family, seed: OptunaStudy(family, seed, "HyperbandPruner"),
    "TPE+median": lambda family, seed: OptunaStudy(family, seed, "MedianPruner"),
    "syne-ASHA": lambda family, seed: RemoteSearch("syne", "ASHA", family, seed),
    "syne-BOHB": lambda family, seed: RemoteSearch("syne", "BOHB", family, seed),
    "syne-ASHACQR": lambda family, seed: RemoteSearch("syne", "ASHACQR", family, seed),
}
# Searches that train all to their end; they are given four times the steps.
FULL = ("ambs", "TPE")
