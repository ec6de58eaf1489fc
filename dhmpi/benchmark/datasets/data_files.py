"""Files of data sets: their places, and sentences about missing or broken ones."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from dhmpi.errors import DataError

VARIABLE = "DHMPI_DATA"
DEFAULT = "data"

F = TypeVar("F", bound=Callable[..., Any])


def data_directory(path: str | None = None) -> Path:
    """Return where data sets are: the path if given, or $DHMPI_DATA, or else `data` in the current directory."""
    return Path(path or os.environ.get(VARIABLE) or DEFAULT).expanduser().absolute()


def needs_files(check: Callable[..., None]) -> Callable[[F], F]:
    """Return a decorator for a function that loads data: what finds out whether their files are there.

    Args:
        check: Takes the same arguments, and raises a DataError.
    """

    def decorate(load: F) -> F:
        load.check = check  # type: ignore[attr-defined]  # functions take attributes
        return load

    return decorate


def missing(what: str, directory: Path, source: str) -> DataError:
    """Return the error for files that are not there.

    Args:
        what: Name of the file or files.
        directory: Where they should be.
        source: Address where to get them.
    """
    remedy = f"get it from {source} and put it there, or set {VARIABLE} to its directory"
    return DataError(f"{what} must be in {directory}, got none; {remedy}")


@contextmanager
def reading(path: Path, source: str) -> Iterator[None]:
    """Turn what goes wrong with the content of a file into one sentence.

    Args:
        path: The file.
        source: Address where to get it.

    Raises:
        DataError: The file is not what it should be.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # broken files make zip, gzip, tar, pickle and numpy raise nearly anything
        got = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{path} must be the file from {source}, got {got:.200}; get it again") from error
