"""Retries of evaluations whose worker is lost."""

from collections import Counter

from dhmpi.evaluation import Evaluation, State
from dhmpi.support.wording import counted


class Retries:
    """Retries of lost evaluations; one that is lost too often fails, since it may be what ends its workers.

    Args:
        limit: How often one is begun again.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._num_lost: Counter[int] = Counter()

    def decide(self, evaluation: Evaluation) -> Evaluation:
        """Return an evaluation that has ended; FAILED, if it has been LOST once too often."""
        if evaluation.state is not State.LOST:
            return evaluation
        self._num_lost[evaluation.id] += 1
        num = self._num_lost[evaluation.id]
        if num <= self._limit:
            return evaluation
        return evaluation._replace(
            state=State.FAILED, error=f"lost {counted(num, 'time')}; the last time: {evaluation.error}"
        )
