"""Acquisition function of several objectives: the hypervolume that a point may add to the front."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from dhmpi.search.hps.surrogate.archive import KnownEvaluations
from dhmpi.search.hps.surrogate.box_surrogate import AcquisitionBudget, BoxSurrogate
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix
from dhmpi.search.hps.surrogate.hypervolume_gain import HypervolumeGain
from dhmpi.search.hps.surrogate.trend_gp import TrendGP
from dhmpi.search.hps.surrogate.warp import Unwarp


class Beliefs(NamedTuple):
    """Beliefs about the objectives, in their own units.

    Attributes:
        surrogates: The surrogate of each.
        processes: The same with all that is known now.
        unwarps: Brings what each process predicts back to the units of its objective.
    """

    surrogates: Sequence[BoxSurrogate]
    processes: Sequence[TrendGP]
    unwarps: Sequence[Unwarp]

    @classmethod
    def of(
        cls, surrogates: Sequence[BoxSurrogate], rows: Matrix, objectives: Matrix, budget: AcquisitionBudget
    ) -> Self:
        """Return what is believed when some evaluations are known.

        Args:
            surrogates: One for each objective.
            rows: Rows of the evaluations, shape (num, num_columns).
            objectives: Their objectives, shape (num, num_objectives), NaN where there is none.
            budget: How many of them a process is to know.
        """
        processes, unwarps = [], []
        for surrogate, column in zip(surrogates, objectives.T, strict=True):
            known = KnownEvaluations(rows, column, np.zeros(len(rows)))
            processes.append(surrogate.process(known, budget))
            unwarps.append(Unwarp.of(column[surrogate.chosen(known, budget)], surrogate.relative_turn))
        return cls(surrogates, processes, unwarps)

    def with_pending(self, rows: Matrix, budget: AcquisitionBudget) -> Self:
        """Return what is believed when rows are pending."""
        pairs = zip(self.surrogates, self.processes, strict=True)
        return self._replace(processes=[each.imagined(process, rows, budget) for each, process in pairs])

    def bounds(self, rows: Matrix, kappa: float) -> Matrix:
        """Return what is expected at rows less some standard deviations, shape (num, num_objectives)."""
        found = []
        for surrogate, process, unwarp in zip(*self, strict=True):
            mean, std = process.predict(surrogate.frame.rows(rows))
            found.append(unwarp(mean - kappa * std))
        return np.stack(found, axis=1)

    def slopes(self, row: Matrix, kappa: float) -> tuple[Matrix, Matrix]:
        """Return the same at a row, shape (num_objectives,), and the gradients, shape (num_objectives, num_columns)."""
        found, slopes = np.empty(len(self.processes)), []
        for index, (surrogate, process, unwarp) in enumerate(zip(*self, strict=True)):
            mean, std, mean_slope, std_slope = process.slope(surrogate.frame.rows(row))
            bound = mean - kappa * std
            found[index] = unwarp(np.array(bound))
            slopes.append(unwarp.slope(bound) * surrogate.frame.unit_gradient(mean_slope - kappa * std_slope))
        return found, np.array(slopes)


class FrontAcquisition(NamedTuple):
    """Acquisition function of several objectives (Ponweiser et al. 2008, SMS-EGO).

    Attributes:
        encoding: The encoding of the rows.
        beliefs: What is believed of the objectives.
        kappa: Weight of the standard deviation in lower confidence bounds.
        gain: What these would add.
    """

    encoding: Encoding
    beliefs: Beliefs
    kappa: float
    gain: HypervolumeGain

    def scores(self, units: Matrix) -> Matrix:
        """Return the gains of points of the unit cube, shape (num,)."""
        return self.gain(self.beliefs.bounds(self.encoding.rows(units), self.kappa))

    def loss(self, place: Matrix, row: Matrix) -> tuple[float, Matrix]:
        """Return minus the gain at a point of the unit cube and its row, and the gradient by the row."""
        bounds, slopes = self.beliefs.slopes(row, self.kappa)
        gain, slope = self.gain.slope(bounds)
        return -gain, -slope @ slopes
