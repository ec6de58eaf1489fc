"""AMBS: asynchronous model-based search (Balaprakash et al., HiPC 2018)."""

# First of all: run as a file, this one has a random.py beside it that would hide the standard library's.
if __name__ == "__main__":
    import sys

    root = sys.path[0].removesuffix("/dhmpi/search/hps")
    sys.path[:1] = {root}.difference(sys.path[1:])
    from dhmpi.cli import main

    sys.exit(main(["ambs", *sys.argv[1:]]))

import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dhmpi.errors import OptionError, option_name
from dhmpi.evaluation import DESIGN, EARLIER, RANDOM, Evaluation, Observation, Origin, Point, Report
from dhmpi.search.blas_threads import use_one_thread
from dhmpi.search.hps.earlier_points import WarmStartOptions, best_points
from dhmpi.search.hps.hp_search import HpSearch
from dhmpi.search.hps.surrogate.background import Background
from dhmpi.search.latency import Latencies
from dhmpi.search.sampling import EVERY, Sampler, independent, spread
from dhmpi.search.told import as_told
from dhmpi.support.options import choice, number, option
from dhmpi.support.wording import counted

if TYPE_CHECKING:
    from dhmpi.search.hps.surrogate.proposer import Proposer

LEARNERS = ("auto", "RF", "ET", "GBRT", "GP", "DUMMY")
ACQ_FUNCS = ("LCB", "EI", "PI", "gp_hedge")
# How many of the best points of earlier campaigns come first; and at most, beside a design, before there is a model.
NUM_EARLIER, NUM_RESERVED = 3, 32
LIES = ("cl_min", "cl_mean", "cl_max")


@dataclass(frozen=True)
class AMBSOptions(WarmStartOptions):
    """Options of AMBS: its model of the objective, and how points are chosen by it."""

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
        "cl_max",
        choice(LIES),
        "objective that pending points are given (auto gives its prediction): " + ", ".join(LIES),
    )
    kappa: float = option(1.96, number(0), "exploration weight of LCB, in standard deviations")
    xi: float = option(0.01, number(0), "improvement that EI and PI look for, in standard deviations of the objective")
    ask_budget: float | None = option(
        None,
        number(0, exclusive=True),
        "seconds that proposing a point may take at most, waiting for a model included (default: about 0.05, and "
        "longer where a model is worth waiting for)",
    )


class AMBS(HpSearch):
    """Keeps a surrogate of the objective and takes the point whose acquisition value is best.

    Pending points are in the surrogate with a lie in place of their objective, until the truth comes; so workers that
    ask while others are still busy get different points. The surrogate is fitted again in the background, and a worker
    waits for it no longer than evaluations are worth. See `Search` for the arguments and `AMBSOptions` for the options.
    """

    name = "ambs"
    Options = AMBSOptions
    most_objectives = math.inf

    @property
    def learns(self) -> bool:
        """Whether points depend on results; see `Search`."""
        return self._proposer is not None

    def use(self, executor: Executor | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        """Let refits run elsewhere, or time go otherwise; to be called before anything is asked.

        Args:
            executor: Where refits run; by default a thread of their own.
            clock: Returns seconds.
        """
        self._background = Background(executor, clock)
        self._begin(self.seed)

    def describe_model(self) -> str:
        """Return which model points come from by now; see `Search`."""
        if self._proposer is None or not self._proposer.refits.fitted:
            return ""
        return f"model {self._proposer.mode}, fitted to {counted(self._proposer.refits.fitted, 'result')}"

    def statistics(self) -> dict[str, float | str]:
        """Return how long asking for a point took, and what the model is.

        Returns:
            ask_median, ask_p90, ask_p99 and ask_max [s], if a point was asked; refits, refit_seconds of the last one,
            mode; and for models model_wait_seconds, points_with_model and points_without_model after the first design.
        """
        proposer = self._proposer
        if proposer is None:
            return {**self._latencies.summary(), "refits": 0, "refit_seconds": 0.0, "mode": "random"}
        refits = proposer.refits
        return {
            **self._latencies.summary(),
            "refits": refits.num_made,
            "refit_seconds": proposer.refit_seconds,
            "model_wait_seconds": refits.waited,
            "points_with_model": self._num_with,
            "points_without_model": self._num_without,
            "mode": proposer.mode,
        }

    def begin_run(self, num_workers: int) -> None:
        """Let time decide how much work goes into a point, if there are several workers; see `Search`."""
        if self._proposer is not None:
            self._proposer.refits.num_workers = num_workers

    def resume(self, seed: int, evaluations: Iterable[Evaluation], reports: Iterable[tuple[Report, int]] = ()) -> None:
        """Go on with a campaign, with the model that it would have had; see `Search`."""
        evaluations = as_told(list(evaluations))
        super().resume(seed, evaluations, reports)
        if self._proposer is not None:
            self._proposer.restore(evaluations)
            self._proposer.settle()

    def prime(self, observations: Sequence[Observation]) -> None:
        """Let the model know what earlier campaigns have found; see `Search`."""
        if (learner := self.own_options.learner) != "auto":
            raise OptionError(f"{option_name('warm_start')} must go with the learner auto, got {learner}; leave it out")
        if (num := len(self.objectives)) > 1:
            need = f"{option_name('warm_start')} must go with one objective in ambs"
            raise OptionError(f"{need}, got {num}; leave it out, or use ga")
        super().prime(observations)

    def _earlier_points(self) -> list[Point]:
        return best_points(self.space, self._knowledge, NUM_EARLIER)

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        if not hasattr(self, "_background"):  # else it is that of `use`, or of what was begun before
            self._background = Background()
        self._latencies = Latencies()
        self._wanted: Origin | None = None
        self._num_with = self._num_without = 0
        self._reserve = deque(best_points(self.space, self._knowledge, NUM_EARLIER + NUM_RESERVED)[NUM_EARLIER:])
        # Of a single point there is nothing to learn.
        is_random = self.own_options.learner == "DUMMY" or self.space.size == 1
        self._sampler = Sampler(self.space, seed, independent if is_random else spread, believed=EVERY)
        self._proposer: Proposer[Any] | None = None
        if not is_random:
            self._proposer = self._make_proposer(seed)

    def _make_proposer(self, seed: int) -> "Proposer[Any]":
        # Only here: models are slow to import, and help and the ranks that evaluate have none.
        from dhmpi.search.hps.surrogate.candidate_pool import PoolProposer
        from dhmpi.search.hps.surrogate.refits import first_results
        from dhmpi.search.hps.surrogate.regional import RegionalProposer

        use_one_thread()
        num_first = first_results(len(self.space.dimensions), self.options.max_evals)
        if len(self.objectives) > 1:
            return self._make_front_proposer(seed, num_first)
        if self._knowledge:  # the first result says how far it is to be trusted
            primed = RegionalProposer(self.space, seed, self.own_options, self._background, num_first=1)
            primed.prime(self._knowledge)
            return primed
        kind: type[Proposer[Any]] = RegionalProposer if self.own_options.learner == "auto" else PoolProposer
        return kind(self.space, seed, self.own_options, self._background, num_first)

    def _make_front_proposer(self, seed: int, num_first: int) -> "Proposer[Any]":
        from dhmpi.search.hps.surrogate.front_proposer import FrontProposer

        if (learner := self.own_options.learner) != "auto":
            need = f"{option_name('learner')} must be auto where there are several objectives"
            raise OptionError(f"{need}, got {learner}; leave it out")
        space, options, background = self.space, self.own_options, self._background
        return FrontProposer(space, seed, options, background, num_first, len(self.objectives))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on as a copy, maybe in another process."""
        self.__dict__.update(state)
        use_one_thread()

    def _is_ready(self, timeout: float | None) -> bool:
        return self._proposer is None or self._proposer.ready(timeout)

    def _follow(self, origin: Origin) -> None:
        self._wanted = origin
        if self._proposer is not None:
            self._proposer.follow(origin)

    def _add_pending(self, key: Hashable, point: Point) -> None:
        if self._proposer is not None:
            self._proposer.asked(key, point)

    def _report(self, key: Hashable, step: float, value: float, known: int) -> None:
        if self._proposer is not None:
            self._proposer.reported(key, step, value, known)

    def _learn(self, evaluations: list[Evaluation]) -> None:
        if self._proposer is not None:
            self._proposer.told(evaluations)

    def _propose(self) -> Point | None:
        begun = self._background.clock()
        point = self._propose_by_model()
        if point is None:
            is_first = self._proposer is not None and not self._proposer.refits.due
            self._num_without += not is_first
            point = self._propose_earlier() if is_first else None
            source = EARLIER if point is not None else DESIGN if is_first else RANDOM
            self._origin = Origin(source, self._num_known)
            point = self._sampler.draw(self._seen) if point is None else point
        self._latencies.add(self._background.clock() - begun)
        return point

    def _propose_earlier(self) -> Point | None:
        """Return every other time a good point of an earlier campaign: what many workers begin with."""
        is_due = len(self._seen) % 2 == 0 if self._wanted is None else self._wanted.model == EARLIER
        while is_due and self._reserve:
            point = self._reserve.popleft()
            if self.space.key(point) not in self._seen:
                return point
        return None

    def _propose_by_model(self) -> Point | None:
        if self._proposer is None or (self._wanted is not None and not self._wanted.fitted):
            return None
        point = self._proposer.propose(self._seen)
        self._num_with += point is not None
        self._origin = self._proposer.origin
        return point
