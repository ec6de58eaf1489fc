"""A folder with a problem of one's own, to begin with: a small one that works."""

import importlib.machinery
import keyword
import sys
import sysconfig
from pathlib import Path

from dhmpi.errors import InputError

SOURCES = Path(__file__).with_name("folders")
SUFFIX = ".txt"  # they are no modules of this package


def write_folder(folder: str, for_architectures: bool = False) -> list[Path]:
    """Write the files of a problem.

    Args:
        folder: A directory that is new or empty; its name becomes that of a package.
        for_architectures: Whether architectures are searched, or hyperparameters.

    Returns:
        The files.

    Raises:
        InputError: Its name cannot be that of a package, or something is there.
    """
    target = Path(folder).expanduser()
    name = target.resolve().name if folder else ""
    if not name.isidentifier() or keyword.iskeyword(name) or _is_taken(name):
        raise InputError(f"a folder's name must be free as that of a Python package, got {name!r}; write my_problem")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"a folder must be new or empty, got {folder}; choose another name")
    try:
        target.mkdir(parents=True, exist_ok=True)
        written = []
        for source in sorted((SOURCES / ("nas" if for_architectures else "hps")).glob(f"*{SUFFIX}")):
            path = target / source.name.removesuffix(SUFFIX)
            path.write_text(source.read_text())
            written.append(path)
    except OSError as error:
        raise InputError(f"a folder must be writable, got {folder}: {error.strerror}; choose another place") from error
    return written


def _is_taken(name: str) -> bool:
    """Whether dhmpi or the standard library has a module of that name; not all of those are in Python's own list."""
    if name == "dhmpi" or name in sys.stdlib_module_names:
        return True
    library = sysconfig.get_path("stdlib")
    return importlib.machinery.PathFinder.find_spec(name, [library]) is not None
