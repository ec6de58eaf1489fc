"""Observations of earlier campaigns as models know them: rows, objectives, and the task of each."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dhmpi.evaluation import Observation
from dhmpi.search.hps.surrogate.box import Box
from dhmpi.search.hps.surrogate.encoding import Encoding, Indices, Matrix
from dhmpi.search.hps.surrogate.warp import tidy, warp

# Observations of all sources together that a process knows, in the beginning; there are fewer the more results a
# campaign has, and none beside so many: then they would keep the process from what is near the best point.
MOST_EARLIER, FADED = 60, 100
# In halves of the widths of a box.
REACH = 2.0


class EarlierRows(NamedTuple):
    """Observations of earlier campaigns.

    Attributes:
        rows: Their rows, shape (num, num_columns).
        objectives: Their objectives, finite, shape (num,).
        tasks: The number of each one's source, from 1, shape (num,); all are there, in order.
    """

    rows: Matrix
    objectives: Matrix
    tasks: Indices

    @classmethod
    def of(cls, encoding: Encoding, observations: Sequence[Observation]) -> "EarlierRows":
        """Return observations, of which there is at least one."""
        sources = np.array([each.source for each in observations])
        order = np.argsort(sources, kind="stable")
        rows = encoding.encode([observations[index].point for index in order.tolist()])
        objectives = np.array([each.objective for each in observations], float)[order]
        return cls(rows, objectives, np.unique(sources[order], return_inverse=True)[1] + 1)

    @property
    def num_sources(self) -> int:
        """Number of sources."""
        return int(self.tasks.max(initial=0))

    def near(self, encoding: Encoding, box: Box, num_own: int) -> "EarlierRows | None":
        """Return the observations that are nearest to a box, beside so many of the campaign's own; None if none.

        What is farther than `REACH` says nothing about a box, and would bend the quadratic part of its process.
        """
        offsets = (encoding.to_unit_cube(self.rows) - box.center) / box.half
        close = self._at(np.flatnonzero(np.abs(offsets).max(axis=1) <= REACH))
        if not len(close.rows):
            return None
        distances = (((encoding.to_unit_cube(close.rows) - box.center) / box.half) ** 2).sum(axis=1)
        return close._chosen(num_own, lambda own, num: own[np.argsort(distances[own], kind="stable")[:num]])

    def spread(self, num_own: int) -> "EarlierRows | None":
        """Return the best observations and others from all over, beside so many of the campaign's own; None if none."""

        def choose(own: Indices, num: int) -> Indices:
            order = own[np.argsort(self.objectives[own], kind="stable")]
            best, others = order[: (num + 1) // 2], order[(num + 1) // 2 :]
            places = np.linspace(0, len(others) - 1, min(num - len(best), len(others))).astype(int)
            return np.concatenate([best, others[places]])

        return self._chosen(num_own, choose)

    def best(self, num: int) -> Matrix:
        """Return the rows of the best observations of each source, shape (at most num, num_columns)."""
        share = max(1, num // self.num_sources)
        ranks = [np.flatnonzero(self.tasks == task) for task in range(1, self.num_sources + 1)]
        found = [own[np.argsort(self.objectives[own], kind="stable")[:share]] for own in ranks]
        return self.rows[np.concatenate(found)[:num]]

    def warped(self, relative_turn: float) -> tuple[Matrix, float]:
        """Return objectives warped and standardised by source, shape (num,), and the log of the warps' density."""
        values, total = np.empty_like(self.objectives), 0.0
        for task in range(1, self.num_sources + 1):
            own = self.tasks == task
            values[own], density = warp(tidy(self.objectives[own]), relative_turn)
            total += density
        return values, total

    def _chosen(self, num_own: int, choose: Callable[[Indices, int], Indices]) -> "EarlierRows | None":
        num = MOST_EARLIER * (FADED - num_own) // FADED // self.num_sources
        if num <= 0:
            return None
        tasks = range(1, self.num_sources + 1)
        at = np.concatenate([choose(np.flatnonzero(self.tasks == task), num) for task in tasks])
        return self._at(at)

    def _at(self, at: Indices) -> "EarlierRows":
        """Return some of the observations; sources of which none is left are not counted."""
        tasks = np.unique(self.tasks[at], return_inverse=True)[1] + 1 if len(at) else self.tasks[at]
        return EarlierRows(self.rows[at], self.objectives[at], tasks)
