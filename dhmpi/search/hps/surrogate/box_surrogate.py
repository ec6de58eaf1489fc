"""Surrogate over a box: a Gaussian process fitted to the evaluations that matter there."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.archive import KnownEvaluations
from dhmpi.search.hps.surrogate.box import Box, Frame
from dhmpi.search.hps.surrogate.earlier_rows import EarlierRows
from dhmpi.search.hps.surrogate.encoding import Encoding, Indices, Matrix
from dhmpi.search.hps.surrogate.tabu import TabuRegions
from dhmpi.search.hps.surrogate.task_kernel import TaskKernel
from dhmpi.search.hps.surrogate.trend_gp import Descent, Parameters, TrendGP, fit
from dhmpi.search.hps.surrogate.warp import RELATIVE_TURNS, tidy, warp, warped_variances

MOST_FITTED = 150
NUM_STEPS, NUM_MORE_STEPS = 40, 12


@dataclass(frozen=True)
class AcquisitionBudget:
    """Budget of an acquisition optimiser for one proposal.

    Attributes:
        num_points: Evaluations that the process knows.
        num_pending: Pending points that it knows.
        num_candidates: Points that are compared.
        num_polished: How many of the best ones are followed downhill.
        num_steps: Steps downhill at most.
    """

    num_points: int
    num_pending: int
    num_candidates: int
    num_polished: int
    num_steps: int = 30


class BoxSurrogate(NamedTuple):
    """Gaussian process over a box, as it was fitted.

    Attributes:
        frame: The coordinates.
        indices: Which evaluations the process knows, the nearest ones first, shape (num,).
        num_fitted: How many evaluations there were.
        relative_turn: Turn of the warp of the objectives; see `warp`.
        parameters: Hyperparameters of the process.
        tabu: Regions of which it knows nothing.
        earlier: What it knows of earlier campaigns; None without any.
    """

    frame: Frame
    indices: Indices
    num_fitted: int
    relative_turn: float
    parameters: Parameters
    tabu: TabuRegions
    earlier: EarlierRows | None = None

    def process(self, known: KnownEvaluations, pending: Matrix, budget: AcquisitionBudget) -> TrendGP:
        """Return the process with everything that is known now.

        Args:
            known: All evaluations.
            pending: Rows of the pending points, shape (num_pending, num_columns).
            budget: How many of them the process is to know.
        """
        rows, objectives = known.rows, known.objectives
        latest = np.arange(max(self.num_fitted, len(rows) - budget.num_points // 2), len(rows))
        latest = latest[~np.isnan(objectives[latest])]
        latest, pending = latest[self.tabu.allows(rows[latest])], pending[self.tabu.allows(pending)]
        chosen = np.concatenate([self.indices[: budget.num_points], latest])
        values, _ = warp(tidy(objectives[chosen]), self.relative_turn)
        doubts = warped_variances(objectives[chosen], known.spreads[chosen], values)
        given = _Given(self.frame.rows(rows[chosen]), values, doubts)
        if self.earlier is not None:
            given = given.with_earlier(self.frame, self.earlier, self.relative_turn)
        kernel = None if given.tasks is None else TaskKernel(given.tasks)
        process = TrendGP(given.rows, given.values, self.frame.owners, self.parameters, given.doubts, kernel)
        if len(pending) > budget.num_pending:
            distances = (self.frame.rows(pending) ** 2).sum(axis=1)
            pending = pending[np.sort(np.argsort(distances, kind="stable")[: budget.num_pending])]
        return process.with_pending(self.frame.rows(pending)) if len(pending) else process


class _Given(NamedTuple):
    """What a process is given: rows in its coordinates, warped objectives, variances of these, and their tasks.

    `density` is the log of the density of the warps of earlier objectives.
    """

    rows: Matrix
    values: Matrix
    doubts: Matrix | float
    tasks: Indices | None = None
    density: float = 0.0

    def with_earlier(self, frame: Frame, earlier: EarlierRows, relative_turn: float) -> "_Given":
        """Return the same with what is known of earlier campaigns behind."""
        warped, density = earlier.warped(relative_turn)
        num, more = len(self.rows), len(earlier.rows)
        doubts = self.doubts
        if isinstance(doubts, np.ndarray):
            doubts = np.append(doubts, np.zeros(more))
        return _Given(
            np.concatenate([self.rows, frame.rows(earlier.rows)]),
            np.concatenate([self.values, warped]),
            doubts,
            np.concatenate([np.zeros(num, np.intp), earlier.tasks]),
            density,
        )


def fit_surrogate(
    encoding: Encoding,
    box: Box,
    indices: Indices,
    known: KnownEvaluations,
    tabu: TabuRegions,
    earlier: EarlierRows | None = None,
) -> BoxSurrogate:
    """Fit a surrogate to some evaluations, on the scale on which they are most probable.

    Args:
        encoding: The encoding of the rows.
        box: The coordinates are those of this box.
        indices: The evaluations to be fitted, the most important ones first.
        known: All evaluations.
        tabu: Regions in which none of the evaluations to be fitted is.
        earlier: What is to be fitted of earlier campaigns; None without any.
    """
    frame = Frame(encoding, box)
    fitted = indices[:MOST_FITTED]
    rows, objectives, spreads = frame.rows(known.rows[fitted]), known.objectives[fitted], known.spreads[fitted]
    values = tidy(objectives)
    start, best = None, (np.inf, RELATIVE_TURNS[0], np.empty(0))
    for relative_turn in RELATIVE_TURNS:
        standard, density = warp(values, relative_turn)
        given = _Given(rows, standard, warped_variances(objectives, spreads, standard))
        if earlier is not None:
            given = given.with_earlier(frame, earlier, relative_turn)
        descent = Descent(start, NUM_STEPS if start is None else NUM_MORE_STEPS)
        logs, loss = fit(given.rows, given.values, frame.owners, descent, given.doubts, given.tasks)
        start = logs if start is None else start
        best = min(best, (loss - density - given.density, relative_turn, logs), key=lambda each: each[0])
    parameters = Parameters.from_logs(best[2], 0 if earlier is None else earlier.num_sources)
    return BoxSurrogate(frame, indices, len(known.rows), best[1], parameters, tabu, earlier)
