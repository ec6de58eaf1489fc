"""Files of data sets: where they are, whether they are the published ones, and copies of them on this node."""

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from dhmpi.errors import DataError

VARIABLE = "DHMPI_DATA"
DEFAULT = "data"
# A directory on this node, such as /local/scratch; the first process that needs a file copies it there.
STAGE_VARIABLE = "DHMPI_STAGE_IN"
# Sources besides directories: data made from a seed; and Debian's Fashion-MNIST, whose files are like those of MNIST.
SYNTHETIC, FASHION = "synthetic", "fashion"

F = TypeVar("F", bound=Callable[..., Any])
log = logging.getLogger(__name__)


class PublicFile(NamedTuple):
    """A file as it has been published.

    Attributes:
        name: Its name, with the directories that it may stand in.
        source: Address where to get it.
        size: How long it is [bytes]; 0 if that is not known.
        sha256: Its SHA-256 in hexadecimal digits; empty if that is not known.
    """

    name: str
    source: str
    size: int = 0
    sha256: str = ""


def data_source(name: str | None = None) -> str:
    """Return where data come from: the name if given, or $DHMPI_DATA, or else `data` in the current directory.

    Args:
        name: `synthetic`, `fashion`, or a directory.
    """
    return name or os.environ.get(VARIABLE) or DEFAULT


def data_directory(source: str | None = None) -> Path:
    """Return the directory that a source of data is; see `data_source`."""
    return Path(data_source(source)).expanduser().absolute()


def needs_files(check: Callable[..., None]) -> Callable[[F], F]:
    """Return a decorator for a function that loads data: what finds out whether their files are there.

    Args:
        check: Takes the same arguments, and raises a DataError.
    """

    def decorate(load: F) -> F:
        load.check = check  # type: ignore[attr-defined]  # functions take attributes
        return load

    return decorate


def missing(what: str, directory: Path, source: str, others: tuple[str, ...] = (SYNTHETIC,)) -> DataError:
    """Return the error for files that are not there.

    Args:
        what: Name of the file or files.
        directory: Where they should be.
        source: Address where to get them.
        others: What the data may be in place of them.
    """
    import difflib  # only errors need it

    got = "none"
    if not directory.is_dir():
        got = "a file by that name" if directory.exists() else "no such directory"
        near = difflib.get_close_matches(directory.name.lower(), others, n=1)
        if near:
            return DataError(f"{what} must be in {directory}, got {got}; did you mean {near[0]!r}?", fault="not here")
    remedy = f"get it from {source} and put it there, or set {VARIABLE} to its directory"
    text = f"{what} must be in {directory}, got {got}; {remedy} or to {' or '.join(map(repr, others))}"
    return DataError(text, fault="not here")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the file system has against a file into one sentence.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        yield
    except OSError as error:
        got, remedy = error.strerror or str(error), "look after its file system"
        if isinstance(error, PermissionError):
            got, remedy = f"{got} (not readable: permissions)", "let yourself read it and enter its directories"
        text = f"{path} must be readable, got {got}; {remedy}"
        raise DataError(text, fault="not readable") from error


def is_there(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        DataError: Permissions keep that from being known.
    """
    with readable(path):
        return path.is_file()


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
    except PermissionError:
        with readable(path):
            raise
    except Exception as error:  # broken files make zip, gzip, tar, pickle and numpy raise nearly anything
        got = " ".join(f"{type(error).__name__}: {error}".split())
        if "allow_pickle" in got:  # numpy's advice would let a file run code
            got = "objects of Python in place of arrays of numbers"
        raise DataError(f"{path} must be the file from {source}, got {got:.200}; get it again") from error


def verify(path: Path, file: PublicFile) -> bool:
    """Compare a file with the published one, and return whether it is known to be that.

    A file of another size is another file, perhaps one that has been made on purpose, and for its reader to judge. One
    of the same size that differs is damaged.

    Raises:
        DataError: It is damaged, or cannot be read.
    """
    with readable(path):
        size = path.stat().st_size
        digest = _sha256(path) if file.sha256 and size == file.size else ""
    if file.size and size != file.size:
        log.info("%s has %d bytes, not the %d of %s", path, size, file.size, file.source)
    elif digest and digest != file.sha256:
        wanted = f"the SHA-256 {file.sha256} of the file from {file.source}"
        raise DataError(f"{path} must have {wanted}, got {digest}; get it again")
    return bool(digest)


def check_stage() -> None:
    """Find out whether files can be copied to $DHMPI_STAGE_IN, if that is set.

    Raises:
        DataError: It cannot be written.
    """
    if directory := os.environ.get(STAGE_VARIABLE):
        try:
            place = Path(directory).expanduser().absolute()
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            text = f"{STAGE_VARIABLE} must be a directory that can be written, got {error}; choose another directory"
            raise DataError(text, fault="no room for copies") from error


def ready(path: Path, file: PublicFile, stage_in: str | None = None) -> Path:
    """Return a file to read: verified, and copied to this node if that is wanted.

    Args:
        path: The file.
        file: What it should be.
        stage_in: Directory on this node for the copy; by default $DHMPI_STAGE_IN. Without either, the file is read
            where it is.

    Raises:
        DataError: It is damaged, or cannot be copied.
    """
    directory = stage_in or os.environ.get(STAGE_VARIABLE)
    if not directory:
        verify(path, file)
        return path
    try:
        return _staged(path, file, Path(directory).expanduser().absolute())
    except OSError as error:
        remedy = f"choose another directory for {STAGE_VARIABLE}"
        raise DataError(f"{path} must be copied to {directory}, got {error}; {remedy}") from error


def _staged(path: Path, file: PublicFile, directory: Path) -> Path:
    """Return the copy of a file in a directory on this node, made by the first process that comes."""
    directory.mkdir(parents=True, exist_ok=True)
    # Files of one name from several directories stay apart; so do those of several users, who cannot lock each other's.
    label = hashlib.sha256(bytes(path.resolve())).hexdigest()[:12]
    copy = directory / f"dhmpi-{os.getuid()}-{label}-{path.name}"
    with open(f"{copy}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        original = path.stat()
        if not copy.exists() or _identity(copy.stat()) != _identity(original):
            verify(path, file)
            partial = Path(f"{copy}.part")
            shutil.copy2(path, partial)  # with its time, by which it is known
            partial.replace(copy)
    return copy


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, int(status.st_mtime)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
