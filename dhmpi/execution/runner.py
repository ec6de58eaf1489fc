"""Calling a run function once, and turning whatever happens into an outcome.

What is needed after user code has run is bound to names of this module, since user code may replace what modules hold.
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from os import _exit, environ, getpid, sched_getaffinity
from pathlib import Path
from time import perf_counter, time
from types import FunctionType, TracebackType
from typing import Any, NamedTuple

from dhmpi.errors import LoadError
from dhmpi.evaluation import Point, State
from dhmpi.support.json_text import dumps_noting, loads
from dhmpi.support.place import GroupPart, Place

RunFunction = Callable[..., Any]
Packed = tuple[Any, ...] | list[Any]
# What a run function may return besides the objective [bytes of JSON]; it travels, and stays in memory and in the file.
MAX_EXTRA = 1_000_000
# How much of a list of types is shown [characters].
MAX_KINDS = 200
# How long an error may be [characters]; some exceptions quote all of the data.
MAX_ERROR = 20_000
STATES = {state.value: state for state in State}
NOWHERE = Place()
NO_COMM = (
    "a run function with the argument comm must run on ranks, with --evaluator mpi and --isolation inline or with "
    "--evaluator launch, got another; give these, or use the variables RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT "
    "instead of comm"
)


class Task(NamedTuple):
    """Task of a worker: the evaluation's id, its point, a seed of its own and, of a group's rank, its part."""

    id: int
    point: Point
    seed: int
    part: GroupPart | None = None


class Outcome(NamedTuple):
    """Outcome of a task, with times by the worker's clock [s since 1970-01-01 UTC].

    The warning is for the person who runs the campaign, and not kept.
    """

    id: int
    state: State
    objective: float | None
    started: float
    ended: float
    error: str = ""
    extra: Mapping[str, Any] = {}
    warning: str = ""


def pack_tasks(tasks: Iterable[Task]) -> list[Packed]:
    """Return tasks as they travel: plain tuples, which cost a third of named ones to pickle."""
    return [tuple(task) for task in tasks]


def unpack_tasks(packed: Iterable[Packed]) -> list[Task]:
    """Return tasks that have travelled."""
    return [read_task(each) for each in packed]


def read_task(packed: Packed) -> Task:
    """Return a task that has travelled."""
    id, point, seed, part = packed
    return Task(id, point, seed, None if part is None else GroupPart(*part))


def pack_outcomes(outcomes: Iterable[Outcome]) -> list[Packed]:
    """Return outcomes as they travel."""
    return [(id, state.value, *rest) for id, state, *rest in outcomes]


def unpack_outcomes(packed: Iterable[Packed]) -> list[Outcome]:
    """Return outcomes that have travelled."""
    return [Outcome(id, STATES[state], *rest) for id, state, *rest in packed]


class Interrupted(BaseException):
    """Raised inside user code to stop it; no `except Exception` of the user's catches it.

    Args:
        state: What becomes of the evaluation: CANCELLED or TIMEOUT.
    """

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state


class Context:
    """Context of an evaluation, for a run function whose signature names `context`.

    Attributes:
        id: Number of the evaluation in its campaign.
        seed: A seed of its own, the same whenever the campaign is repeated.
        deadline: When it will be killed [s since 1970-01-01 UTC], or None.
        worker: Number of the worker that it runs on, from 0.
        rank: The worker's rank, as in the results file; in a pool the same as its number.
        local_rank: Number of that rank on its node.
        size: Number of ranks; in a pool of workers.
        group_rank: Number of that rank among those of this evaluation; 0 leads, and what it returns counts.
        group_size: Number of ranks of this evaluation.
        gpus: GPUs that it may use, as CUDA_VISIBLE_DEVICES or the like names them; libraries count them from 0.
    """

    def __init__(self, task: Task, deadline: float | None, files: str, place: Place = NOWHERE) -> None:
        self.id = task.id
        self.seed = task.seed
        self.deadline = deadline
        self.group_rank, self.group_size = (0, 1) if task.part is None else (task.part.rank, task.part.size)
        self.worker, self.rank, self.local_rank, self.size = place.worker, place.rank, place.local_rank, place.size
        self.gpus = tuple(place.gpus)
        self.reports: list[list[float]] = []
        self._files = files

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores that it may run on, which it may share; OMP_NUM_THREADS is how many threads it may have."""
        return tuple(sorted(sched_getaffinity(0)))

    @property
    def directory(self) -> Path:
        """A directory for this evaluation's files, made when first asked for."""
        path = Path(self._files) / f"evaluation-{self.id:06d}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def report(self, step: float, value: float) -> None:
        """Keep an intermediate value, such as a validation loss per epoch, in the results file."""
        self.reports.append([float(step), float(value)])


class Runner:
    """Calls one run function.

    Args:
        run: The run function; it gets the point, and the context and the communicator if it names them.
        timeout: Seconds that an evaluation may take, or None.
        files: Directory under which evaluations have directories of their own.
        place: Where this is.
        connect: Returns a communicator of the ranks that evaluate together, if there can be one; they all call it.

    Raises:
        LoadError: The run function names `comm`, without a default, and there can be none.
    """

    def __init__(
        self,
        run: RunFunction,
        timeout: float | None,
        files: str,
        place: Place = NOWHERE,
        connect: Callable[[int], Any] | None = None,
    ) -> None:
        self._run = run
        parameters = _parameters(run)
        self._wants_context = "context" in parameters
        self.wants_comm = "comm" in parameters and connect is not None
        self._needs_comm = not parameters.get("comm", True)
        if self._needs_comm and connect is None:
            raise LoadError(NO_COMM)
        self._connect = connect
        self._in_user_code = False
        self._interruption: Interrupted | None = None
        self._timeout = timeout
        self._files = files
        self._place = place

    def __call__(self, task: Task) -> Outcome:
        """Evaluate one point; every exception of the run function becomes an outcome.

        A process that the run function has forked ends when it comes back: only this one may answer.
        """
        part = task.part
        if part is not None and part.addresses:
            environ.update(part.variables())  # which takes longer than a short evaluation, and is no part of it
        pid, started, clock = getpid(), time(), perf_counter()
        reading = Reading(None)
        deadline = None if self._timeout is None else started + self._timeout
        context = Context(task, deadline, self._files, self._place) if self._wants_context else None
        more: dict[str, Any] = {} if context is None else {"context": context}
        status, self._interruption = 0, None
        try:
            if self._connect is not None and self.wants_comm and (self._needs_comm or part is not None):
                more["comm"] = self._connect(0 if part is None else part.round)
            returned = self._call_user_code(dict(task.point), more)
            if getpid() == pid:
                reading = Reading(0.0) if part is not None and part.rank else read_result(returned)
            state = State.DONE if reading.objective is not None else State.FAILED
        except BaseException as exception:  # sys.exit and KeyboardInterrupt of user code included
            status = _exit_status(exception)
            if self._interruption is not None:  # also if a library has made another exception of it
                state = self._interruption.state
            else:
                state, reading = State.FAILED, Reading(None, user_traceback(exception))
        if getpid() != pid:
            flush_streams()
            _exit(status)
        ended = started + perf_counter() - clock
        objective, error, extra, warning = reading
        if context is not None and context.reports:
            extra = {"reports": context.reports} | extra
        return Outcome(task.id, state, objective, started, ended, error, extra, warning)

    def _call_user_code(self, point: Point, more: Mapping[str, Any]) -> object:
        try:
            self._in_user_code = True
            return self._run(point, **more)
        finally:
            self._in_user_code = False

    def interrupt(self, state: State) -> None:
        """Raise Interrupted if this is called, by a signal handler, while user code runs."""
        if self._in_user_code:
            self._in_user_code = False  # once is enough: the next signal must not hit the handling of this one
            self._interruption = Interrupted(state)
            raise self._interruption


def _parameters(run: RunFunction) -> dict[str, bool]:
    """Return the names of a run function's parameters, each with whether it has a default."""
    if isinstance(run, FunctionType) and not run.__dict__:  # no decorator has left another signature there
        code, num_defaults = run.__code__, len(run.__defaults__ or ())
        positional = code.co_varnames[: code.co_argcount]
        keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        found = {name: number >= len(positional) - num_defaults for number, name in enumerate(positional)}
        return found | {name: name in (run.__kwdefaults__ or {}) for name in keywords}
    import inspect  # it takes as long as the rest of this package

    try:
        return {name: each.default is not each.empty for name, each in inspect.signature(run).parameters.items()}
    except (TypeError, ValueError):  # some builtins have no signature
        return {}


def read_answer(message: Any, id: int) -> Outcome | None:
    """Return the outcome of an evaluation as its process has sent it; None if this is none, or another one's.

    Args:
        message: An outcome, and how much has been printed until then.
        id: Of the evaluation.
    """
    try:
        answered, state, objective, started, ended, error, extra, warning, printed = message
    except (TypeError, ValueError):
        return None
    if answered != id or state not in (State.DONE, State.FAILED):
        return None
    if not (type(objective) is float and math.isfinite(objective) if state == State.DONE else objective is None):
        return None
    if not (type(started) is type(ended) is float and type(extra) is dict and type(printed) is int):
        return None
    if not type(error) is type(warning) is str:
        return None
    return Outcome(id, STATES[state], objective, started, ended, error, extra, warning)


class Reading(NamedTuple):
    """Reading of what a run function returned.

    Attributes:
        objective: A finite number, or None.
        error: A sentence that says what was wrong; empty with an objective.
        extra: Everything else that was returned.
        warning: A sentence about what of that is not kept as it was; empty if all is.
    """

    objective: float | None
    error: str = ""
    extra: dict[str, Any] = {}
    warning: str = ""


def read_result(returned: object) -> Reading:
    """Split what a run function returned."""
    if type(returned) is float and math.isfinite(returned):
        return Reading(returned + 0.0)
    extra: dict[str, Any] = {}
    value, warning = returned, ""
    if isinstance(returned, Mapping):
        text, lost = dumps_noting({name: each for name, each in returned.items() if name != "objective"})
        if len(text) > MAX_EXTRA:
            return Reading(None, _too_much(len(text)))
        extra = loads(text)
        if lost:
            kinds = ", ".join(sorted(lost))[:MAX_KINDS]
            warning = f"what is returned besides the objective must be numbers, texts, lists and dicts, got {kinds}; "
            warning += "its text is kept"
        if "objective" not in returned:
            error = f"the returned dict must have the key 'objective', got {sorted(extra)}"
            return Reading(None, error, extra, warning)
        value = returned["objective"]
    objective = _finite(value)
    if objective is None:
        return Reading(None, f"the objective must be a finite number, got {value!r:.200}", extra, warning)
    return Reading(objective, "", extra, warning)


def _too_much(size: int) -> str:
    remedy = "return a summary and write the rest to a file in context.directory"
    return f"what is returned besides the objective must take at most {MAX_EXTRA:,} bytes, got {size:,}; {remedy}"


def _finite(value: object) -> float | None:
    if isinstance(value, (str, bytes, bool)) or not hasattr(value, "__float__"):
        return None
    # numpy would make a number of a boolean, a text, half of a complex number or, before 2.4, an array of one.
    if getattr(value, "ndim", 0) or getattr(getattr(value, "dtype", None), "kind", "f") not in "iuf":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number + 0.0 if math.isfinite(number) else None  # without the sign of -0.0


def flush_streams() -> None:
    """Write out what has been printed, as far as user code has left the means to do so."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # user code may have put anything in their place, or closed them
            continue


def _exit_status(exception: BaseException) -> int:
    """Return the exit status of a process that an exception ends."""
    code = exception.code if isinstance(exception, SystemExit) else 1
    return code & 0xFF if isinstance(code, int) else int(code is not None)


def user_traceback(exception: BaseException) -> str:
    """Format an exception without the frames of this package."""
    frames = exception.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN_DIRECTORY):
        frames = frames.tb_next
    try:
        from traceback import format_exception  # only failures need it

        text = "".join(format_exception(type(exception), exception, frames)).rstrip()
    except Exception:  # user code has replaced something there
        text = _plain_traceback(exception, frames)
    if len(text) <= MAX_ERROR:
        return text
    return f"{text[: MAX_ERROR // 2]}\n[...]\n{text[-MAX_ERROR // 2 :]}"


_OWN_DIRECTORY = user_traceback.__code__.co_filename.removesuffix("runner.py")


def _plain_traceback(exception: BaseException, frames: TracebackType | None) -> str:
    """Format an exception without any help."""
    lines = ["Traceback (most recent call last):"]
    while frames is not None:
        code = frames.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frames.tb_lineno}, in {code.co_name}')
        frames = frames.tb_next
    try:
        message = str(exception)
    except Exception:  # user code too
        message = "<no text>"
    return "\n".join([*lines, f"{type(exception).__name__}: {message}"])
