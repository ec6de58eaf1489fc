"""All evaluations of a campaign in memory, by column."""

import json
import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from dhmpi.errors import ResultsError
from dhmpi.evaluation import NOBODY, Evaluation, Origin, State
from dhmpi.support.json_text import clean

STATES = tuple(State)
_CODES: dict[str, int] = {state: code for code, state in enumerate(STATES)}  # a state is equal to its name
_RUNNING = _CODES[State.RUNNING]
_FINAL = frozenset(code for code, state in enumerate(STATES) if state.is_final)
_NAN = math.nan
_UNKNOWN = Origin()

# What is entered of an evaluation when it is sent off: id, values of its dimensions in order, time, its origin, and the
# rank and the host of its worker. Older journals do not have the last ones.
Submitted = Sequence[Any]
NUM_SUBMITTED = 6
# And when it has ended: id, state, objective, started, ended, rank, host, error, and extra as JSON text or nothing.
Finished = tuple[int, str, float | None, float | None, float | None, int, str, str, str]


class EvaluationTable:
    """The columns of `/evaluations`, in order of submission.

    Errors, extras and memories are rare, so only rows that have one hold one.

    Args:
        names: Names of the dimensions.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
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
        self.model: list[str] = []
        self.known = array("q")
        self.fitted = array("q")
        self.detail = array("q")
        self.memory: dict[int, str] = {}
        self.counts = [0] * len(STATES)
        self._hosts: dict[str, str] = {}  # one clean string per host, not per evaluation

    def __len__(self) -> int:
        return len(self.id)

    def submit(self, evaluations: Sequence[Submitted]) -> None:
        """Enter evaluations, or enter them again after they were cancelled or lost.

        Raises:
            ResultsError: One has already ended for good; none was entered.
        """
        rows = self.rows
        for again in [each[0] for each in evaluations if each[0] in rows]:
            if self.has_ended(again):
                state = STATES[self.state[rows[again]]].value
                raise ResultsError(f"evaluation {again} must not be submitted again once it is {state}")
        hosts = self._hosts
        for each in evaluations:
            if len(each) == NUM_SUBMITTED:
                number, values, submitted, origin, rank, host = each
            else:
                number, values, submitted, *rest = each
                origin, (rank, host) = rest[0] if rest else _UNKNOWN, NOBODY
            if host not in hosts:
                hosts[host] = clean(host)
            moment = _NAN if submitted is None else submitted
            started = moment if rank >= 0 else _NAN  # its worker will know better
            row = rows.get(number)
            if row is not None:
                self.points[row] = values
                self.submitted[row] = moment
                self.finish([(number, State.RUNNING, None, started, None, rank, host, "", "")])
                continue
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
            model, known, fitted, detail, *memory = origin  # older journals have none
            if memory and memory[0]:
                self.memory[rows[number]] = memory[0]
            self.model.append(model)
            self.known.append(known)
            self.fitted.append(fitted)
            self.detail.append(detail)
            self.counts[_RUNNING] += 1

    def finish(self, evaluations: Sequence[Finished]) -> None:
        """Enter how evaluations ended.

        Raises:
            ResultsError: One was never submitted; none was entered.
        """
        rows, hosts = self.rows, self._hosts
        for unknown in [each[0] for each in evaluations if each[0] not in rows]:
            raise ResultsError(f"evaluation {unknown} must be submitted before it can be finished")
        for number, state, objective, started, ended, rank, host, error, extra in evaluations:
            row = rows[number]
            code = _CODES[state]
            if code in _FINAL and self.order[row] < 0:
                self.order[row] = self.num_ordered
                self.num_ordered += 1
            self.counts[self.state[row]] -= 1
            self.counts[code] += 1
            self.state[row] = code
            self.objective[row] = _NAN if objective is None else objective
            self.started[row] = _NAN if started is None else started
            self.ended[row] = _NAN if ended is None else ended
            self.rank[row] = rank
            if host not in hosts:
                hosts[host] = clean(host)
            self.host[row] = hosts[host]
            if error or row in self.error:
                _keep(self.error, row, clean(error))
            if extra or row in self.extra:
                _keep(self.extra, row, extra)

    def take_back(self, numbers: Iterable[int]) -> None:
        """Make evaluations that have ended PENDING, as if they had never begun; nothing of their results stays."""
        for number in numbers:
            row = self.rows[number]
            self.finish([(number, State.PENDING, None, None, None, -1, "", "", "")])
            self.submitted[row] = _NAN
            self.order[row] = -1

    def has_ended(self, number: int) -> bool:
        """Return whether an evaluation has ended for good."""
        row = self.rows.get(number)
        return row is not None and self.is_final(row)

    def is_final(self, row: int) -> bool:
        """Return whether the evaluation in a row has ended for good."""
        return self.state[row] in _FINAL

    def rows_by_id(self) -> list[int]:
        """Return the rows in order of id."""
        return [self.rows[number] for number in sorted(self.rows)]

    def evaluations(self) -> list[Evaluation]:
        """Return all evaluations in order of id."""
        return [self._evaluation(row) for row in self.rows_by_id()]

    def _evaluation(self, row: int) -> Evaluation:
        return Evaluation(
            id=self.id[row],
            point=dict(zip(self.names, self.points[row], strict=True)),
            objective=_number(self.objective[row]),
            state=STATES[self.state[row]],
            submitted=_number(self.submitted[row]),
            started=_number(self.started[row]),
            ended=_number(self.ended[row]),
            rank=self.rank[row],
            host=self.host[row],
            error=self.error.get(row, ""),
            extra=json.loads(self.extra.get(row, "{}")),
            origin=Origin(
                self.model[row], self.known[row], self.fitted[row], self.detail[row], self.memory.get(row, "")
            ),
            order=self.order[row],
        )


def _keep(column: dict[int, str], row: int, text: str) -> None:
    if text:
        column[row] = text
    else:
        column.pop(row, None)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
