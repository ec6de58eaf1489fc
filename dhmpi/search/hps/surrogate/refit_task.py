"""Tasks of the background; light, since they are made while a worker may be waiting for a point."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dhmpi.search.hps.surrogate.course_history import NO_OUTLOOK, Outlook
from dhmpi.search.hps.surrogate.encoding import Encoding, Matrix


class Change(NamedTuple):
    """Change of what is known: a point that was asked, or told.

    Attributes:
        key: Key of the point.
        row: Its row, shape (num_columns,).
        is_final: Whether it was told.
        objective: Its objective; NaN if it failed or is pending.
    """

    key: Hashable
    row: Matrix
    is_final: bool = False
    objective: float = np.nan


@dataclass(frozen=True)
class RefitTask:
    """Task of fitting a model.

    Attributes:
        encoding: The encoding of the rows.
        seed: Seed of the search.
        options: As in `AMBSOptions`.
        clock: Returns seconds.
        num: How many of the evaluations the learner is fitted to: the first ones.
        block: Number of the pool of candidates that is drawn.
        rows: Rows of all evaluations told so far, shape (num_told, num_columns).
        objectives: Their objectives, shape (num_told,), NaN for failures.
        pending: The points that are pending.
        expected: Rows at which means will be asked for, each of shape (num, num_columns).
        outlook: What had been reported when there were `num` results; objectives are those foretold by it.
    """

    encoding: Encoding
    seed: int
    options: Any
    clock: Callable[[], float]
    num: int
    block: int
    rows: Matrix
    objectives: Matrix
    pending: Sequence[Change]
    expected: Sequence[Matrix] = ()
    outlook: Outlook = NO_OUTLOOK
