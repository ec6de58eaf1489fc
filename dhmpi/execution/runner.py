"""Calling a run function once, and turning whatever happens into an outcome.

What is needed after user code has run is bound to names of this module, since user code may replace what modules hold.
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import _exit, environ, getpid
from time import perf_counter, time
from types import FunctionType, TracebackType
from typing import Any, NamedTuple

from dhmpi.errors import LoadError
from dhmpi.evaluation import Point, Report, State
from dhmpi.execution.context import CURRENT, NO_LINK, NOWHERE, Context, Link, StopEvaluation
from dhmpi.support.json_text import dumps_noting, loads
from dhmpi.support.place import GroupPart, Place
from dhmpi.support.references import resolved

RunFunction = Callable[..., Any]
Packed = tuple[Any, ...] | list[Any]
# What a run function may return besides the objective [bytes of JSON]; it travels, and stays in memory and in the file.
MAX_EXTRA = 1_000_000
# How much of a list of types is shown [characters].
MAX_KINDS = 200
# The error of an evaluation that was ended by `StopEvaluation`, where nobody has told it to stop.
STOPPED = "the run function must not raise StopEvaluation before it was told to end"
# How long an error may be [characters]; some exceptions quote all of the data.
MAX_ERROR = 20_000
STATES = {state.value: state for state in State}
# The states that a process may answer with.
ANSWERED = frozenset((State.DONE, State.FAILED, State.STOPPED, State.PAUSED))
NO_COMM = (
    "a run function with the argument comm must run on ranks, with --evaluator mpi and --isolation inline or with "
    "--evaluator launch, got another; give these, or use the variables RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT "
    "instead of comm"
)


class Task(NamedTuple):
    """Task of a worker: an evaluation.

    Attributes:
        id: Its number.
        point: Its point.
        seed: A seed of its own.
        part: Of a group's rank, its part.
        is_again: Whether it has begun before, and has not ended for good.
        step: The last step that it reported then, if it did.
    """

    id: int
    point: Point
    seed: int
    part: GroupPart | None = None
    is_again: bool = False
    step: float | None = None


class Outcome(NamedTuple):
    """Outcome of a task, with times by the worker's clock [s since 1970-01-01 UTC].

    The warning is for the person who runs the campaign, and not kept. The reports are those that could not be sent
    before. What is DONE lacks an objective if the run function returned a dict without this key; its error is then the
    end of what it has printed, should it prove to be a failure.
    """

    id: int
    state: State
    objective: float | None
    started: float
    ended: float
    error: str = ""
    extra: Mapping[str, Any] = {}
    warning: str = ""
    reports: Sequence[Report] = ()


def pack_tasks(tasks: Iterable[Task]) -> list[Packed]:
    """Return tasks as they travel: plain tuples, which cost a third of named ones to pickle."""
    return [tuple(task) for task in tasks]


def unpack_tasks(packed: Iterable[Packed]) -> list[Task]:
    """Return tasks that have travelled."""
    return [read_task(each) for each in packed]


def read_task(packed: Packed) -> Task:
    """Return a task that has travelled."""
    id, point, seed, part, *more = packed
    return Task(id, point, seed, None if part is None else GroupPart(*part), *more)


def pack_outcomes(outcomes: Iterable[Outcome]) -> list[Packed]:
    """Return outcomes as they travel."""
    return [(id, state.value, *rest) for id, state, *rest in outcomes]


def unpack_outcomes(packed: Iterable[Packed]) -> list[Outcome]:
    """Return outcomes that have travelled."""
    return [_unpacked(*each) for each in packed]


def _unpacked(id: int, state: str, *rest: Any) -> Outcome:
    rest = (*rest[:-1], tuple(Report(*row) for row in rest[-1]))
    return Outcome(id, STATES[state], *rest)


class Interrupted(BaseException):
    """Raised inside user code to stop it; no `except Exception` of the user's catches it.

    Args:
        state: What becomes of the evaluation: CANCELLED or TIMEOUT.
    """

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state


class Runner:
    """Calls one run function.

    Args:
        run: The run function; it gets the point, and the context and the communicator if it names them.
        timeout: Seconds that an evaluation may take, or None.
        files: Directory under which evaluations have directories of their own.
        place: Where this is.
        connect: Returns a communicator of the ranks that evaluate together, if there can be one; they all call it.
        link: Where reports go, and what comes back.

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
        link: Link = NO_LINK,
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
        self._link = link
        self._task, self._deadline = Task(-1, {}, 0), math.inf
        self._context: Context | None = None

    def context(self) -> Context:
        """Return the context of the evaluation that is running."""
        if self._context is None:
            deadline = None if self._timeout is None else self._deadline
            self._context = Context(self._task, deadline, self._files, self._place, *self._link)
        return self._context

    def __call__(self, task: Task) -> Outcome:
        """Evaluate one point; every exception of the run function becomes an outcome.

        A process that the run function has forked ends when it comes back: only this one may answer.
        """
        part = task.part
        if part is not None and part.addresses:
            environ.update(part.variables())  # which takes longer than a short evaluation, and is no part of it
        pid, started, clock = getpid(), time(), perf_counter()
        reading = Reading(None)
        self._task, self._deadline, self._context = task, started + (self._timeout or 0.0), None
        more: dict[str, Any] = {"context": self.context()} if self._wants_context else {}
        status, self._interruption = 0, None
        try:
            if self._connect is not None and self.wants_comm and (self._needs_comm or part is not None):
                more["comm"] = self._connect(0 if part is None else part.round)
            returned = self._call_user_code(resolved(task.point), more)
            if getpid() == pid:
                reading = Reading(0.0) if part is not None and part.rank else read_result(returned)
            state = State.FAILED if reading.error else State.DONE
        except BaseException as exception:  # sys.exit and KeyboardInterrupt of user code included
            status = _exit_status(exception)
            if self._interruption is not None:  # also if a library has made another exception of it
                state = self._interruption.state
            elif isinstance(exception, StopEvaluation):
                state, reading = State.FAILED, Reading(None, STOPPED)
            else:
                state, reading = State.FAILED, Reading(None, user_traceback(exception))
        if getpid() != pid:
            flush_streams()
            _exit(status)
        ended = started + perf_counter() - clock
        outcome = Outcome(task.id, state, reading.objective, started, ended, *reading[1:])
        return outcome if self._context is None else _with_verdict(outcome, self._context)

    def _call_user_code(self, point: Point, more: Mapping[str, Any]) -> object:
        try:
            CURRENT.set(self.context)
            self._in_user_code = True
            return self._run(point, **more)
        finally:
            self._in_user_code = False
            CURRENT.set(None)

    def interrupt(self, state: State) -> None:
        """Raise Interrupted if this is called, by a signal handler, while user code runs."""
        if self._in_user_code:
            self._in_user_code = False  # once is enough: the next signal must not hit the handling of this one
            self._interruption = Interrupted(state)
            raise self._interruption


def _with_verdict(outcome: Outcome, context: Context) -> Outcome:
    """Return the outcome of an evaluation that has reported something, or has been told to end."""
    context.close()
    outcome = outcome._replace(reports=tuple(context.kept))
    is_stopped = outcome.error == STOPPED
    # Whatever ends it once it knows of the end, such as a full disk, must not cost what it has saved before.
    has_none = outcome.state is State.FAILED
    verdict = context.verdict or (State.PAUSED if has_none and context.knows_of_end else None)
    if verdict is None or outcome.state not in (State.DONE, State.FAILED):
        return outcome
    if has_none and not is_stopped:
        return ended_otherwise(outcome, verdict)
    return outcome._replace(state=verdict, objective=None, error="")


def ended_otherwise(outcome: Outcome, state: State = State.PAUSED) -> Outcome:
    """Return what becomes of an evaluation that was told to end, or to save, and has failed instead."""
    warning = f"an evaluation that was told to end did so with an error: {outcome.error.splitlines()[-1]}"
    return outcome._replace(state=state, objective=None, error="", warning=warning)


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
        answered, state, objective, started, ended, error, extra, warning, reports, printed = message
    except (TypeError, ValueError):
        return None
    if answered != id or not isinstance(state, str) or state not in ANSWERED:
        return None
    is_number = type(objective) is float and math.isfinite(objective)
    if not (objective is None or (is_number and state == State.DONE)):
        return None
    if not (type(started) is type(ended) is float and type(extra) is dict and type(printed) is int):
        return None
    if not type(error) is type(warning) is str:
        return None
    found = read_reports(reports, id)
    return (
        None if found is None else Outcome(id, STATES[state], objective, started, ended, error, extra, warning, found)
    )


def read_reports(rows: Any, id: int) -> tuple[Report, ...] | None:
    """Return the reports of an evaluation as its process has sent them; None if these are none, or another one's."""
    if type(rows) is not list or not all(type(row) is list and len(row) == 4 for row in rows):
        return None
    if not all(row[0] == id and all(type(number) is float for number in row[1:]) for row in rows):
        return None
    return tuple(Report(*row) for row in rows)


class Reading(NamedTuple):
    """Reading of what a run function returned.

    Attributes:
        objective: A finite number; None if something was wrong, or in a dict it has no or another name: what the
            problem calls its objectives is known where the outcome goes.
        error: A sentence that says what was wrong; empty if nothing was.
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
            return Reading(None, "", extra, warning)
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
