"""Acquisition functions: how promising a candidate is; the formulas are those of skopt.acquisition."""

import math
import sys
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from dhmpi.search.hps.surrogate.encoding import Matrix
from dhmpi.search.hps.surrogate.learner import Posterior

ROOT = math.sqrt(2 * math.pi)
# Deviations below which nothing is left out; the integrals are near the smallest float there.
FAR = 30.0
# What is as near to the limit as this is worked out, because of rounding.
CLOSE = 1e-3


def score(names: Sequence[str], posterior: Posterior, best: float, kappa: float, xi: float) -> list[Matrix]:
    """Return a score per candidate, shape (num,), for each acquisition function; smaller is more promising.

    EI and PI are left at 0 where they cannot be the largest: normal integrals would take most of the time.

    Args:
        names: Some of LCB, EI and PI.
        posterior: The predictions; a candidate with an infinite mean is never promising.
        best: The best objective so far.
        kappa: Weight of the standard deviation in LCB.
        xi: Improvement that EI and PI look for.
    """
    mean, std = posterior
    scores = {"LCB": mean - kappa * std}
    if not {"EI", "PI"}.isdisjoint(names):
        improvement, uncertain = best - xi - mean, std > 0
        with np.errstate(over="ignore"):  # in so many standard deviations, infinity is as far
            scaled = np.where(uncertain, improvement / np.where(uncertain, std, 1.0), -np.inf)
            rivals = np.flatnonzero(scaled >= _least(scaled, std))
            near = scaled[rivals]
            density = np.exp(-0.5 * near**2) / ROOT
        probability = ndtr(near)
        scores["PI"], scores["EI"] = np.zeros((2, len(mean)))
        scores["PI"][rivals] = -probability
        scores["EI"][rivals] = -improvement[rivals] * probability - std[rivals] * density
    return [scores[name] for name in names]


def _least(scaled: Matrix, std: Matrix) -> float:
    """Return the least improvement, in standard deviations, with which EI or PI can be the largest of all.

    PI is the largest where the improvement z is. EI is std x (z Phi(z) + phi(z)), which for no z below 0 exceeds
    std x phi(z); so it is not the largest where that is less than what it reaches at the largest z.

    Args:
        scaled: Improvements over standard deviations, shape (num,); minus infinity where nothing can improve.
        std: Shape (num,).
    """
    top = int(scaled.argmax())
    largest, widest = float(scaled[top]), float(std.max())
    if largest <= -FAR:
        return -sys.float_info.max
    reached = float(std[top]) * (largest * float(ndtr(largest)) + math.exp(-0.5 * largest * largest) / ROOT)
    share = ROOT * reached / widest
    return min(-math.sqrt(-2 * math.log(share)) if share < 1 else 0.0, largest) - CLOSE
