"""AMBS: asynchronous model-based search (Balaprakash et al., HiPC 2018)."""

import math
import sys
import time
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass

from dhmpi.evaluation import Evaluation, Point
from dhmpi.options import choice, number, option
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.hps.surrogate.pool import PoolProposer
from dhmpi.search.hps.surrogate.proposer import Proposer
from dhmpi.search.hps.surrogate.regional import RegionalProposer
from dhmpi.search.latency import Latencies
from dhmpi.search.sampling import Sampler, independent, spread
from dhmpi.search.search import Search
from dhmpi.search.threads import use_one_thread

LEARNERS = ("auto", "RF", "ET", "GBRT", "GP", "DUMMY")
ACQ_FUNCS = ("LCB", "EI", "PI", "gp_hedge")
LIES = ("cl_min", "cl_mean", "cl_max")


@dataclass(frozen=True)
class AMBSOptions:
    """How AMBS models the objective and chooses points."""

    learner: str = option(
        "auto",
        choice(LEARNERS),
        "surrogate model: auto (Gaussian processes near the best point and over the whole space, as elaborate as the "
        "load allows), RF, ET, GBRT, GP, DUMMY (random points)",
    )
    acq_func: str = option(
        "gp_hedge", choice(ACQ_FUNCS), "acquisition function (auto has its own): " + ", ".join(ACQ_FUNCS)
    )
    liar_strategy: str = option(
        "cl_max", choice(LIES), "objective lent to pending points (auto lends its prediction): " + ", ".join(LIES)
    )
    kappa: float = option(1.96, number(0), "exploration weight of LCB, in standard deviations")
    xi: float = option(0.01, number(0), "improvement that EI and PI look for, in standard deviations of the objective")
    ask_budget: float = option(0.05, number(0, exclusive=True), "seconds that proposing a point may take")


class AMBS(Search):
    """Keeps a surrogate of the objective and takes the point whose acquisition value is best.

    Pending points are in the surrogate with a lie in place of their objective, until the truth comes; so workers that
    ask while others are still busy get different points. The surrogate is fitted again in the background, so no worker
    ever waits for it. See `Search` for the arguments and `AMBSOptions` for the options.
    """

    name = "ambs"
    Options = AMBSOptions

    def use(self, executor: Executor | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        """Let refits run elsewhere, or time go otherwise; to be called before anything is asked.

        Args:
            executor: Where refits run; by default a thread of their own.
            clock: Returns seconds.
        """
        self._background = Background(executor, clock)
        self._begin(self.seed)

    def statistics(self) -> dict[str, float | str]:
        """Return how long asking for a point took, and what the model is.

        Returns:
            ask_median, ask_p90, ask_p99 and ask_max [s], refits, refit_seconds of the last one, and mode.
        """
        proposer = self._proposer
        refits: dict[str, float | str] = {"refits": 0, "refit_seconds": 0.0, "mode": "random"}
        if proposer is not None:
            refits = {"refits": proposer.num_refits, "refit_seconds": proposer.refit_seconds, "mode": proposer.mode}
        return {**self._latencies.summary(), **refits}

    def resume(self, seed: int, evaluations: Iterable[Evaluation]) -> None:
        """Go on with a campaign, with the model that it would have had; see `Search`."""
        super().resume(seed, _as_told(list(evaluations)))
        if self._proposer is not None:
            self._proposer.settle()

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        if not hasattr(self, "_background"):  # else it is that of `use`, or of what was begun before
            self._background = Background()
        self._latencies = Latencies()
        # Of a single point there is nothing to learn.
        is_random = self.own_options.learner == "DUMMY" or self.space.size == 1
        self._sampler = Sampler(self.space, seed, independent if is_random else spread)
        self._proposer: Proposer | None = None
        if not is_random:
            self._proposer = self._make_proposer(seed)

    def _make_proposer(self, seed: int) -> Proposer:
        options = self.own_options
        use_one_thread()
        if options.learner == "auto":
            return RegionalProposer(self.space, seed, options.ask_budget, self._background)
        return PoolProposer(self.space, seed, options, self._background)

    def _lend(self, key: Hashable, point: Point) -> None:
        if self._proposer is not None:
            self._proposer.asked(key, point)

    def _learn(self, evaluations: list[Evaluation]) -> None:
        if self._proposer is not None:
            self._proposer.told(evaluations)

    def _propose(self) -> Point | None:
        begun = self._background.clock()
        point = self._proposer.propose(self._seen) if self._proposer is not None else None
        if point is None:
            point = self._sampler.draw(self._seen)
        self._latencies.add(self._background.clock() - begun)
        return point


def _as_told(evaluations: list[Evaluation]) -> list[Evaluation]:
    """Return evaluations in the order in which they ended, if that is known: a file has them in order of id."""
    final = [evaluation for evaluation in evaluations if evaluation.state.is_final]
    if any(evaluation.ended is None for evaluation in final):
        return evaluations
    return sorted(evaluations, key=lambda each: math.inf if each.ended is None else each.ended)


if __name__ == "__main__":
    from dhmpi.cli import main

    sys.exit(main([AMBS.name, *sys.argv[1:]]))
