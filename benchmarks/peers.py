"""Searches to compare, dhmpi's and others, behind one contract; others are imported when they are made.

Peers get every dimension in their own types: logarithmic scales, integers and categories.
"""

import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from importlib import metadata
from typing import Any, ClassVar

import numpy as np
from functions import Function
from virtual_time import Asked, Clock, VirtualExecutor

from dhmpi.evaluation import Evaluation, Point
from dhmpi.search.hps.ambs import AMBS
from dhmpi.search.hps.ga import GA
from dhmpi.search.hps.random import RandomSearch
from dhmpi.space.space import Categorical, Integer


class Peer(ABC):
    """A search of another package: asked for one point at a time, and told one value at a time.

    Args:
        function: What is searched.
        seed: What its choices depend on.
    """

    package: ClassVar[str]

    def __init__(self, function: Function, seed: int) -> None:
        self.space = function.problem().dimensions
        self.seed = seed
        self._handles: dict[int, Any] = {}
        self._begin()

    def ask(self, num: int) -> list[Point]:
        """Return `num` points."""
        points = []
        for _ in range(num):
            handle, point = self._ask()
            points.append(self.space.canonical(point))
            self._handles[id(points[-1])] = handle, points[-1]  # the point is kept, so that its id stays its own
        return points

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        """Report evaluations of points that were asked."""
        for evaluation in evaluations:
            handle, point = self._handles.pop(id(evaluation.point))
            self._tell(handle, point, evaluation.objective)

    @abstractmethod
    def _begin(self) -> None:
        """Make the optimizer."""

    @abstractmethod
    def _ask(self) -> tuple[Any, Point]:
        """Return a handle and a point."""

    @abstractmethod
    def _tell(self, handle: Any, point: Point, value: float) -> None:
        """Report the value of a point."""


class Optuna(Peer):
    """A sampler of optuna, which knows of the running trials."""

    package = "optuna"

    def __init__(self, function: Function, seed: int, sampler: str, **options: Any) -> None:
        self._sampler, self._options = sampler, options
        super().__init__(function, seed)

    def _begin(self) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = getattr(optuna.samplers, self._sampler)(seed=self.seed, **self._options)
        self._study = optuna.create_study(direction="minimize", sampler=sampler)
        self._distributions = {
            name: optuna_dimension(optuna.distributions, dim)
            for name, dim in zip(self.space.names, self.space.dimensions, strict=True)
        }

    def _ask(self) -> tuple[Any, Point]:
        trial = self._study.ask(self._distributions)
        return trial, trial.params

    def _tell(self, handle: Any, point: Point, value: float) -> None:
        self._study.tell(handle, value)


def optuna_dimension(kinds: Any, dim: Any) -> Any:
    """Return the distribution of a dimension, of a module of them."""
    if isinstance(dim, Categorical):
        return kinds.CategoricalDistribution(dim.choices)
    kind = kinds.IntDistribution if isinstance(dim, Integer) else kinds.FloatDistribution
    return kind(dim.low, dim.high, log=dim.prior == "log-uniform")


class Skopt(Peer):
    """scikit-optimize, with its constant liar: pending points are told the smallest value seen.

    Its `ask(n)` copies the optimizer and tells it the lies. Workers that end one after the other need the lies to be
    taken back as well, so before each point one optimizer is emptied and told everything again, with one fit. Thus its
    gains, with which it chooses among acquisition functions, live on as in a run without lies.
    """

    package = "scikit-optimize"

    def __init__(self, function: Function, seed: int, estimator: str) -> None:
        self._estimator = estimator
        super().__init__(function, seed)

    def _begin(self) -> None:
        import skopt

        warnings.filterwarnings("ignore", module="skopt")
        warnings.filterwarnings("ignore", module="sklearn")
        dimensions = [_skopt_dimension(skopt.space, dim) for dim in self.space.dimensions]
        # Its defaults, except for the memory: 10 initial points, gp_hedge, 10,000 candidates, and for GP their descent.
        self._optimizer = skopt.Optimizer(dimensions, self._estimator, random_state=self.seed, model_queue_size=1)
        self._num_initial = self._optimizer._n_initial_points
        self._done: list[tuple[list[Any], float]] = []
        self._pending: list[list[Any]] = []

    def _ask(self) -> tuple[Any, Point]:
        optimizer = self._optimizer
        if len(self._done) >= self._num_initial:
            lie = min(value for _, value in self._done)
            optimizer.Xi, optimizer.yi = [], []
            points = [x for x, _ in self._done] + self._pending
            optimizer.tell(points, [value for _, value in self._done] + [lie] * len(self._pending))
        x = optimizer.ask()
        self._pending.append(x)
        return x, dict(zip(self.space.names, x, strict=True))

    def _tell(self, handle: Any, point: Point, value: float) -> None:
        # By identity: equal points may be pending twice.
        self._pending = [x for x in self._pending if x is not handle]
        self._done.append((handle, value))


def _skopt_dimension(kinds: Any, dim: Any) -> Any:
    if isinstance(dim, Categorical):
        return kinds.Categorical(list(dim.choices))
    kind = kinds.Integer if isinstance(dim, Integer) else kinds.Real
    return kind(dim.low, dim.high, prior=dim.prior)


class DeepHyper(Peer):
    """DeepHyper's centralised Bayesian optimization, which maximises."""

    package = "deephyper"

    def _begin(self) -> None:
        from deephyper.hpo import CBO, HpProblem

        problem = HpProblem()
        for name, spec in self.space.specs().items():
            problem.add_hyperparameter(spec, name)
        self._directory = tempfile.TemporaryDirectory()  # as long as the search lives
        self._search = CBO(
            problem,
            random_state=self.seed,
            log_dir=self._directory.name,
            checkpoint_history_to_csv=False,
            acq_optimizer="sampling",
            multi_point_strategy="qUCBd",
        )

    def _ask(self) -> tuple[Any, Point]:
        (config,) = self._search.ask(1)
        return config, {name: config[name] for name in self.space.names}

    def _tell(self, handle: Any, point: Point, value: float) -> None:
        self._search.tell([(handle, -value)])


def dhmpi_search(search: type[Any], clock: Clock, function: Function, seed: int, **options: Any) -> Asked:
    """Return a search of dhmpi whose refits run in the background of a virtual clock.

    Args:
        search: Its class.
        clock: The clock of rank 0.
        function: What is searched.
        seed: What its choices depend on.
        **options: Further options.
    """
    made: Asked = search(function.problem(), seed=seed, **options)
    if hasattr(made, "use"):
        made.use(VirtualExecutor(clock), clock)
    return made


# The cheap ones first.
PEERS: dict[str, Callable[[Function, int], Peer]] = {
    "optuna-TPE": partial(Optuna, sampler="TPESampler", multivariate=True, constant_liar=True),
    "deephyper-CBO": DeepHyper,
    "optuna-GP": partial(Optuna, sampler="GPSampler", warn_independent_sampling=False),
    "skopt-RF": partial(Skopt, estimator="RF"),
    "skopt-GP": partial(Skopt, estimator="GP"),
}
OWN: dict[str, Callable[..., Asked]] = {
    "random": partial(dhmpi_search, RandomSearch),
    "dhmpi-GA": partial(dhmpi_search, GA),
    "dhmpi-RF": partial(dhmpi_search, AMBS, learner="RF"),
    "dhmpi-auto": partial(dhmpi_search, AMBS, learner="auto"),
}
CONTENDERS = ("random", "dhmpi-auto", "dhmpi-RF", "dhmpi-GA", *PEERS)
_PACKAGES = {"optuna": "optuna", "skopt": "scikit-optimize", "deephyper": "deephyper"}


def make(contender: str, function: Function, seed: int) -> tuple[Asked, Clock]:
    """Return a search, and the clock that charges it.

    dhmpi pays for what it computes, and its refits arrive late; peers, whose asks may take seconds, get them for
    nothing: what is compared is the points that they propose.

    Args:
        contender: One of `CONTENDERS`.
        function: What is searched.
        seed: What its choices depend on.
    """
    if contender in PEERS:
        return PEERS[contender](function, seed), Clock(slowdown=0.0)
    clock = Clock()
    return OWN[contender](clock, function, seed), clock


def version(contender: str) -> str:
    """Return the version of a contender's package."""
    return metadata.version(_PACKAGES.get(contender.split("-")[0], "dhmpi"))


def durations(num: int, seed: int, median: float = 60.0, sigma: float = 0.5) -> list[float]:
    """Return log-normal durations, the same for all contenders.

    Args:
        num: How many.
        seed: What they depend on.
        median: Of the distribution [virtual s].
        sigma: Standard deviation of the logarithm.
    """
    rng = np.random.default_rng([seed, 60])
    drawn: list[float] = (median * np.exp(sigma * rng.standard_normal(num))).tolist()
    return drawn
