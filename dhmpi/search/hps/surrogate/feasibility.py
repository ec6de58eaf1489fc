"""Probability of success: a Gaussian process of successes and failures."""

from typing import Self

import numpy as np

from dhmpi.search.hps.surrogate.box import Frame, whole_box
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.trend_gp import Parameters, TrainingSet, TrendGP, fit

# The latest successes, and the latest failures, that it knows.
MOST_EACH = 75
NUM_STEPS = 30
# How probable success must be, as a share of what is most probable; and for some of the proposals, so that the limits
# of what succeeds are looked for as well.
LIKELY, CONCEIVABLE, BOLD_SHARE = 0.95, 0.4, 0.1


class Feasibility:
    """Predicts whether an evaluation will succeed, from those that did (1) and those that did not (-1).

    Args:
        encoding: The encoding of the rows.
        rows: Rows of all evaluations, shape (num, num_columns).
        objectives: Their objectives, shape (num,), NaN for failures.
        parameters: Hyperparameters of the process; by default the most probable ones.
    """

    def __init__(
        self, encoding: Encoding, rows: Matrix, objectives: Matrix, parameters: Parameters | None = None
    ) -> None:
        has_failed = np.isnan(objectives)
        successes, failures = np.flatnonzero(~has_failed), np.flatnonzero(has_failed)
        known = np.concatenate([successes[-MOST_EACH:], failures[-MOST_EACH:]])
        labels = np.where(has_failed[known], -1.0, 1.0)
        self._encoding, self._frame = encoding, Frame(encoding, whole_box(encoding))
        scaled = self._frame.rows(rows[known])
        if parameters is None:
            logs, _ = fit(TrainingSet(scaled, labels, self._frame.owners), num_steps=NUM_STEPS)
            parameters = Parameters.from_logs(logs)
        self._parameters = parameters
        self._process = TrendGP(scaled, labels, self._frame.owners, parameters)

    def updated(self, rows: Matrix, objectives: Matrix) -> Self:
        """Return the same with everything that is known now, without fitting again."""
        return type(self)(self._encoding, rows, objectives, self._parameters)

    def probability(self, rows: Matrix) -> Matrix:
        """Return how probable success is at rows, shape (num, num_columns)."""
        mean = self._process.predict(self._frame.rows(rows)).mean
        probable: Matrix = np.clip((1 + mean) / 2, 0.0, 1.0)
        return probable


def feasibility(encoding: Encoding, rows: Matrix, objectives: Matrix) -> Feasibility | None:
    """Return what is known of success; None if nothing has failed. See `Feasibility` for the arguments."""
    return Feasibility(encoding, rows, objectives) if np.isnan(objectives).any() else None


def required(probability: Matrix, rng: np.random.Generator) -> float:
    """Draw how probable the success of a proposal must be.

    Args:
        probability: How probable that of each candidate is, shape (num,).
        rng: Where it is drawn from.
    """
    return float(probability.max()) * (CONCEIVABLE if rng.random() < BOLD_SHARE else LIKELY)
