"""Log of what evaluations have reported while they ran: their learning curves."""

from array import array
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.evaluation import Report
from dhmpi.results.superseded import SupersededReports

Array = npt.NDArray[Any]

# The most rows of one evaluation; if there are more reports, every second, fourth and so on is kept, and the latest.
MOST_ROWS = 10_000
# Rows that are left out stay in memory until they are so many, and the larger part.
MOST_LEFT_OUT = 1000


class Reports(NamedTuple):
    """Reports of a campaign by column, in the order in which they came; steps of an evaluation grow.

    Attributes:
        evaluation: Numbers of the evaluations, int64.
        step: How far each was, float64.
        value: Its value then, as an objective, float64; what is not finite stays so.
        time: When [s since 1970-01-01 UTC], float64.
        order: How many results the campaign had when each came, int64; -1 if unknown.
    """

    evaluation: Array
    step: Array
    value: Array
    time: Array
    order: Array

    def of(self, number: int) -> "Reports":
        """Return those of one evaluation."""
        return Reports(*(column[self.evaluation == number] for column in self))

    def records(self) -> list[Report]:
        """Return all of them as records."""
        return list(map(Report, *(column.tolist() for column in self[:-1])))

    def pairs(self) -> Iterator[tuple[Report, int]]:
        """Yield all of them as records, each with how many results there were when it came."""
        return zip(self.records(), self.order.tolist(), strict=True)


NO_REPORTS = Reports(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))


class ReportHistory(NamedTuple):
    """Reports of a campaign, and those that a search has known beside them.

    Attributes:
        current: What evaluations have reported.
        superseded: What is no longer among that: later reports have taken its place, or there were too many.
    """

    current: Reports = NO_REPORTS
    superseded: Reports = NO_REPORTS

    def ordered(self) -> Iterator[tuple[Report, int]]:
        """Yield all of them, each with how many results there were when it came, as far as that leads to the same.

        While a number of results was known, steps of an evaluation grow: if it began again meanwhile, no model knew it.
        """
        joined = Reports(*map(np.concatenate, zip(*self, strict=True)))
        place = np.lexsort((joined.step, joined.order))
        return Reports(*(column[place] for column in joined)).pairs()


class _Place(NamedTuple):
    """Place of an evaluation in the log.

    Attributes:
        row: The row of its latest report.
        num_rows: How many rows it has.
        num_seen: How many reports it has made.
        stride: Of so many reports one stays.
    """

    row: int
    num_rows: int = 1
    num_seen: int = 1
    stride: int = 1


class ReportLog:
    """Log of reports; what is reported of a step again, as after a new beginning, takes the place of what was.

    Args:
        history: What there is already.
    """

    def __init__(self, history: ReportHistory = ReportHistory()) -> None:  # noqa: B008  # nothing changes it
        self._set(history.current)
        self._superseded = SupersededReports(history.superseded.pairs())

    def __len__(self) -> int:
        return len(self._step) - self._num_left_out

    def _set(self, reports: Reports) -> None:
        self._evaluation = array("q", reports.evaluation.astype(np.int64).tobytes())
        self._step, self._value, self._time = (
            array("d", column.astype(np.float64).tobytes()) for column in reports[1:-1]
        )
        self._order = array("q", reports.order.astype(np.int64).tobytes())
        self._before = array("q", _rows_before(reports.evaluation).tobytes())  # of the same evaluation; -1 for none
        self._is_kept, self._num_left_out = bytearray(b"\1") * len(self._step), 0
        numbers, counts = np.unique(reports.evaluation, return_counts=True)
        last = {number: row for row, number in enumerate(self._evaluation)}
        self._places = {
            number: _Place(last[number], count, count)
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        }

    def append(self, reports: Iterable[Report], order: int) -> None:
        """Enter reports, which came when there were so many results; -1 if that is unknown."""
        for report in reports:
            self._enter(report, order)
            self._superseded.note(report, order)
        if self._num_left_out > max(MOST_LEFT_OUT, len(self)):
            before = self._places
            self._set(self.columns())
            self._places = {number: before[number]._replace(row=place.row) for number, place in self._places.items()}

    def _enter(self, report: Report, order: int) -> None:
        number, step = report.id, report.step
        place = self._places.get(number)
        if place is not None and step < self._step[place.row]:
            place = self._cut(number, step)
        if place is None:
            self._add(report, order, _Place(len(self._step)), -1)
            return
        is_again = step == self._step[place.row]
        if is_again or (place.num_seen - 1) % place.stride:  # the latest row was only kept for being that
            self._superseded.add(*self._pair(place.row))
            self._step[place.row], self._value[place.row], self._time[place.row] = report[1:]
            self._order[place.row] = order
            self._places[number] = place._replace(num_seen=place.num_seen + (not is_again))
            return
        self._add(
            report, order, _Place(len(self._step), place.num_rows + 1, place.num_seen + 1, place.stride), place.row
        )
        if place.num_rows + 1 > MOST_ROWS:
            self._thin(number)

    def _add(self, report: Report, order: int, place: _Place, before: int) -> None:
        self._places[report.id] = place
        self._evaluation.append(report.id)
        self._step.append(report.step)
        self._value.append(report.value)
        self._time.append(report.time)
        self._order.append(order)
        self._before.append(before)
        self._is_kept.append(True)

    def last_step(self, number: int) -> float | None:
        """Return the latest step of an evaluation; None if it has reported nothing."""
        place = self._places.get(number)
        return None if place is None else self._step[place.row]

    def records(self) -> list[Report]:
        """Return all of them as records."""
        return self.columns().records()

    def columns(self) -> Reports:
        """Return all of them, as they are now."""
        columns = self._evaluation, self._step, self._value, self._time, self._order
        kept = np.frombuffer(bytes(self._is_kept), bool) if self._num_left_out else slice(None)
        return Reports(*(np.array(column)[kept] for column in columns))

    def history(self) -> ReportHistory:
        """Return all of them, and those that they have superseded."""
        pairs = self._superseded.pairs()
        if not pairs:
            return ReportHistory(self.columns())
        number, step, value, time = map(np.array, zip(*(report for report, _ in pairs), strict=True))
        return ReportHistory(
            self.columns(), Reports(number, step, value, time, np.array([order for _, order in pairs]))
        )

    def forget(self, numbers: Collection[int]) -> None:
        """Leave out all that some evaluations have ever reported."""
        for number in self._places.keys() & set(numbers):
            self._cut(number, -np.inf)
        self._superseded.forget(numbers)

    def _cut(self, number: int, step: float) -> _Place | None:
        """Leave out what an evaluation has from a step on; return its place, if it has one then."""
        place = self._places.pop(number)
        row, num_rows = place.row, place.num_rows
        while row >= 0 and self._step[row] >= step:
            self._leave_out(row)
            row, num_rows = self._before[row], num_rows - 1
        if row < 0:
            return None
        self._places[number] = _Place(row, num_rows, (num_rows - 1) * place.stride + 1, place.stride)
        return self._places[number]

    def _thin(self, number: int) -> None:
        """Leave out every second row of an evaluation, but for the first and the latest one."""
        place = self._places[number]
        rows = [place.row]
        while (row := self._before[rows[-1]]) >= 0:
            rows.append(row)
        rows.reverse()
        for row in rows[1:-1:2]:
            self._leave_out(row)
        kept = [row for row in rows if self._is_kept[row]]
        for before, row in pairwise(kept):
            self._before[row] = before
        self._places[number] = place._replace(num_rows=len(kept), stride=2 * place.stride)

    def _leave_out(self, row: int) -> None:
        self._superseded.add(*self._pair(row))
        self._is_kept[row] = False
        self._num_left_out += 1

    def _pair(self, row: int) -> tuple[Report, int]:
        return Report(self._evaluation[row], self._step[row], self._value[row], self._time[row]), self._order[row]


def _rows_before(evaluation: Array) -> Array:
    """Return for each row the last one before it of the same evaluation; -1 if there is none."""
    before = np.full(len(evaluation), -1, np.int64)
    rows = np.argsort(evaluation, kind="stable")
    is_same = np.diff(evaluation[rows]) == 0
    before[rows[1:][is_same]] = rows[:-1][is_same]
    return before
