"""The contract of surrogate models."""

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy.typing as npt

from dhmpi.search.hps.surrogate.encoding import Matrix

Places = npt.NDArray[Any]


class Posterior(NamedTuple):
    """Predictions.

    Attributes:
        mean: Predicted objective, shape (num,).
        std: Its standard deviation, shape (num,).
    """

    mean: Matrix
    std: Matrix


class Learner(ABC):
    """A model of the objective that takes in single points without being fitted again.

    Calls come in this order: `fit`; `watch`; then `add`, `lend` and `replace`, which keep `posterior` up to date.
    Points are added by their places: whatever of their rows the fitted model needs to know, found once.

    Attributes:
        max_rows: How many rows it is fitted to at most, so that a fit takes seconds at most.
        num_candidates: How many rows are to be watched.
        num_parents: About how many of the best points half of these are to lie.
        is_smooth: Whether it tells neighbours apart.
        relative_turn: On which scale it gets objectives; see `ObjectiveScale.of`.
    """

    max_rows: int
    num_candidates: int
    num_parents = 10
    is_smooth = True
    relative_turn = math.inf

    @abstractmethod
    def fit(self, rows: Matrix, values: Matrix) -> None:
        """Fit the model to rows of numbers from 0 to 1, shape (num, num_columns), and their values, shape (num,)."""

    @abstractmethod
    def predict(self, places: Places) -> Posterior:
        """Return the predictions at some places by what was fitted and added."""

    def locate(self, rows: Matrix) -> Places:
        """Return the places of rows, shape (num, anything); the default is the rows themselves."""
        return rows

    @abstractmethod
    def watch(self, places: Places) -> None:
        """Keep the predictions at these places up to date; called once, before anything is added."""

    @property
    @abstractmethod
    def posterior(self) -> Posterior:
        """The predictions at the watched places."""

    @abstractmethod
    def add(self, places: Places, values: Matrix) -> None:
        """Take in points at places, shape (num, ...), with values, shape (num,)."""

    def add_pending(self, places: Places, lies: Matrix) -> None:
        """Take in pending points with lies, shape (num,); by default, as if these were values."""
        self.add(places, lies)

    @abstractmethod
    def replace(self, places: Places, lies: Matrix, values: Matrix) -> None:
        """Put values, shape (num,), in the place of the lies of pending points."""
