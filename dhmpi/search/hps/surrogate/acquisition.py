"""Acquisition functions: how promising a candidate is; the formulas are scikit-optimize's."""

from collections.abc import Sequence

import numpy as np
from skopt.acquisition import gaussian_ei, gaussian_lcb, gaussian_pi

from dhmpi.search.hps.surrogate.encoding import Matrix


class Posterior:
    """Predictions at the candidates, made once for all acquisition functions; stands in for scikit-optimize's model.

    Args:
        mean: Predicted objective of each candidate, shape (num,).
        deviation: Its standard deviation, shape (num,).
    """

    def __init__(self, mean: Matrix, deviation: Matrix) -> None:
        self.mean, self.deviation = mean, deviation

    def predict(self, rows: Matrix, return_std: bool = True) -> tuple[Matrix, Matrix]:
        """Return what is known; the rows are the candidates."""
        return self.mean, self.deviation


def score(name: str, posterior: Posterior, best: float, kappa: float, xi: float) -> Matrix:
    """Return a score per candidate, shape (num,); smaller is more promising.

    Args:
        name: LCB, EI or PI.
        posterior: The predictions.
        best: The best objective so far.
        kappa: Weight of the deviation in LCB.
        xi: Improvement that EI and PI look for.
    """
    rows = np.empty((len(posterior.mean), 1))  # unused by the posterior, but checked by scikit-optimize
    if name == "LCB":
        scores: Matrix = gaussian_lcb(rows, posterior, kappa)
        return scores
    function = {"EI": gaussian_ei, "PI": gaussian_pi}[name]
    improvement: Matrix = function(rows, posterior, best, xi)
    return -improvement


HEDGED = ("EI", "LCB", "PI")


def hedge(promised: Sequence[float], rng: np.random.Generator) -> int:
    """Choose among acquisition functions by what their proposals promise; return the index of one.

    As in Hoffman et al. (UAI 2011), with scikit-optimize's eta of 1, but on the gains of this round alone: so the
    choice depends on nothing but the evaluations, and a campaign that is resumed goes on as if it had never stopped.

    Args:
        promised: Predicted mean, on the scale of a standardised objective, at the proposal of each function.
        rng: Where the choice is drawn from.
    """
    gains = -np.asarray(promised)
    weights = np.exp(gains - gains.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))
