"""Log lines on standard error."""

import logging

from dhmpi.support.printing import tell


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tell(self.format(record))


def configure(level: str, rank: int) -> None:
    """Show the package's log records.

    Args:
        level: debug, info, warning or error.
        rank: This process's rank, named in every line.
    """
    handler = _Handler()
    handler.setFormatter(logging.Formatter(f"%(asctime)s rank {rank} %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("dhmpi")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
