"""Wall time of a campaign: its end, and the evaluations that may still begin before that."""

import logging
import math
import os
import subprocess
import time
from bisect import insort
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from dhmpi.errors import OptionError
from dhmpi.evaluation import Evaluation, State
from dhmpi.support.options import plain

log = logging.getLogger(__name__)

# Share of the evaluations that must have taken no longer than is left when another one begins.
QUANTILE = 0.95
# How many of the latest evaluations tell how long the next one takes.
MEMORY = 200
# Before the scheduler's end: results are written, ranks leave, the job script looks at the file and may submit its
# successor. Short jobs keep a tenth of their time for it, or what starting took, since programs are loaded again then;
# half of the time at most [s, part, part].
CLOSING, CLOSING_SHARE, CLOSING_MOST = 30.0, 0.1, 0.5
# Before the end of the time, evaluations save what they need to go on later: so long, or this share of the time if that
# is less, as long as it is not known how long that takes; then this multiple of it [s, part, factor].
PAUSE, PAUSE_SHARE, PAUSE_FACTOR = 60.0, 0.05, 1.5
# A short job may need more than that share, up to this one, but no more than `PAUSE`; and so long after it is due, they
# know [part, s].
PAUSE_MOST, NOTICE_DELAY = 0.25, 0.3
ASK_TIMEOUT = 15.0  # s; a busy controller answers late

# Runs a command with additional variables and returns what it prints.
Ask = Callable[[Sequence[str], Mapping[str, str]], str]


class End(NamedTuple):
    """End of the time.

    Attributes:
        time: [s since 1970-01-01 UTC].
        source: Source of that, for people.
    """

    time: float
    source: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"the time ends at {datetime.fromtimestamp(self.time):%Y-%m-%d %H:%M:%S} ({self.source})"


def earliest(
    max_minutes: float | None = None,
    end_time: float | None = None,
    env: Mapping[str, str] = os.environ,
    now: float | None = None,
    starting: float = 0.0,
) -> End | None:
    """Return the earliest of all ends: of the job's allocation, and of what was asked for.

    Args:
        max_minutes: Minutes from now, or None.
        end_time: When to end [s since 1970-01-01 UTC], or None.
        env: What the scheduler tells the job.
        now: The time [s since 1970-01-01 UTC]. Default: read the clock.
        starting: How long it took until this is asked; on a busy machine, closing takes longer too [s].

    Returns:
        The end, that of an allocation earlier by what it takes to close; None if there is none.
    """
    now = time.time() if now is None else now
    ends = []
    if max_minutes is not None:
        ends.append(End(now + 60 * max_minutes, "--max-minutes"))
    if end_time is not None:
        ends.append(End(end_time, "--end-time"))
    if allocation := allocation_end(env):
        left = max(0.0, allocation.time - now)
        closing = min(CLOSING, max(CLOSING_SHARE * left, min(starting, CLOSING_MOST * left)))
        ends.append(allocation._replace(time=allocation.time - closing))
    return min(ends, default=None)


def _ask(words: Sequence[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(
        words, env={**os.environ, **variables}, capture_output=True, text=True, check=True, timeout=ASK_TIMEOUT
    )
    return done.stdout


def allocation_end(env: Mapping[str, str] = os.environ, ask: Ask = _ask) -> End | None:
    """Return when the scheduler ends the job that this process belongs to.

    Args:
        env: What the scheduler tells the job.
        ask: Asks the scheduler where that is not enough.

    Returns:
        The end; None outside of a job, in one without a limit, or, with a warning, if it cannot be found out.
    """
    for variable, name, find in (
        ("COBALT_JOBID", "Cobalt", _cobalt_end),
        ("PBS_JOBID", "PBS", _pbs_end),
        ("SLURM_JOB_ID", "Slurm", _slurm_end),
    ):
        if not (job := env.get(variable)):
            continue
        try:
            end = find(job, env, ask)
        except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
            log.warning(
                "the end of %s job %s is unknown (%s); tell it with --end-time or --max-minutes", name, job, error
            )
            return None
        return End(end, f"{name} job {job}") if math.isfinite(end) else None
    return None


def _cobalt_end(job: str, env: Mapping[str, str], ask: Ask) -> float:
    # Cobalt's manual, qsub(1): seconds since the epoch.
    return float(env["COBALT_ENDTIME"])


def _slurm_end(job: str, env: Mapping[str, str], ask: Ask) -> float:
    if told := env.get("SLURM_JOB_END_TIME"):  # newer than Slurm 22.05
        return float(told)
    text = ask(["squeue", "--noheader", f"--job={job}", "--format=%e"], {"SLURM_TIME_FORMAT": "%s"}).strip()
    return math.inf if text in ("N/A", "NONE", "Unknown") else float(text)


def _pbs_end(job: str, env: Mapping[str, str], ask: Ask) -> float:
    # PBS tells the job no times. stime is when it began, in the server's local time (PBS Reference Guide, job
    # attributes); Torque calls that start_time.
    fields = dict(line.strip().split(" = ", 1) for line in ask(["qstat", "-f", job], {}).splitlines() if " = " in line)
    if "Resource_List.walltime" not in fields:
        return math.inf
    began = fields.get("stime") or fields["start_time"]
    return datetime.strptime(began, "%a %b %d %H:%M:%S %Y").timestamp() + seconds(fields["Resource_List.walltime"])


def seconds(text: str) -> float:
    """Return the length of a time written as HH:MM:SS, MM:SS or seconds.

    Raises:
        ValueError: It is written in another way.
    """
    total = 0
    for part in text.split(":"):
        total = 60 * total + int(part)
    return float(total)


def end_time(name: str, value: object) -> float:
    """Parse a moment: seconds since 1970-01-01 UTC, or 2026-11-25T06:30 in local time.

    Raises:
        OptionError: It is neither, or it is over.
    """
    try:
        moment = float(plain(value) if isinstance(value, str) else value)  # type: ignore[arg-type]  # may raise: caught
    except (TypeError, ValueError):
        try:
            moment = datetime.fromisoformat(str(value)).timestamp()
        except ValueError:
            moment = math.nan
    if not math.isfinite(moment):
        raise OptionError(f"{name} must be a moment like 2026-11-25T06:30, or seconds since 1970, got {value}")
    if moment <= time.time():
        raise OptionError(f"{name} must be in the future, got {value}")
    return moment


class Drain:
    """Decides whether another evaluation may begin: only if it is likely to end in time.

    Args:
        deadline: When the time ends [monotonic s], or None.
        floor: What an evaluation is thought to take at least [s].
        clock: Returns the time [monotonic s].
    """

    def __init__(self, deadline: float | None, floor: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline = math.inf if deadline is None else deadline
        self._floor, self._clock = floor, clock
        self._latest: deque[float] = deque(maxlen=MEMORY)
        self._sorted: list[float] = []

    def learn(self, duration: float) -> None:
        """Take note of how long an evaluation took [s]."""
        if len(self._latest) == MEMORY:
            self._sorted.remove(self._latest[0])
        self._latest.append(duration)
        insort(self._sorted, duration)

    def note(self, evaluation: Evaluation) -> None:
        """Learn from an evaluation that has ended, if it says how long the next one may take."""
        if _is_telling(evaluation):
            self.learn(evaluation.duration)

    def recall(self, earlier: Sequence[Evaluation]) -> None:
        """Learn from the evaluations of earlier runs, of which only the latest are remembered."""
        latest = list(islice(filter(_is_telling, reversed(earlier)), MEMORY))
        for evaluation in reversed(latest):
            self.learn(evaluation.duration)

    @property
    def expected(self) -> float:
        """Duration that an evaluation is expected to have [s]: a high quantile, the longest if there are few."""
        if not self._sorted:
            return self._floor
        return max(self._floor, self._sorted[math.ceil(QUANTILE * len(self._sorted)) - 1])

    def is_over(self) -> bool:
        """Return whether the time has ended."""
        return self._clock() >= self._deadline

    def spent(self, since: float) -> float:
        """Return the share of the time that has passed since a moment [by the clock], 0 without an end."""
        return (self._clock() - since) / max(self._deadline - since, 1e-9)

    def may_begin(self) -> bool:
        """Return whether an evaluation that begins now is likely to end in time."""
        return self._clock() + self.expected < self._deadline


class Pauses:
    """Decides when evaluations are told to save what they need to go on later, since the time ends.

    That is as long before the end as it took at most, and somewhat more; and at least as long as a step takes, since
    user code looks once in each.

    Args:
        deadline: When the time ends [monotonic s], or None.
        longest: How long it took at most in earlier runs, from being told to the end [s]; None: nothing was paused.
        clock: Returns the time [monotonic s].

    Attributes:
        longest: The same, with this run.
    """

    def __init__(
        self, deadline: float | None, longest: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._deadline = math.inf if deadline is None else deadline
        length = max(0.0, self._deadline - clock())
        self._clock, self._usual = clock, min(PAUSE, PAUSE_SHARE * length)
        self._most = max(PAUSE_SHARE * length, min(PAUSE, PAUSE_MOST * length))
        self.longest, self._step, self._is_due = longest, 0.0, False

    @property
    def margin(self) -> float:
        """Time before the end at which evaluations are told [s]."""
        needed = self._usual if self.longest is None else PAUSE_FACTOR * self.longest
        return min(self._most, max(needed, PAUSE_FACTOR * self._step + NOTICE_DELAY))

    def is_due(self) -> bool:
        """Return whether it is time to tell them; once it is, it stays so."""
        self._is_due = self._is_due or self._clock() >= self._deadline - self.margin
        return self._is_due

    def may_begin(self) -> bool:
        """Return whether another evaluation may begin, which would only be paused, if evaluations let themselves be."""
        return self.longest is None or not self.is_due()

    def note_step(self, duration: float) -> None:
        """Take note of how long an evaluation took from one report to the next [s]."""
        self._step = max(self._step, duration)

    def note(self, duration: float) -> None:
        """Take note of how long an evaluation took from being told until it was paused [s]."""
        self.longest = max(self.longest or 0.0, duration)


class LostTime:
    """Counts the worker-seconds at the end of a campaign of which nothing comes.

    Attributes:
        idle: Without work, because none may begin any more [s].
        cancelled: In evaluations that were cancelled [s].
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._num_idle, self._since = 0, clock()
        self.idle = self.cancelled = 0.0

    def cancel(self, evaluation: Evaluation) -> None:
        """Take note of an evaluation that was cancelled, perhaps without an answer of its worker."""
        self.cancelled += evaluation._replace(started=evaluation.started or evaluation.submitted).duration

    def update(self, num_idle: int) -> None:
        """Take note of how many workers are without work from now on."""
        now = self._clock()
        self.idle += self._num_idle * (now - self._since)
        self._num_idle, self._since = num_idle, now


def _is_telling(evaluation: Evaluation) -> bool:
    """Return whether an evaluation says how long the next one may take."""
    # A failure may be quick where a success takes hours, and what was known already takes no time.
    return evaluation.state in (State.DONE, State.TIMEOUT) and evaluation.duration > 0
