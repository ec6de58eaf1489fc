"""From evaluations to the next point: encode, fit, predict at candidates, take the most promising."""

from collections.abc import Collection, Hashable, Sequence
from typing import Any

import numpy as np

from dhmpi.benchmark.space import Space
from dhmpi.evaluation import Point
from dhmpi.search.hps.surrogate.acquisition import HEDGED, Posterior, hedge, score
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.learners import Learner

NUM_RANDOM, NUM_NEAR = 2000, 1000
NUM_PARENTS = 10


class Surrogate:
    """A model of the objective that proposes points.

    Args:
        space: Where the points lie.
        seed: What its random choices depend on.
        options: learner, acq_func, kappa and xi, as in `AMBSOptions`.
    """

    def __init__(self, space: Space, seed: int, options: Any) -> None:
        self._space = space
        self._seed = seed
        self._options = options
        self._encoding = Encoding(space)

    def propose(self, points: Sequence[Point], values: Sequence[float], seen: Collection[Hashable]) -> Point | None:
        """Return the most promising candidate that is new, or None if no candidate is.

        Args:
            points: All points that are final or pending.
            values: Their objectives, penalties and lies.
            seen: Keys of the points that must not be proposed again.
        """
        # Depends on nothing but the seed and how much is known, so that a resumed campaign goes on as if never stopped.
        rng = np.random.default_rng((self._seed, len(points)))
        standard = _standardised(np.asarray(values))
        candidates = self._candidates(points, standard, seen, rng)
        if not candidates:
            return None
        learner = Learner(self._options.learner, self._encoding.num_columns, int(rng.integers(2**31)))
        learner.fit(self._encoding.encode(points), standard)
        posterior = Posterior(*learner.predict(self._encoding.encode(candidates)))
        return candidates[self._choose(posterior, standard, rng)]

    def _choose(self, posterior: Posterior, standard: Matrix, rng: np.random.Generator) -> int:
        options, best = self._options, float(standard.min())
        if options.acq_func != "gp_hedge":
            return int(np.argmin(score(options.acq_func, posterior, best, options.kappa, options.xi)))
        proposals = [int(np.argmin(score(name, posterior, best, options.kappa, options.xi))) for name in HEDGED]
        return proposals[hedge([float(posterior.mean[index]) for index in proposals], rng)]

    def _candidates(
        self, points: Sequence[Point], values: Matrix, seen: Collection[Hashable], rng: np.random.Generator
    ) -> list[Point]:
        """Return new points: drawn from the priors, and good points with a few coordinates replaced by drawn ones."""
        drawn = self._space.sample(rng, NUM_RANDOM + NUM_NEAR)
        parents = np.argsort(values)[:NUM_PARENTS]
        names = self._space.names
        # At least one coordinate changes; on average few do, since the best neighbours of a good point are near.
        changes = rng.random((NUM_NEAR, len(names))) < 1 / len(names)
        changes[np.arange(NUM_NEAR), rng.integers(len(names), size=NUM_NEAR)] = True
        for row, changed in enumerate(changes.tolist()):
            parent = points[parents[row % len(parents)]]
            near = drawn[NUM_RANDOM + row]
            near.update({name: parent[name] for name, change in zip(names, changed, strict=True) if not change})
        new = {self._space.key(candidate): candidate for candidate in drawn}
        return [candidate for key, candidate in new.items() if key not in seen]


def _standardised(values: Matrix) -> Matrix:
    """Scale objectives to mean 0 and deviation 1, so that no model sees numbers of 1e300."""
    scaled = values / (float(np.abs(values).max()) or 1.0)  # a square of 1e300 would overflow
    deviation = float(scaled.std())
    standard: Matrix = (scaled - scaled.mean()) / (deviation if deviation > 0 else 1.0)
    return standard
