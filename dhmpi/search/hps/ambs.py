"""AMBS: asynchronous model-based search (Balaprakash et al., HiPC 2018)."""

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dhmpi.evaluation import Evaluation, Point
from dhmpi.options import choice, number, option
from dhmpi.search.sampling import Sampler
from dhmpi.search.search import Objectives, Search

LEARNERS = ("RF", "ET", "GBRT", "GP", "DUMMY")
ACQ_FUNCS = ("LCB", "EI", "PI", "gp_hedge")
LIES: dict[str, Callable[[list[float]], float]] = {"cl_min": min, "cl_mean": statistics.fmean, "cl_max": max}

# Evaluations that must be done before a model is worth asking; skopt's default.
NUM_INITIAL_POINTS = 10


@dataclass(frozen=True)
class AMBSOptions:
    """How AMBS models the objective and chooses points."""

    learner: str = option("RF", choice(LEARNERS), "surrogate model: " + ", ".join(LEARNERS) + " (random points)")
    acq_func: str = option("gp_hedge", choice(ACQ_FUNCS), "acquisition function: " + ", ".join(ACQ_FUNCS))
    liar_strategy: str = option("cl_max", choice(LIES), "objective lent to pending points: " + ", ".join(LIES))
    kappa: float = option(1.96, number(0), "exploration weight of LCB, in standard deviations")
    xi: float = option(0.01, number(0), "improvement that EI and PI look for, in standard deviations of the objective")


class AMBS(Search):
    """Fits a surrogate to all evaluations and takes the point whose acquisition value is best.

    Pending points are in the surrogate with a lie in place of their objective, until the truth comes; so workers that
    ask while others are still busy get different points. See `Search` for the arguments and `AMBSOptions` for the
    options.
    """

    name = "ambs"
    Options = AMBSOptions

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        self._sampler = Sampler(self.space, seed)
        self._told = Objectives()
        self._surrogate: Any = None

    @property
    def _is_modelling(self) -> bool:
        return self.own_options.learner != "DUMMY" and self._told.num_done >= NUM_INITIAL_POINTS

    def ask(self, num: int = 1) -> list[Point]:
        """Return up to `num` new points; one at a time while others are pending and a model has to be fitted."""
        return super().ask(min(num, 1) if self._is_modelling and self._pending else num)

    def _learn(self, evaluations: list[Evaluation]) -> None:
        for evaluation in evaluations:
            self._told.append(evaluation)

    def _propose(self) -> Point | None:
        if not self._is_modelling:
            return self._sampler.draw(self._seen)
        if self._surrogate is None:
            # Only now: importing scikit-optimize takes longer than the first points may wait.
            from dhmpi.search.hps.surrogate.surrogate import Surrogate

            self._surrogate = Surrogate(self.space, self.seed, self.own_options)
        values = self._told.values()
        lie = LIES[self.own_options.liar_strategy](values)
        pending = list(self._pending.values())
        points, values = self._told.points + pending, values + [lie] * len(pending)
        proposed: Point | None = self._surrogate.propose(points, values, self._seen)
        return proposed if proposed is not None else self._sampler.draw(self._seen)


if __name__ == "__main__":
    from dhmpi.cli import main

    sys.exit(main([AMBS.name, *sys.argv[1:]]))
