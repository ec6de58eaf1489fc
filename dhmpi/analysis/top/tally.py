"""Tally of a campaign: the figures that a live view needs, kept up to date by what happens."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from dhmpi.analysis.step_curves import total_steps
from dhmpi.analysis.summary import earlier_seconds, run_windows
from dhmpi.evaluation import FINAL_STATES, MEASURED_STATES, Report, State
from dhmpi.results import Metadata, Results
from dhmpi.results.columns import Columns
from dhmpi.results.policy_log import PolicyLog
from dhmpi.results.schema import PolicyRow
from dhmpi.results.table import STATES, FinishedRow, SubmittedRow
from dhmpi.support.error_lines import error_kind, error_line

# The rate is that of so many seconds, or of so many evaluations if these took longer.
RATE_SECONDS, RATE_NUMBER = 60, 10
# So many seconds are remembered: clocks of workers may differ.
_REMEMBERED = 600
_STATES = {state.value: state for state in STATES}


class Running(NamedTuple):
    """An evaluation that has not ended.

    Attributes:
        id: Its number.
        rank: Rank of its worker, or -1.
        host: Name of the worker's host.
        begun: When it began, or was sent off [s since 1970-01-01 UTC]; infinite if that is not known.
        in_run: Whether that was in the latest run.
    """

    id: int
    rank: int
    host: str
    begun: float
    in_run: bool


class Incumbent(NamedTuple):
    """The best evaluation so far.

    Attributes:
        place: How many had ended for good before it.
        objective: Its objective; small is good.
        id: Its number.
    """

    place: int
    objective: float
    id: int


class ErrorGroup(NamedTuple):
    """Failures that differ at most in the values of points.

    Attributes:
        state: FAILED or TIMEOUT.
        line: What the error of the latest one says in one line.
        number: How many there are.
        last: The evaluation that failed last.
        place: How many had ended for good before it.
    """

    state: State
    line: str
    number: int
    last: int
    place: int


class Tally:
    """The figures of a campaign; it listens to `results.follow`.

    Attributes:
        metadata: The campaign as a whole; None before it has begun.
        counts: Evaluations by state.
        running: Those that are RUNNING, by id.
        incumbents: The best so far, each time it has changed.
        errors: Failures by kind.
        models: Points by what proposed them.
        model: What proposed the latest point.
        policy: What agents have learned.
        num_ended: Evaluations that have ended for good.
        num_in_run: Those of them that were submitted in the latest run.
        busy: Busy worker-seconds of the latest run, by host, of evaluations that have ended.
        workers: Ranks that evaluated in the latest run, by host.
        latest_reports: The latest report of each evaluation that is running.
        last_steps: The last steps of evaluations that have reported and not ended for good.
        ended_steps: Steps of those that have ended for good.
        stopped_steps: Steps of those that were STOPPED.
        latest: The last moment that an evaluation of the latest run mentions [s since 1970-01-01 UTC].
        busy_before: Busy worker-seconds of the runs before the latest one.
        available_before: Available worker-seconds of these.
    """

    def __init__(self) -> None:
        self.metadata: Metadata | None = None
        self._reset()

    def _reset(self) -> None:
        self.counts: Counter[State] = Counter()
        self.running: dict[int, Running] = {}
        self.incumbents: list[Incumbent] = []
        self.errors: dict[tuple[State, str], ErrorGroup] = {}
        self.models: Counter[str] = Counter()
        self.model = ""
        self.policy = PolicyLog()
        self.num_ended = 0
        self.latest_reports: dict[int, Report] = {}
        self.last_steps: dict[int, float] = {}
        self.ended_steps = self.stopped_steps = 0.0
        self._states: dict[int, State] = {}
        self._place = 0
        self._ended: deque[float] = deque(maxlen=RATE_NUMBER)
        self._by_second: Counter[int] = Counter()
        self._second = -math.inf
        self.busy_before = self.available_before = 0.0
        self._end_before = -math.inf  # when the run before the latest one ended
        self._begin_run(math.inf)

    def _begin_run(self, started: float) -> None:
        self._started = started
        self.num_in_run, self.latest = 0, started
        self.busy: defaultdict[str, float] = defaultdict(float)
        self.workers: defaultdict[str, set[int]] = defaultdict(set)

    def begin(self, results: Results) -> None:
        """Forget everything, and count what a snapshot holds."""
        self._reset()
        self.metadata, self.policy, columns = results.metadata, results.policy, results.columns
        self._begin_run(_started(results.metadata))
        states = [STATES[code] for code in columns.state.tolist()]
        self._states = dict(zip(columns.id.tolist(), states, strict=True))
        self.counts = Counter(columns.counts())
        final = columns.is_in(*FINAL_STATES)
        self.num_ended, self._place = int(final.sum()), int(columns.order.max(initial=-1)) + 1
        self._count_busy(columns, final)
        self._count_before(columns)
        self._count_models(columns)
        self._count_steps(results, final)
        by_order = np.flatnonzero(final)
        by_order = by_order[np.argsort(columns.order[by_order], kind="stable")]
        self._improve(columns, by_order)
        ended = columns.ended[by_order]
        ended = ended[np.isfinite(ended)]
        self._ended.extend(ended[-RATE_NUMBER:].tolist())
        if len(ended):
            self._second = float(ended.max())
            self._by_second.update(np.floor(ended[ended > self._second - _REMEMBERED]).astype(int).tolist())
        failed = by_order[~columns.is_in(*MEASURED_STATES)[by_order]]
        for row in failed.tolist():
            number, place = int(columns.id[row]), int(columns.order[row])
            self._fail(number, states[row], columns.error.get(row, ""), place)

    def _count_busy(self, columns: Columns, final: Any) -> None:
        """Count what the latest run has done, and is doing."""
        submitted = columns.submitted
        begun = np.where(np.isnan(submitted), columns.started, submitted)
        in_run = begun >= self._started
        self.num_in_run = int((final & in_run).sum())
        if in_run.any():
            self.latest = max(self.latest, float((begun + columns.duration)[in_run].max()))
        rows = np.flatnonzero(in_run)
        codes = columns.host.codes[rows]
        seconds = np.bincount(codes, columns.duration[rows], len(columns.host.names)).tolist()
        self.busy.update((host, num) for host, num in zip(columns.host.names, seconds, strict=True) if num)
        ranks = columns.rank[rows]
        pairs = np.unique((codes.astype(np.int64) << 32) + ranks, return_index=True)[1]  # rows that differ in them
        for code, rank in zip(codes[pairs].tolist(), ranks[pairs].tolist(), strict=True):
            if rank >= 0:
                self.workers[columns.host.names[code]].add(rank)
        for each, moment in zip(columns.earlier.rows(), columns.earlier.begun.tolist(), strict=True):
            if moment >= self._started:
                self.busy[each.host] += max(0.0, each.ended - each.started)
                self.workers[each.host].add(each.rank)
        unended = np.flatnonzero(~final)
        started = columns.started[unended]
        began = np.nan_to_num(np.where(np.isnan(started), submitted[unended], started), nan=math.inf)
        numbers = (columns.id[unended], columns.rank[unended], began, in_run[unended])
        hosts, codes = columns.host.at(unended).tolist(), columns.state[unended].tolist()
        for host, code, (number, rank, moment, is_in_run) in zip(
            hosts, codes, zip(*(column.tolist() for column in numbers), strict=True), strict=True
        ):
            if STATES[code] is State.RUNNING:
                self.running[number] = Running(number, rank, host, moment, is_in_run)

    def _count_steps(self, results: Results, final: Any) -> None:
        """Count steps, and take note of the latest reports of what is running."""
        columns = results.columns
        has_step = np.isfinite(columns.step)
        self.ended_steps = total_steps(columns.step[has_step & final])
        self.stopped_steps = total_steps(columns.step[has_step & columns.is_in(State.STOPPED)])
        rows = np.flatnonzero(has_step & ~final)
        self.last_steps = dict(zip(columns.id[rows].tolist(), columns.step[rows].tolist(), strict=True))
        if running := [number for number in self.last_steps if number in self.running]:
            reports = results.reports
            latest = [column[np.isin(reports.evaluation, running)].tolist() for column in reports]
            self.latest_reports = {report[0]: Report(*report[:-1]) for report in zip(*latest, strict=True)}

    def _count_before(self, columns: Columns) -> None:
        """Count what the runs before the latest one have done."""
        assert self.metadata is not None
        if len(self.metadata.runs) > 1:
            runs = self.metadata.runs[:-1]
            windows = run_windows(self.metadata.runs, columns)
            busy = float(columns.duration.sum()) + float(earlier_seconds(columns, windows).sum())
            self.busy_before = max(0.0, busy - math.fsum(self.busy.values()))
            del windows[-1]
            self._end_before = windows[-1][1]
            self.available_before = math.fsum(
                run["num_workers"] * (end - start) for run, (start, end) in zip(runs, windows, strict=True)
            )

    def _count_models(self, columns: Columns) -> None:
        numbers = np.bincount(columns.model.codes, minlength=len(columns.model.names)).tolist()
        self.models.update(dict(zip(columns.model.names, numbers, strict=True)))
        if len(columns):
            self.model = columns.model.names[columns.model.codes[-1]]

    def _improve(self, columns: Columns, by_order: Any) -> None:
        """Find the incumbents among evaluations in the order of their ends."""
        objective = columns.done_objective[by_order]
        best = np.fmin.accumulate(objective) if len(objective) else objective
        before = np.concatenate([[np.inf], best[:-1]]) if len(best) else best
        for place in np.flatnonzero(objective < np.where(np.isnan(before), np.inf, before)).tolist():
            row = by_order[place]
            self.incumbents.append(Incumbent(place, float(columns.done_objective[row]), int(columns.id[row])))

    def changed(self, metadata: Metadata) -> None:
        """Take other metadata; perhaps a new run has begun."""
        before, self.metadata = self.metadata, metadata
        if (started := _started(metadata)) != self._started:
            if before is not None and before.runs:
                run = before.runs[-1]
                end = self.latest if run["ended"] is None else run["ended"]
                self.available_before += run["num_workers"] * max(0.0, end - run["started"])
                self.busy_before += math.fsum(self.busy.values())
                self._end_before = end
            self._begin_run(started)
            self.running = {number: each._replace(in_run=False) for number, each in self.running.items()}

    def submitted(self, rows: Iterable[SubmittedRow]) -> None:
        """Count evaluations that were sent off, or again."""
        states, counts, running, started = self._states, self.counts, self.running, self._started
        for row in rows:
            number, rank, host = row.id, row.rank, row.host
            before = states.get(number)
            if before is None:
                self.model = row.origin[0]
                self.models[self.model] += 1
            elif before.is_final:
                continue
            else:
                counts[before] -= 1
                if number in running and not running[number].in_run:  # its run was killed
                    self.busy_before += max(0.0, self._end_before - running[number].begun)
            begun = math.inf if row.submitted is None else row.submitted
            in_run = started <= begun < math.inf
            states[number] = State.RUNNING
            counts[State.RUNNING] += 1
            running[number] = Running(number, rank, host, begun, in_run)
            if in_run:
                self.latest = max(self.latest, begun)
                if rank >= 0:
                    self.workers[host].add(rank)

    def finished(self, rows: Iterable[FinishedRow]) -> None:
        """Count evaluations that have ended."""
        states, counts, all_running = self._states, self.counts, self.running
        for row in rows:
            number, state = row.id, _STATES[row.state]
            before = states[number]
            if before.is_final:
                continue
            counts[before] -= 1
            counts[state] += 1
            states[number] = state
            running = all_running.pop(number, None)
            self.latest_reports.pop(number, None)
            if running is not None and running.in_run:
                self._spend(row, running, state)
            if state.is_final:
                self._end(row, state)

    def reported(self, reports: Iterable[Report]) -> None:
        """Take note of the latest reports of what is running."""
        for report in reports:
            if report.id in self.running:
                self.latest_reports[report.id] = report
                self.last_steps[report.id] = report.step

    def learned(self, rows: Iterable[PolicyRow]) -> None:
        """Count updates of a policy."""
        self.policy.append(rows)

    def num_since(self, moment: float) -> int:
        """Return how many evaluations have ended for good since a moment of the last minutes, by whole seconds."""
        return sum(number for second, number in self._by_second.items() if second >= moment)

    @property
    def last_ends(self) -> list[float]:
        """Times of the latest ends, up to `RATE_NUMBER`, in the order of their results."""
        return list(self._ended)

    def _spend(self, row: FinishedRow, running: Running, state: State) -> None:
        """Count the time of a worker in the latest run."""
        seconds = 0.0 if row.started is None or row.ended is None else max(0.0, row.ended - row.started)
        self.busy[row.host] += seconds
        if row.rank >= 0:
            self.workers[row.host].add(row.rank)
        moment = running.begun + seconds
        if moment > self.latest:
            self.latest = moment
        self.num_in_run += state.is_final

    def _end(self, row: FinishedRow, state: State) -> None:
        """Count an evaluation that has ended for good."""
        objective, ended, step = row.objective, row.ended, self.last_steps.pop(row.id, row.step or 0.0)
        self.ended_steps += step
        self.stopped_steps += step if state is State.STOPPED else 0.0
        if state not in MEASURED_STATES:
            self._fail(row.id, state, row.error, self._place)
        elif (
            state is State.DONE
            and objective is not None
            and (not self.incumbents or objective < self.incumbents[-1].objective)
        ):
            self.incumbents.append(Incumbent(self.num_ended, objective, row.id))
        self.num_ended += 1
        self._place += 1
        if ended is None:
            return
        self._ended.append(ended)
        self._by_second[math.floor(ended)] += 1
        if ended > self._second:
            self._second = ended
            if len(self._by_second) > 2 * _REMEMBERED:
                recent = {at: num for at, num in self._by_second.items() if at > ended - _REMEMBERED}
                self._by_second = Counter(recent)

    def _fail(self, number: int, state: State, error: str, place: int) -> None:
        line, kind = _said(error)
        group = self.errors.get((state, kind))
        before = group.number if group else 0
        self.errors[state, kind] = ErrorGroup(state, line, before + 1, number, place)


@lru_cache(maxsize=4096)
def _said(error: str) -> tuple[str, str]:
    """Return the line and the kind of an error; many have the same."""
    line = error_line(error)
    return line, error_kind(line)


def _started(metadata: Metadata) -> float:
    """Return when the latest run began; infinite before the first."""
    runs: Any = metadata.runs
    latest: Mapping[str, Any] = runs[-1] if runs else {}
    return float(latest.get("started", math.inf))
