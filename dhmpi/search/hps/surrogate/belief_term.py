"""Beliefs of experts in a model: a term of the acquisition, and candidates, whose influence fades.

After piBO (Hvarfner et al. 2022, Augmenting acquisition functions with user beliefs): the acquisition function is
multiplied by the belief's density to the power beta / n, so that after n results it matters less and less. Here, the
mean is lowered by the logarithm of a density, in standard deviations of the objective, as far as results confirm what
is believed; so what is wrong is forgotten at once.
"""

import math
from typing import NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix

# Weight of beliefs after so many results; it goes with the square of the inverse.
WEIGHT, EARLY = 1.0, 10
# Share of candidates that are drawn by beliefs until there are so many results.
SHARE, FADING = 0.5, 20
# With more results, nothing of the weight is left.
MOST = 1000


class BeliefTerm(NamedTuple):
    """Term of the acquisition for what is believed, when so many results were known.

    Attributes:
        encoding: The encoding of the rows; its space has the beliefs.
        trusts: How far results confirm the belief about each dimension, by its place: from 0, if they contradict it or
            say nothing, to 1; none for other dimensions.
        num: Number of results.
    """

    encoding: Encoding
    trusts: dict[int, float]
    num: int

    @classmethod
    def of(cls, encoding: Encoding, rows: Matrix, objectives: Matrix) -> "BeliefTerm":
        """Return what is left of the beliefs after some results.

        Args:
            encoding: The encoding of the rows.
            rows: Rows of all results, shape (num, num_columns).
            objectives: Their objectives, shape (num,), NaN for failures.
        """
        beliefs, names = encoding.space.beliefs, encoding.space.names
        believed = [index for index, name in enumerate(names) if name in beliefs and index in encoding.columns_of]
        if not believed or len(rows) > MOST:
            return cls(encoding, {}, len(rows))
        done = ~np.isnan(objectives)
        rows, objectives = rows[done], objectives[done]
        units = encoding.to_unit_cube(rows)
        shares, total = {}, np.zeros(len(rows))
        for index in believed:
            on = encoding.is_active(rows, index)
            logs = beliefs[names[index]].log_density(units[on, index])
            shares[index] = min(2 * _support(logs, objectives[on]), 1.0)
            total[on] += logs
        # Results must speak for all beliefs together, and not against each of them, of which few results say little.
        together = max(2 * _support(total, objectives) - 1, 0.0)
        return cls(encoding, {index: together * share for index, share in shares.items()}, len(objectives))

    @property
    def weight(self) -> float:
        """Weight of the logarithms of densities."""
        return WEIGHT * (EARLY / max(self.num, EARLY)) ** 2 / math.sqrt(max(len(self.trusts), 1))

    def at(self, units: Matrix, rows: Matrix) -> Matrix:
        """Return by how much bounds are lowered, shape (num,), in standard deviations of the objective.

        Args:
            units: Points in the unit cube, shape (num, num_dimensions).
            rows: Their rows, shape (num, num_columns).
        """
        total = np.zeros(len(units))
        space = self.encoding.space
        for index, trust in self.trusts.items():
            logs = space.beliefs[space.names[index]].log_density(units[:, index])
            total += self.weight * trust * np.where(self.encoding.is_active(rows, index), logs, 0.0)
        return total

    def slope(self, units: Matrix) -> Matrix:
        """Return the gradient of `at` at one point of the unit cube, both of shape (num_dimensions,)."""
        gradient = np.zeros(len(units))
        space = self.encoding.space
        for index, trust in self.trusts.items():
            gradient[index] = self.weight * trust * space.beliefs[space.names[index]].slope(float(units[index]))
        return gradient

    def guide(self, units: Matrix, low: Matrix | float, high: Matrix | float, rng: np.random.Generator) -> Matrix:
        """Draw some candidates by the beliefs, less and less of them, and leave the others.

        Args:
            units: Candidates, shape (num, num_dimensions).
            low: Lowest corner of the box in which they lie.
            high: Highest corner.
            rng: Where they are drawn from.
        """
        if not self.trusts:
            return units
        share = SHARE * min(1.0, FADING / max(self.num, 1))
        trusts = np.zeros(units.shape[1])
        trusts[list(self.trusts)] = list(self.trusts.values())
        chosen = (rng.random((len(units), 1)) < share) & (rng.random(units.shape) < trusts)
        drawn = np.clip(self.encoding.space.believed(rng.random(units.shape)), low, high)
        guided: Matrix = np.where(chosen, drawn, units)
        return guided


def _support(logs: Matrix, objectives: Matrix) -> float:
    """Return how probable it is that what a belief likes is better.

    That is the probability of a rank correlation (Spearman's) that is at least as large as the one found, if there is
    none: small where what it likes is worse, near 1 where it is better, and one half where nothing is known.

    Args:
        logs: Logarithms of its density at results, shape (num,).
        objectives: Their objectives, shape (num,).
    """
    one, other = (_ranks(each) for each in (logs, objectives))
    spread = math.sqrt(float(one @ one) * float(other @ other))
    correlation = float(one @ other) / spread if spread > 0 else 0.0
    return 0.5 * math.erfc(correlation * math.sqrt(max(len(logs) - 1, 0) / 2))


def _ranks(values: Matrix) -> Matrix:
    """Return the ranks of values around their mean, the same for equal ones, shape (num,)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - 0.5 * (counts - 1))[inverse] - 0.5 * (len(values) + 1))
