"""Observations of earlier campaigns as models know them: rows, objectives, and the task of each."""

from collections.abc import Sequence
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
        num = MOST_EARLIER * (FADED - num_own) // FADED // self.num_sources
        offsets = np.abs(encoding.to_unit_cube(self.rows) - box.center) / box.half
        order = np.argsort((offsets**2).sum(axis=1), kind="stable")
        close = order[offsets[order].max(axis=1) <= REACH]
        chosen = [close[self.tasks[close] == task][: max(num, 0)] for task in range(1, self.num_sources + 1)]
        at = np.concatenate(chosen)
        if not len(at):
            return None
        tasks = np.unique(self.tasks[at], return_inverse=True)[1] + 1  # those of which none is left are not counted
        return EarlierRows(self.rows[at], self.objectives[at], tasks)

    def warped(self, relative_turn: float) -> tuple[Matrix, float]:
        """Return objectives warped and standardised by source, shape (num,), and the log of the warps' density."""
        values, total = np.empty_like(self.objectives), 0.0
        for task in range(1, self.num_sources + 1):
            own = self.tasks == task
            values[own], density = warp(tidy(self.objectives[own]), relative_turn)
            total += density
        return values, total
