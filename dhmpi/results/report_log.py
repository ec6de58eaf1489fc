"""Log of what evaluations have reported while they ran: their learning curves."""

from array import array
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dhmpi.evaluation import Report

Array = npt.NDArray[Any]

# The most rows of one evaluation; if there are more reports, every second, fourth and so on is kept, and the latest.
MOST_ROWS = 10_000


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

    def ordered(self) -> Iterator[tuple[Report, int]]:
        """Yield all of them as records, each with how many results there were when it came."""
        return zip(self.records(), self.order.tolist(), strict=True)


NO_REPORTS = Reports(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))


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
        reports: What there is already.
    """

    def __init__(self, reports: Reports = NO_REPORTS) -> None:
        self._set(reports)

    def __len__(self) -> int:
        return len(self._step)

    def _set(self, reports: Reports) -> None:
        self._evaluation = array("q", reports.evaluation.astype(np.int64).tobytes())
        self._step, self._value, self._time = (
            array("d", column.astype(np.float64).tobytes()) for column in reports[1:-1]
        )
        self._order = array("q", reports.order.astype(np.int64).tobytes())
        numbers, counts = np.unique(reports.evaluation, return_counts=True)
        last = {number: row for row, number in enumerate(self._evaluation)}
        self._places = {
            number: _Place(last[number], count, count)
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        }

    def append(self, reports: Iterable[Report], order: int) -> None:
        """Enter reports, which came when there were so many results; -1 if that is unknown."""
        for number, step, value, time in reports:
            place = self._places.get(number)
            if place is not None and step < self._step[place.row]:
                self.forget([number], step)
                place = self._places.get(number)
            if place is not None:
                is_again = step == self._step[place.row]
                if is_again or (place.num_seen - 1) % place.stride:  # the latest row was only kept for being that
                    self._step[place.row], self._value[place.row], self._time[place.row] = step, value, time
                    self._order[place.row] = order
                    self._places[number] = place._replace(num_seen=place.num_seen + (not is_again))
                    continue
                num_rows, num_seen = place.num_rows + 1, place.num_seen + 1
                self._places[number] = _Place(len(self), num_rows, num_seen, place.stride)
            else:
                self._places[number] = _Place(len(self))
            self._evaluation.append(number)
            self._step.append(step)
            self._value.append(value)
            self._time.append(time)
            self._order.append(order)
            if self._places[number].num_rows > MOST_ROWS:
                self._thin(number)

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
        return Reports(*map(np.array, columns))

    def forget(self, numbers: Collection[int], step: float = -np.inf) -> None:
        """Leave out what evaluations have reported, or what they have from a step on."""
        columns = self.columns()
        self._keep(~(np.isin(columns.evaluation, list(numbers)) & (columns.step >= step)), columns)

    def _thin(self, number: int) -> None:
        columns, place = self.columns(), self._places[number]
        rows = np.flatnonzero(columns.evaluation == number)
        kept = np.ones(len(columns.step), bool)
        kept[rows[1:-1:2]] = False
        self._keep(kept, columns)
        self._places[number] = self._places[number]._replace(num_seen=place.num_seen, stride=2 * place.stride)

    def _keep(self, kept: Array, columns: Reports) -> None:
        if not kept.all():
            before = self._places
            self._set(Reports(*(column[kept] for column in columns)))
            for number, place in self._places.items():
                if before[number].stride > 1:
                    self._places[number] = place._replace(
                        num_seen=before[number].num_seen, stride=before[number].stride
                    )
