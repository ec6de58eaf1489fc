"""Superseded reports: those that a log has left out, as far as a search has learned from them."""

from collections.abc import Collection, Iterable

from dhmpi.evaluation import Report
from dhmpi.support.step_rungs import rung, teaches


class SupersededReports:
    """Superseded reports of a campaign.

    A model knows what had been reported until a number of results was known. So of those that came when there were as
    many results, the last at each rung is all that is needed to make it again.

    Args:
        pairs: What there is already, each with how many results there were when it came.
    """

    def __init__(self, pairs: Iterable[tuple[Report, int]] = ()) -> None:
        self._of: dict[int, dict[int, dict[int, Report]]] = {}  # by evaluation, number of results, and rung
        for report, order in pairs:
            self.add(report, order)

    def add(self, report: Report, order: int) -> None:
        """Enter a report that is left out; one that came at an unknown time, or teaches nothing, is of no use."""
        if order >= 0 and teaches(report.step, report.value):
            at = self._of.setdefault(report.id, {}).setdefault(order, {})
            height = rung(report.step)
            if height not in at or at[height].step <= report.step:
                at[height] = report

    def note(self, report: Report, order: int) -> None:
        """Take note of a report that came: if its evaluation was farther with as many results, no model knew it."""
        at = self._of.get(report.id, {}).get(order)
        if at and teaches(report.step, report.value):
            for height in [height for height, each in at.items() if each.step >= report.step]:
                del at[height]

    def forget(self, numbers: Collection[int]) -> None:
        """Leave out those of some evaluations."""
        for number in numbers:
            self._of.pop(number, None)

    def pairs(self) -> list[tuple[Report, int]]:
        """Return all of them, each with how many results there were when it came."""
        return [
            (report, order) for orders in self._of.values() for order, at in orders.items() for report in at.values()
        ]
