"""The trust region: where around the best point the next ones are looked for (after TuRBO: Eriksson et al. 2019)."""

import math

import numpy as np

from dhmpi.search.hps.surrogate.encoding import Matrix

FIRST, LARGEST, SMALLEST = 0.5, 0.8, 2**-8
SUCCESSES = 3


class TrustRegion:
    """A box around the best point that grows with successes and shrinks with failures.

    It depends on nothing but what has been told, in that order.

    Args:
        num_dimensions: Dimensions of the space.

    Attributes:
        half: Half of its width, in units of the space.
        center: Units of its middle, shape (num_dimensions,); None before anything has succeeded.
    """

    def __init__(self, num_dimensions: int) -> None:
        self._patience = max(16, 2 * num_dimensions)
        self.half = FIRST
        self.center: Matrix | None = None
        self._best = np.inf
        self._successes = self._failures = 0

    @property
    def is_spent(self) -> bool:
        """Whether it has become too small."""
        return self.half < SMALLEST

    def told(self, units: Matrix, objective: float, is_search: bool) -> None:
        """Take note of the next evaluation.

        Args:
            units: Where it was, shape (num_dimensions,).
            objective: Its objective; NaN for a failure.
            is_search: Whether it counts as success or failure; the initial points do not.
        """
        is_better = objective < self._best
        if is_better:
            self._best, self.center = objective, units
        if is_search and not math.isnan(objective):  # a failure says nothing about how wide the region should be
            self._count(is_better)

    def _count(self, is_better: bool) -> None:
        self._successes = self._successes + 1 if is_better else 0
        self._failures = 0 if is_better else self._failures + 1
        if self._successes == SUCCESSES:
            self.half, self._successes = min(2 * self.half, LARGEST), 0
        if self._failures == self._patience:
            self.half, self._failures = self.half / 2, 0
