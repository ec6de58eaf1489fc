"""Evaluations of a campaign by column, as NumPy arrays: what figures of many evaluations are computed from."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dhmpi.evaluation import Evaluation, Objective, Origin, State, active_values
from dhmpi.results.beginnings import Beginnings
from dhmpi.results.column_source import NUMBERS, ColumnSource, Texts, objects, source_of
from dhmpi.results.table import STATES, EvaluationTable, json_object
from dhmpi.support.pareto import is_non_dominated

Array = npt.NDArray[Any]

_CODES: Mapping[State, int] = {state: code for code, state in enumerate(STATES)}
SPARSE = ("error", "extra", "memory")
REPEATED = ("host", "model")
# Rows that are read by themselves, where nobody needs the others.
FEW = 100


class Columns:
    """Evaluations of a campaign by column, each an array with one number per evaluation, in order of id.

    A million evaluations are a few arrays, where they would be a gigabyte of records.

    Args:
        names: Names of the dimensions.
        source: Where columns are.
        optional: Dimensions that are not always active; their values are objects, `INACTIVE` among them.
        objectives: Those that the problem has declared.
    """

    def __init__(
        self,
        names: Sequence[str],
        source: ColumnSource,
        optional: Collection[str] = (),
        objectives: Sequence[Objective] = (),
    ) -> None:
        self.names, self.optional, self.objectives = tuple(names), frozenset(optional), tuple(objectives)
        self._source = source
        self._values: dict[str, Array] = {}

    @classmethod
    def of(cls, table: EvaluationTable) -> "Columns":
        """Return the evaluations of a table as they are now."""
        return cls(table.names, source_of(table), table.optional, table.objectives)

    @classmethod
    def of_evaluations(
        cls,
        names: Sequence[str],
        evaluations: Iterable[Evaluation],
        optional: Collection[str] = (),
        objectives: Sequence[Objective] = (),
    ) -> "Columns":
        """Return evaluations that are in no file, in order of id."""
        table, known = EvaluationTable(names, optional, objectives), list(evaluations)
        table.submit(known)
        table.finish(known)
        for each in known:
            table.order[table.rows[each.id]] = each.order
        return cls.of(table)

    def __len__(self) -> int:
        return len(self.id)

    @cached_property
    def id(self) -> Array:
        """Numbers of the evaluations, int64, ascending."""
        return self._source.numbers("id")

    @cached_property
    def state(self) -> Array:
        """States, each its place in `STATES`, uint8; see `is_in`."""
        return self._source.numbers("state")

    @cached_property
    def objective(self) -> Array:
        """Objectives, float64, the smallest being the best; NaN unless DONE or STOPPED."""
        return self._source.numbers("objective")

    @cached_property
    def done_objective(self) -> Array:
        """Objectives of what is DONE, float64; NaN elsewhere, since what was STOPPED is never the best."""
        return np.where(self.is_in(State.DONE), self.objective, np.nan)

    @cached_property
    def vectors(self) -> Array:
        """All objectives of what is DONE, each to be small, shape (num, number of objectives); NaN elsewhere."""
        others = [self._source.others(number) for number in range(1, len(self.objectives))]
        return np.stack([self.done_objective, *others], axis=1)

    @cached_property
    def is_pareto(self) -> Array:
        """Truth values of whether each is DONE and dominated by no other one."""
        return is_non_dominated(self.vectors)

    @cached_property
    def submitted(self) -> Array:
        """Moments at which they were sent off [s since 1970-01-01 UTC]; NaN if that is not known."""
        return self._source.numbers("submitted")

    @cached_property
    def started(self) -> Array:
        """Moments at which their workers began [s since 1970-01-01 UTC]; NaN before that."""
        return self._source.numbers("started")

    @cached_property
    def ended(self) -> Array:
        """Moments at which they ended [s since 1970-01-01 UTC]; NaN before that."""
        return self._source.numbers("ended")

    @cached_property
    def rank(self) -> Array:
        """Ranks of their workers, int32; -1 before there is one."""
        return self._source.numbers("rank")

    @cached_property
    def order(self) -> Array:
        """Numbers of results that there were when each one came, int64; -1 if it is none."""
        return self._source.numbers("order")

    @cached_property
    def step(self) -> Array:
        """Last steps that they reported, float64; NaN where there is none."""
        return self._source.numbers("step")

    @cached_property
    def known(self) -> Array:
        """Results that the search knew when it chose the point, int64."""
        return self._source.numbers("known")

    @cached_property
    def fitted(self) -> Array:
        """Results that its model was fitted to, int64; 0 without a model."""
        return self._source.numbers("fitted")

    @cached_property
    def detail(self) -> Array:
        """Other numbers that the choice depended on, int64."""
        return self._source.numbers("detail")

    @cached_property
    def earlier(self) -> Beginnings:
        """Earlier beginnings of those that have begun again."""
        return self._source.earlier()

    @cached_property
    def host(self) -> Texts:
        """Names of the workers' hosts."""
        return self._source.texts("host", None)

    @cached_property
    def model(self) -> Texts:
        """Names of what proposed the points."""
        return self._source.texts("model", None)

    @cached_property
    def error(self) -> dict[int, str]:
        """Errors of evaluations that failed, by row."""
        return self._source.sparse("error")

    @cached_property
    def extra(self) -> dict[int, str]:
        """Results of run functions besides the objective, as JSON text, by row; only where there is something."""
        return self._source.sparse("extra")

    @cached_property
    def memory(self) -> dict[int, str]:
        """Notes of searches on their choices, as JSON text, by row."""
        return self._source.sparse("memory")

    @cached_property
    def duration(self) -> Array:
        """Durations [s], as `Evaluation.duration`: 0 where that is not known."""
        seconds: Array = np.maximum(0.0, np.nan_to_num(self.ended - self.started))
        return seconds

    def values(self, name: str) -> Array:
        """Return the values of a dimension: numbers or truth values of its type, or objects."""
        if name not in self._values:
            self._values[name] = self._source.values(name, None)
        return self._values[name]

    def is_in(self, *states: State) -> Array:
        """Return which evaluations are in one of some states, bool."""
        return np.isin(self.state, [_CODES[state] for state in states])

    def counts(self) -> dict[State, int]:
        """Return the number of evaluations in every state that occurs."""
        numbers = np.bincount(self.state, minlength=len(STATES)).tolist()
        return {state: number for state, number in zip(STATES, numbers, strict=True) if number}

    def best(self) -> int | None:
        """Return the first of the rows that `ranked` returns; None if there is none."""
        if len(self.objectives) > 1:
            return next(iter(self.ranked().tolist()), None)
        done = np.flatnonzero(self.is_in(State.DONE))
        return int(done[np.argmin(self.objective[done])]) if len(done) else None

    def ranked(self) -> Array:
        """Return the rows of what is DONE, that with the smallest objective first, equals in order of id.

        Of several objectives, the next one decides between equals, so that the first is dominated by none.
        """
        done = np.flatnonzero(self.is_in(State.DONE))
        if len(self.objectives) > 1:
            return done[np.lexsort(self.vectors[done].T[::-1])]
        return done[np.argsort(self.objective[done], kind="stable")]

    def rows_of(self, ids: Iterable[int]) -> Array:
        """Return the rows of those of some evaluations that are there."""
        return np.flatnonzero(np.isin(self.id, np.fromiter(ids, np.int64)))

    def evaluations(self, rows: Iterable[int] | None = None) -> list[Evaluation]:
        """Return records of some evaluations, by row; by default of all."""
        chosen = self._chosen(rows)
        numbers = {name: getattr(self, name)[chosen].tolist() for name in NUMBERS}
        hosts, models = (self._some_texts(name, chosen) for name in REPEATED)
        points, extra = [self._some_values(name, chosen) for name in self.names], self.extra
        point_of = active_values if self.optional else dict
        vectors = self.vectors[chosen].tolist() if len(self.objectives) > 1 else None
        return [
            Evaluation(
                id=numbers["id"][place],
                point=point_of((name, values[place]) for name, values in zip(self.names, points, strict=True)),
                objective=_number(numbers["objective"][place]),
                state=STATES[numbers["state"][place]],
                submitted=_number(numbers["submitted"][place]),
                started=_number(numbers["started"][place]),
                ended=_number(numbers["ended"][place]),
                rank=numbers["rank"][place],
                host=hosts[place],
                error=self.error.get(row, ""),
                extra=json_object(extra[row]) if row in extra else {},
                origin=Origin(
                    models[place],
                    numbers["known"][place],
                    numbers["fitted"][place],
                    numbers["detail"][place],
                    self.memory.get(row, ""),
                ),
                order=numbers["order"][place],
                step=_number(numbers["step"][place]),
                objectives=() if vectors is None or math.isnan(sum(vectors[place])) else tuple(vectors[place]),
            )
            for place, row in enumerate(chosen.tolist())
        ]

    def _some_texts(self, name: str, rows: Array) -> list[str]:
        """Return texts of some rows; of few, nothing else is read."""
        if name in self.__dict__ or len(rows) > FEW:
            column: Texts = getattr(self, name)
            chosen = column.at(rows)
        else:
            chosen = self._source.texts(name, rows).at(np.arange(len(rows)))
        texts: list[str] = chosen.tolist()
        return texts

    def _some_values(self, name: str, rows: Array) -> list[Any]:
        is_read = name in self._values or len(rows) > FEW
        found = self.values(name)[rows] if is_read else self._source.values(name, rows)
        values: list[Any] = found.tolist()
        return values

    def _chosen(self, rows: Iterable[int] | None) -> Array:
        return np.arange(len(self)) if rows is None else np.fromiter(rows, np.int64)

    def table(self, rows: Iterable[int] | None = None) -> EvaluationTable:
        """Return a table of some evaluations, by row; by default of all."""
        table = EvaluationTable(self.names, self.optional, self.objectives)
        chosen = self._chosen(rows)
        for name, dtype in NUMBERS.items():
            numbers = getattr(self, name)[chosen].astype(dtype).tobytes()
            column = getattr(table, name)
            column.extend(numbers) if isinstance(column, bytearray) else column.frombytes(numbers)
        for number, others in enumerate(table.others, start=1):
            others.frombytes(self.vectors[chosen, number].tobytes())
        table.host, table.model = self.host.at(chosen).tolist(), self.model.at(chosen).tolist()
        for name in SPARSE:
            texts = getattr(self, name)
            places = ((place, texts.get(row)) for place, row in enumerate(chosen.tolist())) if texts else ()
            getattr(table, name).update((place, text) for place, text in places if text)
        values = [self.values(name)[chosen].tolist() for name in self.names]
        table.points = list(zip(*values, strict=True)) if values else [()] * len(chosen)
        table.rows = {number: row for row, number in enumerate(table.id)}
        table.counts = [table.state.count(code) for code in range(len(STATES))]
        table.earlier = [each for each in self.earlier.rows() if each.evaluation in table.rows]
        table.num_ordered = int(self.order.max(initial=-1)) + 1
        return table

    def changed(self, table: EvaluationTable) -> "Columns":
        """Return these evaluations, with those of a table in the place of the ones of the same id, and behind them."""
        if not len(table):
            return self
        return Columns(self.names, _merged(self, Columns.of(table)), self.optional, self.objectives)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _merged(old: Columns, new: Columns) -> ColumnSource:
    """Return a source in which the rows of `new` replace those of `old` with the same ids, or are added."""
    ids = np.union1d(old.id, new.id)
    olds, news = np.searchsorted(ids, old.id), np.searchsorted(ids, new.id)
    replaced = set(news.tolist())

    def joined(before: Array, after: Array) -> Array:
        same = before.dtype == after.dtype
        array = np.empty(len(ids), before.dtype if same else object)
        array[olds] = before if same else objects(before.tolist())
        array[news] = after if same else objects(after.tolist())
        return array

    def texts(name: str, rows: Array | None) -> Texts:
        before, after = getattr(old, name), getattr(new, name)
        names = list(dict.fromkeys([*before.names, *after.names]))
        places = {text: place for place, text in enumerate(names)}
        codes = np.zeros(len(ids), np.int32)
        for column, own in ((before, olds), (after, news)):
            codes[own] = np.array([places[text] for text in column.names], np.int32)[column.codes]
        return Texts(codes if rows is None else codes[rows], names)

    def values(name: str, rows: Array | None) -> Array:
        found = joined(old.values(name), new.values(name))
        return found if rows is None else found[rows]

    def sparse(name: str) -> dict[int, str]:
        kept = ((int(olds[row]), text) for row, text in getattr(old, name).items())
        found = {row: text for row, text in kept if row not in replaced}
        return found | {int(news[row]): text for row, text in getattr(new, name).items()}

    return ColumnSource(
        numbers=lambda name: joined(getattr(old, name), getattr(new, name)),
        texts=texts,
        sparse=sparse,
        values=values,
        earlier=lambda: old.earlier.replaced(new.id, new.earlier),
        others=lambda number: joined(old.vectors[:, number], new.vectors[:, number]),
    )
