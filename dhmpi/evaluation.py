"""The record that passes between searches, evaluators and results."""

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

Point = dict[str, Any]

# Stands in rows of values for one that a point does not have; in JSON it is []. No dimension has such a value.
INACTIVE: tuple[()] = ()


def active_values(values: Iterable[tuple[str, Any]]) -> Point:
    """Return a point from names and values, which may come from JSON, without what is inactive."""
    return {name: value for name, value in values if value not in (INACTIVE, [])}


# Where evaluations can run.
METHODS = ("mpi", "serial", "threadPool", "processPool", "subprocess", "balsam", "launch", "futures")
# In a process of its own, or in that of the worker.
ISOLATIONS = ("process", "inline")


def turned(value: float | None, maximises: bool) -> float | None:
    """Return the objective of what a run function returned, or the other way round.

    Objectives are to be small, rewards to be large. This is the one place where the sign is turned.
    """
    return -value if maximises and value is not None else value


class Objective(NamedTuple):
    """Objective that a problem has declared.

    Attributes:
        name: Its name, by which run functions return it.
        maximises: Whether it is to be large.
    """

    name: str
    maximises: bool = False


# Those of problems that declare none.
MINIMISED, REWARD = Objective("objective"), Objective("reward", True)


def main_objective(objectives: Sequence[Objective], maximises: bool) -> Objective:
    """Return the first objective of those that a problem has declared, or that of one that has declared none.

    Args:
        objectives: Those that the problem has declared.
        maximises: Whether the first one, or else what the run function returns, is to be large.
    """
    return objectives[0] if objectives else REWARD if maximises else MINIMISED


def all_objectives(
    first: float | None, others: Mapping[str, Any], objectives: Sequence[Objective]
) -> tuple[float, ...]:
    """Return all of several objectives, each to be small; nothing if one of them is missing, or there are not several.

    Args:
        first: The first of them, to be small already.
        others: What the run function returned besides that.
        objectives: Those that the problem has declared.
    """
    if len(objectives) < 2 or first is None:
        return ()
    values = [finite(others.get(each.name)) for each in objectives[1:]]
    turns = [turned(value, each.maximises) for value, each in zip(values, objectives[1:], strict=True)]
    return (first, *(each for each in turns if each is not None)) if None not in turns else ()


def finite(value: Any) -> float | None:
    """Return a value that comes from JSON as a finite number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number + 0.0 if math.isfinite(number) else None  # without the sign of -0.0


def seed_of(campaign_seed: int, id: int) -> int:
    """Return an evaluation's own seed, from 0 to 2**32 - 1: the same one whenever the campaign is repeated.

    Args:
        campaign_seed: Seed of the campaign.
        id: Number of the evaluation.
    """
    # A cheap hash: neighbouring ids get distinct seeds.
    return (campaign_seed * 0x9E3779B97F4A7C15 + (id + 1) * 0xD1B54A32D192ED03) % 2**32


class State(StrEnum):
    """State of an evaluation; a failure is a state, never a magic number."""

    PENDING = "PENDING"  # asked, not yet started
    RUNNING = "RUNNING"
    DONE = "DONE"
    STOPPED = "STOPPED"  # told to end early, by what it reported; its objective is the last value it reported
    PAUSED = "PAUSED"  # has saved its state at the end of the time; goes on with --resume
    FAILED = "FAILED"  # raised, died, or returned something that is no finite number
    TIMEOUT = "TIMEOUT"
    LOST = "LOST"  # its rank is gone; the point is evaluated again elsewhere
    CANCELLED = "CANCELLED"  # stopped by a signal or the end of the time; evaluated again on --resume

    @property
    def is_final(self) -> bool:
        """Whether the evaluation counts towards the budget and is never run again."""
        return self in FINAL_STATES


# The line in an error between its reason and the end of the evaluation's output.
LAST_OUTPUT = "--- last output ---"

FINAL_STATES = frozenset((State.DONE, State.STOPPED, State.FAILED, State.TIMEOUT))
# Those with an objective; that of one that was stopped is never the best.
MEASURED_STATES = frozenset((State.DONE, State.STOPPED))

# Names in the extra of one that is PAUSED no further than before: how many times in a row, and the furthest step.
PAUSES_IN_VAIN, FURTHEST_PAUSE = "pauses_in_vain", "furthest_pause"

# What proposed a point that no model did: the problem, a list of points, the plan for the first ones, or chance.
START, GIVEN, DESIGN, RANDOM, OFFSPRING = "start", "given", "design", "random", "offspring"
EARLIER = "earlier"  # one of the best points of an earlier campaign
# Where none could be; chance takes the place of one.
NO_MODELS = frozenset(("", START, GIVEN, DESIGN, OFFSPRING, EARLIER))


class Origin(NamedTuple):
    """Origin of a point: with it, a search can choose the same one again.

    Attributes:
        model: `start`, `given`, `design`, `random`, or the mode of the model; empty if the search does not say.
        known: How many results the search knew.
        fitted: To how many of them its model was fitted; 0 without a model.
        detail: What else the choice depended on: which lot of candidates there was, how many were followed downhill, or
            the place of the point among those that were proposed at once.
        memory: What the search must know of the choice to go on when it is resumed, as JSON text; empty if nothing.
    """

    model: str = ""
    known: int = 0
    fitted: int = 0
    detail: int = 0
    memory: str = ""


class Proposal(NamedTuple):
    """A point that a search proposes, and how it came to it."""

    point: Point
    origin: Origin = Origin()


class Observation(NamedTuple):
    """Observation of an earlier campaign, in the space of this one.

    Attributes:
        point: A canonical point.
        objective: Its objective there, finite; smaller is better.
        source: Number of the source that it comes from, from 0.
    """

    point: Point
    objective: float
    source: int = 0


class Worker(NamedTuple):
    """Worker that evaluates: a rank, or a number among the workers of one process, and its host."""

    rank: int
    host: str


NO_WORKER = Worker(-1, "")


class Report(NamedTuple):
    """Report of an evaluation that is running.

    Attributes:
        id: Number of the evaluation.
        step: How far it was, such as a number of epochs.
        value: What it would have returned then; an objective as soon as the search rank has it.
        time: When [s since 1970-01-01 UTC].
    """

    id: int
    step: float
    value: float
    time: float


class Evaluation(NamedTuple):
    """One point, run once.

    Attributes:
        id: Number of the evaluation in its campaign, from 0.
        point: Value of every dimension, by name.
        objective: What the run function returned, or the last value it reported if it was STOPPED, finite; None in all
            other states. Of several, the first.
        state: Its state.
        submitted: When the search rank sent it off [s since 1970-01-01 UTC].
        started: When its worker began; while it runs, when it was sent there; None before that
            [s since 1970-01-01 UTC].
        ended: That moment and how long it took, which clocks that are set do not change; None before its end
            [s since 1970-01-01 UTC].
        rank: Rank of the worker, or -1 before it has one.
        host: Name of the worker's host.
        error: Why it failed: the user's traceback, an exit code, a signal; empty otherwise.
        extra: What the run function returned besides the objective (JSON values).
        origin: How the point was chosen.
        order: How many results the campaign had when this one came; -1 if it is none, or it was not counted.
        step: The last step that it reported; None if it reported none.
        objectives: All objectives, each to be small, of a problem with several, if it is DONE; the extra has the others
            as they were returned.
    """

    id: int
    point: Point
    objective: float | None = None
    state: State = State.PENDING
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    rank: int = -1
    host: str = ""
    error: str = ""
    extra: Mapping[str, Any] = {}
    origin: Origin = Origin()
    order: int = -1
    step: float | None = None
    objectives: tuple[float, ...] = ()

    @property
    def duration(self) -> float:
        """Duration [s]; 0 if it never began, or has not ended, or its clock was set back."""
        return 0.0 if self.started is None or self.ended is None else max(0.0, self.ended - self.started)
