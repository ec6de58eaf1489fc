"""GP-Hedge: a choice among acquisition functions by what their proposals have been worth so far.

Hoffman, Brochu and de Freitas, Portfolio Allocation for Bayesian Optimization, UAI 2011; with eta = 1, and the update
of scikit-optimize's `gp_hedge`: when the result of a proposal is known, every function gains minus the mean that the
model then predicts at the point that this function wanted. The gains add up over the whole campaign.
"""

import json
import math
from bisect import bisect
from collections.abc import Hashable, Iterable, Sequence
from itertools import accumulate
from typing import Protocol

import numpy as np

from dhmpi.evaluation import INACTIVE, Evaluation, Point, active_values
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.support.json_text import dumps

HEDGED = ("EI", "LCB", "PI")
ETA = 1.0


class Predicts(Protocol):
    """Model, as far as it is needed here."""

    def mean(self, rows: Matrix) -> Matrix:
        """Return the predicted means at rows, shape (num, num_columns), on the scale of a standardised objective."""


def draw(gains: Sequence[float], rng: np.random.Generator) -> int:
    """Return the index of a function, drawn with the probability exp(eta gain) of each, up to a factor.

    Args:
        gains: What the functions have gained.
        rng: Where the choice is drawn from.
    """
    best = max(gains)
    # Sums of three floats, faster than arrays of them.
    sums = list(accumulate(math.exp(ETA * (each - best)) for each in gains))
    return bisect(sums, sums[-1] * rng.random())


class Hedge:
    """The gains of the functions, and the proposals that have still to add to them.

    Calls come in this order, again and again: `gained` when a point is wanted, `proposed` with what came of it; `told`
    at any time.

    Args:
        encoding: The encoding of points.

    Attributes:
        gains: What each of `HEDGED` has gained, up to what all have.
        memory: The state after the latest proposal, as JSON text.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self.gains = [0.0] * len(HEDGED)
        self.memory = ""
        # What the functions wanted, shape (num_functions, num_columns): of points that are pending, and of those whose
        # results have come since the latest proposal.
        self._open: dict[Hashable, Matrix] = {}
        self._due: list[Matrix] = []

    @property
    def expected(self) -> list[Matrix]:
        """The rows at which means will be asked for, each of shape (num_functions, num_columns)."""
        return [*self._due, *self._open.values()]

    def gained(self, model: Predicts) -> list[float]:
        """Return the gains by all results that are known, by the model that is in force."""
        if not self._due:
            return self.gains
        rows = np.array(self._due)  # (num_results, num_functions, num_columns)
        means = model.mean(rows.reshape(-1, rows.shape[-1])).reshape(rows.shape[:2])
        gains = np.array(self.gains) - means.sum(axis=0)
        return [float(each) for each in gains - gains.max()]  # only differences matter, and these stay exact

    def proposed(self, key: Hashable, gains: list[float], points: Sequence[Point], rows: Matrix) -> None:
        """Take note of a proposal.

        Args:
            key: Key of the point.
            gains: By which the function was chosen.
            points: The point that each function wanted.
            rows: Their rows, shape (num_functions, num_columns).
        """
        self.gains, self._due = gains, []
        state: dict[str, object] = {"gains": gains}
        if (rows != rows[0]).any():  # else all gain the same
            self._open[key] = rows
            names = self._encoding.space.names
            state["wanted"] = [[point.get(name, INACTIVE) for name in names] for point in points]
        self.memory = dumps(state)

    def told(self, keys: Iterable[Hashable]) -> None:
        """Take note that points have results."""
        self._due += [self._open.pop(key) for key in keys if key in self._open]

    def restore(self, evaluations: Sequence[Evaluation]) -> None:
        """Go on where a campaign stopped.

        Args:
            evaluations: All of it; those that have been told come first, in that order.
        """
        chosen = [each for each in evaluations if each.origin.memory]
        if not chosen:
            return
        last = max(chosen, key=lambda each: each.id).origin
        self.gains, self.memory = json.loads(last.memory)["gains"], last.memory
        space = self._encoding.space
        # What was known when the latest point was proposed has added to the gains then.
        for each in evaluations[last.known :]:
            wanted = json.loads(each.origin.memory or "{}").get("wanted")
            if wanted is None:
                continue
            self._open[space.key(each.point)] = self._encoding.encode(
                [active_values(zip(space.names, values, strict=True)) for values in wanted]
            )
            if each.state.is_final:
                self.told([space.key(each.point)])
