"""Surrogate over a box: a Gaussian process fitted to the evaluations that matter there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.archive import KnownEvaluations
from dhmpi.search.hps.surrogate.box import Box, Frame
from dhmpi.search.hps.surrogate.earlier_rows import EarlierRows
from dhmpi.search.hps.surrogate.encoding import Encoding, Indices, Matrix
from dhmpi.search.hps.surrogate.tabu import TabuRegions
from dhmpi.search.hps.surrogate.trend_gp import Parameters, TrainingSet, TrendGP, fit, log_likelihood
from dhmpi.search.hps.surrogate.warp import RELATIVE_TURNS, tidy, warp, warped_variances

MOST_FITTED = 150
NUM_STEPS, NUM_MORE_STEPS = 40, 12
# So many results are too few to tell whether they are more probable with earlier campaigns than without.
FEW = 10


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

    def chosen(self, known: KnownEvaluations, budget: AcquisitionBudget) -> Indices:
        """Return which of all evaluations the process is to know: those that matter most, and the latest ones."""
        rows, objectives = known.rows, known.objectives
        latest = np.arange(max(self.num_fitted, len(rows) - budget.num_points // 2), len(rows))
        latest = latest[~np.isnan(objectives[latest])]
        latest = latest[self.tabu.allows(rows[latest])]
        return np.concatenate([self.indices[: budget.num_points], latest])

    def process(self, known: KnownEvaluations, budget: AcquisitionBudget) -> TrendGP:
        """Return the process with everything that is known now.

        Args:
            known: All evaluations.
            budget: How many of them the process is to know.
        """
        chosen = self.chosen(known, budget)
        objectives = known.objectives[chosen]
        values, _ = warp(tidy(objectives), self.relative_turn)
        doubts = warped_variances(objectives, known.spreads[chosen], values)
        training = TrainingSet(self.frame.rows(known.rows[chosen]), values, self.frame.owners, doubts)
        if self.earlier is not None:
            training, _ = _with_earlier(training, self.frame, self.earlier, self.relative_turn)
        return TrendGP(*training[:3], self.parameters, training.more_noise, training.tasks)

    def imagined(self, process: TrendGP, pending: Matrix, budget: AcquisitionBudget) -> TrendGP:
        """Return the process with the nearest of the pending points as if they had ended as it expects.

        Args:
            process: One of its own.
            pending: Rows of the pending points, shape (num_pending, num_columns).
            budget: How many of them the process is to know.
        """
        rows = self.frame.rows(pending[self.tabu.allows(pending)])
        if len(rows) > budget.num_pending:
            distances = (rows**2).sum(axis=1)
            rows = rows[np.sort(np.argsort(distances, kind="stable")[: budget.num_pending])]
        return process.with_pending(rows) if len(rows) else process


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
    own = KnownEvaluations(frame.rows(known.rows[fitted]), known.objectives[fitted], known.spreads[fitted])
    best = _fitted(frame, own, None, RELATIVE_TURNS)
    if earlier is not None:
        # On the scale on which its own results are most probable: others might lose what is near the best point.
        primed = _fitted(frame, own, earlier, [best.relative_turn])
        is_plausible = len(fitted) < FEW or primed.evidence() >= best.evidence()
        best = primed if is_plausible else best
    _, relative_turn, logs, training, _ = best
    earlier = None if training.tasks is None else earlier
    parameters = Parameters.from_logs(logs, 0 if earlier is None else earlier.num_sources)
    return BoxSurrogate(frame, indices, len(known.rows), relative_turn, parameters, tabu, earlier)


class _Fitted(NamedTuple):
    """Fit of a process: the negative log posterior, the turn of the warp, hyperparameters, and what it is fitted to.

    `density` is the log of the density of the warp of the campaign's own objectives.
    """

    loss: float
    relative_turn: float
    logs: Matrix
    training: TrainingSet
    density: float

    def evidence(self) -> float:
        """Return the log likelihood of the campaign's own objectives when those of earlier ones are known."""
        total = log_likelihood(self.training, self.logs) + self.density
        if self.training.tasks is None:
            return total
        return total - log_likelihood(self.training.of(self.training.tasks > 0), self.logs)


def _fitted(
    frame: Frame, own: KnownEvaluations, earlier: EarlierRows | None, relative_turns: Sequence[float]
) -> _Fitted:
    """Fit a process to evaluations, whose rows are in its coordinates, on the scale on which they are most probable."""
    values = tidy(own.objectives)
    best: _Fitted | None = None
    start = None
    for relative_turn in relative_turns:
        warped, density = warp(values, relative_turn)
        doubts = warped_variances(own.objectives, own.spreads, warped)
        training, more = TrainingSet(own.rows, warped, frame.owners, doubts), 0.0
        if earlier is not None:
            training, more = _with_earlier(training, frame, earlier, relative_turn)
        logs, loss = fit(training, start, NUM_STEPS if start is None else NUM_MORE_STEPS)
        start = logs if start is None else start
        found = _Fitted(loss - density - more, relative_turn, logs, training, density)
        best = found if best is None or found.loss < best.loss else best
    assert best is not None
    return best


def _with_earlier(
    training: TrainingSet, frame: Frame, earlier: EarlierRows, relative_turn: float
) -> tuple[TrainingSet, float]:
    """Return what is known with what earlier campaigns have found, and the log of the density of their warps."""
    rows, values, owners, noise, _ = training
    warped, density = earlier.warped(relative_turn)
    if isinstance(noise, np.ndarray):
        noise = np.append(noise, np.zeros(len(warped)))
    tasks = np.concatenate([np.zeros(len(rows), np.intp), earlier.tasks])
    rows, values = np.concatenate([rows, frame.rows(earlier.rows)]), np.append(values, warped)
    return TrainingSet(rows, values, owners, noise, tasks), density
