"""All evaluations of a campaign in memory, by column."""

import json
import math
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from dhmpi.errors import ResultsError
from dhmpi.evaluation import (
    INACTIVE,
    Evaluation,
    Objective,
    Origin,
    Point,
    Report,
    State,
    active_values,
    all_objectives,
)
from dhmpi.support.json_text import clean, dumps, loads

STATES = tuple(State)
_CODES: dict[str, int] = {state: code for code, state in enumerate(STATES)}  # a state is equal to its name
_RUNNING = _CODES[State.RUNNING]
_FINAL = frozenset(code for code, state in enumerate(STATES) if state.is_final)
_NAN = math.nan

# An evaluation as it stands in a journal.
Row = Sequence[Any]


class SubmittedRow(NamedTuple):
    """Row that `EvaluationTable.submit` writes, by name; in older journals it is shorter. See `Evaluation`."""

    id: int
    values: Sequence[Any]
    submitted: float | None
    origin: Sequence[Any] = Origin()
    rank: int = -1
    host: str = ""


class FinishedRow(NamedTuple):
    """Row that `EvaluationTable.finish` writes, by name; the extra is JSON text. See `Evaluation`."""

    id: int
    state: str
    objective: float | None
    started: float | None
    ended: float | None
    rank: int
    host: str
    error: str
    extra: str
    step: float | None = None


class Beginning(NamedTuple):
    """Earlier beginning of an evaluation that has begun again, with its state until then. See `Beginnings`."""

    evaluation: int
    state: int
    submitted: float
    started: float
    ended: float
    rank: int
    host: str


class EvaluationTable:
    """The columns of `/evaluations`, in order of submission.

    Errors, extras and memories are rare, so only rows that have one hold one.

    Args:
        names: Names of the dimensions.
        optional: Those of them that a point may lack, since they are not always active.
        objectives: Those that the problem has declared.
    """

    def __init__(
        self, names: Sequence[str], optional: Collection[str] = (), objectives: Sequence[Objective] = ()
    ) -> None:
        self.names, self.optional = tuple(names), frozenset(optional)
        self._in_order = _getter(self.names, self.optional)
        self.objectives = tuple(objectives)
        self.rows: dict[int, int] = {}
        self.points: list[Sequence[Any]] = []
        self.id = array("q")
        self.objective = array("d")
        self.state = bytearray()
        self.submitted = array("d")
        self.started = array("d")
        self.ended = array("d")
        self.rank = array("i")
        self.host: list[str] = []
        self.error: dict[int, str] = {}
        self.extra: dict[int, str] = {}
        self.order = array("q")
        self.num_ordered = 0
        self.step = array("d")
        self.others = [array("d") for _ in self.objectives[1:]]  # of several objectives, those after the first
        self.model: list[str] = []
        self.known = array("q")
        self.fitted = array("q")
        self.detail = array("q")
        self.memory: dict[int, str] = {}
        self.earlier: list[Beginning] = []
        self.counts = [0] * len(STATES)
        self._hosts: dict[str, str] = {}  # one clean string per host, not per evaluation

    def __len__(self) -> int:
        return len(self.id)

    def submit(self, evaluations: Iterable[Evaluation]) -> list[Row]:
        """Enter evaluations that were sent off, or enter them again after they were cancelled or lost.

        Returns:
            Their rows in a journal, for `read_submitted`.

        Raises:
            ResultsError: A point does not have the dimensions of the space, or one has already ended for good; none was
                entered.
        """
        rows, hosts = self.rows, self._hosts
        checked = [(each, self._checked(each)) for each in evaluations]
        written: list[Row] = []
        for each, values in checked:
            number, submitted, origin, rank, host = each.id, each.submitted, each.origin, each.rank, each.host
            written.append((number, values, submitted, origin, rank, host))
            moment = _NAN if submitted is None else submitted
            started = moment if rank >= 0 else _NAN  # its worker will know better
            if number in rows:
                row = rows[number]
                if self.submitted[row] != moment:  # else a record of the journal was written twice
                    self._keep_beginning(row)
                self.points[row] = values
                self.submitted[row] = moment
                self.finish([Evaluation(number, {}, state=State.RUNNING, started=started, rank=rank, host=host)])
                continue
            if host not in hosts:
                hosts[host] = clean(host)
            rows[number] = len(self.id)
            self.points.append(values)
            self.id.append(number)
            self.objective.append(_NAN)
            self.state.append(_RUNNING)
            self.submitted.append(moment)
            self.started.append(started)
            self.ended.append(_NAN)
            self.rank.append(rank)
            self.host.append(hosts[host])
            self.order.append(-1)
            self.step.append(_NAN)
            for column in self.others:
                column.append(_NAN)
            self.model.append(origin.model)
            self.known.append(origin.known)
            self.fitted.append(origin.fitted)
            self.detail.append(origin.detail)
            if origin.memory:
                self.memory[rows[number]] = origin.memory
            self.counts[_RUNNING] += 1
        return written

    def _checked(self, evaluation: Evaluation) -> tuple[Any, ...]:
        """Return the values of a point in order, if it may be submitted."""
        number, point = evaluation.id, evaluation.point
        try:
            values = self._in_order(point)
        except KeyError:
            values = ()
        num_active = len(values) - values.count(INACTIVE) if self.optional else len(values)
        if not (len(values) == len(self.names) and len(point) == num_active):
            wanted = ", ".join(self.names)
            raise ResultsError(f"evaluation {number} must have the dimensions {wanted}, got {point}")
        if number in self.rows and self.has_ended(number):
            state = STATES[self.state[self.rows[number]]].value
            raise ResultsError(f"evaluation {number} must not be submitted again once it is {state}")
        return values

    def finish(self, evaluations: Iterable[Evaluation]) -> list[Row]:
        """Enter how evaluations ended; their points are known.

        Returns:
            Their rows in a journal, for `read_finished`.

        Raises:
            ResultsError: One was never submitted; none was entered.
        """
        rows, hosts, evaluations = self.rows, self._hosts, list(evaluations)
        written: list[Row] = []
        for each in evaluations:
            if each.id not in rows:
                raise ResultsError(f"evaluation {each.id} must be submitted before it can be finished")
        for each in evaluations:
            number, state, objective, started, ended = each.id, each.state, each.objective, each.started, each.ended
            rank, host, error, extra = each.rank, each.host, each.error, dumps(each.extra) if each.extra else ""
            step = each.step
            written.append((number, state, objective, started, ended, rank, host, error, extra, step))
            row, code = rows[number], _CODES[state]
            if code in _FINAL and self.order[row] < 0:
                self.order[row] = self.num_ordered
                self.num_ordered += 1
            self.counts[self.state[row]] -= 1
            self.counts[code] += 1
            self.state[row] = code
            self.objective[row] = _NAN if objective is None else objective
            if self.others:
                self._enter_others(row, each)
            self.started[row] = _NAN if started is None else started
            self.ended[row] = _NAN if ended is None else ended
            if step is not None:
                self.step[row] = step
            self.rank[row] = rank
            if host not in hosts:
                hosts[host] = clean(host)
            self.host[row] = hosts[host]
            if error or row in self.error:
                _keep(self.error, row, clean(error))
            if extra or row in self.extra:
                _keep(self.extra, row, extra)
        return written

    def _enter_others(self, row: int, evaluation: Evaluation) -> None:
        """Enter the objectives after the first; in a journal, they are in the extra."""
        known = all_objectives(evaluation.objective, evaluation.extra, self.objectives)
        values = known[1:] if known and evaluation.state is State.DONE else [_NAN] * len(self.others)
        for column, value in zip(self.others, values, strict=True):
            column[row] = value

    def vector(self, row: int) -> tuple[float, ...]:
        """Return all of several objectives of the evaluation in a row, each to be small; nothing if it has not all."""
        values = [column[row] for column in self.others]
        return (self.objective[row], *values) if values and not any(map(math.isnan, values)) else ()

    def take_back(self, numbers: Iterable[int]) -> None:
        """Make evaluations that have ended PENDING; nothing of their results stays, but when workers had them."""
        for number in numbers:
            row = self.rows[number]
            self._keep_beginning(row)
            self.finish([Evaluation(number, {}, state=State.PENDING)])
            self.submitted[row] = self.step[row] = _NAN
            self.order[row] = -1

    def _keep_beginning(self, row: int) -> None:
        """Keep when a worker had an evaluation that begins again."""
        if self.started[row] == self.started[row]:  # not NaN
            columns = self.id, self.state, self.submitted, self.started, self.ended, self.rank, self.host
            self.earlier.append(Beginning(*(column[row] for column in columns)))  # type: ignore[arg-type]  # by column

    def note_steps(self, reports: Iterable[Report]) -> None:
        """Take note of how far evaluations are; of those that are not there, nothing."""
        for report in reports:
            if (row := self.rows.get(report.id)) is not None:
                self.step[row] = report.step

    def has_ended(self, number: int) -> bool:
        """Return whether an evaluation has ended for good."""
        row = self.rows.get(number)
        return row is not None and self.is_final(row)

    def is_final(self, row: int) -> bool:
        """Return whether the evaluation in a row has ended for good."""
        return self.state[row] in _FINAL

    def point(self, row: int) -> Point:
        """Return the point of the evaluation in a row."""
        pairs = zip(self.names, self.points[row], strict=True)
        return active_values(pairs) if self.optional else dict(pairs)

    def rows_by_id(self) -> list[int]:
        """Return the rows in order of id."""
        return [self.rows[number] for number in sorted(self.rows)]

    def evaluations(self) -> list[Evaluation]:
        """Return all evaluations in order of id."""
        rows = self.rows_by_id()
        states, error, extra, memory = list(map(STATES.__getitem__, self.state)), self.error, self.extra, self.memory
        objective, submitted, started, ended, step = (
            [None if value != value else value for value in column]  # NaN
            for column in (self.objective, self.submitted, self.started, self.ended, self.step)
        )
        return [
            Evaluation(
                self.id[row],
                self.point(row),
                objective[row],
                states[row],
                submitted[row],
                started[row],
                ended[row],
                self.rank[row],
                self.host[row],
                error.get(row, ""),
                json_object(extra[row]) if row in extra else {},
                Origin(self.model[row], self.known[row], self.fitted[row], self.detail[row], memory.get(row, "")),
                self.order[row],
                step[row],
                self.vector(row),
            )
            for row in rows
        ]


def json_object(text: str) -> dict[str, Any]:
    """Return what a run function returned besides the objective, from its JSON text.

    Raises:
        ResultsError: It is no object; no dhmpi has written it.
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ResultsError(f"an extra of a results file must be a JSON object, got {text!r:.80}; restore the file")
    return found


def _keep(column: dict[int, str], row: int, text: str) -> None:
    if text:
        column[row] = text
    else:
        column.pop(row, None)


def _getter(names: Sequence[str], optional: Collection[str]) -> Callable[[Point], tuple[Any, ...]]:
    if optional:
        return lambda point: tuple([point.get(name, INACTIVE) if name in optional else point[name] for name in names])
    if len(names) > 1:
        return itemgetter(*names)
    return lambda point: tuple(point[name] for name in names)


def read_submitted(rows: Iterable[Row], names: Sequence[str]) -> Iterator[Evaluation]:
    """Yield evaluations that `submit` has written; in older journals, rows end before the origin or before the rank."""
    for id, values, submitted, *later in rows:
        point = active_values(zip(names, values, strict=True))
        evaluation = Evaluation(id, point, submitted=submitted)
        if later:
            evaluation = evaluation._replace(origin=Origin(*later[0]))
        if later[1:]:
            _, rank, host = later
            evaluation = evaluation._replace(rank=rank, host=host)
        yield evaluation


def read_reported(rows: Iterable[Sequence[Any]]) -> Iterator[Report]:
    """Return reports of a journal; in later ones, how many results there were comes behind each."""
    return (Report(*row[: len(Report._fields)]) for row in rows)


def read_finished(rows: Iterable[Row]) -> Iterator[Evaluation]:
    """Yield evaluations that `finish` has written, without their points; in older journals, rows have no step."""
    for id, state, objective, started, ended, rank, host, error, text, *step in rows:
        yield Evaluation(
            id=id,
            point={},
            objective=objective,
            state=State(state),
            started=started,
            ended=ended,
            rank=rank,
            host=host,
            error=error,
            extra=loads(text) if text else {},
            step=step[0] if step else None,
        )
