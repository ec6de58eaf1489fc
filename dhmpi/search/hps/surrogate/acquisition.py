"""Acquisition functions: how promising a candidate is; the formulas are those of skopt.acquisition."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.search.hps.surrogate.learner import Posterior


def score(names: Sequence[str], posterior: Posterior, best: float, kappa: float, xi: float) -> list[Matrix]:
    """Return a score per candidate, shape (num,), for each acquisition function; smaller is more promising.

    Args:
        names: Some of LCB, EI and PI.
        posterior: The predictions.
        best: The best objective so far.
        kappa: Weight of the deviation in LCB.
        xi: Improvement that EI and PI look for.
    """
    mean, deviation = posterior
    scores = {"LCB": mean - kappa * deviation}
    if not {"EI", "PI"}.isdisjoint(names):
        improvement = best - xi - mean
        certain = deviation <= 0
        with np.errstate(over="ignore"):  # in so many deviations, infinity is as far
            scaled = improvement / np.where(certain, 1.0, deviation)
            density = np.exp(-0.5 * scaled**2) / math.sqrt(2 * math.pi)
        probability: Matrix = ndtr(scaled)
        scores["PI"] = np.where(certain, 0.0, -probability)
        scores["EI"] = np.where(certain, 0.0, -improvement * probability - deviation * density)
    return [scores[name] for name in names]


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
