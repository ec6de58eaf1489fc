"""Problems and run functions by name.

A name is `pkg.module.Attr`, `pkg.module:Attr`, `path/to/file.py` or `path/to/file.py:Attr`.
"""

import importlib
import importlib.util
import operator
import os
import re
import sys
from collections.abc import Callable, Mapping
from os import _exit, getpid  # as they are before user code is loaded
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from dhmpi.errors import InputError, LoadError, did_you_mean

# What only errors need is imported where they are made: interpreters that run user code start often, and with this.

T = TypeVar("T")

PACKAGE = Path(__file__).resolve().parents[1]
_MISSING = object()
IMPORTLIB = Path(importlib.__file__).resolve().parent


def load_problem(target: object) -> Any:
    """Return the problem that a target names.

    Args:
        target: Name of an attribute, of a module or of a file, whose attribute is `Problem` unless named; or the object
            itself. The object is a problem, or a class or function that makes one without arguments.

    Raises:
        LoadError: If it is not found, fails, or is no problem with at least one dimension.
    """
    found = load(target, "Problem") if isinstance(target, str) else target
    label = f"{target!r}" if isinstance(target, str) else f"the {type(found).__name__} given"
    if isinstance(found, type) or (callable(found) and _space(found, label) is None):
        found = guarded(found, f"{label} must make a problem when called without arguments")
    space = _space(found, label)
    if not isinstance(space, Mapping):
        got = f"{_kind(found)} from {label}"
        raise LoadError(f"a problem must have a space, got {got}; name an instance of Problem or HpProblem")
    if not space:
        raise LoadError(f"the problem has no dimension, got {label}; add one with add_dim(name, space)")
    return found


def _space(problem: object, label: str) -> object:
    return guarded(lambda: getattr(problem, "space", None), f"the space of {label} must be readable")


def check_problem(problem: Any) -> None:
    """Let a problem find out whether what its evaluations need is there, if it has a method `check`.

    Args:
        problem: Its `check` raises what is wrong; an InputError is passed on as it is.

    Raises:
        InputError: Something is wrong, or the check itself.
    """

    def passes() -> bool:
        check = getattr(problem, "check", None)
        return not callable(check) or check() is not False

    constraint = "the check of the problem must pass"
    if not guarded(passes, constraint, passing=(InputError,)):
        raise LoadError(f"{constraint}, got False; let it raise what is wrong")


def load_run(target: object) -> Callable[..., Any]:
    """Return the run function that a target names.

    Args:
        target: Name of an attribute, of a module or of a file, whose attribute is `run` unless named; or the function
            itself.

    Raises:
        LoadError: If it is not found, its module fails, or it cannot be called.
    """
    found = load(target, "run") if isinstance(target, str) else target
    if not callable(found):
        label = f" from {target!r}" if isinstance(target, str) else ""
        raise LoadError(f"a run function must be callable, got {_kind(found)}{label}; name a function of one point")
    return found


def run_name(function: object) -> str | None:
    """Return the text by which another interpreter can load a function; None if it cannot.

    Args:
        function: Any object; lambdas, closures, partial functions and functions without a file have no such text.
    """
    module_name, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    module = sys.modules.get(module_name) if isinstance(module_name, str) else None
    file = getattr(module, "__file__", None)
    if module is None or file is None or not isinstance(qualname, str) or "<" in qualname:
        return None
    try:
        if operator.attrgetter(qualname)(module) != function:
            return None
    except AttributeError:
        return None
    spec = getattr(module, "__spec__", None)
    spec_name = getattr(spec, "name", None)  # python -m pkg.mod runs as __main__, yet its spec has the name
    if spec_name is not None and ("." in spec_name or _is_found_afresh(spec_name, file)):
        return f"{spec_name}:{qualname}"
    return f"{os.path.abspath(file)}:{qualname}" if file.endswith(".py") and os.path.isfile(file) else None


def load(target: str, default: str) -> object:
    """Return the object that a text names.

    The current directory is importable, and so is the directory of a file, except for those of dhmpi itself.

    Args:
        target: `pkg.module.Attr`, `pkg.module:Attr`, `path/to/file.py:Attr`, or the last two without attribute.
        default: Attribute if the target names none.

    Raises:
        LoadError: If it is not found, or its module fails.
    """
    module, attribute = locate(target, default)
    location = target.rpartition(":")[0] or target
    return _attribute(module, location if location.endswith(".py") else module.__name__, attribute)


def locate(target: str, default: str) -> tuple[ModuleType, str]:
    """Return the module that a text leads to, and the attribute of it that is meant.

    Args:
        target: See `load`.
        default: Attribute if the target names none; then the module has it.

    Raises:
        LoadError: If there is no such module, or it fails.
    """
    make_importable(os.getcwd())
    location, _, attribute = target.rpartition(":") if ":" in target else (target, "", "")
    if location.endswith(".py"):
        module, label = _load_file(location), location
    elif all(part.isidentifier() for part in location.split(".")):
        module, rest = _import_deepest(location, is_module=bool(attribute))
        attribute, label = attribute or rest, module.__name__
    else:
        raise LoadError(f"a name must be like pkg.module:{default} or path/to/file.py:{default}, got {target!r}")
    if not attribute and _value(module, default, _MISSING) is _MISSING:
        reason = f"{label!r} must hold {default!r} if no attribute is named, got none"
        raise LoadError(f"{reason}; {did_you_mean(default, _public(module))}")
    return module, attribute or default


# --- modules


def _import_deepest(name: str, is_module: bool) -> tuple[ModuleType, str]:
    """Import as much of a dotted name as is a module, and return that with the rest.

    Args:
        name: Dotted name of a module, or of an attribute of one.
        is_module: Whether all of it has to be a module.
    """
    parts = name.split(".")
    module = _import_child(None, parts[0])
    for i, part in enumerate(parts[1:], start=1):
        is_last = i == len(parts) - 1
        value = _value(module, part, None)
        # In pkg.run, the function run of the package hides its module run.
        is_hidden = is_last and not is_module and value is not None and not isinstance(value, ModuleType)
        if is_hidden or not _is_found(f"{module.__name__}.{part}", module):
            if is_module or (value is None and not is_last and hasattr(module, "__path__")):
                raise LoadError(_no_module(module, part))
            return module, ".".join(parts[i:])
        module = _import_child(module, part)
    return module, ""


def _import_child(parent: ModuleType | None, part: str) -> ModuleType:
    name = f"{parent.__name__}.{part}" if parent else part
    if not _is_found(name, parent):
        raise LoadError(_no_module(parent, part))
    return guarded(lambda: importlib.import_module(name), f"module {name!r} must be importable")


def _is_found(name: str, parent: ModuleType | None) -> bool:
    if name in sys.modules:
        return True
    if parent is not None and not hasattr(parent, "__path__"):
        return False
    return importlib.util.find_spec(name) is not None


def _no_module(parent: ModuleType | None, part: str) -> str:
    if parent is not None:
        name = f"{parent.__name__}.{part}"
        return f"module {name!r} must exist, got none; {did_you_mean(part, _public(parent))}"
    import difflib
    import pkgutil

    # Of the many that are installed, one is like almost any name. An installation for developers is found by an import
    # hook of its own, and not listed.
    near = difflib.get_close_matches(part, {PACKAGE.name, *(info.name for info in pkgutil.iter_modules())}, cutoff=0.8)
    here = [info.name for info in pkgutil.iter_modules([os.getcwd()])]
    remedy = did_you_mean(part, near or here) if near or here else "go to its directory or set PYTHONPATH"
    return f"module {part!r} must be in {os.getcwd()} or on the Python path, got none; {remedy}"


# --- files


def _load_file(text: str) -> ModuleType:
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        if not path.parent.is_dir():
            raise LoadError(f"file {text!r} must exist, got no directory {str(path.parent)!r}; correct the path")
        names = [other.name for other in path.parent.glob("*.py")]
        raise LoadError(f"file {text!r} must exist, got none; {did_you_mean(path.name, names)}")
    make_importable(str(path.parent))
    if _imports_relatives(path) and (path.parent / "__init__.py").is_file():
        return _import_by_package(text, path)
    name = _name_of_file(path)
    if name in sys.modules:
        return sys.modules[name]
    return guarded(lambda: _execute(name, path), f"file {text!r} must be importable")


def _imports_relatives(path: Path) -> bool:
    """Whether a file has an import like `from .other import what`, which only a module of a package can."""
    source = path.read_bytes()
    if not re.search(rb"^\s*from\s*\.", source, re.MULTILINE):
        return False
    import ast

    try:
        return any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return False  # its import will report why


def _import_by_package(text: str, path: Path) -> ModuleType:
    """Import a file as the module of its package that it is."""
    name, directory = path.stem, path.parent
    while (directory / "__init__.py").is_file() and directory.name.isidentifier():
        name, directory = f"{directory.name}.{name}", directory.parent
    make_importable(str(directory))
    module = guarded(lambda: importlib.import_module(name), f"file {text!r} must be importable as module {name!r}")
    found = getattr(module, "__file__", None)
    if found is None or Path(found).resolve() != path:
        raise LoadError(f"file {text!r} must be module {name!r}, got {found} by that name; rename the package")
    return module


def _name_of_file(path: Path) -> str:
    """Return the stem if that is free or taken by the file itself, or else a name that all ranks agree on."""
    taken = sys.modules.get(path.stem)
    file = getattr(taken, "__file__", None)
    if path.stem.startswith("__") or path.stem in sys.stdlib_module_names:
        is_free = False
    else:
        is_free = taken is None or (file is not None and Path(file).resolve() == path)
    if is_free:
        return path.stem
    import hashlib

    return f"{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:12]}"


def _execute(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def make_importable(directory: str) -> None:
    """Let modules be imported from a directory, those written since the last import included."""
    # Modules of dhmpi have longer names; by short ones some would hide those of the standard library, such as random.
    if directory not in sys.path and not Path(directory).resolve().is_relative_to(PACKAGE):
        sys.path.insert(0, directory)
    importlib.invalidate_caches()


def _is_found_afresh(name: str, file: str) -> bool:
    """Whether a new interpreter started here finds a module of one file by its name."""
    import sysconfig

    paths = sysconfig.get_paths()
    fresh = [os.getcwd(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    fresh += [paths[scheme] for scheme in ("stdlib", "platstdlib", "purelib", "platlib")]
    path = Path(file).resolve()
    base = path.parent.parent if path.stem == "__init__" else path.parent
    stem = path.parent.name if path.stem == "__init__" else path.stem
    return stem == name and base in {Path(directory).resolve() for directory in fresh if directory}


# --- attributes and failures


def _attribute(module: ModuleType, label: str, attribute: str) -> object:
    found: object = module
    for i, part in enumerate(attribute.split(".")):
        owner, found = found, _value(found, part, _MISSING)
        if found is _MISSING:
            raise LoadError(f"{label!r} must hold {part!r}, got none; {did_you_mean(part, _public(owner))}")
        label += ("." if i else ":") + part
    return found


def _value(owner: object, name: str, missing: object) -> object:
    """Return an attribute; that of a package may be imported only now."""
    label = f"{getattr(owner, '__name__', _kind(owner))}:{name}"
    return guarded(lambda: getattr(owner, name, missing), f"{label!r} must be importable")


def _public(owner: object) -> set[str]:
    """Return the names of submodules and of the attributes that are meant for others."""
    import pkgutil

    names = {name for name in [*dir(owner), *getattr(owner, "__all__", ())] if not name.startswith("_")}
    names = {name for name in names if not isinstance(getattr(owner, name, 0), ModuleType)}
    return names | {info.name for info in pkgutil.iter_modules(getattr(owner, "__path__", []))}


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def guarded(call: Callable[[], T], constraint: str, passing: tuple[type[Exception], ...] = ()) -> T:
    """Call the user's code, and turn what it raises into one sentence with the traceback as details.

    Args:
        call: Takes no arguments.
        constraint: The sentence's beginning, such as `module 'my' must be importable`.
        passing: What is raised as it is.

    Raises:
        LoadError: It has raised anything else, or wants to exit.
    """
    pid = getpid()
    try:
        return call()
    except passing:
        raise
    except (Exception, SystemExit) as error:
        lines = str(error).strip().splitlines()
        got = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        raise LoadError(f"{constraint}, got {got}", details=_user_traceback(error)) from error
    finally:
        if getpid() != pid:  # a process that user code has forked must not go on as this one
            _exit(0)


def _user_traceback(error: BaseException) -> str:
    import traceback

    report = traceback.TracebackException.from_exception(error)
    links: list[traceback.TracebackException | None] = [report]
    while links:
        link = links.pop()
        if link is not None:
            link.stack = traceback.StackSummary.from_list([frame for frame in link.stack if _is_users(frame.filename)])
            links += [link.__cause__, link.__context__]
    return "".join(report.format())


def _is_users(filename: str) -> bool:
    """Whether a frame is neither of importlib nor of dhmpi, whose benchmarks count as a user's."""
    path = Path(filename)
    parts = path.relative_to(PACKAGE).parts if path.is_relative_to(PACKAGE) else None
    is_ours = parts is not None and (parts[0] != "benchmark" or len(parts) < len(("benchmark", "hps", "file.py")))
    return not (is_ours or filename.startswith("<frozen importlib") or path.is_relative_to(IMPORTLIB))
