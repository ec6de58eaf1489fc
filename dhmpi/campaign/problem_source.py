"""Source of a campaign's problem: the files that it came from, which may have moved or changed since."""

import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dhmpi.errors import LoadError, ResultsError, option_name
from dhmpi.results import Metadata, Results
from dhmpi.support.loader import PACKAGE, load_problem, locate, make_importable
from dhmpi.support.targets import find_source

# Where the files of libraries are; they are no part of a problem.
LIBRARIES = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]


def record(target: object, problem: Any) -> dict[str, Any]:
    """Return what a results file says of where its problem is; nothing if that is an object, which is nowhere.

    Args:
        target: The problem, or its name.
        problem: The problem itself.

    Returns:
        `module`, its name or nothing for a file; `attribute`; and `files`, path and SHA-256 of each: of the problem
        first, then of what it is imported from within its package, then of the functions that its entries name.
    """
    if not isinstance(target, str):
        return {}
    module, attribute = locate(target, "Problem")
    files = list(dict.fromkeys(_files(module, problem)))
    if not files:
        return {}
    name = "" if _location(target).endswith(".py") else module.__name__
    return {"module": name, "attribute": attribute, "files": [[str(path), _checksum(path)] for path in files]}


def _location(target: str) -> str:
    return target.rpartition(":")[0] or target


def _files(module: Any, problem: Any) -> Iterator[Path]:
    """Yield the files that make a problem, that of its module first."""
    inner = [each for name, each in list(sys.modules.items()) if name.startswith(f"{module.__name__}.")]
    holders = [each for each in inner if any(value is problem for value in getattr(each, "__dict__", {}).values())]
    functions = [entry["func"] for entry in problem.space.values() if isinstance(entry, Mapping) and "func" in entry]
    own, *others = [getattr(module, "__file__", None), *(getattr(each, "__file__", None) for each in holders)]
    if own is None:
        return
    yield Path(own).resolve()
    for path in [*map(_optional, others), *map(_file_of_function, functions)]:
        if path is not None and os.path.isfile(path) and not _is_library(path.resolve()):
            yield path.resolve()


def _optional(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _file_of_function(function: Any) -> Path | None:
    """Return the file of a function or of its name; nothing is imported for this."""
    if isinstance(function, str):
        return _source_of(function)
    return _optional(getattr(sys.modules.get(getattr(function, "__module__", "")), "__file__", None))


def _is_library(path: Path) -> bool:
    return any(path.is_relative_to(directory) for directory in (PACKAGE, *LIBRARIES))


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file; nothing if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # another user's
        return ""


def recall(results: Results, given: str | None) -> tuple[Any, str]:
    """Return the problem of a campaign, and a sentence if it has changed since.

    Args:
        results: What the file says.
        given: Name of the problem now; None looks where it was, and beside the results file.

    Raises:
        InputError: It is not found, or cannot be loaded.
    """
    metadata = results.metadata
    target = _find(metadata, results.path) if given is None else given
    try:
        problem = load_problem(target)
    except LoadError as error:
        if given is not None:
            raise
        raise LoadError(f"{error}; or say with {option_name('problem')} where it is", error.details) from error
    return problem, difference(metadata.source, record(target, problem))


def described(results: Results, given: str | None) -> str:
    """Return where the file of the problem is now, and whether it is the same; nothing is imported or run for this.

    Args:
        results: What the file says.
        given: See `recall`.
    """
    metadata = results.metadata
    if given is not None:
        place = _source_of(given)
        if place is None or not os.path.isfile(place):
            return f"{given} is not there"
    elif not metadata.source:
        return ""
    else:
        place = _choose(metadata, results.path)
        if place is None:
            return f"none of {_listed(find_places(metadata, results.path))} is there"
    is_same = not metadata.source or _checksum(place) == metadata.source["files"][0][1]
    return f"{place}{'' if is_same else ', changed since the campaign'}"


def _find(metadata: Metadata, path: Path | None) -> str:
    """Return the name by which the problem can be loaded now."""
    place = _choose(metadata, path)
    module, attribute = metadata.source.get("module", ""), metadata.source.get("attribute", "")
    if place is None:
        if places := find_places(metadata, path):
            remedy = f"say with {option_name('problem')} where it is"
            raise ResultsError(f"the problem must be in one of the files {_listed(places)}, got none of them; {remedy}")
        return metadata.problem
    if not metadata.source:
        return f"{place}{metadata.problem[len(_location(metadata.problem)) :]}"
    relative = _relative(metadata)
    if not module or place.parts[-len(relative.parts) :] != relative.parts:
        return f"{place}:{attribute}"
    if _source_of(module) != place:
        make_importable(os.getcwd())
        make_importable(str(place.parents[len(relative.parts) - 1]))
    return f"{module}:{attribute}"


def _choose(metadata: Metadata, path: Path | None) -> Path | None:
    """Return the file of the problem: one that has not changed, or else the first one that there is."""
    there = [place for place in find_places(metadata, path) if os.path.isfile(place)]
    if not metadata.source:
        return there[0] if there else None
    module = metadata.source["module"]
    name, found = find_source(module) if module else ("", None)
    if found is not None and name == module:
        there.append(found.resolve())  # installed elsewhere
    same = [place for place in there if _checksum(place) == metadata.source["files"][0][1]]
    return next(iter(same or there), None)


def _source_of(target: str) -> Path | None:
    """Return the file to which a name leads, without importing it."""
    location = _location(target)
    path = Path(location).expanduser() if location.endswith(".py") else find_source(location)[1]
    return None if path is None else path.resolve()


def _listed(places: list[Path]) -> str:
    return ", ".join(map(str, places))


def find_places(metadata: Metadata, path: Path | None) -> list[Path]:
    """Return where the file of the problem is looked for; nothing if only the name of a module is known.

    Args:
        metadata: What the results file says.
        path: That file, or None.
    """
    files = metadata.source.get("files")
    if not files and not _location(metadata.problem).endswith(".py"):
        return []
    relative = _relative(metadata)
    places = [Path(files[0][0])] if files else []
    for directory in [] if path is None else (path.parent, path.resolve().parent):  # it may be a link
        places.append(directory / relative)
        if relative.name != "__init__.py":
            places.append(directory / relative.name)
    places.append(Path.cwd() / relative)
    return list(dict.fromkeys(place.resolve() for place in places))


def _relative(metadata: Metadata) -> Path:
    """Return the path of the problem's file from where it is imported, or as it was typed."""
    module = metadata.source.get("module", "")
    if not module:
        return Path(_location(metadata.problem)).expanduser()
    own = Path(metadata.source["files"][0][0])
    return Path(*own.parts[-len(module.split(".")) - (own.name == "__init__.py") :])


def difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return a sentence if a file of a problem has another content than before; nothing if that is unknown.

    Args:
        then: What was recorded of the problem.
        now: The same, now.
    """
    if not then or not now:
        return ""
    checksums = {checksum for _, checksum in now["files"]}
    missing = [(Path(path).name, path) for path, checksum in then["files"] if checksum not in checksums]
    found = {Path(path).name for path, _ in now["files"]}
    changed = [name for name, _ in missing if name in found]
    if not changed and missing:
        gone = ", ".join(path for _, path in missing)
        return f"the problem {now['files'][0][0]} does without a file that it had in the campaign: {gone}"
    if not changed:
        return ""
    what = "another content" if len(changed) == 1 else "other contents"
    return f"the problem {now['files'][0][0]} has changed since the campaign, when {', '.join(changed)} had {what}"
