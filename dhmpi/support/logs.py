"""Log lines on standard error, and in a file of each rank that has any."""

import contextlib
import datetime
import json
import logging
import os
from collections.abc import Iterator

from dhmpi.support.printing import escape, tell


class _Handler(logging.Handler):
    """Prints lines."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(self.format(record))


class _FileHandler(logging.Handler):
    """Appends lines to a file, which is opened for each of them: they are rare, and rank 0 may remove an old file.

    Rank 0 holds its lines back until the campaign has its results file: if it gets none, nothing must have changed.

    Args:
        directory: Where the file is; it is made for the first line, within a directory that exists.
        rank: Whose lines they are.
    """

    def __init__(self, directory: str, rank: int) -> None:
        super().__init__()
        self._directory, self._name, self._is_broken = directory, f"rank-{rank:04d}.log", False
        self._held: list[str] | None = [] if rank == 0 else None

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{escape(self.format(record))}\n"
        if self._held is None:
            self._write(line)
        else:
            self._held.append(line)

    def write_held(self) -> None:
        """Write what has been held back, and all that follows."""
        held, self._held = self._held, None
        if held:
            self._write("".join(held))

    def _write(self, text: str) -> None:
        if self._is_broken:
            return
        path = os.path.join(self._directory, self._name)
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._directory)
            with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError as error:
            self._is_broken = True
            tell(f"warning: {path} cannot be written: {error.strerror}; log lines are on standard error alone")


class _JsonFormatter(logging.Formatter):
    """Makes an object of one line of each record.

    Args:
        rank: This process's rank.
    """

    def __init__(self, rank: int) -> None:
        super().__init__()
        self._rank = rank

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "rank": self._rank,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _formatter(rank: int, as_json: bool) -> logging.Formatter:
    if as_json:
        return _JsonFormatter(rank)
    return logging.Formatter(f"%(asctime)s rank {rank} %(levelname)s %(name)s: %(message)s")


def configure(level: str, rank: int, as_json: bool = False, directory: str | None = None) -> None:
    """Show the package's log records.

    Args:
        level: debug, info, warning or error.
        rank: This process's rank, named in every line.
        as_json: Whether each line is an object, for programs.
        directory: Where ranks that have something to say keep it, too, each in a file; None for nowhere.
    """
    handlers: list[logging.Handler] = [_Handler()]
    if directory is not None:
        handlers.append(_FileHandler(directory, rank))
    for handler in handlers:
        handler.setFormatter(_formatter(rank, as_json))
    logger = logging.getLogger("dhmpi")
    logger.handlers[:] = handlers
    logger.setLevel(level.upper())


@contextlib.contextmanager
def of_campaign(level: str | None, rank: int, as_json: bool, directory: str | None) -> Iterator[None]:
    """Let a campaign log as the command line would, as far as nothing has been configured.

    A program that has handlers of its own keeps them, and the level of its logger; what they let through is in the file
    of the rank, too.

    Args:
        level: debug, info, warning or error; None: warning, or that of the logger.
        rank: This process's rank.
        as_json: Whether each line is an object, for programs.
        directory: Where ranks keep what they have to say; None for nowhere.
    """
    logger = logging.getLogger("dhmpi")
    if any(isinstance(each, _Handler | _FileHandler) for each in logger.handlers):
        yield  # the command line, or a campaign around this one
        return
    before = logger.level
    added: list[logging.Handler] = [] if logger.hasHandlers() else [_Handler()]
    if directory is not None:
        added.append(_FileHandler(directory, rank))
    for each in added:
        each.setFormatter(_formatter(rank, as_json))
        logger.addHandler(each)
    if level is not None:
        logger.setLevel(level.upper())
    try:
        yield
    finally:
        for each in added:
            logger.removeHandler(each)
        logger.setLevel(before)


def keep() -> None:
    """Let rank 0 keep its log, too, now that the campaign has its results file."""
    for handler in logging.getLogger("dhmpi").handlers:
        if isinstance(handler, _FileHandler):
            handler.write_held()
