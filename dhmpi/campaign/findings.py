"""Findings of a rehearsal: what is in order, what should be known, and what is wrong."""

import glob
import math
import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from dhmpi.campaign.rehearsal import Rehearsal
from dhmpi.control.walltime import CLOSING, CLOSING_SHARE
from dhmpi.evaluation import Evaluation, State, turned
from dhmpi.space.space import Real
from dhmpi.space.starting_point import defaults_of
from dhmpi.support.error_lines import error_kind, error_line
from dhmpi.support.printing import Stream, escape
from dhmpi.support.wording import in_seconds

# By these, schedulers and people say which GPUs a process may use.
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
# From which ratio of its bounds on a range is usually better drawn by its logarithm.
MANY_TIMES = 1000
# Evaluations per second that are handed out at most, however short they are; see benchmarks/dispatch.py.
DISPATCHED = 20_000
# Below that, an evaluation takes less time than a search may need to propose its point [s].
SHORT = 0.01


class Mark(StrEnum):
    """Mark of a finding."""

    OK = "ok"
    NOTE = "note"  # to be known
    WRONG = "wrong"  # a campaign would be in vain


class Finding(NamedTuple):
    """One finding: its mark, what it is about, a sentence, and perhaps several lines more."""

    mark: Mark
    topic: str
    text: str
    details: str = ""


def findings(rehearsal: Rehearsal, minutes: float) -> list[Finding]:
    """Return what a rehearsal has found.

    Args:
        rehearsal: The rehearsal.
        minutes: A walltime, of which it is told how many evaluations fit into it.
    """
    return [
        *_problem(rehearsal),
        *_start(rehearsal),
        *_evaluations(rehearsal),
        *_objectives(rehearsal),
        *_outputs(rehearsal),
        *_repetition(rehearsal),
        *_resources(rehearsal),
        *_walltime(rehearsal, minutes),
    ]


def print_findings(found: Iterable[Finding], stream: Stream) -> None:
    """Print findings, each in a line, and below that what it says more."""
    for mark, topic, text, details in found:
        print(f"{mark:7}{topic:13}{escape(text, keep='')}", file=stream)
        for line in details.splitlines():
            print(f"       | {line}", file=stream)


def _problem(rehearsal: Rehearsal) -> Iterator[Finding]:
    space, problem = rehearsal.search.space, rehearsal.search.problem
    is_nas = rehearsal.search.seeks_architectures
    kind = "decisions of an architecture" if is_nas else "dimensions"
    size = "" if space.size is None else f", {space.size:,} points"
    yield Finding(
        Mark.OK, "problem", f"{len(space.names)} {kind}{size}; imported in {in_seconds(rehearsal.load_seconds)}"
    )
    for name, dimension in zip(space.names, space.dimensions, strict=True):
        if (
            isinstance(dimension, Real)
            and dimension.prior == "uniform"
            and 0 < MANY_TIMES * dimension.low <= dimension.high
        ):
            better = (dimension.low, dimension.high, "log-uniform")
            text = f"nearly all values drawn for {name} are large; {better} draws small ones as often"
            yield Finding(Mark.NOTE, "problem", text)
    if is_nas:
        return
    if problem.has_starting_point:
        yield Finding(
            Mark.OK, "start", f"the first point is the default of every dimension: {problem.starting_point_asdict}"
        )
    else:
        known = defaults_of(problem)
        lacking = [name for name in problem.dimensions.trimmed(problem.starting_point_asdict) if name not in known]
        names = f"{', '.join(lacking)} {'lacks' if len(lacking) == 1 else 'lack'}"
        text = f"there is no starting point, since {names} a default; add_dim(name, space, default)"
        yield Finding(Mark.NOTE, "start", text)


def _start(rehearsal: Rehearsal) -> Iterator[Finding]:
    run = rehearsal.search.run_target
    way = f"by its name, {run}" if isinstance(run, str) else "as a pickle, since no name leads to it"
    yield Finding(Mark.OK, "workers", f"{rehearsal.layout}; ready after {in_seconds(rehearsal.start_seconds)}")
    yield Finding(Mark.OK, "pickling", f"workers get the run function {way}")


def _done(rehearsal: Rehearsal) -> list[Evaluation]:
    return [each for each in rehearsal.evaluations if each.state is State.DONE]


def _evaluations(rehearsal: Rehearsal) -> Iterator[Finding]:
    evaluations, done = rehearsal.evaluations, _done(rehearsal)
    if done:
        seconds = [each.duration for each in done]
        took = f"{in_seconds(_mean(seconds))} on average, {in_seconds(max(seconds))} at most"
        yield Finding(Mark.OK, "evaluations", f"{len(done)} of {len(evaluations)} are DONE; {took}")
    kinds: dict[tuple[State, str], list[Evaluation]] = {}
    for each in evaluations:
        if each.state is not State.DONE:
            kinds.setdefault((each.state, error_kind(error_line(each.error))), []).append(each)
    for (state, _), failed in kinds.items():
        first = failed[0]
        count = f"{len(failed)} of {len(evaluations)} are {state}"
        text = f"{count}: {error_line(first.error) or 'stopped'}; the first of them with {first.point}"
        yield Finding(Mark.WRONG, "evaluations", text, first.error)


def _objectives(rehearsal: Rehearsal) -> Iterator[Finding]:
    done = _done(rehearsal)
    search = rehearsal.search
    for number, (name, maximises) in enumerate(search.objectives):
        some = [turned((each.objectives or (each.objective,))[number], maximises) or 0.0 for each in done]
        yield from _values(name, some, maximises)
    if not search.objectives:
        values = [turned(each.objective, search.maximises) or 0.0 for each in done]
        yield from _values("rewards" if search.maximises else "objectives", values, search.maximises)


def _values(name: str, values: list[float], maximises: bool) -> Iterator[Finding]:
    if not values:
        return
    text = f"from {min(values):.6g} to {max(values):.6g}; {'larger' if maximises else 'smaller'} is better"
    if len(values) > 2 and min(values) == max(values):
        yield Finding(Mark.NOTE, name, f"all are {values[0]:.6g}; does the run function read the point?")
    elif name == "objectives" and all(0 < value <= 1 for value in values):
        remedy = "if these are accuracies, problem.add_objective('accuracy', maximise=True)"
        yield Finding(Mark.NOTE, name, f"{text}: {remedy}")
    else:
        yield Finding(Mark.OK, name, text)


def _outputs(rehearsal: Rehearsal) -> Iterator[Finding]:
    objectives = {each.name for each in rehearsal.search.objectives}
    names = sorted({name for each in rehearsal.evaluations for name in each.extra} - objectives)
    if names:
        yield Finding(Mark.OK, "outputs", f"besides the objective, the results file keeps {', '.join(names)}")
    steps = [each.step for each in rehearsal.evaluations if each.step is not None]
    if steps:
        text = (
            f"evaluations report values, up to step {max(steps):g}; --stopper auto can stop those that promise little"
        )
        yield Finding(Mark.OK, "outputs", text)
    if rehearsal.printed:
        num = len(rehearsal.evaluations)
        text = (
            f"evaluations print {rehearsal.printed // num:,} bytes each; --logs failures keeps those of failures only"
        )
        yield Finding(Mark.OK, "outputs", text)
    for warning in rehearsal.warnings:
        yield Finding(Mark.NOTE, "outputs", warning)


def _repetition(rehearsal: Rehearsal) -> Iterator[Finding]:
    first, again = rehearsal.evaluations[0], rehearsal.repeated
    if again is None or first.objective is None:
        return
    if again.objective == first.objective:
        yield Finding(Mark.OK, "repetition", "the first point has the same objective again")
        return
    if again.objective is None:
        what = "ran out of time" if again.state is State.TIMEOUT else f"was {again.state}"
        text = f"the first point was DONE, but {what} the second time: {error_line(again.error) or 'stopped'}"
        yield Finding(Mark.NOTE, "repetition", text, again.error)
        return
    got = f"{first.objective:.6g}, then {again.objective:.6g}"
    advice = "seed what is random with context.seed, and the search can be repeated"
    yield Finding(Mark.NOTE, "repetition", f"the first point has another objective the second time: {got}; {advice}")


def _resources(rehearsal: Rehearsal) -> Iterator[Finding]:
    if rehearsal.memory is None:
        yield Finding(Mark.NOTE, "memory", "not measured on other ranks; check without mpirun, too")
    else:
        total = memory_of_node()
        fit = f"{total // rehearsal.memory:,} of them fit into the {_size(total)} of this node"
        mark = Mark.OK if rehearsal.num_workers * rehearsal.memory <= total else Mark.NOTE
        yield Finding(mark, "memory", f"a process takes {_size(rehearsal.memory)} at most; {fit}")
    num, visible = num_gpus(), [f"{name}={os.environ[name]}" for name in GPU_VARIABLES if name in os.environ]
    text = f"{num} on this node" if num else "none seen on this node"
    yield Finding(Mark.OK, "GPUs", ", ".join([text, *visible]))


def _walltime(rehearsal: Rehearsal, minutes: float) -> Iterator[Finding]:
    done = _done(rehearsal)
    if not done:
        return
    seconds = 60 * minutes - rehearsal.start_seconds - min(CLOSING, CLOSING_SHARE * 60 * minutes)
    # A time-out costs its time, too.
    ended = [one for one in rehearsal.evaluations if one.state in (State.DONE, State.TIMEOUT)]
    occupation = _mean([_occupation(one, rehearsal.has_fresh_interpreters) for one in ended])
    each = int(seconds / max(1e-6, occupation))
    workers = f"{rehearsal.num_workers} worker{'s' if rehearsal.num_workers > 1 else ''}"
    if each < 1:
        text = f"no evaluation fits into {minutes:g} min; ask for more, or make evaluations shorter"
        yield Finding(Mark.WRONG, "walltime", text)
        return
    num = min(rehearsal.num_workers * each, int(DISPATCHED * seconds))
    about = "about" if occupation >= SHORT else "at most"
    text = f"{about} {num:,} evaluations fit into {minutes:g} min with {workers}; the search's own time comes on top"
    yield Finding(Mark.OK, "walltime", text)


def _occupation(evaluation: Evaluation, has_fresh_interpreter: bool) -> float:
    """Return for how long a worker is busy with an evaluation [s]."""
    if has_fresh_interpreter and evaluation.submitted is not None and evaluation.ended is not None:
        return evaluation.ended - evaluation.submitted
    return evaluation.duration


def _mean(numbers: list[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def _size(num: int) -> str:
    return f"{num / 1e9:.1f} GB" if num >= 1e9 else f"{num / 1e6:.0f} MB"


# --- this node


def memory_of_node(limits: str = "/sys/fs/cgroup/memory.max") -> int:
    """Return how much memory processes on this node may have, all together [bytes].

    Args:
        limits: The file in which the kernel has the limit of this job or container.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    path = Path(limits)
    limit = path.read_text().strip() if path.is_file() else ""
    return min(total, int(limit)) if limit.isdecimal() else total


def num_gpus(devices: str = "/dev") -> int:
    """Return how many GPUs there are on this node: those of NVIDIA, or else all that compute or draw.

    Args:
        devices: Directory of devices.
    """
    return len(glob.glob(f"{devices}/nvidia[0-9]*") or glob.glob(f"{devices}/dri/renderD*"))
