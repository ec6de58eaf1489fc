"""Catalogue of the problems that are built in."""

import importlib
import os
import pkgutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from dhmpi.aliases import resolved
from dhmpi.benchmark import hps, nas
from dhmpi.benchmark.datasets.data_files import VARIABLE
from dhmpi.errors import DataError, InputError, OptionError, did_you_mean, reason
from dhmpi.search.nas.nas_search import load_structure
from dhmpi.space.problem import HpProblem
from dhmpi.support.printing import Stream
from dhmpi.support.wording import counted

KINDS = {"hyperparameters": hps, "architectures": nas}


class Listed(NamedTuple):
    """A problem that is built in.

    Attributes:
        name: Its name.
        kind: What is searched: hyperparameters or architectures.
        package: Dotted name of its package.
        problem: The problem.
        num_dimensions: Number of its dimensions, or of the decisions of an architecture.
        optimum: The best objective, or reward of an architecture, if it is known.
        needs: What it needs besides dhmpi, such as a file of data; empty if nothing.
        lacks: A sentence about what of that is not here, or cannot be used; empty if all can.
        state: In short, whether what it needs is here, such as `not readable`.
    """

    name: str
    kind: str
    package: str
    problem: Any
    num_dimensions: int
    optimum: float | None
    needs: str
    lacks: str
    state: str

    @property
    def about(self) -> str:
        """Docstring of its package."""
        return importlib.import_module(self.package).__doc__ or ""

    @property
    def command(self) -> str:
        """A command that searches it."""
        if self.kind == "architectures":
            has_own_run = hasattr(importlib.import_module(self.package), "run")
            run = f"{self.package}.run" if has_own_run else "dhmpi.search.nas.model.run.alpha.run"
            return f"dhmpi nas-random --problem {self.package}.problem.Problem --run {run}"
        return f"dhmpi ambs --problem {self.package}.Problem --run {self.package}.run"


def names() -> dict[str, str]:
    """Return the kind of each problem, by its name; nothing is imported for that."""
    found: dict[str, str] = {}
    for kind, room in KINDS.items():
        found |= {info.name: kind for info in pkgutil.iter_modules(room.__path__) if info.ispkg}
    return found


def listed() -> Iterator[Listed]:
    """Yield all problems."""
    return map(look_up, names())


def look_up(name: str) -> Listed:
    """Return a problem.

    Args:
        name: Its name, an alias, the dotted name of its package, or that by which `--problem` takes it.

    Raises:
        OptionError: There is none of that name.
    """
    known = names()
    rooms = [each.__name__ for each in KINDS.values()]
    package = name.removesuffix(".Problem").removesuffix(".problem")
    for full in [package, *(f"{each}.{package}" for each in rooms)]:
        room, _, last = (resolved(full) or full).rpartition(".")
        if room in rooms and last in known:
            name = last
    if name not in known:
        raise OptionError(f"no such problem: {name!r}; {did_you_mean(name, known)}")
    package = f"{KINDS[known[name]].__name__}.{name}"
    module = importlib.import_module(f"{package}.problem")
    problem = module.Problem
    is_hps = isinstance(problem, HpProblem)
    lacks, state = _lacks(problem)
    optimum = module.OPTIMUM.objective if hasattr(module, "OPTIMUM") else getattr(module, "BEST_REWARD", None)
    return Listed(
        name=name,
        kind=known[name],
        package=package,
        problem=problem,
        num_dimensions=len(problem.dimensions.names) if is_hps else len(load_structure(problem).decision_names),
        optimum=optimum,
        needs=_needs(problem),
        lacks=lacks,
        state=state,
    )


def print_all(stream: Stream) -> None:
    """Print a table of all problems."""
    width = max(map(len, names()))
    print(f"{'name':{width}}  {'kind':15}  dimensions  {'optimum':>10}  needs", file=stream)
    for each in listed():
        optimum = "unknown" if each.optimum is None else f"{each.optimum:.6g}"
        needs = f"{each.needs} ({each.state})" if each.needs else "nothing"
        print(f"{each.name:{width}}  {each.kind:15}  {each.num_dimensions:10}  {optimum:>10}  {needs}", file=stream)
    print("\nhyperparameters are to minimise an objective, architectures to maximise a reward", file=stream)


def print_one(name: str, stream: Stream) -> None:
    """Print a problem with its dimensions."""
    each = look_up(name)
    print(f"{each.package}: {each.about.strip()}\n\n{each.problem!r}\n", file=stream)
    aim = "an objective to be minimised" if each.kind == "hyperparameters" else "a reward to be maximised"
    known = "unknown" if each.optimum is None else f"{each.optimum:.6g}"
    rows = {
        "kind": f"{each.kind}: {counted(each.num_dimensions, 'dimension')}, {aim}",
        "optimum": known,
        "needs": f"{each.needs} ({each.state})" if each.needs else "nothing besides dhmpi",
    }
    if each.lacks:
        rows["lacks"] = each.lacks
    rows["search it"] = each.command
    for topic, text in rows.items():
        print(f"{topic:12}{text}", file=stream)


def _lacks(problem: Any) -> tuple[str, str]:
    """Return what a problem says that it lacks, and that in short."""
    try:
        problem.check()
    except DataError as error:
        return str(error), error.fault
    except InputError as error:
        return str(error), "not here"
    return "", "here"


def _needs(problem: Any) -> str:
    """Return what a problem lacks where there are no data at all."""
    with tempfile.TemporaryDirectory() as empty, _data_in(empty):
        try:
            problem.check()
        except InputError as error:
            return reason(error).partition(" must be ")[0]
    return ""


@contextmanager
def _data_in(directory: str) -> Iterator[None]:
    """Let data be looked for in a directory."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = directory
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before
