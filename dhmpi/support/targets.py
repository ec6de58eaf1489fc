"""The pair of problem and run function: what is meant if only one of them is named."""

import ast
import importlib.util
import os
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import NamedTuple

from dhmpi.errors import OptionError, option_name
from dhmpi.support.loader import make_importable

# What the names of foreign programs begin with.
EXEC, TEMPLATE = "exec:", "template:"


class Pair(NamedTuple):
    """A problem and the run function that evaluates its points.

    Attributes:
        problem: The problem, or its name.
        run: The run function, or its name.
    """

    problem: object
    run: object


def complete(problem: object, run: object, defaults: Pair, *, any_run: bool = False) -> Pair:
    """Return what is searched, and by which run function; what is not named is in the file of the other.

    Nothing is imported, so that every rank comes to the same answer at once.

    Args:
        problem: The problem or its name, or None.
        run: The run function or its name, or None.
        defaults: What applies if neither is given.
        any_run: Whether the default run function evaluates points of any problem, and is thus the last resort.

    Raises:
        OptionError: Only one of them is given, and its file does not hold the other.
    """
    if problem is None and run is None:
        return defaults
    if run is None and isinstance(problem, str):
        beside = _beside(problem, "run")
        if beside is None and not any_run:
            raise OptionError(_must_be_given(option_name("run"), option_name("problem"), problem, "run"))
        return Pair(problem, beside or defaults.run)
    if run is None and any_run:
        return Pair(problem, defaults.run)
    if run is None:
        raise OptionError(f"{option_name('run')} must be given with a problem that is an object, got none")
    if problem is None:
        beside = _beside(run, "Problem") if isinstance(run, str) else None
        if beside is None:
            raise OptionError(_must_be_given(option_name("problem"), option_name("run"), run, "Problem"))
        return Pair(beside, run)
    return Pair(problem, run)


def _must_be_given(lacking: str, given: str, target: object, attribute: str) -> str:
    return (
        f"{lacking} must be given unless it is in the same file, got {given} {target} without {attribute!r} beside it"
    )


def _beside(target: str, attribute: str) -> str | None:
    """Return the name of an attribute of the module that a name leads to; None if its source shows that it has none.

    What cannot be read is taken to have it: loading it will report what is wrong.
    """
    if target.startswith((EXEC, TEMPLATE)):
        return None
    location, _, _ = target.rpartition(":") if ":" in target else (target, "", "")
    if location.endswith(".py"):
        path: Path | None = Path(location).expanduser()
    elif _is_dotted(location):
        location, path = find_source(location)
    else:
        path = None
    return f"{location}:{attribute}" if path is None or _binds(path, attribute) else None


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def find_source(name: str) -> tuple[str, Path | None]:
    """Return the deepest module of a dotted name, and its source file; none of them is imported."""
    make_importable(os.getcwd())
    first, *rest = name.split(".")
    found = spec = _find_spec(first)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            break
        spec = PathFinder.find_spec(f"{spec.name}.{part}", list(spec.submodule_search_locations))
        found = spec or found
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return name, None
    return found.name, Path(found.origin)


def _find_spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ValueError:  # that of a script which runs, or no name at all
        return None


def _binds(path: Path, name: str) -> bool:
    """Whether a source file defines, assigns or imports a name at its top level, or may do so, or cannot be read."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    bound = set().union(*map(_names_bound, tree.body))
    # What these bind is not to be seen without executing the file.
    return name in bound or bool(bound & {"*", "__getattr__"}) or _changes_globals(tree)


def _changes_globals(tree: ast.Module) -> bool:
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return bool(called & {"globals", "exec", "vars", "locals"})


def _names_bound(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {alias.asname or alias.name.partition(".")[0] for alias in aliases}
        case _:
            # Also in an if, a try or a with; what a nested function assigns is rarely called run or Problem.
            return {
                node.id if isinstance(node, ast.Name) else node.name
                for node in ast.walk(statement)
                if isinstance(node, (ast.FunctionDef, ast.ClassDef))
                or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
            }
