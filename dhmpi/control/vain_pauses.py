"""Pauses in vain: an evaluation that is never further than at an earlier pause would be paused for ever."""

from collections.abc import Iterable
from typing import NamedTuple

from dhmpi.evaluation import FURTHEST_PAUSE, PAUSES_IN_VAIN, Evaluation, State

# So many pauses in a row at which an evaluation is no further fail it.
LIMIT = 2


class _Record(NamedTuple):
    """Pauses of an evaluation so far: the furthest step, and how many since then were no further."""

    step: float
    num_vain: int = 0


class VainPauses:
    """Counts pauses in a row at which an evaluation was no further than at an earlier one, and fails it in the end.

    The steps are those that it reports; of one that reports nothing it is not known whether it gets further.
    """

    def __init__(self) -> None:
        self._records: dict[int, _Record] = {}

    def recall(self, evaluations: Iterable[Evaluation]) -> None:
        """Take note of what was paused in an earlier run."""
        for each in evaluations:
            if each.state is State.PAUSED and each.step is not None:
                furthest, num_vain = each.extra.get(FURTHEST_PAUSE, each.step), each.extra.get(PAUSES_IN_VAIN, 0)
                self._records[each.id] = _Record(float(furthest), int(num_vain))

    def decide(self, evaluation: Evaluation) -> Evaluation:
        """Return an evaluation that is PAUSED, with what there is to note; FAILED, if that was in vain too often."""
        step, before = evaluation.step, self._records.get(evaluation.id)
        names = (PAUSES_IN_VAIN, FURTHEST_PAUSE)  # which a run function may have returned
        evaluation = evaluation._replace(extra={k: v for k, v in evaluation.extra.items() if k not in names})
        if step is None:
            return evaluation
        if before is None or step > before.step:
            self._records[evaluation.id] = _Record(step)
            return evaluation
        record = self._records[evaluation.id] = before._replace(num_vain=before.num_vain + 1)
        if record.num_vain < LIMIT:
            noted = {PAUSES_IN_VAIN: record.num_vain, FURTHEST_PAUSE: record.step}
            return evaluation._replace(extra={**evaluation.extra, **noted})
        error = (
            f"what is paused must get further from one job to the next, got step {step:g} now and step {record.step:g} "
            f"{record.num_vain} pauses ago; save where it is before the report that ends it, and go on from there; or "
            "give jobs more time"
        )
        return evaluation._replace(state=State.FAILED, error=error)
